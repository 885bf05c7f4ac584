//! The JSON API. One file per thing; a handler authorises, binds, makes one call into `labor-db` and answers.
mod acknowledge;
pub(crate) mod acknowledgements;
pub(crate) mod alerts;
pub(crate) mod critical_limits;
pub(crate) mod health;
pub(crate) mod matching;
pub(crate) mod messages;
pub(crate) mod notices;
pub(crate) mod paging;
pub(crate) mod patients;
pub(crate) mod releases;
pub(crate) mod reports;
pub(crate) mod self_test;
pub(crate) mod sender;
pub(crate) mod set_aside;
pub(crate) mod sign_in;
pub(crate) mod staff;

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

/// Adds the bearer token to the API's description.
pub(crate) struct Security;

impl Modify for Security {
    fn modify(&self, description: &mut OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        description.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

//! Pages for people, rendered here, without JavaScript.
use axum::Router;

use crate::App;

pub(crate) fn routes(_secure_cookies: bool) -> Router<App> {
    Router::new()
}

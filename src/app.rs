//! What every handler needs. No state of its own: any number of processes can serve side by side.
use std::sync::Arc;

use labor_db::{AccessTokens, Claims, Control, DbError, Secrets, TenantSession, Tenants};
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::body::Budget;
use crate::caller::Edge;
use crate::metrics::{AlertCounters, MessageCounters};
use crate::settings::{DatabaseSettings, ServeSettings};

/// Argon2id takes 19 MiB and tens of milliseconds of one core; more at once than this would only queue on the cores.
const PASSWORD_CHECKS_AT_ONCE: usize = 4;

/// Shared by all requests. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Control plane.
    pub control: Control,
    /// Tenants' data.
    pub tenants: Tenants,
    /// For access tokens and laboratories' signing secrets.
    pub secrets: Secrets,
    /// Figures of this process.
    pub metrics: Arc<Registry>,
    pub(crate) alerts: AlertCounters,
    pub(crate) messages: MessageCounters,
    pub(crate) password_checks: Arc<Semaphore>,
    pub(crate) bodies: Budget,
    pub(crate) edge: Arc<Edge>,
    pub(crate) self_tests: crate::api::self_test::Limits,
}

impl App {
    /// Opens the ways to the database; connections are made when they are needed. What does not serve takes no settings for it.
    ///
    /// # Errors
    /// When a URL can't be read.
    pub fn new(settings: &DatabaseSettings, secrets: Secrets, serve: Option<&ServeSettings>) -> Result<Self, DbError> {
        let control = Control::connect(&settings.control_url, settings.control_connections)?;
        let tenants = Tenants::new(settings.tenant_url(), secrets.clone(), settings.pool(), control.clone())?;
        let mut metrics = Registry::default();
        tenants.register(&mut metrics);
        let alerts = AlertCounters::default();
        alerts.register(&mut metrics);
        let messages = MessageCounters::default();
        messages.register(&mut metrics);
        Ok(Self {
            tenants,
            control,
            metrics: Arc::new(metrics),
            alerts,
            messages,
            secrets,
            password_checks: Arc::new(Semaphore::new(PASSWORD_CHECKS_AT_ONCE)),
            bodies: serve.map_or_else(|| Budget::new(0, 0), |serve| Budget::new(serve.body_memory, serve.body_limit)),
            self_tests: crate::api::self_test::Limits::default(),
            edge: Arc::new(serve.map(ServeSettings::edge).unwrap_or_default()),
        })
    }

    /// Issues and verifies access tokens as the fleet does at this moment.
    ///
    /// # Errors
    /// When the control plane can't be asked, or the master secret file lacks what the fleet uses.
    pub async fn tokens(&self) -> Result<AccessTokens, DbError> {
        AccessTokens::new(&self.secrets, self.control.keys_in_use().await?)
    }

    /// A session for verified claims.
    ///
    /// # Errors
    /// See [`Tenants::session`].
    pub async fn session(&self, claims: &Claims, request_id: Uuid) -> Result<TenantSession, DbError> {
        self.tenants.session(claims.clone(), request_id).await
    }
}

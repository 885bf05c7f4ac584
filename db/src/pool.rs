//! Tenant-bound connections: a small pool per tenant and role under one global budget.
//! Must stay true: the number of open connections never exceeds the budget; when it is used up, the idle connections of the
//! tenant that was least recently used are closed first; every wait is bounded; a tenant whose schema this release can't serve gets
//! no session.
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::{ClientWrapper, Manager as PostgresManager, ManagerConfig, RecyclingMethod};
use labor_catalog::{ClaimRole, MasterSecret, TenantName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::{Claims, Control, DbError, TenantSession};

/// How often a request that waits for the budget looks for idle connections.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// No session waits or works for longer, so that one that holds locks delays its own practice only.
const BOUNDS: &str = "-c lock_timeout=5s -c statement_timeout=20s -c idle_in_transaction_session_timeout=30s";

/// Limits of the pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections to tenants, all together.
    pub budget: usize,
    /// Connections to one tenant in one role.
    pub per_tenant: usize,
    /// How long a request waits for a connection.
    pub wait: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { budget: 100, per_tenant: 6, wait: Duration::from_secs(5) }
    }
}

/// The way to every tenant's data. Cheap to clone.
#[derive(Clone)]
pub struct Tenants {
    registry: Arc<Registry>,
    control: Control,
}

struct Registry {
    config: tokio_postgres::Config,
    master: MasterSecret,
    settings: PoolSettings,
    budget: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    clock: AtomicU64,
    pools: Mutex<HashMap<Key, Entry>>,
}

/// Connections are shared only among sessions of one tenant *and* role: whoever gets SQL into a session can leave prepared
/// statements behind on its connection, and must not meet a higher role there.
type Key = (TenantName, ClaimRole);

struct Entry {
    pool: managed::Pool<Manager>,
    last_used: u64,
}

/// One connection; its permit goes back to the budget when it is closed.
pub(crate) struct Connection {
    pub(crate) client: ClientWrapper,
    /// Set before BEGIN, cleared when COMMIT was answered: in between the connection may hold a transaction and a claim.
    pub(crate) dirty: AtomicBool,
    waiting: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Whether it must not go back to its pool: it may hold a transaction, or somebody waits for its place in the budget.
    pub(crate) fn is_to_be_closed(&self) -> bool {
        self.dirty.load(Ordering::Relaxed) || self.waiting.load(Ordering::SeqCst) > 0
    }
}

/// Counts one request that waits for the budget, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) struct Manager {
    postgres: PostgresManager,
    registry: Weak<Registry>,
}

pub(crate) type PooledConnection = managed::Object<Manager>;

impl Tenants {
    /// Pools for the server of `url` (login and password in it are not used: every tenant has its own). The control plane knows at
    /// which version each tenant's schema is.
    ///
    /// # Errors
    /// When the URL can't be read.
    pub fn new(url: &str, master: MasterSecret, settings: PoolSettings, control: Control) -> Result<Self, DbError> {
        let mut config = labor_connect::parse(url, "labor").map_err(|error| DbError::Unavailable(error.to_string()))?;
        config.connect_timeout(settings.wait);
        let registry = Arc::new(Registry {
            config,
            master,
            settings,
            budget: Arc::new(Semaphore::new(settings.budget)),
            waiting: Arc::default(),
            clock: AtomicU64::new(0),
            pools: Mutex::new(HashMap::new()),
        });
        Ok(Self { registry, control })
    }

    /// A session for verified claims, on a connection of the claims' tenant. `request_id` is written to audit rows.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when there is no connection within the time limit, [`DbError::Refused`] when the tenant's login
    /// is not accepted (the tenant is frozen or deleted), [`DbError::OtherVersion`] when this release can't serve its schema.
    pub async fn session(&self, claims: Claims, request_id: Uuid) -> Result<TenantSession, DbError> {
        self.control.require_served(claims.tenant()).await?;
        let pool = self.registry.pool_of(claims.tenant(), claims.role())?;
        let connection = pool.get().await.map_err(unavailable)?;
        Ok(TenantSession::new(connection, claims, self.registry.master.clone(), request_id))
    }

    /// How many more connections the budget allows.
    #[must_use]
    pub fn free(&self) -> usize {
        self.registry.budget.available_permits()
    }
}

impl Registry {
    /// A panic while the map was held leaves the map whole: every change is one insert or remove.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Entry>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool_of(self: &Arc<Self>, tenant: &TenantName, role: ClaimRole) -> Result<managed::Pool<Manager>, DbError> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut pools = self.lock();
        if let Some(entry) = pools.get_mut(&(tenant.clone(), role)) {
            entry.last_used = now;
            return Ok(entry.pool.clone());
        }
        let pool = self.build(tenant)?;
        pools.insert((tenant.clone(), role), Entry { pool: pool.clone(), last_used: now });
        Ok(pool)
    }

    fn build(self: &Arc<Self>, tenant: &TenantName) -> Result<managed::Pool<Manager>, DbError> {
        let mut config = self.config.clone();
        config.user(tenant.role()).password(self.master.tenant_password(tenant)).options(BOUNDS);
        let tls = labor_connect::tls().map_err(|error| DbError::Unavailable(error.to_string()))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager =
            Manager { postgres: PostgresManager::from_config(config, tls, recycling), registry: Arc::downgrade(self) };
        managed::Pool::builder(manager)
            .max_size(self.settings.per_tenant)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(self.settings.wait))
            .create_timeout(Some(self.settings.wait))
            .recycle_timeout(Some(self.settings.wait))
            .build()
            .map_err(|error| DbError::Unavailable(error.to_string()))
    }

    /// A place in the budget; when there is none, idle connections make room, least recently used tenant first. While somebody waits,
    /// connections that are given back are closed, so that a busy tenant does not keep the others out.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = self.budget.clone().try_acquire_owned() {
            return Some(permit);
        }
        let _waiting = Waiting::enter(&self.waiting);
        self.close_idle();
        let mut acquire = pin!(self.budget.clone().acquire_owned());
        // One may have been given back between the look for idle ones and the count of those who wait.
        let patiently = async {
            loop {
                if let Ok(permit) = tokio::time::timeout(LOOK_AGAIN, &mut acquire).await {
                    return permit.ok();
                }
                self.close_idle();
            }
        };
        tokio::time::timeout(self.settings.wait, patiently).await.ok()?
    }

    fn close_idle(&self) {
        let mut candidates: Vec<_> = {
            let pools = self.lock();
            pools.values().filter(|e| e.pool.status().available > 0).map(|e| (e.last_used, e.pool.clone())).collect()
        };
        candidates.sort_by_key(|(last_used, _)| *last_used);
        for (_, pool) in candidates {
            if self.budget.available_permits() > 0 {
                return;
            }
            pool.retain(|_, _| false);
        }
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DbError;

    async fn create(&self) -> Result<Connection, DbError> {
        let registry = self.registry.upgrade().ok_or_else(|| DbError::Unavailable("shutting down".to_owned()))?;
        let permit = registry
            .permit()
            .await
            .ok_or_else(|| DbError::Unavailable("the connection budget is used up".to_owned()))?;
        let client = managed::Manager::create(&self.postgres).await?;
        Ok(Connection { client, dirty: AtomicBool::new(false), waiting: registry.waiting.clone(), _permit: permit })
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<DbError> {
        if connection.dirty.load(Ordering::Relaxed) {
            return Err(RecycleError::message("a request was dropped in the middle of its transaction"));
        }
        managed::Manager::recycle(&self.postgres, &mut connection.client, metrics).await.map_err(|error| match error {
            RecycleError::Message(message) => RecycleError::Message(message),
            RecycleError::Backend(error) => RecycleError::Backend(error.into()),
        })
    }
}

fn unavailable(error: managed::PoolError<DbError>) -> DbError {
    match error {
        managed::PoolError::Backend(error) => error,
        managed::PoolError::Timeout(_) => DbError::Unavailable("no free connection to this tenant in time".to_owned()),
        other => DbError::Unavailable(other.to_string()),
    }
}

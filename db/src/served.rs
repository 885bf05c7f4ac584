//! Which practices are at a version of their schema that this release can't serve.
//! Must stay true: nobody gets a session before the list was asked; it is never older than [`REMEMBERED`], and when the control plane
//! can't be asked nobody is served on trust. One query for the whole fleet, at most once in that time and however many requests
//! wait for it; in a healthy fleet its answer is empty.
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use labor_catalog::{SERVED_VERSIONS, TenantName};
use tokio::sync::Mutex;

use crate::DbError;
use crate::control::pool::ControlPool;

/// How long the list is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// How long a request waits for the list, whoever of those that wait asks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Practices that are not served, with the version of their schema.
type NotServed = HashMap<String, i32>;

/// The gate before every session.
#[derive(Default)]
pub(crate) struct Served {
    list: RwLock<Option<(Instant, Arc<NotServed>)>>,
    /// Held by the one who asks.
    turn: Mutex<()>,
}

impl Served {
    /// Lets a tenant pass whose schema this release can serve.
    pub(crate) async fn require(&self, pool: &ControlPool, tenant: &TenantName) -> Result<(), DbError> {
        let listed = tokio::time::timeout(PATIENCE, self.list(pool)).await;
        let listed =
            listed.map_err(|_| DbError::Unavailable("the control database did not answer in time".to_owned()))?;
        match listed?.get(tenant.as_str()) {
            None => Ok(()),
            Some(version) => Err(DbError::OtherVersion(*version)),
        }
    }

    async fn list(&self, pool: &ControlPool) -> Result<Arc<NotServed>, DbError> {
        if let Some(list) = self.remembered() {
            return Ok(list);
        }
        let _turn = self.turn.lock().await;
        // Somebody else asked while we waited for our turn.
        if let Some(list) = self.remembered() {
            return Ok(list);
        }
        // The age counts from before the question: what is written after it may not be in the answer.
        let asked = Instant::now();
        let rows = sqlx::query!(
            "SELECT tenant, version FROM control.ledger WHERE version NOT BETWEEN $1 AND $2",
            SERVED_VERSIONS.start(),
            SERVED_VERSIONS.end()
        );
        let list = rows.fetch_all(pool).await?.into_iter().map(|row| (row.tenant, row.version)).collect();
        let list = Arc::new(list);
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Some((asked, Arc::clone(&list)));
        Ok(list)
    }

    fn remembered(&self) -> Option<Arc<NotServed>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.as_ref().filter(|(asked, _)| asked.elapsed() < REMEMBERED).map(|(_, list)| Arc::clone(list))
    }
}

//! What every session depends on: which practices are at a version of their schema that this release can't serve, or are not isolated as they
//! should be, and which keys the fleet uses.
//! Must stay true: nobody gets a session before the list was asked; it is never older than [`REMEMBERED`], and when the control plane
//! can't be asked nobody is served on trust. One query for the whole fleet, at most once in that time and however many requests
//! wait for it; in a healthy fleet its answer is one row, which tells the keys.
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use labor_catalog::{ClaimKeyId, SERVED_VERSIONS, TenantName};
use tokio::sync::Mutex;

use crate::DbError;
use crate::control::pool::ControlPool;
use crate::keys::KeysInUse;

/// How long the list is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// How long a request waits for the list, whoever of those that wait asks.
const PATIENCE: Duration = Duration::from_secs(5);

struct Fleet {
    keys: KeysInUse,
    /// Practices that are not served.
    not_served: HashMap<String, NotServed>,
}

/// Why not.
#[derive(Clone, Copy)]
enum NotServed {
    /// The version of its schema.
    OtherVersion(i32),
    /// A check found what weakens its isolation (`labor-migrator check --enforce`).
    Unsound,
}

/// The gate before every session.
#[derive(Default)]
pub(crate) struct Served {
    list: RwLock<Option<(Instant, Arc<Fleet>)>>,
    /// Held by the one who asks.
    turn: Mutex<()>,
}

impl Served {
    /// Lets a tenant pass whose schema this release can serve, and that is isolated.
    pub(crate) async fn require(&self, pool: &ControlPool, tenant: &TenantName) -> Result<(), DbError> {
        match self.patiently(pool).await?.not_served.get(tenant.as_str()) {
            None => Ok(()),
            Some(NotServed::OtherVersion(version)) => Err(DbError::OtherVersion(*version)),
            Some(NotServed::Unsound) => Err(DbError::Unsound),
        }
    }

    /// The keys that the fleet uses.
    pub(crate) async fn keys(&self, pool: &ControlPool) -> Result<KeysInUse, DbError> {
        Ok(self.patiently(pool).await?.keys)
    }

    async fn patiently(&self, pool: &ControlPool) -> Result<Arc<Fleet>, DbError> {
        let listed = tokio::time::timeout(PATIENCE, self.list(pool)).await;
        listed.map_err(|_| DbError::Unavailable("the control database did not answer in time".to_owned()))?
    }

    async fn list(&self, pool: &ControlPool) -> Result<Arc<Fleet>, DbError> {
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
            r#"SELECT f.claim_key,
                      CASE WHEN f.former_ends_at IS NULL OR f.former_ends_at > now() THEN f.former_claim_key END AS former_claim_key,
                      l.tenant AS "tenant?", l.version AS "version?", l.version NOT BETWEEN $1 AND $2 AS other_version
                 FROM control.fleet f
                 LEFT JOIN control.ledger l ON l.version NOT BETWEEN $1 AND $2 OR (l.unsound IS NOT NULL AND l.served_despite IS NULL)"#,
            SERVED_VERSIONS.start(),
            SERVED_VERSIONS.end()
        );
        let rows = rows.fetch_all(pool).await?;
        let first = rows.first().ok_or(DbError::Data("control.fleet has no row; run `labor-migrator up`"))?;
        let id = |id| ClaimKeyId::new(id).ok_or(DbError::Data("control.fleet.claim_key"));
        let keys = KeysInUse { current: id(first.claim_key)?, former: first.former_claim_key.map(id).transpose()? };
        let not_served = rows.into_iter().filter_map(|row| {
            let why = match row.other_version {
                Some(true) => NotServed::OtherVersion(row.version?),
                _ => NotServed::Unsound,
            };
            Some((row.tenant?, why))
        });
        let not_served = not_served.collect();
        let list = Arc::new(Fleet { keys, not_served });
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = Some((asked, Arc::clone(&list)));
        Ok(list)
    }

    fn remembered(&self) -> Option<Arc<Fleet>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.as_ref().filter(|(asked, _)| asked.elapsed() < REMEMBERED).map(|(_, list)| Arc::clone(list))
    }
}

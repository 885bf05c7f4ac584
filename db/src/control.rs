//! The control plane: which practices, which laboratories. No health data.
//! Must stay true: look-ups that every request needs are remembered for a few seconds only, so a change is seen soon by every
//! process; what must hold at once (a frozen tenant) is enforced by the database itself.
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use labor_catalog::{SecretNumber, TenantName};
use uuid::Uuid;

use self::pool::ControlPool;
use crate::DbError;
use crate::keys::KeysInUse;
use crate::queue::Queue;
use crate::served::Served;

pub(crate) mod pool;

/// How long a look-up is remembered.
const REMEMBERED: Duration = Duration::from_secs(5);

/// A laboratory's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: Uuid,
    /// Current version of its signing secret; the one before is accepted too.
    pub secret_version: i32,
    /// Master secret that the current version is derived from.
    pub secret_number: SecretNumber,
    /// Master secret that the version before is derived from.
    pub former_secret_number: SecretNumber,
    /// How old a signature may be; `None`: any age.
    pub window: Option<Duration>,
    /// Networks it may post from; empty: any.
    pub allowed_from: Vec<String>,
}

/// A laboratory's channel as operators see it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourceSummary {
    /// Its id.
    pub id: Uuid,
    /// Name of the channel.
    pub name: String,
    /// active or disabled.
    pub state: String,
    /// Current version of its signing secret.
    pub secret_version: i32,
    /// Number of the master secret that this version is derived from.
    pub secret_number: i32,
    /// Networks it may post from; empty: any.
    pub allowed_from: Vec<String>,
    /// When it was registered.
    pub created_at: chrono::DateTime<chrono::Utc>,
}

/// How a message addresses a practice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// (N)BSNR.
    Bsnr(String),
    /// Betriebsstätten-ID (LDT 3 field 0200).
    Site(String),
    /// Customer number at a laboratory (LDT field 8312): laboratory, number.
    Customer(String, String),
}

/// The control plane. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pool: ControlPool,
    sources: Arc<Remembered<Uuid, Source>>,
    addresses: Arc<Remembered<Address, Option<TenantName>>>,
    intake: Arc<Remembered<(), TenantName>>,
    served: Arc<Served>,
}

impl Control {
    /// Connects with the login of the URL.
    ///
    /// # Errors
    /// When the URL can't be read. Connections are opened when they are needed.
    pub fn connect(url: &str, connections: u32) -> Result<Self, DbError> {
        Ok(Self {
            pool: ControlPool::new(url, connections)?,
            sources: Arc::default(),
            addresses: Arc::default(),
            intake: Arc::default(),
            served: Arc::default(),
        })
    }

    pub(crate) fn pool(&self) -> &ControlPool {
        &self.pool
    }

    /// Lets pass whose schema is at a version that this release serves ([`labor_catalog::SERVED_VERSIONS`]).
    pub(crate) async fn require_served(&self, tenant: &TenantName) -> Result<(), DbError> {
        self.served.require(&self.pool, tenant).await
    }

    /// Which keys the fleet uses, as of at most a second ago.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn keys_in_use(&self) -> Result<KeysInUse, DbError> {
        self.served.keys(&self.pool).await
    }

    /// The queue, over the same connections.
    pub async fn queue(&self) -> Queue {
        Queue::new(self.pool.clone()).await
    }

    /// Whether the control database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query_scalar!(r#"SELECT 1 AS "one!""#).fetch_one(&self.pool).await?;
        Ok(())
    }

    /// The active practice with this sign-in name.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn practice(&self, slug: &str) -> Result<Option<TenantName>, DbError> {
        sqlx::query_scalar!(
            "SELECT name FROM control.tenants WHERE slug = $1 AND kind = 'practice' AND state = 'active'",
            slug
        )
        .fetch_optional(&self.pool)
        .await?
        .map(tenant_name)
        .transpose()
    }

    /// Display name of a tenant.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn display_name(&self, tenant: &TenantName) -> Result<Option<String>, DbError> {
        let name = sqlx::query_scalar!("SELECT display_name FROM control.tenants WHERE name = $1", tenant.as_str());
        Ok(name.fetch_optional(&self.pool).await?)
    }

    /// The tenant that holds messages nobody could be found for.
    ///
    /// # Errors
    /// When there is none yet, or the database can't be asked.
    pub async fn intake(&self) -> Result<TenantName, DbError> {
        if let Some(tenant) = self.intake.get(&()) {
            return Ok(tenant);
        }
        let name = sqlx::query_scalar!("SELECT name FROM control.tenants WHERE kind = 'intake'")
            .fetch_optional(&self.pool)
            .await?;
        let tenant = tenant_name(
            name.ok_or(DbError::Data("there is no intake tenant; run `labor-migrator provision --intake`"))?,
        )?;
        self.intake.put((), tenant.clone());
        Ok(tenant)
    }

    /// The active practice that a message addresses.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn addressee(&self, address: &Address) -> Result<Option<TenantName>, DbError> {
        if let Some(tenant) = self.addresses.get(address) {
            return Ok(tenant);
        }
        let (kind, issuer, value) = match address {
            Address::Bsnr(bsnr) => ("bsnr", "", bsnr),
            Address::Site(site) => ("site", "", site),
            Address::Customer(laboratory, number) => ("customer", laboratory.as_str(), number),
        };
        let tenant = sqlx::query_scalar!(
            "SELECT t.name FROM control.tenant_identifiers i JOIN control.tenants t ON t.name = i.tenant
              WHERE i.kind = $1 AND i.issuer = $2 AND i.value = $3 AND t.state = 'active'",
            kind,
            issuer,
            value
        )
        .fetch_optional(&self.pool)
        .await?
        .map(tenant_name)
        .transpose()?;
        self.addresses.put(address.clone(), tenant.clone());
        Ok(tenant)
    }

    /// An active source.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn source(&self, id: Uuid) -> Result<Option<Source>, DbError> {
        if let Some(source) = self.sources.get(&id) {
            return Ok(Some(source));
        }
        self.source_now(id).await
    }

    /// The same as it is at this moment: its secret may have been changed since it was looked up.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn source_now(&self, id: Uuid) -> Result<Option<Source>, DbError> {
        let row = sqlx::query!(
            r#"SELECT id, secret_version, secret_number, former_secret_number, window_seconds, allowed_from::text[] AS "allowed_from!"
                 FROM control.sources WHERE id = $1 AND state = 'active'"#,
            id
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let number = |number| SecretNumber::new(number).ok_or(DbError::Data("control.sources.secret_number"));
        let source = Source {
            id: row.id,
            secret_version: row.secret_version,
            secret_number: number(row.secret_number)?,
            former_secret_number: number(row.former_secret_number)?,
            window: u64::try_from(row.window_seconds).ok().filter(|s| *s > 0).map(Duration::from_secs),
            allowed_from: row.allowed_from,
        };
        // Only hits are remembered: made-up ids must not push the real ones out.
        self.sources.put(id, source.clone());
        Ok(Some(source))
    }

    /// Registers a laboratory's channel, whose secret comes from the master secret of this number; `None` when the name is taken.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn add_source(&self, name: &str, secret: SecretNumber) -> Result<Option<Uuid>, DbError> {
        let id = Uuid::now_v7();
        let inserted = sqlx::query_scalar!(
            "INSERT INTO control.sources (id, name, secret_number, former_secret_number) VALUES ($1, $2, $3, $3)
             ON CONFLICT (name) DO NOTHING RETURNING id",
            id,
            name,
            i32::from(secret)
        );
        Ok(inserted.fetch_optional(&self.pool).await?)
    }

    /// All sources, by name.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn list_sources(&self) -> Result<Vec<SourceSummary>, DbError> {
        let rows = sqlx::query_as!(
            SourceSummary,
            r#"SELECT id, name, state, secret_version, secret_number, allowed_from::text[] AS "allowed_from!", created_at
                 FROM control.sources ORDER BY name"#
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }

    /// Raises the version of a source's signing secret, which from then on comes from the master secret of this number; the one
    /// before stays good until the next time. The new version, or `None` when there is no such source.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn rotate_source(&self, id: Uuid, secret: SecretNumber) -> Result<Option<i32>, DbError> {
        let raised = sqlx::query_scalar!(
            "UPDATE control.sources
                SET secret_version = secret_version + 1, former_secret_number = secret_number, secret_number = $2
              WHERE id = $1 RETURNING secret_version",
            id,
            i32::from(secret)
        );
        Ok(raised.fetch_optional(&self.pool).await?)
    }
}

fn tenant_name(text: String) -> Result<TenantName, DbError> {
    TenantName::try_from(text).map_err(|_| DbError::Data("control.tenants.name"))
}

/// Look-ups remembered for [`REMEMBERED`]. Bounded: when it has grown beyond a thousand entries it is emptied.
struct Remembered<K, V>(RwLock<HashMap<K, (Instant, V)>>);

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self(RwLock::new(HashMap::new()))
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    const MOST: usize = 1000;

    fn get(&self, key: &K) -> Option<V> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        map.get(key).filter(|(at, _)| at.elapsed() < REMEMBERED).map(|(_, value)| value.clone())
    }

    fn put(&self, key: K, value: V) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= Self::MOST {
            map.clear();
        }
        map.insert(key, (Instant::now(), value));
    }
}

//! `status`: where the fleet stands. One query for the summary, one for the tenants that are asked for, and one about the server: as
//! many for a large fleet.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::Value;

use crate::begun::REACHED;
use crate::isolation::{Finding, weaker};
use crate::named::SLUG;
use crate::{Migrator, MigratorError, parse_name};

/// Tenants that stand alike.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Version of their schema.
    pub version: i32,
    /// Whether it is the version of this program, row rules included.
    pub current: bool,
    /// Whether it is after the version of this program: a newer release was here.
    pub ahead: bool,
    /// First digits of the schema's fingerprint as it was recorded: tenants of a class share it.
    pub class: String,
    /// active, frozen or spare.
    pub state: String,
    /// How many.
    pub tenants: i64,
    /// How many of them are held back.
    pub held: i64,
    /// How many of them, held ones left out, failed when they were tried last.
    pub failed: i64,
    /// How many of them are not served, because a check found what weakens their isolation.
    pub shut: i64,
}

/// One tenant.
#[derive(Debug, Clone, Serialize)]
pub struct TenantStatus {
    /// Name in the database.
    pub tenant: TenantName,
    /// What people type at sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// practice or intake.
    pub kind: String,
    /// active, frozen or spare.
    pub state: String,
    /// Version of its schema.
    pub version: i32,
    /// Whether it is at the version of this program.
    pub current: bool,
    /// Whether it is after the version of this program.
    pub ahead: bool,
    /// First digits of the schema's fingerprint.
    pub class: String,
    /// Whether it is behind only because its row rules are others than the files'.
    pub rules_differ: bool,
    /// Why it is held back.
    pub held: Option<String>,
    /// Of a migration in several transactions: version and rows done.
    pub progress: Option<Value>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// What a check found that weakens its isolation.
    pub unsound: Option<Value>,
    /// Why it is served all the same.
    pub served_despite: Option<String>,
}

/// The fleet.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Version of this program.
    pub target: i32,
    /// Version that new tenants are born at; 0: that of the program.
    pub generation: i32,
    /// Tenants by how they stand.
    pub groups: Vec<Group>,
    /// The tenants that were asked for: those that failed, those that are held, those that are behind, and the others.
    pub tenants: Vec<TenantStatus>,
    /// How many more were asked for than are listed.
    pub unlisted: i64,
    /// When `check --enforce` last came to the end of the whole fleet.
    pub checked_at: Option<DateTime<Utc>>,
    /// What the server leaves open that gives no superuser.
    #[serde(skip)]
    pub left_open: Vec<Finding>,
}

/// Which tenants are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Those that are behind, held, failed or suspended, at most so many; `None`: however many there are.
    Unsettled(Option<i64>),
    /// All.
    All,
}

impl Status {
    /// How many tenants there are.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.groups.iter().map(|group| group.tenants).sum()
    }

    /// How many are behind although nobody holds them back.
    #[must_use]
    pub fn behind(&self) -> i64 {
        let behind = self.groups.iter().filter(|group| !group.current && !group.ahead);
        behind.map(|group| group.tenants - group.held).sum()
    }

    /// How many failed when they were tried last, and are not held back.
    #[must_use]
    pub fn failed(&self) -> i64 {
        self.groups.iter().map(|group| group.failed).sum()
    }

    /// How many are not served, because a check found what weakens their isolation.
    #[must_use]
    pub fn shut(&self) -> i64 {
        self.groups.iter().map(|group| group.shut).sum()
    }

    /// How many are after the version of this program.
    #[must_use]
    pub fn ahead(&self) -> i64 {
        self.groups.iter().filter(|group| group.ahead).map(|group| group.tenants).sum()
    }

    /// How many different schema definitions there are; a healthy fleet has one.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.groups.iter().map(|group| &group.class).collect::<std::collections::BTreeSet<_>>().len()
    }
}

impl Migrator {
    /// Where the fleet stands.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn status(&self, listing: Listing) -> Result<Status, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        let left_open = weaker::of_the_server(&client).await?;
        let target = self.chain().newest();
        let during = || MigratorError::during("read the ledger");
        let rows = client.query(&groups_sql(), &[&target.checksum, &target.version]).await.map_err(during())?;
        let groups = rows.iter().map(|row| Group {
            version: row.get(0),
            current: row.get(1),
            ahead: row.get(8),
            class: row.get(2),
            state: row.get(3),
            tenants: row.get(4),
            held: row.get(5),
            failed: row.get(6),
            shut: row.get(9),
        });
        let (limit, all) = match listing {
            Listing::Unsettled(limit) => (limit, false),
            Listing::All => (None, true),
        };
        let tenants = client
            .query(&tenants_sql(), &[&target.checksum, &limit, &target.version, &all, &self.chain().rules_checksum()])
            .await
            .map_err(during())?;
        let asked_for: i64 = tenants.first().map_or(0, |row| row.get(11));
        Ok(Status {
            target: target.version,
            generation: rows.first().map_or(0, |row| row.get(7)),
            checked_at: rows.first().and_then(|row| row.get(10)),
            groups: groups.collect(),
            unlisted: asked_for - i64::try_from(tenants.len()).unwrap_or(i64::MAX),
            left_open,
            tenants: tenants.iter().map(tenant).collect::<Result<_, _>>()?,
        })
    }

    /// A tenant by its name in the database, or by what people type at sign-in.
    ///
    /// # Errors
    /// When there is none.
    pub async fn resolve(&self, name: &str) -> Result<TenantName, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        let row = client
            .query_opt(
                "SELECT name FROM control.tenants WHERE (name = $1 OR slug = $1) AND state <> 'deleted'",
                &[&name],
            )
            .await
            .map_err(MigratorError::during("look up the tenant"))?;
        row.map_or_else(|| Err(MigratorError::UnknownTenant(name.to_owned())), |row| parse_name(row.get(0)))
    }
}

/// How many stand how. $1, $2: checksum and number of the newest version.
fn groups_sql() -> String {
    format!(
                    "SELECT l.version, l.chain_checksum = $1, left(l.fingerprint, 12), t.state, count(*), count(l.held_at),
                            count(*) FILTER (WHERE l.last_error IS NOT NULL AND l.held_at IS NULL),
                            (SELECT generation FROM control.fleet), {REACHED} > $2,
                            count(*) FILTER (WHERE l.unsound IS NOT NULL AND l.served_despite IS NULL), (SELECT checked_at FROM control.fleet)
                       FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                      WHERE t.state <> 'deleted' GROUP BY 1, 2, 3, 4, 9 ORDER BY 1, 2, 4, 3"
                )
}

/// Those that need attention. $1, $3: checksum and number of the newest version, $2: how many, $4: all, $5: checksum of the row rules.
fn tenants_sql() -> String {
    format!(
                    "SELECT t.name, {SLUG}, t.kind, t.state, l.version, l.chain_checksum = $1, left(l.fingerprint, 12), l.held_reason,
                            l.progress, l.last_error, {REACHED} > $3, count(*) OVER (),
                            l.chain_checksum NOT IN ($1, '') AND l.version = $3 AND l.rules_checksum IS DISTINCT FROM $5,
                            l.unsound, l.served_despite
                       FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                      WHERE t.state <> 'deleted'
                        AND ($4 OR l.chain_checksum <> $1 OR l.held_at IS NOT NULL OR l.last_error IS NOT NULL
                             OR t.state = 'frozen' OR l.unsound IS NOT NULL)
                      ORDER BY l.unsound IS NULL, l.last_error IS NULL, l.held_at IS NULL, l.chain_checksum = $1, t.kind DESC, t.slug LIMIT $2"
                )
}

fn tenant(row: &tokio_postgres::Row) -> Result<TenantStatus, MigratorError> {
    Ok(TenantStatus {
        tenant: parse_name(row.get(0))?,
        slug: row.get(1),
        kind: row.get(2),
        state: row.get(3),
        version: row.get(4),
        current: row.get(5),
        class: row.get(6),
        held: row.get(7),
        progress: row.get(8),
        last_error: row.get(9),
        ahead: row.get(10),
        rules_differ: row.get(12),
        unsound: row.get(13),
        served_despite: row.get(14),
    })
}

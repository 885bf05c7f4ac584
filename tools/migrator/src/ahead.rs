//! Tenants that are after a version: wanted was an earlier one, or this program is older than the fleet.
//! Must stay true: they are told as ahead, with their names and what to do, and never as behind; nothing brings them back but `undo`.
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::GenericClient;

use crate::begun::REACHED;
use crate::named::{SLUG, named};
use crate::{MigratorError, parse_name};

/// So many are named.
const NAMED: i64 = 10;

/// A tenant that is after the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Further {
    /// Name in the database.
    pub tenant: TenantName,
    /// What people type at sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Version that it is at, or that was begun.
    pub version: i32,
}

/// How many tenants, of these or without any of all, are after a version; and some of them, the farthest first.
pub(crate) async fn of(
    client: &impl GenericClient,
    version: i32,
    only: Option<&[String]>,
) -> Result<(u64, Vec<Further>), MigratorError> {
    let sql = format!(
        "SELECT l.tenant, {SLUG}, {REACHED}, count(*) OVER () FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
          WHERE {REACHED} > $1 AND t.state <> 'deleted' AND ($2::text[] IS NULL OR l.tenant = ANY ($2))
          ORDER BY 3 DESC, t.slug LIMIT {NAMED}"
    );
    let rows = client
        .query(&sql, &[&version, &only])
        .await
        .map_err(MigratorError::during("look for tenants that are ahead"))?;
    let count = rows.first().map_or(0, |row| row.get::<_, i64>(3));
    let tenant = |row: &tokio_postgres::Row| {
        Ok(Further { tenant: parse_name(row.get(0))?, slug: row.get(1), version: row.get(2) })
    };
    Ok((u64::try_from(count).unwrap_or_default(), rows.iter().map(tenant).collect::<Result<_, MigratorError>>()?))
}

/// The names in a sentence.
#[must_use]
pub fn list(count: u64, tenants: &[Further]) -> String {
    let one = |t: &Further| format!("{} at version {}", named(t.tenant.as_str(), t.slug.as_deref()), t.version);
    let mut text = tenants.iter().map(one).collect::<Vec<_>>().join(", ");
    let more = count.saturating_sub(u64::try_from(tenants.len()).unwrap_or(u64::MAX));
    if more > 0 {
        text += &format!(" and {more} more (`labor-migrator status --all` lists them)");
    }
    text
}

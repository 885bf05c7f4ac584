//! Where a tenant's schema is not what the files make: found by fingerprint, shown line by line.
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};

use labor_catalog::TenantName;
use serde::Serialize;

use crate::begun::{self, Begun};
use crate::connection::Connection;
use crate::isolation::Known;
use crate::named::SLUG;
use crate::step::Task;
use crate::{Migrator, MigratorError, isolation, parse_name, reference};

/// So many tenants are fingerprinted by one statement.
pub(crate) const PAGE: i64 = 250;
/// An error shows so many lines of a difference; `drift --diff` shows all.
const LINES_IN_AN_ERROR: usize = 20;

/// A tenant whose schema is not as the migrator left it.
#[derive(Debug, Clone, Serialize)]
pub struct Drift {
    /// Which.
    pub tenant: TenantName,
    /// What people type at sign-in; a spare has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slug: Option<String>,
    /// Version by the ledger.
    pub version: i32,
    /// Fingerprint by the ledger.
    pub expected: String,
    /// Fingerprint now; empty: the schema is gone.
    pub found: String,
    /// `- ` what the files make, `+ ` what is there; only when asked for.
    pub difference: Vec<String>,
}

impl Migrator {
    /// Compares every schema's fingerprint with the ledger; `found` hears of each that differs.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn drift(
        &self,
        only: &[TenantName],
        difference: bool,
        mut found: impl FnMut(&Drift),
    ) -> Result<u64, MigratorError> {
        let only: Option<Vec<&str>> = (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect());
        let (mut last, mut count, mut made) = (String::new(), 0, BTreeMap::new());
        let known = reference::known(self, only.as_ref().map_or(0, Vec::len)).await;
        loop {
            // A connection of its own for each page: what the server process keeps of so many tables goes with it.
            let mut connection = self.connection().await?;
            self.require_control(&connection.client).await?;
            let page = page(&connection, &known, only.as_deref(), &last).await?;
            let Some(end) = page.last() else { return Ok(count) };
            end.tenant.as_str().clone_into(&mut last);
            for mut drift in page.into_iter().filter(|tenant| tenant.found != tenant.expected) {
                if difference {
                    let is = isolation::lines(&connection.client, &drift.tenant).await?;
                    let should = match made.entry(drift.version) {
                        Entry::Occupied(lines) => lines.into_mut(),
                        Entry::Vacant(gap) => {
                            gap.insert(reference::lines(self, &mut connection, self.chain(), drift.version).await?)
                        }
                    };
                    drift.difference = self::difference(should, &is);
                }
                count += 1;
                found(&drift);
            }
        }
    }

    /// A tenant against what the files of its version make.
    async fn difference(
        &self,
        connection: &mut Connection,
        tenant: &TenantName,
        version: i32,
    ) -> Result<Vec<String>, MigratorError> {
        let is = isolation::lines(&connection.client, tenant).await?;
        let should = reference::lines(self, connection, self.chain(), version).await?;
        Ok(difference(&should, &is))
    }
}

/// Some tenants and how they stand, whether they differ or not; `known` is what the files make.
pub(crate) async fn page(
    connection: &Connection,
    known: &Known,
    only: Option<&[&str]>,
    after: &str,
) -> Result<Vec<Drift>, MigratorError> {
    let during = || MigratorError::during("fingerprint the fleet");
    let client = &connection.client;
    let rows = client
        .query(
            &format!(
                "SELECT l.tenant, l.version, l.fingerprint, {SLUG} FROM control.ledger l LEFT JOIN control.tenants t ON t.name = l.tenant
                  WHERE l.tenant > $1 AND ($2::text[] IS NULL OR l.tenant = ANY ($2)) ORDER BY l.tenant LIMIT $3"
            ),
            &[&after, &only, &PAGE],
        )
        .await
        .map_err(during())?;
    let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    let mut found = known.fingerprints(client, &names).await?;
    rows.iter()
        .map(|row| {
            Ok(Drift {
                tenant: parse_name(row.get(0))?,
                slug: row.get(3),
                version: row.get(1),
                expected: row.get(2),
                found: found.remove(row.get::<_, &str>(0)).unwrap_or_default(),
                difference: Vec::new(),
            })
        })
        .collect()
}

/// Lines of only one of the two, `- ` expected and `+ ` found, those about one thing beside each other.
pub(crate) fn difference(should: &[String], is: &[String]) -> Vec<String> {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (should.iter().collect(), is.iter().collect());
    let mut lines: Vec<(&String, char)> =
        a.difference(&b).map(|line| (*line, '-')).chain(b.difference(&a).map(|line| (*line, '+'))).collect();
    lines.sort();
    lines.into_iter().map(|(line, sign)| format!("{sign} {line}")).collect()
}

/// An error of a migration in words: with the exact difference when the schema was changed by hand.
pub(crate) async fn explain(
    migrator: &Migrator,
    connection: &mut Connection,
    task: &Task,
    tenant: &TenantName,
    error: MigratorError,
) -> String {
    let begun = begun::of(&connection.client, tenant).await.ok().flatten();
    let text = match &begun {
        // Its words are those of a transaction that was rolled back.
        Some(_) => error.to_string().replace("nothing was changed", "its transaction was rolled back"),
        None => error.to_string(),
    };
    let text = match &begun {
        Some(Begun { version, rows: 0 }) => format!("{text}; version {version} was begun"),
        Some(Begun { version, rows }) => {
            format!("{text}; version {version} was begun, {rows} rows of it are done and committed")
        }
        None => text,
    };
    let told = match &error {
        MigratorError::Drift { version, lines, .. } => {
            reference::lines(migrator, connection, &task.chain, *version).await.map(|should| difference(&should, lines))
        }
        MigratorError::Database { .. }
        | MigratorError::Statement { .. }
        | MigratorError::Migration { .. }
        | MigratorError::Isolation(_)
            if !error.is_passing() =>
        {
            changed_by_hand(migrator, connection, tenant).await
        }
        _ => return text,
    };
    match told {
        Ok(lines) if !lines.is_empty() => {
            let more = lines.len().saturating_sub(LINES_IN_AN_ERROR);
            let mut listed = lines.into_iter().take(LINES_IN_AN_ERROR).collect::<Vec<_>>().join("\n  ");
            if more > 0 {
                listed += &format!("\n  and {more} lines more: labor-migrator drift --diff {tenant}");
            }
            let how = if begun.is_some() { "it is not whole" } else { "it was changed by hand" };
            format!("{text}; {how} (- what the files make, + what is there):\n  {listed}")
        }
        Ok(_) => text,
        Err(other) => format!("{text} (and what differs could not be found out: {other})"),
    }
}

/// A statement that fails on one tenant and on no other often meets something that somebody put there.
async fn changed_by_hand(
    migrator: &Migrator,
    connection: &mut Connection,
    tenant: &TenantName,
) -> Result<Vec<String>, MigratorError> {
    let pages = page(connection, &Known::default(), Some(&[tenant.as_str()]), "").await?;
    match pages.first() {
        Some(drift) if drift.found != drift.expected => migrator.difference(connection, tenant, drift.version).await,
        _ => Ok(Vec::new()),
    }
}

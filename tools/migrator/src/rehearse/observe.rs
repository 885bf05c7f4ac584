//! What the server does to the clone's tables: locks of ours, and which were written anew.
//! Must stay true: only tables that were there before the file count, as in the prediction.
use std::collections::{BTreeMap, BTreeSet};

use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::GenericClient;

use crate::MigratorError;
use crate::locks::{Effect, LockMode, UNKNOWN};

/// A lock on a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Held {
    /// Which table.
    pub table: String,
    /// Which lock.
    pub mode: LockMode,
}

/// The clone at a moment.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub(super) held: BTreeSet<Held>,
    /// Name and file by the table's number.
    pub(super) files: BTreeMap<u32, (String, u32)>,
}

/// Looks.
pub(super) async fn look(client: &impl GenericClient, tenant: &TenantName) -> Result<Sight, MigratorError> {
    let rows = client
        .query(
            "SELECT c.oid, c.relname::text, pg_catalog.pg_relation_filenode(c.oid), l.mode
               FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
               LEFT JOIN pg_catalog.pg_locks l ON l.relation = c.oid AND l.pid = pg_catalog.pg_backend_pid() AND l.granted
              WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                AND d.refobjid = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1)",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during("look at the clone's locks"))?;
    let mut sight = Sight::default();
    for row in rows {
        let table: String = row.get(1);
        if let Some(mode) = row.get::<_, Option<&str>>(3).and_then(LockMode::from_pg_locks) {
            sight.held.insert(Held { table: table.clone(), mode });
        }
        sight.files.insert(row.get(0), (table, row.get::<_, Option<u32>>(2).unwrap_or_default()));
    }
    Ok(sight)
}

/// What a statement did, by what was seen before and after it.
pub(super) struct Seen {
    pub(super) locks: Vec<Held>,
    pub(super) rewritten: Vec<String>,
}

/// `first`: before the file, which tells the tables that it did not make itself.
pub(super) fn compare(first: &Sight, before: &Sight, after: &Sight) -> Seen {
    let old: BTreeSet<&str> = first
        .files
        .keys()
        .filter_map(|oid| after.files.get(oid).or_else(|| before.files.get(oid)))
        .map(|(name, _)| name.as_str())
        .collect();
    let locks = after.held.difference(&before.held).filter(|held| old.contains(held.table.as_str()));
    let rewritten = before.files.iter().filter(|(oid, (_, file))| {
        first.files.contains_key(oid) && after.files.get(oid).is_some_and(|(_, now)| now != file)
    });
    Seen { locks: locks.cloned().collect(), rewritten: rewritten.map(|(_, (name, _))| name.clone()).collect() }
}

/// Where prediction and server differ. A lock that an earlier statement took already isn't new, and isn't missed.
pub(super) fn differences(effects: &[Effect], seen: &Seen, after: &Sight) -> Vec<String> {
    let foretold = super::strongest(effects);
    if foretold.contains_key(UNKNOWN) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for held in &seen.locks {
        if foretold.get(held.table.as_str()).is_none_or(|mode| mode.with(held.mode) != *mode) {
            lines.push(format!("{} on {} was not foretold", held.mode, held.table));
        }
    }
    for (table, mode) in &foretold {
        let there = after.held.iter().filter(|held| held.table == *table).map(|held| held.mode);
        if let Some(strongest) = there.reduce(LockMode::with).filter(|held| held.with(*mode) != *held) {
            lines.push(format!("{mode} on {table} was foretold, {strongest} was enough"));
        }
    }
    for table in &seen.rewritten {
        if !effects.iter().any(|effect| effect.rewrite && effect.table == *table) {
            lines.push(format!("{table} was written anew, which was not foretold"));
        }
    }
    for effect in effects.iter().filter(|effect| effect.rewrite && !seen.rewritten.contains(&effect.table)) {
        lines.push(format!("{} was not written anew, as was feared", effect.table));
    }
    lines
}

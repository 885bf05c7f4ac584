//! The tenants that `up` would migrate, by what they have in common, and how large their tables are.
//! Must stay true: two queries, whatever the number of tenants; tables are found by their schema through pg_depend.
use std::collections::BTreeMap;

use labor_catalog::TenantName;
use tokio_postgres::Client;

use crate::MigratorError;
use crate::begun::REACHED;
use crate::chain::{Chain, Target};

/// A class as the ledger has it.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) version: i32,
    pub(crate) chain: String,
    pub(crate) fingerprint: String,
    pub(crate) stale: bool,
    pub(crate) tenants: i64,
    pub(crate) held: i64,
    pub(crate) spare: i64,
    pub(crate) frozen: i64,
    pub(crate) failed: i64,
}

/// The fleet.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) classes: Vec<Found>,
    pub(crate) current: i64,
    pub(crate) ahead: i64,
}

impl Fleet {
    /// The lowest version, or the target when nothing is to be done.
    pub(crate) fn lowest(&self, target: i32) -> i32 {
        self.classes.iter().map(|class| class.version).min().unwrap_or(target)
    }
}

/// Bytes by version, chain, fingerprint and table: of all tenants, and of the one that has most.
pub(crate) type Sizes = BTreeMap<(i32, String, String, String), (i64, i64)>;

pub(crate) fn names(only: &[TenantName]) -> Option<Vec<&str>> {
    (!only.is_empty()).then(|| only.iter().map(TenantName::as_str).collect())
}

pub(crate) async fn read(
    client: &Client,
    chain: &Chain,
    target: &Target,
    only: &[TenantName],
) -> Result<Fleet, MigratorError> {
    let rows = client
        .query(
            &format!(
                "SELECT l.version, l.chain_checksum, coalesce(l.fingerprint, ''), l.rules_checksum IS DISTINCT FROM $2, count(*),
                        count(l.held_at), count(*) FILTER (WHERE t.state = 'spare'), count(*) FILTER (WHERE t.state = 'frozen'),
                        count(l.last_error), {REACHED} > $3
                   FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                  WHERE t.state <> 'deleted' AND ($1::text[] IS NULL OR l.tenant = ANY ($1))
                  GROUP BY 1, 2, 3, 4, 10 ORDER BY 1, 5 DESC, 2, 3"
            ),
            &[&names(only), &chain.rules_checksum(), &target.version],
        )
        .await
        .map_err(MigratorError::during("read the ledger"))?;
    let mut fleet = Fleet { classes: Vec::new(), current: 0, ahead: 0 };
    for row in rows {
        let found = Found {
            version: row.get(0),
            chain: row.get(1),
            fingerprint: row.get(2),
            stale: row.get(3),
            tenants: row.get(4),
            held: row.get(5),
            spare: row.get(6),
            frozen: row.get(7),
            failed: row.get(8),
        };
        if found.chain == target.checksum {
            fleet.current += found.tenants;
        } else if row.get(9) {
            fleet.ahead += found.tenants;
        } else {
            fleet.classes.push(found);
        }
    }
    Ok(fleet)
}

/// Sizes of these tables with what is stored beside them, by the server's own count of pages, which VACUUM and ANALYZE keep; a table
/// that neither has seen yet is measured.
pub(crate) async fn sizes(
    client: &Client,
    target: &Target,
    only: &[TenantName],
    tables: &[String],
) -> Result<Sizes, MigratorError> {
    if tables.is_empty() {
        return Ok(Sizes::new());
    }
    let rows = client
        .query(
            "SELECT l.version, l.chain_checksum, coalesce(l.fingerprint, ''), c.relname::text,
                    sum(s.bytes)::bigint, max(s.bytes)::bigint
               FROM control.ledger l JOIN pg_namespace n ON n.nspname = l.tenant
               JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = n.oid AND d.classid = 'pg_class'::regclass
               JOIN pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p') AND c.relname = ANY ($3)
               LEFT JOIN pg_class o ON o.oid = c.reltoastrelid
              CROSS JOIN LATERAL (SELECT CASE WHEN c.relpages > 0
                     THEN (c.relpages::bigint + coalesce(o.relpages, 0)) * current_setting('block_size')::bigint
                     ELSE pg_table_size(c.oid) END AS bytes) s
              WHERE l.chain_checksum <> $1 AND l.held_at IS NULL AND ($2::text[] IS NULL OR l.tenant = ANY ($2))
              GROUP BY 1, 2, 3, 4",
            &[&target.checksum, &names(only), &tables],
        )
        .await
        .map_err(MigratorError::during("measure the tables"))?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1), row.get(2), row.get(3)), (row.get(4), row.get(5)))).collect())
}

//! What a tenant's schema contains, in numbers that are equal after a restore and only then: rows and digest of each table,
//! fingerprint of the definitions, version. Taken in the dump's snapshot, and again from what was restored.
//!
//! Must stay true: both sides are computed by the same statements under the same settings; a table is asked for because the
//! database has it, so none is forgotten; a filtered read fails instead of counting fewer rows.
use std::collections::BTreeMap;

use labor_catalog::{Finding, TenantName, sql};
use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;

use crate::{BackupError, Manifest};

/// What a row looks like as text depends on these. `row_security = off` refuses a read that policies would filter.
pub(crate) const READ_ALIKE: &str = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres';
    SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex'; SET LOCAL xmlbinary = 'base64'; SET LOCAL row_security = off;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// The schema's tables with their quoted names; through pg_depend's reference index, which does not grow with the fleet.
const TABLES: &str = "SELECT c.relname::text, format('%I.%I', $1::text, c.relname)
    FROM pg_class c
   WHERE c.relkind IN ('r', 'p')
     AND c.oid IN (SELECT d.objid FROM pg_depend d
                    WHERE d.refclassid = 'pg_namespace'::regclass AND d.classid = 'pg_class'::regclass
                      AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1))
   ORDER BY c.relname";

/// Rows of a table and a digest that does not depend on their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    /// Number of rows.
    pub rows: u64,
    /// Sum, over all rows, of the first 64 bits of the SHA-256 of the row as text.
    pub digest: String,
}

/// What a schema contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) version: i32,
    pub(crate) fingerprint: String,
    /// Digest of what `pg_dump` writes besides what the fingerprint tells; none: nobody asked, or only `pg_dump` can tell.
    pub(crate) besides: Option<String>,
    pub(crate) tables: BTreeMap<String, TableDigest>,
}

/// A table by its name and by its name as SQL text.
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) quoted: String,
}

/// The tables of a schema; none when there is no such schema.
pub(crate) async fn tables(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Vec<Table>, BackupError> {
    let rows = transaction.query(TABLES, &[&tenant.as_str()]).await;
    let rows = rows.map_err(BackupError::during(format!("{tenant}: list the tables")))?;
    Ok(rows.iter().map(|row| Table { name: row.get(0), quoted: row.get(1) }).collect())
}

/// Digest of the definitions. Changes settings of the transaction.
pub(crate) async fn fingerprint(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<String, BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    // The search path decides how definitions are written out: pg_catalog, as db/rls/fingerprint.sql wants it.
    let settings = format!("{READ_ALIKE}; SET LOCAL search_path = pg_catalog");
    transaction.batch_execute(&settings).await.map_err(during("prepare reading"))?;
    Ok(transaction.query_one(sql::FINGERPRINT, &[&tenant.as_str()]).await.map_err(during("fingerprint"))?.get(0))
}

/// Everything that is known of a schema. Changes settings of the transaction.
pub(crate) async fn all(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Contents, BackupError> {
    let fingerprint = fingerprint(transaction, tenant).await?;
    let besides = transaction.query_one(include_str!("besides.sql"), &[&tenant.as_str()]).await;
    let besides = besides.map_err(BackupError::during(format!("{tenant}: read comments and rights")))?.get(0);
    Ok(Contents { besides, ..contents(transaction, tenant, fingerprint).await? })
}

/// Reads everything once and says what it is; the fingerprint was taken before (a restore has to lift FORCE in between).
pub(crate) async fn contents(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    fingerprint: String,
) -> Result<Contents, BackupError> {
    let version = transaction.query_one(&format!("SELECT version FROM {tenant}.schema_stamp"), &[]).await;
    let version = version.map_err(BackupError::during(format!("{tenant}: read the stamp")))?.get(0);
    Ok(Contents { version, fingerprint, besides: None, tables: digests(transaction, tenant).await? })
}

/// Rows and digest of each table: one statement for all, since most practices' tables are small and there are many practices.
async fn digests(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
) -> Result<BTreeMap<String, TableDigest>, BackupError> {
    let tables = tables(transaction, tenant).await?;
    let each = tables.iter().enumerate().map(|(number, table)| {
        format!(
            "SELECT {number}, count(*),
                    coalesce(sum(('x' || encode(substring(sha256(convert_to((labor_row.*)::text, 'UTF8')) FOR 8), 'hex'))::bit(64)::bigint), 0)::text
               FROM ONLY {} AS labor_row",
            table.quoted
        )
    });
    let statement = each.collect::<Vec<_>>().join(" UNION ALL ");
    let rows = transaction.query(&statement, &[]).await;
    let rows = rows.map_err(BackupError::during(format!("{tenant}: digests of its tables")))?;
    let mut digests = BTreeMap::new();
    for row in rows {
        let number = usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX);
        let rows = u64::try_from(row.get::<_, i64>(1)).unwrap_or_default();
        if let Some(table) = tables.get(number) {
            digests.insert(table.name.clone(), TableDigest { rows, digest: row.get(2) });
        }
    }
    Ok(digests)
}

/// The isolation check's findings (db/rls/check_*.sql) in words: about the tenant; and about the database, which are no backup's fault.
pub(crate) async fn isolation(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
) -> Result<(Vec<String>, Vec<String>), BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    transaction
        .batch_execute("SET LOCAL search_path = pg_catalog")
        .await
        .map_err(during("prepare the isolation check"))?;
    let own = transaction.query(sql::ISOLATION_CHECK, &[&tenant.as_str()]).await.map_err(during("isolation check"))?;
    let database = transaction.query(sql::DATABASE_CHECK, &[]).await.map_err(during("isolation check"))?;
    let finding = |row: &tokio_postgres::Row| Finding { kind: row.get(0), object: row.get(1), detail: row.get(2) };
    let told = |finding: Finding| format!("isolation: {} {}: {}", finding.kind, finding.object, finding.detail);
    let database = database.iter().map(finding).filter(|finding| !finding.stops_nothing());
    Ok((own.iter().map(finding).map(told).collect(), database.map(told).collect()))
}

/// Where what was restored differs from the manifest. Counts and names, no data.
pub(crate) fn differences(manifest: &Manifest, found: &Contents, definitions_comparable: bool) -> Vec<String> {
    let mut faults = Vec::new();
    if found.version != manifest.schema_version {
        faults.push(format!("schema version {} instead of {}", found.version, manifest.schema_version));
    }
    if definitions_comparable && found.fingerprint != manifest.fingerprint {
        faults.push("the definitions (tables, constraints, indexes, policies, rights) differ".to_owned());
    }
    for (table, expected) in &manifest.tables {
        match found.tables.get(table) {
            None => faults.push(format!("table {table} is missing")),
            Some(found) if found.rows != expected.rows => {
                faults.push(format!("table {table} has {} rows instead of {}", found.rows, expected.rows));
            }
            Some(found) if found.digest != expected.digest => faults.push(format!("rows of table {table} differ")),
            Some(_) => {}
        }
    }
    let unknown = found.tables.keys().filter(|table| !manifest.tables.contains_key(*table));
    faults.extend(unknown.map(|table| format!("table {table} is not in the manifest")));
    faults
}

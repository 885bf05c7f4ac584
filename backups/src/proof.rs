//! What a tenant's schema contains, in numbers that are equal after a restore and only then: rows and digest of each table,
//! fingerprint of the definitions, version. Taken in the dump's snapshot, and again from what was restored.
//!
//! Must stay true: both sides are computed by the same statements under the same settings; a table is asked for because the
//! database has it, so none is forgotten; a filtered read fails instead of counting fewer rows.
use std::collections::BTreeMap;

use labor_catalog::{TenantName, sql};
use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;

use crate::{BackupError, Manifest};

/// What a row looks like as text depends on these. `row_security = off` refuses a read that policies would filter.
const READ_ALIKE: &str = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres';
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

/// Reads everything once and says what it is; the fingerprint was taken before (a restore has to lift FORCE in between).
pub(crate) async fn contents(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    fingerprint: String,
) -> Result<Contents, BackupError> {
    let version = transaction.query_one(&format!("SELECT version FROM {tenant}.schema_stamp"), &[]).await;
    let version = version.map_err(BackupError::during(format!("{tenant}: read the stamp")))?.get(0);
    let mut contents = Contents { version, fingerprint, tables: BTreeMap::new() };
    for table in tables(transaction, tenant).await? {
        let digest = digest(transaction, &table).await?;
        contents.tables.insert(table.name, digest);
    }
    Ok(contents)
}

async fn digest(transaction: &Transaction<'_>, table: &Table) -> Result<TableDigest, BackupError> {
    let statement = format!(
        "SELECT count(*),
                coalesce(sum(('x' || encode(substring(sha256(convert_to((labor_row.*)::text, 'UTF8')) FOR 8), 'hex'))::bit(64)::bigint), 0)::text
           FROM ONLY {} AS labor_row",
        table.quoted
    );
    let row = transaction.query_one(&statement, &[]).await;
    let row = row.map_err(BackupError::during(format!("digest of {}", table.quoted)))?;
    Ok(TableDigest { rows: u64::try_from(row.get::<_, i64>(0)).unwrap_or_default(), digest: row.get(1) })
}

/// The isolation check's findings (db/rls/check_*.sql) about the tenant and the database, in words.
pub(crate) async fn isolation(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Vec<String>, BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    transaction
        .batch_execute("SET LOCAL search_path = pg_catalog")
        .await
        .map_err(during("prepare the isolation check"))?;
    let mut rows =
        transaction.query(sql::ISOLATION_CHECK, &[&tenant.as_str()]).await.map_err(during("isolation check"))?;
    rows.extend(transaction.query(sql::DATABASE_CHECK, &[]).await.map_err(during("isolation check"))?);
    let word = |row: &tokio_postgres::Row, column| row.get::<_, String>(column);
    Ok(rows.iter().map(|row| format!("isolation: {} {}: {}", word(row, 0), word(row, 1), word(row, 2))).collect())
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

//! A practice's schema as it is at any version: tests of a fleet in the middle of a wave need practices that are not at the newest.
//!
//! What must stay true: it is made from the files in `db`, in the order in which the migrator applies them.

use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::Doing as _;

/// The migrations of a practice's schema with their numbers, in order; files that take one back are none.
///
/// # Errors
/// When the folder can't be read.
pub fn tenant_migrations() -> Result<Vec<(i32, PathBuf)>> {
    let folder = source("db/migrations/tenant");
    let entries = std::fs::read_dir(&folder).doing(|| format!("list {}", folder.display()))?;
    let mut migrations: Vec<_> = entries.filter_map(|entry| numbered(entry.ok()?.path())).collect();
    migrations.sort();
    Ok(migrations)
}

/// SQL for a superuser, for one transaction: makes the schema of `tenant` as it is at `version`, with today's row rules. The login
/// role must be there.
///
/// # Errors
/// When a file can't be read.
pub fn tenant_schema_at(tenant: &str, version: i32) -> Result<String> {
    let read = |path: &Path| std::fs::read_to_string(path).doing(|| format!("read {}", path.display()));
    let mut sql = format!(
        "CREATE SCHEMA {tenant} AUTHORIZATION labor_owner;
         SET LOCAL ROLE labor_owner; SET LOCAL search_path = {tenant};
         CREATE TABLE refinery_schema_history (version integer PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255));\n"
    );
    for (number, path) in tenant_migrations()?.into_iter().filter(|(number, _)| *number <= version) {
        sql += &read(&path)?;
        sql += &format!("INSERT INTO refinery_schema_history (version) VALUES ({number});\n");
    }
    sql += &read(&source("db/rls/tenant.sql"))?.replace("{tenant}", tenant);
    sql += &format!(
        "INSERT INTO schema_stamp (tenant, version, chain_checksum) VALUES ('{tenant}', {version}, '');
         SET LOCAL search_path = pg_catalog; SET LOCAL ROLE NONE"
    );
    Ok(sql)
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// `V2__reader_version.sql` is number 2, `V2__reader_version.undo.sql` none.
fn numbered(path: PathBuf) -> Option<(i32, PathBuf)> {
    let (number, name) = path.file_name()?.to_str()?.strip_prefix('V')?.split_once("__")?;
    let whole = name.strip_suffix(".sql").is_some_and(|name| !name.contains('.'));
    Some((number.parse().ok().filter(|_| whole)?, path))
}

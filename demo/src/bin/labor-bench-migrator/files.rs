//! A copy of the SQL files with one migration more: a column and an index on the practices' reports.
use std::fs;
use std::path::Path;

use labor_demo::Failure;
use labor_testing::tenant_migrations;

/// Copies `db` and adds the migration; its number.
pub(crate) fn with_one_more(db: &Path, copy: &Path) -> Result<usize, Failure> {
    for folder in ["migrations/tenant", "migrations/control", "rls"] {
        fs::create_dir_all(copy.join(folder))?;
        for entry in fs::read_dir(db.join(folder))? {
            let entry = entry?;
            fs::copy(entry.path(), copy.join(folder).join(entry.file_name()))?;
        }
    }
    let version = tenant_migrations()?.len() + 1;
    let sql = format!(
        "-- The schema of one practice, version {version}: what the benchmark adds.
-- Kind: transaction
-- Phase: expand
-- Why: a column and an index are what most migrations are.
-- Locks: ACCESS EXCLUSIVE on reports, SHARE while the index is built. Previous release: does not see it.

ALTER TABLE reports ADD COLUMN bench_n integer;
COMMENT ON COLUMN reports.bench_n IS 'Of the benchmark';
CREATE INDEX bench_n ON reports (bench_n);
"
    );
    fs::write(copy.join(format!("migrations/tenant/V{version}__bench.sql")), sql)?;
    Ok(version)
}

/// Takes it back from one tenant, whoever applied it.
pub(crate) fn undo(version: usize, checksum: &str) -> String {
    format!(
        "SET LOCAL row_security = off;
         ALTER TABLE reports DROP COLUMN bench_n;
         DELETE FROM refinery_schema_history WHERE version = {version};
         UPDATE schema_stamp SET version = {}, chain_checksum = '{checksum}' WHERE version = {version}",
        version - 1
    )
}

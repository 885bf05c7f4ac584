//! Migrations that can't run in a transaction, such as CREATE INDEX CONCURRENTLY.
//! Must stay true: every statement can be repeated, because a killed run begins the file anew; an index that a broken attempt left
//! INVALID is dropped before and after, so that IF NOT EXISTS doesn't take it for the real one.
use std::time::Duration;

use labor_catalog::TenantName;
use squawk_syntax::ast::AstNode as _;
use tokio_postgres::Client;

use crate::MigratorError;
use crate::connection::{Connection, keep_first};
use crate::migration::Migration;
use crate::statements::{Statement, index_built, names_reindexed};
use crate::watch::Watch;

/// Whose progress is not shown to us, because another role builds, is known by the table's lock.
const INVALID: &str = "
    SELECT quote_ident(c.relname), c.relname::text, t.relname::text
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
     WHERE NOT i.indisvalid
       AND i.indrelid IN (SELECT objid FROM pg_depend
                           WHERE refclassid = 'pg_namespace'::regclass AND classid = 'pg_class'::regclass
                             AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1))
       AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
                        WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
                          AND (p.index_relid = i.indexrelid
                               OR p.relid IS NULL AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = p.pid AND l.relation = i.indrelid)))";

/// A file whose statements are run one by one.
pub(crate) struct Script {
    file: String,
    statements: Vec<Statement>,
}

impl Script {
    /// The migration itself.
    pub(crate) fn of(migration: &Migration) -> Result<Self, MigratorError> {
        Ok(Self { file: migration.file_name(), statements: migration.statements()? })
    }

    /// Its undo.
    pub(crate) fn undo(migration: &Migration) -> Result<Self, MigratorError> {
        Ok(Self { file: migration.undo_file_name(), statements: migration.undo_statements()? })
    }

    /// Whether an index is one that a statement makes. REINDEX CONCURRENTLY leaves the old or the new one under a name with an ending.
    fn builds(&self, index: &str, table: &str) -> bool {
        let stem = index.trim_end_matches(|c: char| c.is_ascii_digit());
        let old = stem.strip_suffix("_ccnew").or_else(|| stem.strip_suffix("_ccold"));
        self.statements.iter().any(|statement| {
            // A name without quotes is folded by the server.
            index_built(statement).is_some_and(|built| built == index || built.to_lowercase() == index)
                || old.is_some_and(|old| names_reindexed(statement).iter().any(|name| name == old || name == table))
        })
    }
}

/// Runs the statements one by one.
pub(crate) async fn run(
    connection: &Connection,
    tenant: &TenantName,
    script: &Script,
    lock_timeout: Duration,
    watch: &Watch<'_>,
) -> Result<(), MigratorError> {
    let client = &connection.client;
    drop_invalid(client, tenant, script, lock_timeout).await?;
    let enter = format!("SET ROLE labor_owner; SET row_security = off; SET search_path = {tenant}");
    client.batch_execute(&enter).await.map_err(MigratorError::during(format!("{tenant}: enter the schema")))?;
    let result = statements(client, tenant, script, lock_timeout, watch).await;
    if client.is_closed() {
        return result;
    }
    let leave = "RESET lock_timeout; RESET row_security; SET search_path = pg_catalog; RESET ROLE";
    let left = client.batch_execute(leave).await;
    let left = left.map_err(MigratorError::during(format!("{tenant}: leave the schema")));
    if left.is_err() {
        return keep_first(tenant, result, left);
    }
    if let Err(error) = &result
        && let Err(other) = drop_invalid(client, tenant, script, lock_timeout).await
    {
        // The next attempt drops it first.
        tracing::info!(%tenant, %error, %other, "an invalid index is left");
    }
    result
}

/// What is built CONCURRENTLY may wait: its lock lets readers and writers pass, also those who come after it. Anything else gives up
/// like a migration in a transaction, also if the word stands in its comment or in a name. In milliseconds, 0 is without end.
fn patience(statement: &Statement, lock_timeout: Duration) -> u128 {
    let patient = crate::statements::parse(&statement.sql)
        .is_ok_and(|(parsed, _)| crate::lint::kinds::concurrently(parsed.tree().syntax()));
    if patient { 0 } else { lock_timeout.as_millis().max(1) }
}

async fn statements(
    client: &Client,
    tenant: &TenantName,
    script: &Script,
    lock_timeout: Duration,
    watch: &Watch<'_>,
) -> Result<(), MigratorError> {
    for statement in &script.statements {
        let wait = patience(statement, lock_timeout);
        let refused = |source| MigratorError::Statement {
            whose: tenant.to_string(),
            file: script.file.clone(),
            line: Some(statement.line),
            source,
        };
        client.batch_execute(&format!("SET lock_timeout = {wait}")).await.map_err(refused)?;
        if wait > 0 {
            client.batch_execute(&statement.sql).await.map_err(refused)?;
            continue;
        }
        let place = format!("{}:{}", script.file, statement.line);
        if !watch.run(client, tenant, &statement.sql, &place).await?.map_err(refused)? {
            return Err(MigratorError::Interrupted { when: "while an index was being built", after: None });
        }
    }
    Ok(())
}

/// Only indexes that the file builds, and none that somebody else is building right now.
async fn drop_invalid(
    client: &Client,
    tenant: &TenantName,
    script: &Script,
    lock_timeout: Duration,
) -> Result<(), MigratorError> {
    let during = || MigratorError::during(format!("{tenant}: drop what a broken attempt left"));
    for row in client.query(INVALID, &[&tenant.as_str()]).await.map_err(during())? {
        let (quoted, index, table): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        if script.builds(index, table) {
            let wait = format!("SET lock_timeout = {}", lock_timeout.as_millis().max(1));
            let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {tenant}.{quoted}");
            client.batch_execute(&wait).await.map_err(during())?;
            let dropped = client.batch_execute(&drop).await.map_err(during());
            if !client.is_closed() {
                client.batch_execute("RESET lock_timeout").await.map_err(during())?;
            }
            dropped?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_built_concurrently_waits_without_end() {
        let wait = |sql: &str| patience(&Statement { sql: sql.to_owned(), line: 1 }, Duration::from_millis(500));
        for sql in ["create index concurrently if not exists a_b ON a (b);", "REINDEX (CONCURRENTLY) TABLE a;"] {
            assert_eq!(wait(sql), 0, "{sql}");
        }
        for sql in [
            "CREATE INDEX /* not CONCURRENTLY: it is small */ IF NOT EXISTS a_b ON a (b);",
            "ALTER TABLE a VALIDATE CONSTRAINT b_concurrently;",
            "ALTER TABLE a VALIDATE CONSTRAINT \"CONCURRENTLY\";",
            "COMMENT ON INDEX a_b IS 'built CONCURRENTLY';",
        ] {
            assert_eq!(wait(sql), 500, "{sql}");
        }
    }

    #[test]
    fn only_what_a_file_builds_is_its_own() {
        let sql = "-- Why: not a_c.\n-- Kind: concurrent\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_b ON a (b);\nREINDEX TABLE CONCURRENTLY d;";
        let script = Script::of(&Migration::parse("V1__a_x", sql, None).unwrap()).unwrap();
        let builds = |index: &str, table: &str| script.builds(index, table);
        assert!(builds("a_b", "a") && builds("d_e_ccnew", "d") && builds("d_e_ccold1", "d"));
        assert!(!builds("a", "a") && !builds("a_c", "a") && !builds("a_b_ccnew", "a") && !builds("d_e", "d"));
    }
}

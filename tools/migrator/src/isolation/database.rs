//! What weakens the isolation of all tenants at once: rights, roles and settings (db/rls/check_database.sql), and whether
//! the functions of the guard are still those of db/rls/guard.sql.
use labor_catalog::sql;
use tokio_postgres::GenericClient;

use super::Finding;
use crate::MigratorError;

/// Asks the database; none is expected.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn findings(client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
    let during = || MigratorError::during("isolation check of the database");
    let rows = client.query(sql::DATABASE_CHECK, &[]).await.map_err(during())?;
    let mut findings: Vec<_> = rows.iter().map(Finding::of).collect();
    let functions =
        "SELECT p.oid::regprocedure::text, p.prosrc FROM pg_proc p WHERE p.pronamespace = 'guard'::regnamespace";
    for row in client.query(functions, &[]).await.map_err(during())? {
        // Its body, as the file has it between the dollar signs. A schema without the guard has no function to compare.
        let body = format!("${}$", row.get::<_, &str>(1));
        if !sql::GUARD.contains(&body) {
            findings.push(Finding {
                kind: "function_changed".to_owned(),
                object: row.get(0),
                detail: "is not what db/rls/guard.sql makes; `labor-migrator up --rules` makes it so again".to_owned(),
            });
        }
    }
    Ok(findings)
}

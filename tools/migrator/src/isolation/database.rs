//! What weakens the isolation of all tenants at once: rights, roles and settings (db/rls/check_database.sql, check_server.sql,
//! check_plane.sql), whether the functions of the guard are those of db/rls/guard.sql, all of them and no others.
use std::collections::BTreeMap;

use labor_catalog::sql;
use tokio_postgres::GenericClient;

use super::Finding;
use crate::{Migrator, MigratorError};

impl Migrator {
    /// What weakens all tenants at once, but for what an operator has agreed to, and for who was let in beside the practices: that is
    /// `check`'s to tell, and stops no migration.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub(crate) async fn findings_of_database(
        &self,
        client: &impl GenericClient,
    ) -> Result<Vec<Finding>, MigratorError> {
        let mut findings = self.weaker.leave_out(findings(client).await?);
        findings.retain(|finding| !finding.stops_nothing());
        findings.extend(self.claim_keys(client).await?);
        Ok(findings)
    }
}

/// Asks the database; none is expected.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn findings(client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
    let rows = client.query(sql::DATABASE_CHECK, &[]).await;
    let rows = rows.map_err(MigratorError::during("isolation check of the database"))?;
    let mut findings: Vec<Finding> = rows.iter().map(super::finding).collect();
    findings.extend(guard_findings(client).await?);
    Ok(findings)
}

/// Functions of the guard that are not as the file makes them, that are missing, or that are none of the file's.
///
/// # Errors
/// When the database can't be asked.
pub(crate) async fn guard_findings(client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
    let rows = client
        .query(
            "SELECT p.oid::regprocedure::text, p.proname::text, p.prosrc, p.prosecdef AND p.prosqlbody IS NULL AND l.lanname = 'plpgsql'
                    AND p.provolatile = CASE WHEN p.proname IN ('enqueue', 'enqueue_alert') THEN 'v' ELSE 's' END AND NOT (p.proisstrict OR p.proleakproof OR p.proretset)
               FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
              WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'guard')",
            &[],
        )
        .await
        .map_err(MigratorError::during("read the guard's functions"))?;
    let mut expected = bodies(sql::GUARD);
    let mut findings = Vec::new();
    for row in &rows {
        let detail = match expected.remove(row.get::<_, &str>(1)) {
            Some(body) if body == row.get::<_, &str>(2) && row.get(3) => continue,
            Some(_) => "is not what db/rls/guard.sql makes; `labor-migrator up` puts it back",
            None => "is no function of db/rls/guard.sql: see what it is, then DROP FUNCTION",
        };
        findings.push(changed(row.get(0), detail));
    }
    findings.extend(expected.into_keys().map(|name| changed(name, "is missing; `labor-migrator up` puts it back")));
    Ok(findings)
}

fn changed(function: &str, detail: &str) -> Finding {
    Finding { kind: "function_changed".to_owned(), object: function.to_owned(), detail: detail.to_owned() }
}

/// Each function's text between the dollar signs, by its name.
fn bodies(file: &str) -> BTreeMap<&str, &str> {
    let functions = file.split("CREATE OR REPLACE FUNCTION guard.").skip(1);
    functions.filter_map(|text| Some((text.split_once('(')?.0, text.split("$$").nth(1)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_file_is_known() {
        let bodies = bodies(sql::GUARD);
        let names: Vec<_> = bodies.keys().copied().collect();
        assert_eq!(
            names,
            ["claim", "claim_role", "claim_subject", "enqueue", "enqueue_alert", "permits", "permits_actor"]
        );
        assert!(bodies["permits"].contains("RETURN claim[2] = tenant"));
    }
}

//! What must hold before anything is restored, asked of the database that it is restored into.
//! Must stay true: where the claim functions are missing nothing is restored, since policies that ask them would be lost; what was deleted
//! is not brought back, and a deletion that begins meanwhile either finds the copy or is found.
use labor_catalog::TenantName;
use tokio_postgres::{Client, Transaction};

use crate::{Backup, BackupError};

impl Backup {
    /// A connection as the login that restores.
    pub(crate) async fn connect_to_target(&self) -> Result<Client, BackupError> {
        let config = self.target.as_ref().ok_or_else(|| {
            BackupError::Invalid(
                "LABOR_RESTORE_URL is missing: the URL of the login labor_migrator, which verify and restore need"
                    .to_owned(),
            )
        })?;
        Ok(labor_connect::connect(config).await?)
    }
}

/// Refuses a database that is not prepared, a tenant that was deleted, and a new schema (`into`) that is there already.
pub(crate) async fn allowed(
    client: &Client,
    tenant: &TenantName,
    into: Option<&TenantName>,
) -> Result<(), BackupError> {
    let facts = client
        .query_one(
            "SELECT to_regclass('control.tenants') IS NOT NULL,
                    (SELECT count(DISTINCT p.proname) = 5 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                      WHERE n.nspname = 'guard' AND p.prosecdef AND pg_get_userbyid(p.proowner) = 'labor_guard'
                        AND p.proname IN ('claim', 'permits', 'permits_actor', 'claim_role', 'claim_subject')),
                    EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) OR EXISTS (SELECT FROM pg_roles WHERE rolname = $1 || '_app')",
            &[&into.map(TenantName::as_str)],
        )
        .await
        .map_err(BackupError::during("look whether a restore is possible"))?;
    let refuse = |reason: String| Err(BackupError::Refused(reason));
    if !facts.get::<_, bool>(1) {
        return refuse(
            "the guard schema or its claim functions are missing: policies that check claims could not be restored. \
                       Run `labor-migrator bootstrap` and `labor-migrator up` first"
                .to_owned(),
        );
    }
    if !facts.get::<_, bool>(0) {
        return refuse(
            "the control schema is missing, so nobody knows which tenants were deleted. Run `labor-migrator up` first"
                .to_owned(),
        );
    }
    if let Some(into) = into.filter(|_| facts.get(2)) {
        return refuse(format!("{into} exists already; restore into a new name"));
    }
    let state = client.query_opt("SELECT state FROM control.tenants WHERE name = $1", &[&tenant.as_str()]).await;
    let state = state.map_err(BackupError::during("read the tombstones"))?;
    if state.is_some_and(|row| row.get::<_, &str>(0) == "deleted") {
        return refuse(format!("{tenant} was deleted; deleted data is not brought back"));
    }
    Ok(())
}

/// A deletion locks the same row: either it waits and then finds the copy, or this finds the tenant frozen or deleted.
pub(crate) async fn exclude_deletion(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let state = transaction
        .query_opt("SELECT state FROM control.tenants WHERE name = $1 FOR SHARE", &[&tenant.as_str()])
        .await
        .map_err(BackupError::during("keep a deletion waiting"))?;
    match state.map(|row| row.get::<_, String>(0)) {
        Some(state) if state != "active" => {
            Err(BackupError::Refused(format!("{tenant} is {state}: its deletion has begun, so no copy of it is kept")))
        }
        _ => Ok(()),
    }
}

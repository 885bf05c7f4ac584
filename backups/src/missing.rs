//! `restore --missing`: after the loss of a server, every tenant that the registry knows and whose schema is not there.
//! Must stay true: nothing that is there is touched; one tenant's trouble is no other's; run again it goes on with those that are left.
use std::collections::BTreeMap;

use labor_catalog::TenantName;
use labor_migrator::Migrator;
use serde::Serialize;

use crate::practice::{self, OVER, Practice};
use crate::{Backup, BackupError, Replaced, Which};

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MissingRun {
    /// Who is there again.
    pub restored: Vec<Replaced>,
    /// Who is not, and why.
    pub failed: BTreeMap<TenantName, String>,
}

impl MissingRun {
    /// What somebody has to look at.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.failed.iter().map(|(tenant, error)| format!("{tenant}: {error}")).collect()
    }
}

impl Backup {
    /// Restores the newest backup of every tenant whose schema is missing, the intake first: messages for nobody have a place then.
    ///
    /// # Errors
    /// When the registry can't be read, the master secret is not the fleet's, or it was stopped.
    pub async fn restore_missing(&self, migrator: &Migrator) -> Result<MissingRun, BackupError> {
        migrator.holds_secret().await?;
        let client = self.connect_to_target().await?;
        let rows = client
            .query(
                "SELECT name FROM control.tenants WHERE state IN ('active', 'frozen') ORDER BY kind = 'practice', name",
                &[],
            )
            .await
            .map_err(BackupError::during("list the tenants"))?;
        let mut run = MissingRun::default();
        for row in rows {
            let tenant = TenantName::parse(row.get(0)).map_err(|error| BackupError::Invalid(error.to_string()))?;
            let practice = Practice::look(&client, &tenant).await?;
            let done = practice.done(OVER);
            if practice.there && done.is_none() {
                continue;
            }
            match Box::pin(self.restore_one(migrator, &practice, done)).await {
                Ok(restored) => run.restored.push(restored),
                Err(BackupError::Stopped) => return Err(BackupError::Stopped),
                Err(error) => _ = run.failed.insert(tenant, error.to_string()),
            }
        }
        Ok(run)
    }

    /// One that is missing, or that a killed run did not come to open.
    async fn restore_one(
        &self,
        migrator: &Migrator,
        practice: &Practice,
        done: Option<Replaced>,
    ) -> Result<Replaced, BackupError> {
        let client = self.connect_to_target().await?;
        practice::alone(&client, &practice.tenant).await?;
        match done {
            Some(done) => Box::pin(self.open(migrator, done)).await,
            None => Box::pin(self.take_place(migrator, practice, &Which::Latest)).await,
        }
    }
}

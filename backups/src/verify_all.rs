//! `verify --all`: the newest backup of every tenant, unless it was restored for a try and passed; and some that did, the longest ago
//! first.
//! Must stay true: a backup that could not be tried is told apart from one that is bad.
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use labor_catalog::TenantName;
use serde::Serialize;

use crate::list::AT_ONCE;
use crate::{Backup, BackupError, BackupId, Which, class, workers};

/// Which backups are verified.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// How many at a time.
    pub jobs: usize,
    /// How many that passed before, besides all that never did.
    pub again: usize,
}

/// What became of one.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Proof {
    /// Restored, and equal to its manifest.
    Passed {
        /// Which.
        backup: BackupId,
        /// Rows that were restored.
        rows: u64,
    },
    /// Damaged, not restorable, or different.
    Bad {
        /// Which.
        backup: BackupId,
        /// Why.
        error: String,
    },
    /// It says nothing about the backup.
    NotTried {
        /// Which.
        backup: BackupId,
        /// Why not.
        error: String,
    },
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct ProofRun {
    /// Each backup that was to be verified, by its tenant.
    pub tenants: BTreeMap<TenantName, Proof>,
    /// Tenants that have no backup at all.
    pub without_backup: Vec<TenantName>,
}

impl ProofRun {
    /// What somebody has to look at; bad backups first.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let told = |wanted_bad: bool| {
            self.tenants.iter().filter_map(move |(tenant, proof)| match proof {
                Proof::Bad { backup, error } if wanted_bad => Some(format!("{tenant}: {backup} is BAD: {error}")),
                Proof::NotTried { backup, error } if !wanted_bad => {
                    Some(format!("{tenant}: {backup} could not be tried: {error}"))
                }
                _ => None,
            })
        };
        let without = self.without_backup.iter().map(|tenant| format!("{tenant} has no backup"));
        told(true).chain(told(false)).chain(without).collect()
    }

    /// Whether a backup was found to be bad.
    #[must_use]
    pub fn any_bad(&self) -> bool {
        self.tenants.values().any(|proof| matches!(proof, Proof::Bad { .. }))
    }
}

type Tell = Arc<dyn Fn(&TenantName, &Proof) + Send + Sync>;

impl Backup {
    /// Verifies as [`Backup::verify`] does. `begin` is told how many, `tell` what became of each, in whatever order.
    ///
    /// # Errors
    /// When nothing could be begun, or it was stopped. What happens to one backup is in the result.
    pub async fn verify_all(
        &self,
        sampling: Sampling,
        begin: impl FnOnce(usize),
        tell: impl Fn(&TenantName, &Proof) + Send + Sync + 'static,
    ) -> Result<ProofRun, BackupError> {
        let client = labor_connect::connect(&self.source).await?;
        let members = class::members(&client).await?;
        drop(client);
        let mut newest = self.unless_stopped(self.newest()).await?;
        let (mut never, mut without_backup) = (Vec::new(), Vec::new());
        let mut before = stream::iter(members.into_iter().map(|member| {
            let newest = newest.remove(&member.tenant);
            async move {
                let Some((backup, found)) = newest else {
                    return (member.tenant, None, None);
                };
                // What can't be read or was not made with the tenant's key is no verification.
                let passed = self.passed_at(&member.tenant, &backup, &found).await.ok().flatten();
                (member.tenant, Some(backup), passed)
            }
        }))
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
        before.sort_by_key(|(_, _, passed)| *passed);
        let mut again = sampling.again;
        for (tenant, backup, passed) in before {
            match (backup, passed) {
                (None, _) => without_backup.push(tenant),
                (Some(backup), None) => never.push((tenant, backup)),
                (Some(backup), Some(_)) if again > 0 => {
                    again -= 1;
                    never.push((tenant, backup));
                }
                (Some(_), Some(_)) => {}
            }
        }
        begin(never.len());
        let tenants = self.prove_each(never, sampling.jobs, Arc::new(tell)).await?;
        Ok(ProofRun { tenants, without_backup })
    }

    async fn prove_each(
        &self,
        backups: Vec<(TenantName, BackupId)>,
        jobs: usize,
        tell: Tell,
    ) -> Result<BTreeMap<TenantName, Proof>, BackupError> {
        let work = backups.into_iter().map(|(tenant, id)| {
            let (backup, tell) = (self.clone(), tell.clone());
            tokio::spawn(async move {
                let proof = backup.proof_of(&tenant, id).await?;
                tell(&tenant, &proof);
                Ok((tenant, proof))
            })
        });
        Ok(workers::all(jobs, work).await?.into_iter().collect())
    }

    /// An error only when all is to stop.
    async fn proof_of(&self, tenant: &TenantName, backup: BackupId) -> Result<Proof, BackupError> {
        match Box::pin(self.verify(tenant, &Which::Id(backup.clone()))).await {
            Ok(verified) => Ok(Proof::Passed { backup, rows: verified.rows }),
            Err(BackupError::Stopped) => Err(BackupError::Stopped),
            Err(error) if error.condemns() => Ok(Proof::Bad { backup, error: error.to_string() }),
            Err(error) => Ok(Proof::NotTried { backup, error: error.to_string() }),
        }
    }
}

//! `rotate claim-key`: the next key of the same master secret.
use std::time::Duration;

use chrono::{DateTime, Utc};
use labor_catalog::claim::WORKER_CLAIM_LIFE;
use serde::Serialize;
use serde_json::json;

use super::{LOCK_TIMEOUT, MARGIN, refuse_a_third};
use crate::connection::begin;
use crate::keys::{self, Lock};
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError};

/// What was changed.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimKeyRotated {
    /// The key that claims are signed with now.
    pub claim_key: i32,
    /// The key before.
    pub former_claim_key: i32,
    /// Until when that one is accepted.
    pub former_until: Option<DateTime<Utc>>,
}

impl Migrator {
    /// Makes the next claim key; the one before ends by itself once every claim of it has.
    ///
    /// # Errors
    /// When a key before is still accepted, the master secret has had all of its keys, or the database refuses.
    pub async fn rotate_claim_key(&self) -> Result<ClaimKeyRotated, MigratorError> {
        const LIFE: Duration = WORKER_CLAIM_LIFE.saturating_add(MARGIN);
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        self.require_secret(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        let keys = keys::read(&transaction, Lock::Change).await?;
        refuse_a_third(&keys)?;
        let next = keys.current.next().ok_or_else(|| {
            MigratorError::Invalid(format!(
                "master secret {} has had all of its claim keys; nothing was changed. It is time for `labor-migrator rotate master`",
                keys.current.secret()
            ))
        })?;
        let run_id =
            run::begin(&transaction, "rotate claim-key", None, &json!({ "claim_key": i32::from(next) })).await?;
        let former_until = self.turn_to(&transaction, &keys, next, Some(LIFE)).await?;
        run::end(&transaction, run_id, Ending::Completed, None).await?;
        transaction.commit().await.map_err(MigratorError::during("change the claim key: commit"))?;
        Ok(ClaimKeyRotated { claim_key: next.into(), former_claim_key: keys.current.into(), former_until })
    }
}

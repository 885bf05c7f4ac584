//! `rotate`: changes claim keys and the master secret while everybody is served.
//! Must stay true: the database says which key signs, and processes follow it within a second; the key before stays accepted until
//! whatever was signed with it has ended. Each step is one transaction and can be run again: a killed rotation is gone on with by
//! the same command.
mod claim_key;
mod finish;
mod master;
mod standing;

use std::time::Duration;

use chrono::{DateTime, Utc};
use labor_catalog::{ClaimKeyId, SecretNumber};
use serde::Serialize;
use tokio_postgres::{GenericClient, Transaction};
use uuid::Uuid;

pub use claim_key::ClaimKeyRotated;
pub use finish::Finished;
pub use master::MasterRotated;
pub use standing::{Key, RotationStatus};

use crate::keys::FleetKeys;
use crate::{Migrator, MigratorError};

/// Births hold the fleet's row for as long as they last, other commands a tenant's.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// A process hears of a new key within a second; clocks and a busy machine get the rest.
const MARGIN: Duration = Duration::from_secs(60);

/// A laboratory's channel whose secret comes out of a master secret that is being left.
#[derive(Debug, Clone, Serialize)]
pub struct SourceLeft {
    /// Its id.
    pub source: Uuid,
    /// Its name.
    pub name: String,
}

impl Migrator {
    /// From now on claims are signed with `next`; the key before is accepted for `life`, or until that is said. Gives its end.
    async fn turn_to(
        &self,
        transaction: &Transaction<'_>,
        keys: &FleetKeys,
        next: ClaimKeyId,
        life: Option<Duration>,
    ) -> Result<Option<DateTime<Utc>>, MigratorError> {
        let during = || MigratorError::during("change the claim key");
        if let Some(former) = &keys.former {
            let sql = "DELETE FROM guard.claim_keys WHERE key_id = $1";
            transaction.execute(sql, &[&i32::from(former.id)]).await.map_err(during())?;
        }
        self.write_claim_key(transaction, next).await?;
        transaction
            .execute(
                "UPDATE control.fleet SET claim_key = $1, former_claim_key = $2, former_ends_at = NULL, changed_at = now()",
                &[&i32::from(next), &i32::from(keys.current)],
            )
            .await
            .map_err(during())?;
        // What stood under this number already may be somebody else's key.
        self.require_secret(transaction).await?;
        match life {
            Some(life) => end_former(transaction, keys.current, life).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Lets the key before, and what else comes out of its master secret, be accepted for so long from now on. A key that somebody took away
/// has come to its end.
async fn end_former(
    transaction: &Transaction<'_>,
    former: ClaimKeyId,
    life: Duration,
) -> Result<DateTime<Utc>, MigratorError> {
    let row = transaction
        .query_one(
            "WITH key AS (UPDATE guard.claim_keys SET not_after = clock_timestamp() + $2 * interval '1 second' WHERE key_id = $1
                          RETURNING not_after)
             UPDATE control.fleet SET former_ends_at = coalesce((SELECT not_after FROM key), clock_timestamp()), changed_at = now()
              RETURNING former_ends_at",
            &[&i32::from(former), &life.as_secs_f64()],
        )
        .await
        .map_err(MigratorError::during("let the claim key before come to its end"))?;
    Ok(row.get(0))
}

/// While a key before is accepted there is no further one: the guard would have to forget it too early.
fn refuse_a_third(keys: &FleetKeys) -> Result<(), MigratorError> {
    let Some(former) = keys.former.as_ref().filter(|former| former.alive) else { return Ok(()) };
    Err(MigratorError::Invalid(match former.until {
        Some(until) => format!(
            "claim key {} is accepted until {}, so there is no third one before that; nothing was changed. Run the command again then",
            former.id,
            told(until)
        ),
        None => format!(
            "the master secret is being changed from number {} to {}; nothing was changed. `labor-migrator rotate status` says what is \
             left to do there",
            former.id.secret(),
            keys.current.secret()
        ),
    }))
}

/// Sources in service whose secret does not come out of this master secret yet, by name.
async fn sources_left(client: &impl GenericClient, number: SecretNumber) -> Result<Vec<SourceLeft>, MigratorError> {
    let rows = client
        .query(
            "SELECT id, name FROM control.sources WHERE state = 'active' AND secret_number <> $1 ORDER BY name",
            &[&i32::from(number)],
        )
        .await
        .map_err(MigratorError::during("look for sources of an older master secret"))?;
    Ok(rows.iter().map(|row| SourceLeft { source: row.get(0), name: row.get(1) }).collect())
}

fn told(time: DateTime<Utc>) -> String {
    time.format("%F %T UTC").to_string()
}

/// Sources for a message.
fn listed(sources: &[SourceLeft]) -> String {
    sources.iter().map(|left| format!("{} ({})", left.name, left.source)).collect::<Vec<_>>().join(", ")
}

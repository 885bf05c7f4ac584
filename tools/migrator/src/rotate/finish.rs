//! `rotate finish`: what comes out of the master secret before comes to its end.
//! Must stay true: not before nothing depends on it any more but what ends by itself.
use std::time::Duration;

use chrono::{DateTime, Utc};
use labor_catalog::SecretNumber;
use labor_catalog::claim::{TOKEN_LIFE, WORKER_CLAIM_LIFE};
use serde::Serialize;
use serde_json::json;
use tokio_postgres::Transaction;

use super::{LOCK_TIMEOUT, MARGIN, SourceLeft, end_former, listed, sources_left};
use crate::connection::begin;
use crate::keys::{self, Lock};
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError};

/// What comes to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Finished {
    /// Number of the master secret that the fleet uses.
    pub secret_number: SecretNumber,
    /// Number of the one before.
    pub former_secret_number: SecretNumber,
    /// When that one ends, and its line may be removed from the files.
    pub former_until: DateTime<Utc>,
    /// Laboratories' channels whose secret before the current one ends with it: they must have changed over by then.
    pub sources_changing: Vec<SourceLeft>,
}

impl Migrator {
    /// Lets the master secret before end as soon as every claim and token of it has, or `now`, which ends them with it. Run again it
    /// says the same.
    ///
    /// # Errors
    /// When a login or a source in service depends on it, no change of the master secret is under way, or the database refuses.
    pub async fn rotate_finish(&self, now: bool) -> Result<Finished, MigratorError> {
        const LIFE: Duration =
            if TOKEN_LIFE.as_secs() > WORKER_CLAIM_LIFE.as_secs() { TOKEN_LIFE } else { WORKER_CLAIM_LIFE };
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        self.require_secret(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        let keys = keys::read(&transaction, Lock::Change).await?;
        let number = keys.current.secret();
        let Some(former) = keys.former.filter(|former| former.id.secret() != number) else {
            return Err(MigratorError::Invalid(format!(
                "no change of the master secret is under way, the fleet uses number {number}; nothing was changed. \
                 `labor-migrator rotate master` begins one"
            )));
        };
        let until = match former.until {
            Some(until) if !(now && former.alive) => until,
            _ => {
                refuse_dependents(&transaction, number).await?;
                let arguments = json!({ "secret_number": number, "from": former.id.secret(), "now": now });
                let run_id = run::begin(&transaction, "rotate finish", None, &arguments).await?;
                let life = if now { Duration::ZERO } else { LIFE.saturating_add(MARGIN) };
                let until = end_former(&transaction, former.id, life).await?;
                run::end(&transaction, run_id, Ending::Completed, None).await?;
                until
            }
        };
        let sources_changing = changing(&transaction, number).await?;
        transaction.commit().await.map_err(MigratorError::during("finish the rotation: commit"))?;
        Ok(Finished {
            secret_number: number,
            former_secret_number: former.id.secret(),
            former_until: until,
            sources_changing,
        })
    }
}

async fn refuse_dependents(transaction: &Transaction<'_>, number: SecretNumber) -> Result<(), MigratorError> {
    let row = transaction
        .query_one(
            "SELECT count(*) FROM control.tenants WHERE state <> 'deleted' AND secret_number <> $1",
            &[&i32::from(number)],
        )
        .await
        .map_err(MigratorError::during("count logins of an older master secret"))?;
    let logins: i64 = row.get(0);
    if logins > 0 {
        return Err(MigratorError::Invalid(format!(
            "{logins} login(s) still have a password of an older master secret; nothing was changed. `labor-migrator rotate master` goes on \
             with them"
        )));
    }
    let sources = sources_left(transaction, number).await?;
    if sources.is_empty() {
        return Ok(());
    }
    Err(MigratorError::Invalid(format!(
        "{} source(s) still sign with a secret that comes out of an older master secret; nothing was changed. For each run `labor source \
         rotate ID` and give the laboratory its new secret: {}",
        sources.len(),
        listed(&sources)
    )))
}

async fn changing(transaction: &Transaction<'_>, number: SecretNumber) -> Result<Vec<SourceLeft>, MigratorError> {
    let rows = transaction
        .query(
            "SELECT id, name FROM control.sources
              WHERE state = 'active' AND secret_version > 1 AND former_secret_number <> $1 ORDER BY name",
            &[&i32::from(number)],
        )
        .await
        .map_err(MigratorError::during("look for sources that are changing over"))?;
    Ok(rows.iter().map(|row| SourceLeft { source: row.get(0), name: row.get(1) }).collect())
}

//! `rotate master`: the fleet changes over to the newest master secret of the file.
//! Must stay true: claims, tokens and births first, in one transaction; then each login in one of its own, whose row in the registry
//! says so. A login that is shut stays shut.
use std::time::Duration;

use labor_catalog::{ClaimKeyId, SecretNumber, TenantName};
use serde::Serialize;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{LOCK_TIMEOUT, SourceLeft, refuse_a_third, sources_left};
use crate::connection::begin;
use crate::keys::{self, Lock};
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError, parse_name};

/// Between two looks at logins that other commands hold.
const PAUSE: Duration = Duration::from_millis(500);
/// How often they are looked at.
const LOOKS: u32 = 20;

/// What was changed.
#[derive(Debug, Clone, Serialize)]
pub struct MasterRotated {
    /// Number of the master secret that the fleet uses now.
    pub secret_number: SecretNumber,
    /// Whether this run began it; else it went on with one that was under way.
    pub begun: bool,
    /// Logins that were given a password of it in this run.
    pub logins: u64,
    /// Laboratories' channels that are still to be changed over.
    pub sources_left: Vec<SourceLeft>,
}

impl Migrator {
    /// Changes over to the newest master secret of the keyring, or goes on with that; `progress` hears how many logins there are to
    /// move, and how many were.
    ///
    /// # Errors
    /// When there is no newer one, a key before is still accepted, or the database refuses. What was done stays.
    pub async fn rotate_master(&self, mut progress: impl FnMut(u64, u64)) -> Result<MasterRotated, MigratorError> {
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        self.require_secret(&client).await?;
        let (run_id, secret_number, begun) = self.begin_rotation(&mut client).await?;
        let mut logins = 0;
        let result = self.move_logins(&mut client, secret_number, &mut logins, &mut progress).await;
        if !client.is_closed() {
            let (ending, message) = match &result {
                Ok(()) => (Ending::Completed, format!("{logins} login(s) moved to master secret {secret_number}")),
                Err(error) => (Ending::Failed, error.to_string()),
            };
            run::end(&client, run_id, ending, Some(&message)).await?;
        }
        result?;
        Ok(MasterRotated { secret_number, begun, logins, sources_left: sources_left(&client, secret_number).await? })
    }

    /// The run, the number to change over to, and whether that begins now.
    async fn begin_rotation(&self, client: &mut Client) -> Result<(Uuid, SecretNumber, bool), MigratorError> {
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        let keys = keys::read(&transaction, Lock::Change).await?;
        let under_way = keys.leaving().is_some();
        let number = if under_way { keys.current.secret() } else { self.ring.newest() };
        if !under_way {
            refuse_a_third(&keys)?;
            self.refuse_an_older(keys.current.secret())?;
        }
        let arguments = json!({ "secret_number": number, "from": keys.current.secret() });
        let run_id = run::begin(&transaction, "rotate master", None, &arguments).await?;
        if !under_way {
            self.turn_to(&transaction, &keys, ClaimKeyId::first_of(number), None).await?;
        }
        transaction.commit().await.map_err(MigratorError::during("change the master secret: commit"))?;
        Ok((run_id, number, !under_way))
    }

    fn refuse_an_older(&self, current: SecretNumber) -> Result<(), MigratorError> {
        if self.ring.newest() > current {
            return Ok(());
        }
        let next = current.next().map_or_else(|| "NUMBER".to_owned(), |next| next.to_string());
        Err(MigratorError::Invalid(format!(
            "the master secret file holds nothing newer than number {current}, which the fleet uses; nothing was changed. Append a new one: \
             echo \"{next}:$(openssl rand -hex 32)\" >> FILE, copy that line to the file of every machine that runs `labor serve` or \
             `labor work`, then run the command again"
        )))
    }

    /// Until none is left. One that another command holds is passed by, and looked at again.
    async fn move_logins(
        &self,
        client: &mut Client,
        number: SecretNumber,
        moved: &mut u64,
        progress: &mut impl FnMut(u64, u64),
    ) -> Result<(), MigratorError> {
        for look in 1.. {
            let left = logins_left(client, number).await?;
            let all = *moved + left.len() as u64;
            let mut busy = Vec::new();
            for tenant in &left {
                progress(all, *moved);
                match self.move_login(client, tenant, number).await {
                    Ok(count) => *moved += count,
                    Err(error) if error.is_passing() => {
                        tracing::info!(%tenant, error = error.told(), "will be looked at again");
                        busy.push(tenant.as_str());
                    }
                    Err(error) => return Err(error),
                }
            }
            progress(all, *moved);
            if busy.is_empty() {
                return Ok(());
            }
            if look == LOOKS {
                return Err(MigratorError::Invalid(format!(
                    "other commands hold {}, whose logins still have a password of the master secret before; run the command again when \
                     they are done",
                    busy.join(", ")
                )));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// How many logins were moved: none, when somebody else did it, or there is no login.
    async fn move_login(
        &self,
        client: &mut Client,
        tenant: &TenantName,
        number: SecretNumber,
    ) -> Result<u64, MigratorError> {
        let during = |what: &str| MigratorError::during(format!("{tenant}: {what}"));
        let role = tenant.role();
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        let current = keys::read(&transaction, Lock::Share).await?.current.secret();
        if current != number {
            return Err(MigratorError::Invalid(format!(
                "somebody else has changed the fleet over to master secret {current} meanwhile; nothing is left to do here"
            )));
        }
        let changed = transaction
            .execute(
                "UPDATE control.tenants SET secret_number = $2 WHERE name = $1 AND state <> 'deleted' AND secret_number <> $2",
                &[&tenant.as_str(), &i32::from(number)],
            )
            .await
            .map_err(during("lock it"))?;
        if changed == 0 {
            return Ok(0);
        }
        let there = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await;
        let there = there.map_err(during("look for its login"))?.is_some();
        if there {
            // The password alone: a suspended practice and a spare stay shut.
            let verifier = self.secret(number)?.scram_verifier(&role)?;
            let sql = format!("ALTER ROLE {role} PASSWORD '{verifier}'");
            transaction.batch_execute(&sql).await.map_err(during("give its login a new password"))?;
        }
        transaction.commit().await.map_err(during("commit"))?;
        Ok(u64::from(there))
    }
}

async fn logins_left(client: &Client, number: SecretNumber) -> Result<Vec<TenantName>, MigratorError> {
    let rows = client
        .query(
            "SELECT name FROM control.tenants WHERE state <> 'deleted' AND secret_number <> $1 ORDER BY name",
            &[&i32::from(number)],
        )
        .await
        .map_err(MigratorError::during("look for logins of an older master secret"))?;
    rows.iter().map(|row| parse_name(row.get(0))).collect()
}

//! The keys that the fleet uses (`control.fleet`): read, compared with our master secrets, given to births.
//! Must stay true: who bears a tenant holds the row FOR SHARE and takes its secret, who changes the secret waits for that; so a login is
//! of the new secret, or seen by the run that moves logins to it. Nothing is done with a keyring that lacks the fleet's secret.
use chrono::{DateTime, Utc};
use labor_catalog::{ClaimKey, ClaimKeyId, MasterSecret, SecretNumber, TenantName};
use tokio_postgres::error::SqlState;
use tokio_postgres::{GenericClient, Transaction};

use crate::{Migrator, MigratorError};

/// What others may do with the fleet's row while we hold it.
#[derive(Clone, Copy)]
pub(crate) enum Lock {
    /// Anything: it is only looked at.
    None,
    /// Be born: nobody changes the keys.
    Share,
    /// Nothing: the keys are about to be changed.
    Change,
}

/// The keys in use.
#[derive(Clone, Debug)]
pub(crate) struct FleetKeys {
    /// Signs claims.
    pub(crate) current: ClaimKeyId,
    /// The one before.
    pub(crate) former: Option<Former>,
}

/// A key that no process signs with any more, but for those that have not heard yet.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub(crate) id: ClaimKeyId,
    /// Until when it is accepted; `None`: until the rotation is finished.
    pub(crate) until: Option<DateTime<Utc>>,
    /// Whether it is accepted now.
    pub(crate) alive: bool,
}

impl FleetKeys {
    /// The master secret that the fleet is leaving, while a rotation of it is under way.
    pub(crate) fn leaving(&self) -> Option<SecretNumber> {
        let former = self.former.as_ref().filter(|former| former.until.is_none())?;
        Some(former.id.secret())
    }
}

/// Reads them.
pub(crate) async fn read(client: &impl GenericClient, lock: Lock) -> Result<FleetKeys, MigratorError> {
    let lock = match lock {
        Lock::None => "",
        Lock::Share => "FOR SHARE",
        Lock::Change => "FOR UPDATE",
    };
    let sql = format!(
        "SELECT claim_key, former_claim_key, former_ends_at, former_ends_at IS NULL OR former_ends_at > clock_timestamp() FROM control.fleet {lock}"
    );
    let row = client.query_one(&sql, &[]).await.map_err(|error| match error.code() {
        Some(code) if *code == SqlState::UNDEFINED_COLUMN => MigratorError::OlderControl,
        _ => MigratorError::during("read the fleet's keys")(error),
    })?;
    let id =
        |id| ClaimKeyId::new(id).ok_or_else(|| MigratorError::Invalid(format!("control.fleet: {id} is no claim key")));
    let former = match row.get::<_, Option<i32>>(1) {
        Some(former) => Some(Former { id: id(former)?, until: row.get(2), alive: row.get(3) }),
        None => None,
    };
    Ok(FleetKeys { current: id(row.get(0))?, former })
}

impl Migrator {
    /// The master secret of this number.
    pub(crate) fn secret(&self, number: SecretNumber) -> Result<&MasterSecret, MigratorError> {
        let lacking = || MigratorError::LackingSecret { number, held: self.ring.numbers() };
        self.ring.get(number).ok_or_else(lacking)
    }

    /// The master secret that the password of this tenant's login comes out of from now on; noted in the registry, if it is there.
    pub(crate) async fn secret_for(
        &self,
        transaction: &Transaction<'_>,
        tenant: &TenantName,
    ) -> Result<&MasterSecret, MigratorError> {
        let number = read(transaction, Lock::Share).await?.current.secret();
        let secret = self.secret(number)?;
        transaction
            .execute(
                "UPDATE control.tenants SET secret_number = $2 WHERE name = $1",
                &[&tenant.as_str(), &i32::from(number)],
            )
            .await
            .map_err(MigratorError::during(format!("{tenant}: note the master secret of its login")))?;
        Ok(secret)
    }

    /// Our master secret is the one that this database uses: it gives the same claim key, and that one has no end.
    pub(crate) async fn require_secret(&self, client: &impl GenericClient) -> Result<(), MigratorError> {
        let id = read(client, Lock::None).await?.current;
        let pads = ClaimKey::new(id, self.secret(id.secret())?).pads();
        let row = client
            .query_opt(
                "SELECT inner_pad = $2 AND outer_pad = $3, not_after FROM guard.claim_keys WHERE key_id = $1",
                &[&i32::from(id), &&pads.inner[..], &&pads.outer[..]],
            )
            .await
            .map_err(MigratorError::during("compare the claim key"))?;
        match row.map(|row| (row.get(0), row.get::<_, Option<DateTime<Utc>>>(1))) {
            Some((true, None)) => Ok(()),
            Some((true, Some(end))) => Err(MigratorError::Invalid(format!(
                "guard.claim_keys lets claim key {id} end at {}, and the fleet signs with it: every practice is shut from then on. Nothing of \
                 ours sets that; find out who did, then UPDATE guard.claim_keys SET not_after = NULL WHERE key_id = {id}",
                end.format("%F %T UTC")
            ))),
            Some((false, _)) | None => Err(MigratorError::WrongSecret),
        }
    }

    /// Written once; a database that has none yet begins with our newest secret. Another key under the same number would shut every
    /// running process out of every tenant.
    pub(crate) async fn write_first_claim_key(&self, transaction: &Transaction<'_>) -> Result<(), MigratorError> {
        transaction
            .execute(
                "UPDATE control.fleet SET claim_key = $1
                  WHERE NOT EXISTS (SELECT FROM guard.claim_keys) AND NOT EXISTS (SELECT FROM control.tenants)",
                &[&i32::from(ClaimKeyId::first_of(self.ring.newest()))],
            )
            .await
            .map_err(MigratorError::during("say which claim key is used"))?;
        let id = read(transaction, Lock::None).await?.current;
        self.write_claim_key(transaction, id).await?;
        self.require_secret(transaction).await
    }

    /// Lets the guard accept a key.
    pub(crate) async fn write_claim_key(
        &self,
        transaction: &Transaction<'_>,
        id: ClaimKeyId,
    ) -> Result<(), MigratorError> {
        let pads = ClaimKey::new(id, self.secret(id.secret())?).pads();
        transaction
            .execute(
                "INSERT INTO guard.claim_keys (key_id, inner_pad, outer_pad) VALUES ($1, $2, $3) ON CONFLICT (key_id) DO NOTHING",
                &[&i32::from(id), &&pads.inner[..], &&pads.outer[..]],
            )
            .await
            .map_err(MigratorError::during("write the claim key"))?;
        Ok(())
    }
}

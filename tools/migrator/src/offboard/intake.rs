//! What a deletion leaves in the intake: whole messages that name several practices, or came when nobody could be found.
//! Must stay true: they are counted with the intake's own login and a claim, as a worker reads them, and the reading is audited.
//! The owner of the tables would see no row and count nothing.
use labor_catalog::claim::CLAIM_LIFE;
use labor_catalog::{ClaimKey, ClaimRole, SecretNumber, SignedClaim, TenantName};
use labor_connect::ConnectError;
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::keys::{self, Lock};
use crate::{Migrator, MigratorError};

impl Migrator {
    /// With the password of the fleet's master secret, or while that is being changed of another.
    pub(super) async fn log_in(&self, tenant: &TenantName, number: SecretNumber) -> Result<Client, MigratorError> {
        let mut refused = MigratorError::LackingSecret { number, held: self.ring.numbers() };
        for secret in self.ring.trials(number) {
            let mut config = self.config.clone();
            config.user(tenant.role()).password(secret.tenant_password(tenant));
            match labor_connect::connect(&config).await {
                Err(ConnectError::Refused { source, login, server })
                    if source.code() == Some(&SqlState::INVALID_PASSWORD) =>
                {
                    refused = ConnectError::Refused { login, server, source }.into();
                }
                ended => return Ok(ended?),
            }
        }
        Err(refused)
    }

    /// Counts the intake's messages in which a BSNR of this tenant occurs.
    pub(super) async fn count_in_intake(
        &self,
        client: &Client,
        tenant: &TenantName,
        request: Uuid,
    ) -> Result<Value, MigratorError> {
        let during = |what: &str| MigratorError::during(format!("{tenant}: intake: {what}"));
        let row = client
            .query_one(
                "SELECT (SELECT name FROM control.tenants WHERE kind = 'intake' AND state <> 'deleted'),
                        array(SELECT value FROM control.tenant_identifiers WHERE kind = 'bsnr' AND tenant = $1)",
                &[&tenant.as_str()],
            )
            .await
            .map_err(during("look up identifiers"))?;
        let (intake, bsnrs): (Option<&str>, Vec<String>) = (row.get(0), row.get(1));
        let Some(intake) = intake else {
            return Ok(json!({ "intake_messages": 0 }));
        };
        let intake = TenantName::parse(intake).map_err(|error| MigratorError::Invalid(error.to_string()))?;
        let id = keys::read(client, Lock::None).await?.current;
        let key = ClaimKey::new(id, self.secret(id.secret())?);
        let mut client = self.log_in(&intake, id.secret()).await?;
        let transaction = client.transaction().await.map_err(during("begin"))?;
        let claim = SignedClaim::sign(&key, &intake, "labor-migrator", ClaimRole::Worker, CLAIM_LIFE);
        transaction
            .execute("SELECT set_config('labor.claim', $1, true)", &[&claim.as_str()])
            .await
            .map_err(during("bind the claim"))?;
        let row = transaction
            .query_one(
                "SELECT count(*) FROM raw_messages m
                  WHERE EXISTS (SELECT FROM unnest($1::text[]) b WHERE position(convert_to(b, 'UTF8') IN m.body) > 0)",
                &[&bsnrs],
            )
            .await
            .map_err(during("search the messages"))?;
        transaction
            .execute(
                "INSERT INTO audit (id, action, object_kind, outcome, request_id)
                 VALUES ($1, 'message.search', 'raw_messages', 'success', $2)",
                &[&Uuid::now_v7(), &request],
            )
            .await
            .map_err(during("write the audit row"))?;
        transaction.commit().await.map_err(during("commit"))?;
        Ok(json!({ "intake_messages": row.get::<_, i64>(0) }))
    }
}

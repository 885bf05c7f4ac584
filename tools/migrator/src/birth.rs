//! How a tenant comes into being: login role, schema, row rules, proof, ledger row, in a transaction that the caller commits.
//! Must stay true: it goes through the same files as every other tenant, and is proven like one.
use std::sync::Arc;

use labor_catalog::{MasterSecret, TenantName};
use tokio_postgres::Transaction;

use crate::chain::{Chain, Target};
use crate::isolation::Proof;
use crate::{Migrator, MigratorError, recorded, schema};

impl Migrator {
    /// Creates everything of a registered tenant but its registration.
    pub(crate) async fn bear(
        &self,
        transaction: &Transaction<'_>,
        proof: &Proof,
        tenant: &TenantName,
        target: &Target,
        run_id: uuid::Uuid,
    ) -> Result<(), MigratorError> {
        let chain: &Arc<Chain> = self.chain();
        recorded::compare_for_birth(transaction, chain).await?;
        recorded::keep(transaction, chain, target).await?;
        let secret = self.secret_for(transaction, tenant).await?;
        create_role_and_schema(transaction, tenant, secret).await?;
        schema::enter(transaction, tenant).await?;
        schema::build(transaction, chain, 0, target.version).await?;
        schema::rule(transaction, chain, tenant).await?;
        schema::stamp(transaction, tenant, target).await?;
        schema::leave(transaction).await?;
        self.prove(transaction, proof, tenant, target, run_id).await
    }

    /// Lets a role that is there already log in as [`create_role`] would: with the password that comes out of the fleet's secret.
    pub(crate) async fn open_role(
        &self,
        transaction: &Transaction<'_>,
        tenant: &TenantName,
    ) -> Result<(), MigratorError> {
        let role = tenant.role();
        let verifier = self.secret_for(transaction, tenant).await?.scram_verifier(&role)?;
        let statement =
            format!("ALTER ROLE {role} LOGIN CONNECTION LIMIT 50 PASSWORD '{verifier}' VALID UNTIL 'infinity'");
        transaction.batch_execute(&statement).await.map_err(MigratorError::during(format!("open the role of {tenant}")))
    }

    /// The isolation check, and the ledger row with the fingerprint, of a tenant that the ledger doesn't know yet. A schema like others that
    /// the same files made was checked with them, by the release that made the first; that one is checked wholly, and the database with it.
    /// What weakens all tenants is not looked for at each birth: one more changes nothing about it, and `up` and `check` find it.
    pub(crate) async fn prove(
        &self,
        transaction: &Transaction<'_>,
        proof: &Proof,
        tenant: &TenantName,
        target: &Target,
        run_id: uuid::Uuid,
    ) -> Result<(), MigratorError> {
        let chain = self.chain();
        let (fingerprint, mut findings) =
            tokio::try_join!(proof.fingerprint(transaction, tenant), proof.reach(transaction, tenant))?;
        let fingerprint = fingerprint.unwrap_or_default();
        if !is_known(transaction, target, chain.rules_checksum(), &fingerprint).await? {
            findings = proof.findings(transaction, tenant).await?;
            findings.extend(self.findings_of_database(transaction).await?);
        }
        if !findings.is_empty() {
            return Err(MigratorError::Isolation(findings));
        }
        transaction
            .execute(
                "INSERT INTO control.ledger (tenant, version, chain_checksum, fingerprint, rules_checksum, run_id) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&tenant.as_str(), &target.version, &target.checksum, &fingerprint, &chain.rules_checksum(), &run_id],
            )
            .await
            .map_err(MigratorError::during("write the ledger"))?;
        Ok(())
    }
}

/// A login role and an empty schema.
pub(crate) async fn create_role_and_schema(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    secret: &MasterSecret,
) -> Result<(), MigratorError> {
    create_role(transaction, tenant, secret).await?;
    transaction
        .batch_execute(&format!("CREATE SCHEMA {tenant} AUTHORIZATION labor_owner"))
        .await
        .map_err(MigratorError::during(format!("create the schema of {tenant}")))
}

/// The login role owns nothing, inherits only what the marker group has, and finds nothing but its own schema.
pub(crate) async fn create_role(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    secret: &MasterSecret,
) -> Result<(), MigratorError> {
    let role = tenant.role();
    let verifier = secret.scram_verifier(&role)?;
    let statements = format!(
        "CREATE ROLE {role} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
                CONNECTION LIMIT 50 PASSWORD '{verifier}' IN ROLE labor_tenants;
         ALTER ROLE {role} SET search_path = {tenant}, pg_catalog, pg_temp"
    );
    transaction.batch_execute(&statements).await.map_err(MigratorError::during(format!("create the role of {tenant}")))
}

/// Whether the ledger has a tenant that the same files and row rules made into the same schema.
async fn is_known(
    transaction: &Transaction<'_>,
    target: &Target,
    rules: &str,
    fingerprint: &str,
) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one(
            "SELECT EXISTS (SELECT FROM control.ledger WHERE chain_checksum = $1 AND rules_checksum = $2 AND fingerprint = $3)",
            &[&target.checksum, &rules, &fingerprint],
        )
        .await
        .map_err(MigratorError::during("look for tenants of the same class"))?;
    Ok(row.get(0))
}

/// Drops a login role, if it is there, with what it said in advance about things that it could never make (ALTER DEFAULT PRIVILEGES):
/// DROP ROLE would stop at that. DROP OWNED is for members.
pub(crate) async fn drop_role(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
    let role = tenant.role();
    let during = || MigratorError::during(format!("drop the role of {tenant}"));
    let there = transaction.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]).await.map_err(during())?;
    if there.is_none() {
        return Ok(());
    }
    let statements = format!("GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}");
    transaction.batch_execute(&statements).await.map_err(during())
}

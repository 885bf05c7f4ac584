//! Creates a tenant: login role, schema at the current version, registry and ledger rows, in one transaction.
use labor_catalog::TenantName;
use serde::Serialize;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::{Migrator, MigratorError, chain, step};

/// What a new tenant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A practice.
    Practice,
    /// The one place for messages nobody could be found for.
    Intake,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// What people type at sign-in: lower-case letters, digits and hyphens.
    pub slug: String,
    /// Name of the practice as shown.
    pub display_name: String,
    /// Practice or intake.
    pub kind: Kind,
    /// (N)BSNRs by which laboratories address it, nine digits each.
    pub bsnrs: Vec<String>,
}

/// What was made.
#[derive(Debug, Clone, Serialize)]
pub struct Provisioned {
    /// Name in the database.
    pub tenant: TenantName,
    /// As wanted.
    pub slug: String,
    /// Version of its schema.
    pub version: i32,
}

impl Migrator {
    /// Creates a tenant, wholly or not at all.
    ///
    /// # Errors
    /// When the slug or a BSNR is taken or malformed, or the database refuses.
    pub async fn provision(&self, wanted: &NewTenant) -> Result<Provisioned, MigratorError> {
        validate(wanted)?;
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        // The new login's password comes out of the secret.
        self.require_secret(&client).await?;
        let target = chain::target();
        let tenant = TenantName::random()?;
        let run_id = Uuid::now_v7();
        let transaction = step::begin(&mut client).await?;
        let during = |what: &str| MigratorError::during(format!("provision {}: {what}", wanted.slug));
        transaction
            .execute("INSERT INTO control.runs (id, command) VALUES ($1, 'provision')", &[&run_id])
            .await
            .map_err(during("record the run"))?;
        self.create_role(&transaction, &tenant).await?;
        transaction
            .batch_execute(&format!("CREATE SCHEMA {tenant} AUTHORIZATION labor_owner"))
            .await
            .map_err(during("create the schema"))?;
        register(&transaction, &tenant, wanted).await?;
        step::run(&transaction, &tenant, &target, run_id).await?;
        transaction
            .execute("UPDATE control.runs SET finished_at = now(), succeeded = 1 WHERE id = $1", &[&run_id])
            .await
            .map_err(during("record the run"))?;
        transaction.commit().await.map_err(during("commit"))?;
        Ok(Provisioned { tenant, slug: wanted.slug.clone(), version: target.version })
    }

    /// Registers further BSNRs of an existing practice, all or none.
    ///
    /// # Errors
    /// When the practice is unknown, a BSNR malformed or taken, or the database refuses.
    pub async fn identify(&self, slug: &str, bsnrs: &[String]) -> Result<(), MigratorError> {
        require_bsnrs(bsnrs)?;
        let mut client = self.connect().await?;
        let transaction = step::begin(&mut client).await?;
        let tenant = transaction
            .query_opt(
                "SELECT name FROM control.tenants WHERE slug = $1 AND kind = 'practice' AND state <> 'deleted'",
                &[&slug],
            )
            .await
            .map_err(MigratorError::during("look up the practice"))?
            .ok_or_else(|| MigratorError::UnknownTenant(slug.to_owned()))?;
        insert_bsnrs(&transaction, tenant.get(0), bsnrs).await?;
        transaction.commit().await.map_err(MigratorError::during("commit"))
    }

    /// The login role owns nothing, inherits only what the marker group has, and finds nothing but its own schema.
    async fn create_role(&self, transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), MigratorError> {
        let role = tenant.role();
        let verifier = self.master.scram_verifier(&role)?;
        let statements = format!(
            "CREATE ROLE {role} LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
                    CONNECTION LIMIT 50 PASSWORD '{verifier}' IN ROLE labor_tenants;
             ALTER ROLE {role} SET search_path = {tenant}, pg_catalog, pg_temp"
        );
        transaction.batch_execute(&statements).await.map_err(MigratorError::during(format!("create role {role}")))
    }
}

fn require_bsnrs(bsnrs: &[String]) -> Result<(), MigratorError> {
    match bsnrs.iter().find(|b| b.len() != 9 || !b.bytes().all(|c| c.is_ascii_digit())) {
        Some(bad) => Err(MigratorError::Invalid(format!("{bad:?} is not a BSNR: nine digits are expected"))),
        None => Ok(()),
    }
}

fn validate(wanted: &NewTenant) -> Result<(), MigratorError> {
    require_bsnrs(&wanted.bsnrs)?;
    let slug_chars = wanted.slug.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    if wanted.slug.is_empty()
        || wanted.slug.len() > 63
        || !slug_chars
        || wanted.slug.starts_with('-')
        || wanted.slug.ends_with('-')
    {
        return Err(MigratorError::Invalid(format!(
            "{:?} can't be a sign-in name of a practice: 1 to 63 lower-case letters, digits and inner hyphens",
            wanted.slug
        )));
    }
    Ok(())
}

async fn register(transaction: &Transaction<'_>, tenant: &TenantName, wanted: &NewTenant) -> Result<(), MigratorError> {
    let kind = match wanted.kind {
        Kind::Practice => "practice",
        Kind::Intake => "intake",
    };
    transaction
        .execute(
            "INSERT INTO control.tenants (name, kind, slug, display_name) VALUES ($1, $2, $3, $4)",
            &[&tenant.as_str(), &kind, &wanted.slug, &wanted.display_name],
        )
        .await
        .map_err(|error| taken(error, &wanted.slug))?;
    insert_bsnrs(transaction, tenant.as_str(), &wanted.bsnrs).await?;
    transaction
        .execute(
            "INSERT INTO control.ledger (tenant, version, chain_checksum, fingerprint) VALUES ($1, 0, '', '')",
            &[&tenant.as_str()],
        )
        .await
        .map_err(MigratorError::during("write the ledger"))?;
    Ok(())
}

async fn insert_bsnrs(transaction: &Transaction<'_>, tenant: &str, bsnrs: &[String]) -> Result<(), MigratorError> {
    for bsnr in bsnrs {
        transaction
            .execute(
                "INSERT INTO control.tenant_identifiers (kind, value, tenant) VALUES ('bsnr', $1, $2)",
                &[bsnr, &tenant],
            )
            .await
            .map_err(|error| taken(error, bsnr))?;
    }
    Ok(())
}

/// A unique violation in words, by the constraint that is violated; anything else as it is.
fn taken(error: tokio_postgres::Error, value: &str) -> MigratorError {
    let constraint = error
        .as_db_error()
        .filter(|db| *db.code() == tokio_postgres::error::SqlState::UNIQUE_VIOLATION)
        .and_then(tokio_postgres::error::DbError::constraint);
    match constraint {
        Some("tenants_slug_key") => MigratorError::Invalid(format!("the sign-in name {value:?} is taken")),
        Some("tenants_one_intake") => MigratorError::Invalid(
            "there is an intake already, and there is only one; without --intake a practice is created".to_owned(),
        ),
        Some("tenant_identifiers_pkey") => {
            MigratorError::Invalid(format!("the BSNR {value} belongs to a tenant already"))
        }
        _ => MigratorError::during("register the tenant")(error),
    }
}

//! Creates a practice: takes a spare schema that is kept ready, or makes one, and registers it, in one transaction.
//! Must stay true: a tenant is born at the fleet's generation, so that a run that is under way misses nobody; taking a spare is
//! proven like making one.
use std::time::Duration;

use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::connection::begin;
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError, generation, parse_name, pool};

/// Nobody but the database itself holds a lock on what is made.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// Whether a spare schema was taken.
    pub from_pool: bool,
}

impl Migrator {
    /// Creates a tenant, wholly or not at all.
    ///
    /// # Errors
    /// When the slug or a BSNR is taken or malformed, or the database refuses.
    pub async fn provision(&self, wanted: &NewTenant) -> Result<Provisioned, MigratorError> {
        validate(wanted)?;
        let (mut client, proof) = self.proving().await?;
        // Not whether the server is hardened: `up` asked before the first practice could be made, whoever serves asks at each start, and one
        // practice more changes nothing about it.
        self.require_control(&client).await?;
        // The new login's password comes out of the secret.
        self.require_secret(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        let run_id = run::begin(&transaction, "provision", None, &json!({})).await?;
        let target = generation::of_births(&transaction, self.chain()).await?;
        let spare = match wanted.kind {
            Kind::Practice => pool::take(&transaction, &proof, &target, wanted).await?,
            Kind::Intake => None,
        };
        let (tenant, from_pool) = match spare {
            Some(tenant) => {
                self.open_role(&transaction, &tenant).await?;
                (tenant, true)
            }
            None => {
                let tenant = TenantName::random()?;
                register(&transaction, &tenant, wanted).await?;
                self.bear(&transaction, &proof, &tenant, &target, run_id).await?;
                (tenant, false)
            }
        };
        insert_bsnrs(&transaction, tenant.as_str(), &wanted.bsnrs).await?;
        outcome(&transaction, run_id, &tenant, if from_pool { target.version } else { 0 }, target.version).await?;
        run::end(&transaction, run_id, Ending::Completed, None).await?;
        transaction.commit().await.map_err(MigratorError::during(format!("provision {}: commit", wanted.slug)))?;
        Ok(Provisioned { tenant, slug: wanted.slug.clone(), version: target.version, from_pool })
    }

    /// Registers further BSNRs of an existing practice, by its sign-in name or its name in the database, all or none.
    ///
    /// # Errors
    /// When the practice is unknown, a BSNR malformed or taken, or the database refuses.
    pub async fn identify(&self, name: &str, bsnrs: &[String]) -> Result<TenantName, MigratorError> {
        require_bsnrs(bsnrs)?;
        let mut client = self.connect().await?;
        self.require_control(&client).await?;
        let transaction = begin(&mut client, LOCK_TIMEOUT).await?;
        let tenant = transaction
            .query_opt(
                "SELECT name FROM control.tenants
                  WHERE (slug = $1 OR name = $1) AND kind = 'practice' AND state IN ('active', 'frozen')",
                &[&name],
            )
            .await
            .map_err(MigratorError::during("look up the practice"))?
            .ok_or_else(|| MigratorError::UnknownTenant(name.to_owned()))?;
        let tenant = parse_name(tenant.get(0))?;
        let arguments = json!({ "tenant": tenant, "bsnrs": bsnrs });
        let run_id = run::begin(&transaction, "identify", None, &arguments).await?;
        insert_bsnrs(&transaction, tenant.as_str(), bsnrs).await?;
        run::end(&transaction, run_id, Ending::Completed, None).await?;
        transaction.commit().await.map_err(MigratorError::during("commit"))?;
        Ok(tenant)
    }
}

/// Notes in a run that a tenant was made, in the transaction that makes it.
pub(crate) async fn outcome(
    transaction: &Transaction<'_>,
    run_id: Uuid,
    tenant: &TenantName,
    from: i32,
    to: i32,
) -> Result<(), MigratorError> {
    transaction
        .execute(
            "INSERT INTO control.outcomes (run_id, tenant, from_version, to_version, outcome) VALUES ($1, $2, $3, $4, 'migrated')",
            &[&run_id, &tenant.as_str(), &from, &to],
        )
        .await
        .map_err(MigratorError::during("record the outcome"))?;
    Ok(())
}

fn require_bsnrs(bsnrs: &[String]) -> Result<(), MigratorError> {
    match bsnrs.iter().find(|b| b.len() != 9 || !b.bytes().all(|c| c.is_ascii_digit())) {
        Some(bad) => Err(MigratorError::Invalid(format!("{bad:?} is not a BSNR: nine digits are expected"))),
        None => Ok(()),
    }
}

pub(crate) fn validate(wanted: &NewTenant) -> Result<(), MigratorError> {
    require_bsnrs(&wanted.bsnrs)?;
    if wanted.display_name.trim().is_empty() || wanted.display_name.chars().count() > 200 {
        return Err(MigratorError::Invalid("a displayed name has 1 to 200 characters".to_owned()));
    }
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

pub(crate) async fn register(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    wanted: &NewTenant,
) -> Result<(), MigratorError> {
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
    Ok(())
}

pub(crate) async fn insert_bsnrs(
    transaction: &Transaction<'_>,
    tenant: &str,
    bsnrs: &[String],
) -> Result<(), MigratorError> {
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
pub(crate) fn taken(error: tokio_postgres::Error, value: &str) -> MigratorError {
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

//! The isolation check of what was restored, and today's row rules when it has those of another day.
//!
//! Why: a backup brings the row rules of its day, and the check knows those of this program. Without more, each release that changes
//! them would condemn every backup that was made before.
//!
//! Must stay true: what the row rules don't mend is a fault as ever; what was changed is told; nothing of a try that failed stays.
use labor_catalog::{SERVED_VERSIONS, TenantName, sql};
use tokio_postgres::Transaction;

use crate::{BackupError, proof};

/// What the isolation check makes of a schema.
#[derive(Debug)]
pub(crate) enum Judged {
    /// Nothing is found; if today's row rules had to be put in place for that, it is said here.
    Sound(Option<String>),
    /// Row rules of this program are for other versions of the schema: nobody can say, and this is why.
    Unknown(String),
    /// What is found, also under today's row rules.
    Faulty(Vec<String>),
}

/// Judges a schema at this version, and puts today's row rules in place if they are all that it lacks.
///
/// # Errors
/// [`BackupError::Refused`] when the database is not as it has to be, whatever is in it; or when it can't be asked.
pub(crate) async fn judge(
    transaction: &Transaction<'_>,
    schema: &TenantName,
    version: i32,
) -> Result<Judged, BackupError> {
    let (found, database) = proof::isolation(transaction, schema).await?;
    if !database.is_empty() {
        return Err(BackupError::Refused(format!(
            "the database is not as it has to be, whatever is restored into it; `labor-migrator check` tells more: {}",
            database.join("; ")
        )));
    }
    let Some(first) = found.first() else { return Ok(Judged::Sound(None)) };
    if !SERVED_VERSIONS.contains(&version) {
        return Ok(Judged::Unknown(format!(
            "row rules not judged: it is at version {version} of the schema, and this release's are for {} to {}",
            SERVED_VERSIONS.start(),
            SERVED_VERSIONS.end()
        )));
    }
    let during = |what: &str| BackupError::during(format!("{schema}: {what}"));
    transaction.batch_execute("SAVEPOINT rules").await.map_err(during("try today's row rules"))?;
    let rest = match put(transaction, schema).await {
        Ok(()) => proof::isolation(transaction, schema).await?.0,
        // They don't fit the schema. A lock, a full disk or somebody's cancellation says nothing about the backup.
        Err(error) if error.code().is_some_and(|code| code.code().starts_with("42")) => found.clone(),
        Err(error) => return Err(during("put today's row rules in place")(error)),
    };
    if rest.is_empty() {
        transaction.batch_execute("RELEASE SAVEPOINT rules").await.map_err(during("keep today's row rules"))?;
        return Ok(Judged::Sound(Some(format!(
            "its row rules are not this release's, which were put in their place; {} finding(s) were mended, the first: {first}",
            found.len()
        ))));
    }
    let back = "ROLLBACK TO SAVEPOINT rules; RELEASE SAVEPOINT rules";
    transaction.batch_execute(back).await.map_err(during("take today's row rules back"))?;
    Ok(Judged::Faulty(rest))
}

/// As the migrator applies them: by the owner, the schema first in the path.
async fn put(transaction: &Transaction<'_>, schema: &TenantName) -> Result<(), tokio_postgres::Error> {
    let rules = sql::TENANT_RULES.replace("{tenant}", schema.as_str());
    let statements =
        format!("SET LOCAL ROLE labor_owner; SET LOCAL search_path = {schema}; {rules}; SET LOCAL ROLE NONE");
    transaction.batch_execute(&statements).await
}

//! Every way in which a backup can fail. A message tells what happened, to which tenant or object, and what to do.
//! Must stay true: no message holds a value of a row, a password or a key.
use std::path::PathBuf;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use labor_catalog::TenantName;
use labor_migrator::MigratorError;

/// An error of the backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] labor_connect::ConnectError),
    /// The database refused a statement.
    #[error("{action}: {}", describe(.source))]
    Database {
        /// What was being done.
        action: String,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// `pg_dump` is missing, does not fit, or failed.
    #[error("pg_dump: {0}")]
    Dump(String),
    /// The object store refused or can't be reached.
    #[error("{action}: {reason}")]
    Store {
        /// What was being done.
        action: String,
        /// What the store said.
        reason: String,
    },
    /// The tenant's key can't be used.
    #[error("the key {}: {reason}", path.display())]
    Key {
        /// The key's file, or the folder.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The service that wraps keys can't do it now, or refuses. It says nothing about any backup.
    #[error("the key of {of}: the key service {service} {reason}")]
    KeyService {
        /// Whose key: a tenant's opaque name, or `control`.
        of: String,
        /// The service, as it is set.
        service: String,
        /// What it did instead, and what to do.
        reason: String,
    },
    /// A file or pipe failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A condition for doing it is not met; nothing was changed.
    #[error("refused: {0}")]
    Refused(String),
    /// No such backup.
    #[error("{0}")]
    NotFound(String),
    /// What is stored is not what was written.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// The backup was restored and is not what its manifest says. The restored copy was rolled back.
    #[error("the backup did not pass ({} fault(s)), nothing was kept: {}", .0.len(), .0.join("; "))]
    NotProven(Vec<String>),
    /// A folder is not the export that was made.
    #[error("this is not what was exported ({} fault(s)): {}", .0.len(), .0.join("; "))]
    NotTheExport(Vec<String>),
    /// A run over all tenants came to its end, but not everything is backed up as it should be.
    #[error("{} to look at: {}", .0.len(), .0.join("; "))]
    Incomplete(Vec<String>),
    /// Of all backups that were verified some are bad.
    #[error("{} to look at: {}", .0.len(), .0.join("; "))]
    Bad(Vec<String>),
    /// Tenants whose newest proof is too old, who have none, or of whom nobody can tell.
    #[error("{} late: {}", .0.len(), .0.join("; "))]
    Late(Vec<String>),
    /// A practice that is shut while something takes its place, and could not be opened again.
    #[error("{tenant} is shut, with all of its data: {reason}. `{goes_on}` goes on from here")]
    Shut {
        /// Which.
        tenant: TenantName,
        /// Why.
        reason: String,
        /// The command that goes on.
        goes_on: String,
    },
    /// The migrator, which shuts, migrates and opens the practice that something takes the place of.
    #[error(transparent)]
    Migrator(Box<MigratorError>),
    /// Somebody stopped it.
    #[error("stopped; nothing was left half done")]
    Stopped,
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
    /// A key can't be derived.
    #[error("no signing key can be derived from this tenant's key")]
    Derive(#[from] aws_lc_rs::error::Unspecified),
    /// Something given by the caller is not acceptable.
    #[error("{0}")]
    Invalid(String),
}

impl From<MigratorError> for BackupError {
    fn from(error: MigratorError) -> Self {
        Self::Migrator(Box::new(error))
    }
}

impl BackupError {
    /// For `.map_err(BackupError::during("…"))`.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }

    /// For `.map_err(BackupError::io("…"))`.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let action = action.into();
        move |source| Self::Io { action, source }
    }

    /// For `.map_err(BackupError::store("…"))`.
    pub(crate) fn store<E, R>(action: impl Into<String>) -> impl FnOnce(SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let action = action.into();
        move |error| Self::Store { action, reason: describe_store(&error) }
    }

    /// Whether this is a verdict on the backup, not on the surroundings.
    #[must_use]
    pub fn condemns(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::NotProven(_))
    }
}

/// The server's answer by code and place. Its text is left out where it can quote a row: data exceptions, broken constraints, and
/// syntax errors (a damaged dump would be quoted). DETAIL, HINT and CONTEXT are never shown.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return error.to_string();
    };
    let code = db.code().code();
    let place: Vec<_> = [("table", db.table()), ("column", db.column()), ("constraint", db.constraint())]
        .into_iter()
        .filter_map(|(kind, name)| Some(format!("{kind} {}", name?)))
        .collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(", ")) };
    if quotes_data(code) {
        format!("refused with SQLSTATE {code}{place}")
    } else {
        format!("{} [{code}]{place}", db.message())
    }
}

fn quotes_data(code: &str) -> bool {
    // Missing or existing schemas, roles, tables, functions and rights: names out of definitions only.
    const NAMES_ONLY: [&str; 6] = ["42501", "42704", "42710", "42883", "42P01", "42P06"];
    ["22", "23", "42"].contains(&code.get(..2).unwrap_or_default()) && !NAMES_ONLY.contains(&code)
}

fn describe_store<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(service) = error.as_service_error() {
        let code = service.code().unwrap_or("no error code");
        return format!(
            "the store refuses ({code}){}",
            service.message().map(|m| format!(": {m}")).unwrap_or_default()
        );
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

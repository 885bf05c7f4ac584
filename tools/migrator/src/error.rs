//! Every way in which the migrator can fail. A message tells what happened, to which tenant, and what to do.
use labor_catalog::TenantName;

use crate::isolation::Finding;

/// An error of the migrator.
#[derive(Debug, thiserror::Error)]
pub enum MigratorError {
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
    /// A migration failed, or the files do not fit what was applied.
    #[error("{}", describe_migration(.0))]
    Migration(#[from] refinery_core::Error),
    /// pgmq could not be installed.
    #[error("the queue (pgmq) could not be installed: {0}")]
    Queue(String),
    /// The isolation check found something; the tenant was rolled back.
    #[error("the isolation check found {} fault(s), nothing was changed: {}", .0.len(), list(.0))]
    Isolation(Vec<Finding>),
    /// Another migrator holds this tenant.
    #[error("another migrator is at work on {0}; run the command again when it is done")]
    Busy(TenantName),
    /// No such tenant.
    #[error("there is no tenant {0}; `labor-migrator status` lists them")]
    UnknownTenant(String),
    /// The control schema is missing.
    #[error("the control schema is not there yet; run `labor-migrator up` first")]
    NotInitialised,
    /// The database was never prepared.
    #[error("the database is not prepared for Labor; run `labor-migrator bootstrap` with a superuser's URL first")]
    NotBootstrapped,
    /// Its claim key is another one than the database's.
    #[error(
        "this master secret is not the one this database was prepared with; nothing was changed. Give the file that `serve` and \
         `work` run with (--master-secret-file or LABOR_MASTER_SECRET_FILE), or the URL of the right database"
    )]
    WrongSecret,
    /// Something given by the caller is not acceptable.
    #[error("{0}")]
    Invalid(String),
    /// A file or folder can't be read.
    #[error("{} can't be read: {source}", .path.display())]
    Unreadable {
        /// Which one.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file can't be written.
    #[error("{} can't be written: {source}", .path.display())]
    Unwritten {
        /// Which one.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A SQL file says something that is not understood.
    #[error("{file}:{line}: {message}")]
    File {
        /// Name of the file.
        file: String,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random(#[from] aws_lc_rs::error::Unspecified),
}

impl MigratorError {
    /// For `.map_err(MigratorError::during("…"))`.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }
}

/// The server's message with code and position; never a DETAIL, which can hold row values.
fn describe(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return error.to_string();
    };
    let place = match (db.table(), db.constraint()) {
        (Some(table), Some(constraint)) => format!(" (table {table}, constraint {constraint})"),
        (Some(table), None) => format!(" (table {table})"),
        _ => String::new(),
    };
    let hint = db.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{} [{}]{place}{hint}", db.message(), db.code().code())
}

/// refinery wraps the driver's error, whose own text is only "db error".
fn describe_migration(error: &refinery_core::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(postgres) = inner.downcast_ref::<tokio_postgres::Error>() {
            text = format!("{text}: {}", describe(postgres));
        }
        source = inner.source();
    }
    text
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|f| format!("{} {}: {}", f.kind, f.object, f.detail)).collect::<Vec<_>>().join("; ")
}

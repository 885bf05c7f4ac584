//! Every way in which the migrator can fail. A message tells what happened, to which tenant, and what to do.
use labor_catalog::{SecretNumber, TenantName};
use tokio_postgres::error::SqlState;

use crate::ahead::Further;
use crate::isolation::Finding;
use crate::lint::{self, Severity};

mod describe;
mod json;

use describe::{describe, describe_migration};
pub use json::Cause;

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
    /// The database refused a statement of a file.
    #[error("{whose}: {}: {}", place(.file, *.line), describe(.source))]
    Statement {
        /// In which schema: a tenant's name, or a new one.
        whose: String,
        /// Name of the file.
        file: String,
        /// Line in it, from 1, when it is known where the server stopped.
        line: Option<usize>,
        /// What the server said.
        source: tokio_postgres::Error,
    },
    /// What failed did so on the empty schema on which the files are tried.
    #[error("on an empty schema, so that no practice was touched: {0}")]
    OnEmptySchema(#[source] Box<MigratorError>),
    /// A file that must not reach the server.
    #[error("{0}; nothing was begun")]
    Unrunnable(lint::Finding),
    /// A migration failed, or the files do not fit what was applied.
    #[error("{}{}", .file.as_ref().map(|file| place(file, *.line) + ": ").unwrap_or_default(), describe_migration(.source))]
    Migration {
        /// Name of the file, when one was being run.
        file: Option<String>,
        /// Line in the file, from 1, when the server says where it stopped.
        line: Option<usize>,
        /// What happened.
        source: refinery_core::Error,
    },
    /// pgmq could not be installed.
    #[error("the queue (pgmq) could not be installed: {0}")]
    Queue(String),
    /// The isolation check found something; the tenant was rolled back.
    #[error("the isolation check found {} fault(s), nothing was changed: {}", .0.len(), list(.0))]
    Isolation(Vec<Finding>),
    /// What holds for all tenants at once has a finding.
    #[error(
        "the database lets tenants reach more than they may ({} fault(s)), no tenant was touched: {}. `labor-migrator bootstrap` restores \
         roles and rights; `labor-migrator check` shows what is left",
        .0.len(), list(.0)
    )]
    Weak(Vec<Finding>),
    /// The server was not hardened, and nobody agreed to that.
    #[error(
        "this server leaves every practice's login more than it needs ({} group(s)): {}. Rows of another practice stay out of reach, but \
         names, numbers and locks are not. A superuser's `labor-migrator bootstrap` closes it. Where no superuser can be had (managed \
         servers), read docs/isolation.md, then say so: --accept-weaker-isolation managed, or LABOR_ACCEPT_WEAKER_ISOLATION=managed",
        .0.len(), list(.0)
    )]
    Unhardened(Vec<Finding>),
    /// The login of `bootstrap` is no superuser, and nobody agreed to that.
    #[error(
        "{0} is no superuser, so it can't close what PostgreSQL leaves open to every login; nothing was changed. Give a superuser's URL. \
         Where none can be had (managed servers), read docs/isolation.md, then say so: --accept-weaker-isolation managed, or \
         LABOR_ACCEPT_WEAKER_ISOLATION=managed"
    )]
    NoSuperuser(String),
    /// What the files make out of nothing has a finding.
    #[error(
        "the files up to version {version} would weaken the isolation of every tenant ({} fault(s) on an empty schema), no tenant was touched: {}",
        .findings.len(), list(.findings)
    )]
    Unsound {
        /// Which version.
        version: i32,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// A file is not what was applied.
    #[error("{file} was edited after it was applied; undo that, and put the change into a new file:\n{difference}")]
    Edited {
        /// Which file.
        file: String,
        /// Unified difference.
        difference: String,
    },
    /// The schema is not what the files make.
    #[error("{tenant} would not be what the files make at version {version}, nothing was changed")]
    Drift {
        /// Which tenant.
        tenant: TenantName,
        /// At which version.
        version: i32,
        /// What it would be, line by line.
        lines: Vec<String>,
    },
    /// A version that was not built beforehand.
    #[error(
        "{tenant} would pass version {version}, which this run did not try beforehand; nothing was changed. Run the command again"
    )]
    NoReference {
        /// Which tenant.
        tenant: TenantName,
        /// Which version.
        version: i32,
    },
    /// An operator holds it back.
    #[error("{tenant} is held back: {reason}; `labor-migrator release` lets it go")]
    Held {
        /// Which tenant.
        tenant: TenantName,
        /// Why.
        reason: String,
    },
    /// The run was asked to stop while the tenant was not at its end.
    #[error(
        "the run was stopped {when}{}; the same command goes on there",
        .after.as_ref().map(|after| format!(" (the last one failed: {after})")).unwrap_or_default()
    )]
    Interrupted {
        /// Such as `between two batches`.
        when: &'static str,
        /// What had failed before.
        after: Option<String>,
    },
    /// Newer than wanted.
    #[error("{tenant} is at version {version}, after the wanted {target}; going back is `labor-migrator undo`")]
    Ahead {
        /// Which tenant.
        tenant: TenantName,
        /// Where it is.
        version: i32,
        /// Where it should go.
        target: i32,
    },
    /// Somebody else changed the ledger.
    #[error("{0} was held, deleted or migrated by somebody else in the meantime; nothing was changed")]
    Changed(TenantName),
    /// Somebody is in its way for too long.
    #[error(
        "the control schema could not be locked for half a minute, and nothing was changed: {0}. Who is in the way: SELECT pid, \
         usename, state, xact_start, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE granted AND \
         (locktype = 'advisory' OR relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'control'::regnamespace))); then run \
         the command again"
    )]
    ControlLocked(String),
    /// The linter finds errors in files that no tenant has yet.
    #[error(
        "the linter finds {} error(s) in files that no practice has yet; nothing was begun. Correct them, or make an exception where the \
         statement is (`-- squawk-ignore <rule> -- <why>` on the line before). `up --allow-lint-errors` runs them as they are",
        .0.iter().filter(|finding| finding.severity == Severity::Error).count()
    )]
    Lint(Vec<lint::Finding>),
    /// The fleet has files that this program doesn't have.
    #[error(
        "{what}. This program is older than the fleet, its files end with version {newest}; nothing was changed. Use the newer program: \
         take the release that has it, or give --db if the files are in a folder. To go back to version {newest}: `labor-migrator undo \
         --to {newest}` of the newer one"
    )]
    Older {
        /// What is ahead.
        what: String,
        /// Last version of the files.
        newest: i32,
        /// Some of the tenants that are ahead.
        tenants: Vec<Further>,
    },
    /// Row rules or guard functions of this program are older than what is there.
    #[error(
        "the {what} of this program were replaced by {by}: applying them would open again what those have closed, so nothing was changed. Use \
         the newer program. Where it is meant to be taken back: `labor-migrator up --older-rules`"
    )]
    Superseded {
        /// Which of them.
        what: &'static str,
        /// By which.
        by: String,
    },
    /// A command is under way that goes the other way, or by other files.
    #[error(
        "{under_way} is under way: a fleet goes one way at a time, up or back, and by the same files, so no further practice is begun. Let it end \
         (`labor-migrator history` shows it), then run the command again"
    )]
    Opposed {
        /// Which command.
        under_way: String,
    },
    /// There is no schema.
    #[error("the schema of {0} is gone; restore it (`labor-backup restore`), or have the tenant deleted")]
    SchemaGone(TenantName),
    /// A deletion has to wait.
    #[error(
        "{tenant} is shut, and nothing of it was dropped yet: {}. {}Then run the same command again. Until then `labor request withdraw` takes the \
         deletion back, and `labor-migrator resume` opens the practice",
        .waits.join("; "),
        if *.unconfirmed {
            "What it has to keep it has to get first: `labor request create export` (and approve), `labor-backup export`, and, when the \
             practice has it, `labor request receipt`. "
        } else { "" }
    )]
    NotYet {
        /// Which tenant.
        tenant: TenantName,
        /// For what, each a sentence.
        waits: Vec<String>,
        /// Whether one of them is the practice's receipt.
        unconfirmed: bool,
    },
    /// Another migrator holds this tenant.
    #[error("another migrator is at work on {0}; run the command again when it is done")]
    Busy(TenantName),
    /// No such tenant.
    #[error("there is no tenant {0}; `labor-migrator status --all` lists them")]
    UnknownTenant(String),
    /// The control schema is missing.
    #[error(
        "this database is not prepared for Labor yet: run `labor-migrator bootstrap` (once, as a superuser), then `labor-migrator up`"
    )]
    NotInitialised,
    /// The database was never prepared.
    #[error(
        "this database is not prepared for Labor yet: run `labor-migrator bootstrap` (once, as a superuser), then `labor-migrator up`"
    )]
    NotBootstrapped,
    /// Its claim key is another one than the database's.
    #[error(
        "this master secret is not the one this database was prepared with; nothing was changed. Give the file that `serve` and \
         `work` run with (--master-secret-file or LABOR_MASTER_SECRET_FILE), or the URL of the right database"
    )]
    WrongSecret,
    /// The file does not hold what the fleet uses.
    #[error(
        "the master secret file lacks number {number}, which the fleet uses now (it holds {held}); nothing was changed. Append that line, as it \
         stands in the file of the machine that ran `labor-migrator rotate`"
    )]
    LackingSecret {
        /// Which number.
        number: SecretNumber,
        /// Which numbers it holds.
        held: String,
    },
    /// The control schema is of an earlier release.
    #[error("the control schema is of an earlier release, which knew of no keys; run `labor-migrator up` first")]
    OlderControl,
    /// The URL names another login than the migrator's.
    #[error(
        "the URL names the login {0:?}, and nothing was done: every command but `bootstrap` works as labor_migrator alone, whose rights are \
         what the isolation check and all proofs rest on. Give its URL (--database-url or LABOR_MIGRATOR_URL)"
    )]
    WrongLogin(String),
    /// Something that the command line or the environment has to give.
    #[error("{0} is missing")]
    Missing(&'static str),
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
    Random(#[from] getrandom::Error),
}

impl From<refinery_core::Error> for MigratorError {
    fn from(source: refinery_core::Error) -> Self {
        Self::Migration { file: None, line: None, source }
    }
}

impl MigratorError {
    /// For `.map_err(MigratorError::during("…"))`.
    pub(crate) fn during(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }

    /// An error on the empty schema on which the files are tried says so, if a file is what failed.
    pub(crate) fn on_empty_schema(self) -> Self {
        match self {
            Self::Statement { .. } | Self::Migration { .. } | Self::Database { .. } => {
                Self::OnEmptySchema(Box::new(self))
            }
            other => other,
        }
    }

    /// Whether the same may succeed in a moment: a lock was not to be had, or two transactions met.
    pub(crate) fn is_passing(&self) -> bool {
        let passing =
            [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        matches!(self, Self::Busy(_) | Self::ControlLocked(_)) || self.code().is_some_and(|code| passing.contains(code))
    }

    /// The error and what it came from, in one line. Of the database's answer only what `describe` tells.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(inner) = source {
            if inner.is::<refinery_core::Error>() {
                break;
            }
            let postgres = inner.downcast_ref::<tokio_postgres::Error>();
            let inner_text = postgres.map_or_else(|| inner.to_string(), describe);
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            source = inner.source();
            // The driver's own text of an answer has the DETAIL.
            if postgres.is_some_and(|error| error.as_db_error().is_some()) {
                break;
            }
        }
        text
    }

    /// What the server called it.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = source {
            if let Some(postgres) = error.downcast_ref::<tokio_postgres::Error>() {
                return postgres.code();
            }
            source = error.source();
        }
        None
    }
}

/// `V3__x.sql:7`.
fn place(file: &str, line: Option<usize>) -> String {
    line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|f| format!("{} {}: {}", f.kind, f.object, f.detail)).collect::<Vec<_>>().join("; ")
}

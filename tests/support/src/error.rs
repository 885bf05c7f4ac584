//! What can go wrong, said so that the reader knows what to do next. A message never repeats its source.

use std::{io, path::PathBuf};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A server, program or folder could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable Postgres.
    #[error(
        "no PostgreSQL 15 or newer with postgres, initdb, pg_ctl, psql and pg_dump of one version ({looked}); run scripts/install.sh demo, \
         or set LABOR_POSTGRES_HOME to a folder that has bin/postgres"
    )]
    NoPostgres {
        /// Where we looked, and why each place did not serve.
        looked: String,
    },
    /// Another program is missing.
    #[error("{program} was not found ({looked}); {remedy}")]
    NoProgram {
        /// Its name.
        program: String,
        /// Where we looked.
        looked: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Root may not run Postgres, and there is nobody else.
    #[error(
        "as root, Postgres runs as another user, but there is none called {names}; create one or set LABOR_POSTGRES_USER"
    )]
    NoServerUser {
        /// The names that were tried.
        names: String,
    },
    /// Somebody else is in the folder.
    #[error("{} is in use by another running process; give each server a folder of its own", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// No data folder could be claimed.
    #[error("no data folder could be claimed in {}: {reason}; set LABOR_DATA to a folder of yours", path.display())]
    NoFolder {
        /// The base folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A cluster without its password.
    #[error("{} holds a cluster whose password file is gone; remove the folder to start afresh", path.display())]
    NoPassword {
        /// The folder.
        path: PathBuf,
    },
    /// A program ended when it should not have, or with a failure.
    #[error("{program} ended ({status}); its last lines:\n{tail}")]
    Ended {
        /// Its name.
        program: String,
        /// Exit status.
        status: String,
        /// End of its log.
        tail: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s; last seen: {last}")]
    TooLate {
        /// What we waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// The last answer or end of the log.
        last: String,
    },
    /// No port was free, several times over.
    #[error("no free port was found for {server}")]
    NoPort {
        /// For which server.
        server: &'static str,
    },
    /// The operating system said no.
    #[error("could not {doing}")]
    Os {
        /// What we were doing.
        doing: String,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// Postgres said no.
    #[error("Postgres refused to {doing}")]
    Postgres {
        /// What we were doing.
        doing: String,
        /// Its answer.
        #[source]
        source: tokio_postgres::Error,
    },
    /// An HTTP request failed.
    #[error("no answer from {url}")]
    Http {
        /// To whom.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A program said something unexpected.
    #[error("{what} did not answer with the JSON that was expected: {reason}")]
    Answer {
        /// Which program.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of ours cannot be read back.
    #[error("{} is not what this program wrote ({reason}); remove its folder to start afresh", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Names what was being done when the operating system said no.
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "could not ...".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Os { doing: doing(), source })
    }
}

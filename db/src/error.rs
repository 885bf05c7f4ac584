//! Every way in which the database can fail a caller.
//! Must stay true: no variant shows a value that was bound or stored. PostgreSQL puts values into DETAIL and, for bad input
//! (class 22) and violated constraints (class 23), into the message too; those are left out.
/// An error of the database as callers see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// No connection within the time limit, or the server went away. Worth another try.
    #[error("the database can't be reached right now: {0}")]
    Unavailable(String),
    /// The database did not accept the claim or the login.
    #[error("the database refused access [{0}]")]
    Refused(String),
    /// The tenant's schema is at a version that this release can't serve: it is being brought to another one, or this process is
    /// of a release too old or too new for it. Worth another try.
    #[error(
        "the tenant's schema is at version {0}, this release serves {first} to {last}; see `labor-migrator status`",
        first = labor_catalog::SERVED_VERSIONS.start(),
        last = labor_catalog::SERVED_VERSIONS.end()
    )]
    OtherVersion(i32),
    /// What separates the tenant from the others is weakened; nobody is served until it is mended. Worth another try later.
    #[error(
        "the tenant's isolation is weakened, so it is not served; see `labor-migrator status` and `labor-migrator check`"
    )]
    Unsound,
    /// A statement failed.
    #[error("the database reports {code}{place}")]
    Statement {
        /// SQLSTATE, with the message where it can hold no value.
        code: String,
        /// Table, column and constraint as far as known.
        place: String,
    },
    /// Two transactions got in each other's way. Worth another try.
    #[error("another transaction changed the same rows; try again")]
    Conflict,
    /// A row does not have the form this version expects.
    #[error("unexpected data in the database: {0}")]
    Data(&'static str),
}

impl DbError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict | Self::OtherVersion(_) | Self::Unsound)
    }

    /// Whether the statement failed because of what was to be stored (SQLSTATE classes 22 and 23): trying again is in vain.
    #[must_use]
    pub fn is_about_the_data(&self) -> bool {
        matches!(self, Self::Statement { code, .. } if code.starts_with("22") || code.starts_with("23"))
    }

    fn from_state(code: &str, message: &str, place: String) -> Self {
        match code {
            "40001" | "40P01" | "55P03" | "23505" => Self::Conflict,
            // Connection exceptions, insufficient resources, operator intervention.
            _ if matches!(code.get(..2), Some("08" | "53" | "57")) => Self::Unavailable(format!("{message} [{code}]")),
            _ if code.starts_with("28") => Self::Refused(code.to_owned()),
            "42501" => Self::Refused(code.to_owned()),
            _ if matches!(code.get(..2), Some("22" | "23")) => Self::Statement { code: code.to_owned(), place },
            _ => Self::Statement { code: format!("{code} ({message})"), place },
        }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Unavailable(if error.is_closed() {
                "connection closed".to_owned()
            } else {
                error.to_string()
            });
        };
        let place = [("table", db.table()), ("column", db.column()), ("constraint", db.constraint())]
            .into_iter()
            .filter_map(|(kind, name)| name.map(|name| format!(", {kind} {name}")))
            .collect();
        Self::from_state(db.code().code(), db.message(), place)
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(db) => {
                let place = [("table", db.table()), ("constraint", db.constraint())]
                    .into_iter()
                    .filter_map(|(kind, name)| name.map(|name| format!(", {kind} {name}")))
                    .collect();
                let code = db.code().unwrap_or_default().into_owned();
                Self::from_state(&code, db.message(), place)
            }
            sqlx::Error::PoolTimedOut => Self::Unavailable(
                "no connection to the control database (LABOR_CONTROL_URL) within the time limit".to_owned(),
            ),
            sqlx::Error::PoolClosed => Self::Unavailable("shutting down".to_owned()),
            sqlx::Error::Io(error) => Self::Unavailable(error.to_string()),
            sqlx::Error::Tls(_) => Self::Unavailable("TLS failed".to_owned()),
            // Also said of a connection that is closed before its first answer. The text may hold what came instead.
            sqlx::Error::Protocol(_) => Self::Unavailable("no answer as PostgreSQL gives them".to_owned()),
            _ => Self::Data("a control row can't be read"),
        }
    }
}

impl From<pgmq::PgmqError> for DbError {
    fn from(error: pgmq::PgmqError) -> Self {
        match error {
            pgmq::PgmqError::DatabaseError(error) => error.into(),
            _ => Self::Data("a queue entry can't be read"),
        }
    }
}

/// Whether a key was taken. Two writers of the same key look alike, hence [`DbError::Conflict`].
pub(crate) fn is_taken(error: &DbError) -> bool {
    *error == DbError::Conflict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_gone_before_its_first_word_is_worth_another_try() {
        let closed = sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".to_owned());
        assert!(DbError::from(closed).is_transient());
    }
}

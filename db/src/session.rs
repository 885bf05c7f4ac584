//! The only way to run SQL on a tenant's data.
//! Must stay true: every statement runs inside a transaction to which the claim was bound before it; a connection whose
//! transaction did not end with an answered COMMIT is thrown away, because it may still hold the transaction and the claim, and so is one on
//! which anything failed but a row's own constraint, because an earlier session may have left there what made it fail; what is run is a
//! listed `Statement`, never a text; no round trip waits for ever, also when server or network stand still.
//!
//! BEGIN, claim, statements and COMMIT are sent together and answered in one network round trip. All are prepared statements:
//! an unprepared one would be prepared first and then run after the COMMIT.
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{join, join_all, join3};
use labor_catalog::ClaimKey;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement as Prepared};
use uuid::Uuid;

use crate::pool::Lent;
use crate::statements::{Statement, statements};
use crate::{Claims, DbError};

statements! { Session {
    BIND_CLAIM = "SELECT set_config('labor.claim', $1, true)";
} }

/// Parameters of a statement.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A statement and its parameters.
pub(crate) struct Query<'a> {
    pub(crate) sql: Statement,
    pub(crate) params: Params<'a>,
}

/// A tenant-bound connection with a verified claim.
pub struct TenantSession {
    lent: Lent,
    claims: Claims,
    key: ClaimKey,
    request_id: Uuid,
}

impl TenantSession {
    pub(crate) fn new(lent: Lent, claims: Claims, key: ClaimKey, request_id: Uuid) -> Self {
        Self { lent, claims, key, request_id }
    }

    /// For whom.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Id of the request or job, for audit rows.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// Whom an audit row names. The row's policy compares it with the claim; left to the columns' defaults, the claim would be verified
    /// for each of the two as well.
    pub(crate) fn actor(&self) -> (String, &'static str) {
        (self.claims.subject().to_owned(), self.claims.role().as_str())
    }

    fn mark(&self, dirty: bool) -> Result<(), DbError> {
        self.lent.connection()?.dirty.store(dirty, Ordering::Relaxed);
        Ok(())
    }

    /// Runs statements in one transaction and one round trip; the rows of each.
    pub(crate) async fn run(&mut self, queries: &[Query<'_>]) -> Result<Vec<Vec<Row>>, DbError> {
        self.send(queries, Then::Commit).await
    }

    /// Opens a transaction of several steps; its first statement goes along in the same round trip.
    pub(crate) async fn begin(&mut self, first: Query<'_>) -> Result<(Unit<'_>, Vec<Row>), DbError> {
        let rows = self.send(&[first], Then::GoOn).await?.pop().unwrap_or_default();
        Ok((Unit { session: self }, rows))
    }

    /// BEGIN, claim, statements and what comes then, in one round trip.
    async fn send(&mut self, queries: &[Query<'_>], then: Then) -> Result<Vec<Vec<Row>>, DbError> {
        // Also a statement that can't be prepared may be somebody's doing.
        self.mark(true)?;
        let client = &self.lent.connection()?.client;
        let bind = self.prepare(BIND_CLAIM).await?;
        let mut statements = Vec::with_capacity(queries.len());
        for query in queries {
            statements.push(self.prepare(query.sql).await?);
        }
        let claim = self.claims.sign(&self.key);
        let claim = claim.as_str();
        let claim_params: [&(dyn ToSql + Sync); 1] = [&claim];
        let heard = AtomicBool::new(false);
        let work =
            join_all(statements.iter().zip(queries).map(|(statement, query)| client.query(statement, query.params)));
        let end = async {
            match then {
                Then::Commit => client.batch_execute("COMMIT").await,
                Then::GoOn => Ok(()),
            }
        };
        // Polled in this order, so sent in this order.
        let opening = join(begin(client, &heard), client.query(&bind, &claim_params));
        let ((begun, bound), results, ended) = self.lent.answered(&heard, join3(opening, work, end)).await?;
        begun?;
        // COMMIT of a failed transaction is answered with ROLLBACK, which ends it as well.
        if then == Then::Commit && ended.is_ok() && bound.is_ok() && results.iter().all(blames_no_connection) {
            self.mark(false)?;
        }
        bound?;
        let rows = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        ended?;
        Ok(rows)
    }

    /// Prepared once on each connection.
    async fn prepare(&self, sql: Statement) -> Result<Prepared, DbError> {
        let connection = self.lent.connection()?;
        if let Some(known) = connection.known(sql.text()) {
            return Ok(known);
        }
        let heard = AtomicBool::new(false);
        Ok(self.lent.answered(&heard, connection.prepare(sql.text(), &heard)).await??)
    }
}

/// Whether an answer shows nothing that SQL in an earlier session can have left on the connection: that a row breaks a constraint, or what
/// follows from it, depends on the row alone. A statement or table that is gone, a right, a limit may be a trap, in which every session after
/// this one would be caught as well; a new connection costs less than to find out.
fn blames_no_connection<T>(answer: &Result<T, tokio_postgres::Error>) -> bool {
    let Err(error) = answer else { return true };
    error.code().is_some_and(|code| code.code().starts_with("23") || *code == SqlState::IN_FAILED_SQL_TRANSACTION)
}

/// BEGIN asks nothing of the server, so its answer shows that there is one.
async fn begin(client: &Client, heard: &AtomicBool) -> Result<(), tokio_postgres::Error> {
    let begun = client.batch_execute("BEGIN").await;
    heard.store(true, Ordering::Relaxed);
    begun
}

/// What comes after the statements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Commit,
    /// The transaction stays open for more.
    GoOn,
}

/// An open transaction. Dropped without [`Unit::commit`], its connection is thrown away.
pub(crate) struct Unit<'s> {
    session: &'s mut TenantSession,
}

impl Unit<'_> {
    /// As [`TenantSession::actor`].
    pub(crate) fn actor(&self) -> (String, &'static str) {
        self.session.actor()
    }

    /// As [`TenantSession::request_id`].
    pub(crate) fn request_id(&self) -> Uuid {
        self.session.request_id()
    }

    pub(crate) async fn query(&self, sql: Statement, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.session.prepare(sql).await?;
        let work = self.session.lent.connection()?.client.query(&statement, params);
        Ok(self.session.lent.answered(&AtomicBool::new(true), work).await??)
    }

    pub(crate) async fn execute(&self, sql: Statement, params: Params<'_>) -> Result<u64, DbError> {
        let statement = self.session.prepare(sql).await?;
        let work = self.session.lent.connection()?.client.execute(&statement, params);
        Ok(self.session.lent.answered(&AtomicBool::new(true), work).await??)
    }

    /// Runs a last statement and commits, in one round trip.
    pub(crate) async fn commit(self, last: Query<'_>) -> Result<Vec<Row>, DbError> {
        let statement = self.session.prepare(last.sql).await?;
        let client = &self.session.lent.connection()?.client;
        let work = join(client.query(&statement, last.params), client.batch_execute("COMMIT"));
        let (rows, committed) = self.session.lent.answered(&AtomicBool::new(true), work).await?;
        let rows = rows?;
        committed?;
        self.session.mark(false)?;
        Ok(rows)
    }
}

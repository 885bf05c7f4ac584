//! The only way to run SQL on a tenant's data.
//! Must stay true: every statement runs inside a transaction to which the claim was bound before it; a connection whose
//! transaction did not end with an answered COMMIT is thrown away, because it may still hold the transaction and the claim; what is
//! run is a listed `Statement`, never a text.
//!
//! BEGIN, claim, statements and COMMIT are sent together and answered in one network round trip. All are prepared statements:
//! an unprepared one would be prepared first and then run after the COMMIT.
use std::sync::atomic::Ordering;

use futures_util::future::{join, join_all, join3};
use labor_catalog::MasterSecret;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::pool::PooledConnection;
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
    connection: Option<PooledConnection>,
    claims: Claims,
    master: MasterSecret,
    request_id: Uuid,
}

impl TenantSession {
    pub(crate) fn new(connection: PooledConnection, claims: Claims, master: MasterSecret, request_id: Uuid) -> Self {
        Self { connection: Some(connection), claims, master, request_id }
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

    fn connection(&self) -> Result<&PooledConnection, DbError> {
        self.connection.as_ref().ok_or_else(|| DbError::Unavailable("the session's connection was lost".to_owned()))
    }

    fn mark(&self, dirty: bool) -> Result<(), DbError> {
        self.connection()?.dirty.store(dirty, Ordering::Relaxed);
        Ok(())
    }

    /// Runs statements in one transaction and one round trip; the rows of each.
    pub(crate) async fn run(&mut self, queries: &[Query<'_>]) -> Result<Vec<Vec<Row>>, DbError> {
        let client = &self.connection()?.client;
        let bind = client.prepare_cached(BIND_CLAIM.text()).await?;
        let mut statements = Vec::with_capacity(queries.len());
        for query in queries {
            statements.push(client.prepare_cached(query.sql.text()).await?);
        }
        self.mark(true)?;
        let claim = self.claims.sign(&self.master);
        let claim = claim.as_str();
        let claim_params: [&(dyn ToSql + Sync); 1] = [&claim];
        let work =
            join_all(statements.iter().zip(queries).map(|(statement, query)| client.query(statement, query.params)));
        // Polled in this order, so sent in this order.
        let opening = join(client.batch_execute("BEGIN"), client.query(&bind, &claim_params));
        let ((begun, bound), results, committed) = join3(opening, work, client.batch_execute("COMMIT")).await;
        begun?;
        // COMMIT of a failed transaction is answered with ROLLBACK: the connection is clean either way.
        if committed.is_ok() {
            self.mark(false)?;
        }
        bound?;
        let rows = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        committed?;
        Ok(rows)
    }

    /// Opens a transaction of several steps; its first statement goes along in the same round trip.
    pub(crate) async fn begin(&mut self, first: Query<'_>) -> Result<(Unit<'_>, Vec<Row>), DbError> {
        let client = &self.connection()?.client;
        let bind = client.prepare_cached(BIND_CLAIM.text()).await?;
        let statement = client.prepare_cached(first.sql.text()).await?;
        self.mark(true)?;
        let claim = self.claims.sign(&self.master);
        let claim = claim.as_str();
        let claim_params: [&(dyn ToSql + Sync); 1] = [&claim];
        let (begun, bound, rows) = join3(
            client.batch_execute("BEGIN"),
            client.query(&bind, &claim_params),
            client.query(&statement, first.params),
        )
        .await;
        begun?;
        bound?;
        let rows = rows?;
        Ok((Unit { session: self }, rows))
    }
}

impl Drop for TenantSession {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && connection.is_to_be_closed()
        {
            // Closes the socket; the server rolls back.
            drop(PooledConnection::take(connection));
        }
    }
}

/// An open transaction. Dropped without [`Unit::commit`], its connection is thrown away.
pub(crate) struct Unit<'s> {
    session: &'s mut TenantSession,
}

impl Unit<'_> {
    pub(crate) async fn query(&self, sql: Statement, params: Params<'_>) -> Result<Vec<Row>, DbError> {
        let client = &self.session.connection()?.client;
        let statement = client.prepare_cached(sql.text()).await?;
        Ok(client.query(&statement, params).await?)
    }

    pub(crate) async fn execute(&self, sql: Statement, params: Params<'_>) -> Result<u64, DbError> {
        let client = &self.session.connection()?.client;
        let statement = client.prepare_cached(sql.text()).await?;
        Ok(client.execute(&statement, params).await?)
    }

    /// Runs a last statement and commits, in one round trip.
    pub(crate) async fn commit(self, last: Query<'_>) -> Result<Vec<Row>, DbError> {
        let client = &self.session.connection()?.client;
        let statement = client.prepare_cached(last.sql.text()).await?;
        let (rows, committed) = join(client.query(&statement, last.params), client.batch_execute("COMMIT")).await;
        let rows = rows?;
        committed?;
        self.session.mark(false)?;
        Ok(rows)
    }
}

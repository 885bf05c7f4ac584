//! Connections of the control plane, with a limit for everything that is asked on them.
//! Must stay true: nobody waits for ever, whatever server and network do; a connection whose answer did not come, or was not waited
//! for, is closed and its place is free at once. sqlx alone would keep both until the kernel gives the socket up.
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{
    ConnectOptions as _, Connection as _, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres,
    SqlStr,
};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::DbError;

/// How long a request waits for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// How long one question may take: they are all small. The server's own limit comes first when the server lives.
const WORK: Duration = Duration::from_secs(5);
const BOUNDS: [(&str, &str); 3] =
    [("statement_timeout", "4s"), ("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "30s")];
/// How long an idle connection may take to show that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// A connection that was used so lately is not asked for one.
const LATELY: Duration = Duration::from_secs(1);
/// Idle connections are closed after so long.
const IDLE: Duration = Duration::from_secs(180);
/// No connection gets older.
const AGE: Duration = Duration::from_secs(1800);

/// The connections. Cheap to clone. It is asked as `&pool`, like sqlx's own.
#[derive(Debug, Clone)]
pub(crate) struct ControlPool(PgPool);

/// A connection that is being asked. Dropped before its answer came, it is closed.
struct Asked(Option<PoolConnection<Postgres>>);

impl ControlPool {
    /// Connections are opened when they are needed.
    pub(super) fn new(url: &str, connections: u32) -> Result<Self, DbError> {
        let options: PgConnectOptions =
            url.parse().map_err(|_| DbError::Unavailable("the control database URL can't be read".to_owned()))?;
        // Statements are not logged, whatever their time.
        let options = options.application_name("labor control").options(BOUNDS).disable_statement_logging();
        // The queue is empty at one moment and long at the next, and a plan that was made for the one must do for the other. What is
        // read without an index all the same then looks so expensive that it would be compiled.
        let options = options.options([("enable_seqscan", "off"), ("jit", "off")]);
        let silent_since = Arc::new(Mutex::new(None));
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(WAIT)
            .idle_timeout(IDLE)
            .max_lifetime(AGE)
            .test_before_acquire(false)
            .before_acquire(move |connection, used| {
                let silent_since = silent_since.clone();
                Box::pin(async move { shows_life(connection, used.idle_for, &silent_since).await })
            })
            .after_release(|connection, _| Box::pin(async { shows_life(connection, LATELY, &Mutex::new(None)).await }))
            .connect_lazy_with(options);
        Ok(Self(pool))
    }

    /// For a library that wants sqlx's own pool to begin with. Nothing may be asked on it: it knows no limit.
    pub(crate) fn bare(&self) -> PgPool {
        self.0.clone()
    }

    /// Runs several statements on one connection, within the limit for one question.
    ///
    /// # Errors
    /// What the work fails with; [`Error::PoolTimedOut`] when there is no connection or no answer in time.
    pub(crate) async fn with<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut asked = self.ask().await?;
        let answer = timeout(WORK, work(asked.connection()?)).await;
        asked.ended(answer)
    }

    async fn ask(&self) -> Result<Asked, Error> {
        Ok(Asked(Some(self.0.acquire().await?)))
    }
}

impl Asked {
    fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.0.as_deref_mut().ok_or(Error::PoolClosed)
    }

    /// When there was an answer, also if it was an error, the connection can be used again.
    fn ended<T>(mut self, answer: Result<Result<T, Error>, Elapsed>) -> Result<T, Error> {
        let answer = answer.map_err(|_| Error::PoolTimedOut)?;
        drop(self.0.take());
        answer
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Whether an idle connection answers. When one does not, those that were idle before are not asked any more.
async fn shows_life(
    connection: &mut PgConnection,
    idle_for: Duration,
    silent_since: &Mutex<Option<Instant>>,
) -> Result<bool, Error> {
    let asked = Instant::now();
    let last_used = asked.checked_sub(idle_for);
    let silent = *silent_since.lock().unwrap_or_else(PoisonError::into_inner);
    if silent.is_some() && last_used < silent {
        return Err(Error::PoolTimedOut);
    }
    if idle_for < LATELY {
        return Ok(true);
    }
    match timeout(SIGN_OF_LIFE, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => {
            *silent_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
            Err(Error::PoolTimedOut)
        }
    }
}

impl<'p> Executor<'p> for &'p ControlPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let mut asked = self.ask().await?;
            let answer = timeout(WORK, asked.connection()?.fetch_many(query).try_collect::<Vec<_>>()).await;
            asked.ended(answer)
        };
        stream::once(all).map_ok(|steps| stream::iter(steps).map(Ok)).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut asked = self.ask().await?;
            let answer = timeout(WORK, asked.connection()?.fetch_optional(query)).await;
            asked.ended(answer)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut asked = self.ask().await?;
            let answer = timeout(WORK, asked.connection()?.prepare_with(sql, parameters)).await;
            asked.ended(answer)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut asked = self.ask().await?;
            let answer = timeout(WORK, asked.connection()?.describe(sql)).await;
            asked.ended(answer)
        })
    }
}

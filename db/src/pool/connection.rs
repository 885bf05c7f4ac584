//! One connection to a tenant, with the statements that were prepared on it.
//! Must stay true: dropping it closes its socket without waiting for what is under way on it; the server then rolls back.
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// An open connection.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// Set before BEGIN, cleared when COMMIT was answered: in between the connection may hold a transaction and a claim. Set also while
    /// a statement is being prepared.
    pub(crate) dirty: AtomicBool,
    /// When it was opened.
    pub(super) opened: Instant,
    /// Of its longest life, from 0 to 1: connections that were opened together are not closed together.
    pub(super) share_of_age: f64,
    prepared: Mutex<HashMap<&'static str, Statement>>,
    /// Reads and writes the socket. It would go on until all answers have come; behind a dead line they never do.
    driver: AbortHandle,
}

impl Connection {
    pub(super) async fn open(
        config: &tokio_postgres::Config,
        tls: MakeRustlsConnect,
    ) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(tls).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a tenant's connection ended");
            }
        });
        Ok(Self {
            client,
            dirty: AtomicBool::new(false),
            opened: Instant::now(),
            share_of_age: 0.75 + fastrand::f64() / 4.0,
            prepared: Mutex::new(HashMap::new()),
            driver: driver.abort_handle(),
        })
    }

    /// A statement that was prepared before.
    pub(crate) fn known(&self, sql: &'static str) -> Option<Statement> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned()
    }

    /// Prepares a statement, which may wait for a lock. What asks nothing of the server goes ahead in the same round trip: its answer, which
    /// sets `heard`, tells a server at work from one that says nothing.
    pub(crate) async fn prepare(
        &self,
        sql: &'static str,
        heard: &AtomicBool,
    ) -> Result<Statement, tokio_postgres::Error> {
        // Dropped meanwhile, it would still be under way when the next session begins.
        let before = self.dirty.swap(true, Ordering::Relaxed);
        let alive = async {
            let answer = self.client.batch_execute("").await;
            heard.store(true, Ordering::Relaxed);
            answer
        };
        // Polled in this order, so sent in this order.
        let (alive, statement) = join(alive, self.client.prepare(sql)).await;
        alive?;
        let statement = statement?;
        self.dirty.store(before, Ordering::Relaxed);
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, statement.clone());
        Ok(statement)
    }

    /// Whether the next session may have it.
    pub(super) fn is_clean(&self) -> bool {
        !self.dirty.load(Ordering::Relaxed) && !self.client.is_closed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

//! A statement that may wait, and work, for hours: who is in its way is told, and a run that is asked to stop ends it.
//! Must stay true: it is cancelled and its end awaited, so that the connection is free for whoever tidies up.
use std::time::Duration;

use labor_catalog::TenantName;
use tokio_postgres::{Client, Error};

use crate::up::Stop;
use crate::{Migrator, MigratorError, holders};

/// How often it is looked whether somebody is in the way, and a cancellation that was not heard is repeated.
const LOOK: Duration = Duration::from_secs(3);

/// What watching needs.
pub(crate) struct Watch<'a> {
    /// For a second connection.
    pub(crate) migrator: &'a Migrator,
    pub(crate) stop: &'a Stop,
}

impl Watch<'_> {
    /// Runs a statement; `Ok(false)`: it was cancelled, because the run was asked to stop.
    ///
    /// # Errors
    /// When the server process can't be told; what the statement itself failed with is given inside.
    pub(crate) async fn run(
        &self,
        client: &Client,
        tenant: &TenantName,
        sql: &str,
        place: &str,
    ) -> Result<Result<bool, Error>, MigratorError> {
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await;
        let pid: i32 = row.map_err(MigratorError::during(format!("{tenant}: {place}")))?.get(0);
        let statement = client.batch_execute(sql);
        tokio::pin!(statement);
        let mut told = Vec::new();
        loop {
            tokio::select! {
                ended = &mut statement => return Ok(ended.map(|()| true)),
                () = tokio::time::sleep(LOOK) => self.tell(tenant, pid, place, &mut told).await,
                () = self.stop.asked() => break,
            }
        }
        loop {
            self.cancel(client, tenant).await;
            tokio::select! {
                // It may have come to its end in the same moment; else it failed, because of us or by itself.
                ended = &mut statement => return Ok(Ok(ended.is_ok())),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Once for each who comes into its way. Who can't be asked for is not told: that is no reason to fail.
    async fn tell(&self, tenant: &TenantName, pid: i32, place: &str, told: &mut Vec<i32>) {
        let Ok(client) = self.migrator.connect().await else { return };
        let found = holders::before(&client, tenant, pid).await;
        if found.iter().any(|holder| !told.contains(&holder.pid)) {
            let way = holders::list(&found);
            tracing::warn!(%tenant, "{place} waits, and goes on when it can; Ctrl-C ends it{way}");
        }
        told.extend(found.iter().map(|holder| holder.pid));
    }

    async fn cancel(&self, client: &Client, tenant: &TenantName) {
        let cancelled = match labor_connect::tls() {
            Ok(tls) => client.cancel_token().cancel_query(tls).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = cancelled {
            tracing::warn!(%tenant, error, "what runs there could not be cancelled, and will be tried again");
        }
    }
}

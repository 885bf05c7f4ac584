//! Spare schemas: empty ones at the fleet's version, kept ready so that signing up a practice only assigns one.
//! Must stay true: a spare is a tenant like any other for migrations, checks and drift, but nobody is served in it and it holds no row.
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::chain::{Chain, Target};
use crate::connection::{Connection, begin};
use crate::isolation::Proof;
use crate::provision::{self, NewTenant};
use crate::run::{self, Ending};
use crate::{Migrator, MigratorError, birth, generation, parse_name};

const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// What became of the pool.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PoolReport {
    /// Spares that are ready now.
    pub ready: u64,
    /// Spares that were made.
    pub made: u64,
    /// Spares that were dropped, because fewer are wanted.
    pub dropped: u64,
}

impl Migrator {
    /// Makes or drops spares until there are so many; `progress` hears of each.
    ///
    /// # Errors
    /// When the database refuses; what was made until then stays.
    pub async fn keep_spares(
        &self,
        wanted: u64,
        mut progress: impl FnMut(&PoolReport),
    ) -> Result<PoolReport, MigratorError> {
        let mut connection = self.connection().await?;
        self.require_control(&connection.client).await?;
        self.require_secret(&connection.client).await?;
        let run_id = run::begin(&connection.client, "pool", None, &json!({ "keep": wanted })).await?;
        let mut report = PoolReport::default();
        let result = self.reach(&mut connection, wanted, run_id, &mut report, &mut progress).await;
        let (ending, message) = match &result {
            Ok(()) => (Ending::Completed, None),
            Err(error) => (Ending::Failed, Some(error.to_string())),
        };
        if !connection.client.is_closed() {
            run::end(&connection.client, run_id, ending, message.as_deref()).await?;
        }
        result.map(|()| report)
    }

    async fn reach(
        &self,
        connection: &mut Connection,
        wanted: u64,
        run_id: Uuid,
        report: &mut PoolReport,
        progress: &mut impl FnMut(&PoolReport),
    ) -> Result<(), MigratorError> {
        report.ready = self.ready(connection).await?;
        while report.ready < wanted {
            self.make(connection, run_id).await?;
            report.made += 1;
            report.ready += 1;
            progress(report);
        }
        while drop_one(connection, self.chain(), wanted).await? {
            report.dropped += 1;
            progress(report);
        }
        report.ready = self.ready(connection).await?;
        Ok(())
    }

    async fn ready(&self, connection: &mut Connection) -> Result<u64, MigratorError> {
        let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
        let target = generation::of_births(&transaction, self.chain()).await?;
        takeable(&transaction, &target).await
    }

    async fn make(&self, connection: &mut Connection, run_id: Uuid) -> Result<(), MigratorError> {
        let Connection { client, proof, .. } = connection;
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        let target = generation::of_births(&transaction, self.chain()).await?;
        let tenant = TenantName::random()?;
        transaction
            .execute(
                "INSERT INTO control.tenants (name, slug, display_name, state) VALUES ($1, replace($1, '_', '-'), 'spare', 'spare')",
                &[&tenant.as_str()],
            )
            .await
            .map_err(MigratorError::during("register a spare"))?;
        self.bear(&transaction, proof, &tenant, &target, run_id).await?;
        // Nobody logs in before it is a practice's, so nobody leaves anything in it.
        let shut = format!("ALTER ROLE {} NOLOGIN", tenant.role());
        transaction.batch_execute(&shut).await.map_err(MigratorError::during("shut the login of a spare"))?;
        provision::outcome(&transaction, run_id, &tenant, 0, target.version).await?;
        transaction.commit().await.map_err(MigratorError::during("commit a spare"))
    }
}

/// How many could be taken now.
async fn takeable(transaction: &Transaction<'_>, target: &Target) -> Result<u64, MigratorError> {
    let sql = format!("SELECT count(*) FROM ({TAKEABLE}) AS spares");
    let row =
        transaction.query_one(&sql, &[&target.checksum]).await.map_err(MigratorError::during("count the spares"))?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())
}

/// Spares that nobody said anything about; first those that can't be taken.
const DROPPABLE: &str = "
    SELECT t.name FROM control.tenants t LEFT JOIN control.ledger l ON l.tenant = t.name
     WHERE t.state = 'spare' AND l.held_at IS NULL
       AND NOT EXISTS (SELECT FROM control.requests r WHERE r.tenant = t.name)
       AND NOT EXISTS (SELECT FROM control.holds h WHERE h.tenant = t.name)
     ORDER BY l.chain_checksum IS NOT DISTINCT FROM $1 AND l.last_error IS NULL, t.name";

/// Drops one, if there are more than wanted, that nobody is taking, migrating or has written into; false: nothing was to be dropped.
async fn drop_one(connection: &mut Connection, chain: &Chain, wanted: u64) -> Result<bool, MigratorError> {
    let during = || MigratorError::during("drop a spare");
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    let target = generation::of_births(&transaction, chain).await?;
    let spares = transaction.query(DROPPABLE, &[&target.checksum]).await.map_err(during())?;
    if u64::try_from(spares.len()).unwrap_or_default() <= wanted {
        return Ok(false);
    }
    for row in &spares {
        let tenant = parse_name(row.get(0))?;
        let ours = transaction
            .query_opt(
                "SELECT pg_try_advisory_xact_lock(hashtextextended('labor tenant ' || name, 0))
                   FROM control.tenants WHERE name = $1 AND state = 'spare' FOR UPDATE SKIP LOCKED",
                &[&tenant.as_str()],
            )
            .await
            .map_err(during())?;
        if !ours.is_some_and(|row| row.get(0)) || !is_empty(&transaction, &tenant).await? {
            continue;
        }
        let sql = format!(
            "DELETE FROM control.outcomes WHERE tenant = '{tenant}';
             DELETE FROM control.ledger WHERE tenant = '{tenant}';
             DELETE FROM control.tenants WHERE name = '{tenant}';
             DROP SCHEMA {tenant} CASCADE"
        );
        transaction.batch_execute(&sql).await.map_err(during())?;
        birth::drop_role(&transaction, &tenant).await?;
        transaction.commit().await.map_err(during())?;
        return Ok(true);
    }
    Ok(false)
}

/// Assigns a spare at this version to a practice; `None`: there is none. One that has a past is passed by, for it would come along.
pub(crate) async fn take(
    transaction: &Transaction<'_>,
    proof: &Proof,
    target: &Target,
    wanted: &NewTenant,
) -> Result<Option<TenantName>, MigratorError> {
    let mut last = String::new();
    loop {
        let sql = format!("{TAKEABLE} AND t.name > $2 ORDER BY t.name LIMIT 1 FOR UPDATE OF t SKIP LOCKED");
        let row = transaction.query_opt(&sql, &[&target.checksum, &last]).await;
        let Some(row) = row.map_err(MigratorError::during("look for a spare"))? else { return Ok(None) };
        let spare = parse_name(row.get(0))?;
        spare.as_str().clone_into(&mut last);
        let (fingerprint, findings) =
            tokio::try_join!(proof.fingerprint(transaction, &spare), proof.reach(transaction, &spare))?;
        if fingerprint != row.get::<_, Option<String>>(1) {
            tracing::warn!(%spare, "not taken: its schema is not what the migrator left (`labor-migrator drift --diff`)");
        } else if !findings.is_empty() {
            return Err(MigratorError::Isolation(findings));
        } else if !is_empty(transaction, &spare).await? {
            tracing::warn!(%spare, "not taken: somebody wrote into its tables; see what it is, then TRUNCATE them");
        } else {
            return assign(transaction, spare, wanted).await.map(Some);
        }
    }
}

async fn assign(
    transaction: &Transaction<'_>,
    spare: TenantName,
    wanted: &NewTenant,
) -> Result<TenantName, MigratorError> {
    transaction
        .execute(
            "UPDATE control.tenants SET state = 'active', slug = $2, display_name = $3, created_at = now() WHERE name = $1",
            &[&spare.as_str(), &wanted.slug, &wanted.display_name],
        )
        .await
        .map_err(|error| provision::taken(error, &wanted.slug))?;
    Ok(spare)
}

/// Names and fingerprints of spares at the checksum $1 that nobody has a claim on.
const TAKEABLE: &str = "
    SELECT t.name, l.fingerprint FROM control.tenants t JOIN control.ledger l ON l.tenant = t.name
     WHERE t.state = 'spare' AND l.chain_checksum = $1 AND l.held_at IS NULL AND l.last_error IS NULL
       AND NOT EXISTS (SELECT FROM control.requests r WHERE r.tenant = t.name)
       AND NOT EXISTS (SELECT FROM control.holds h WHERE h.tenant = t.name)";

/// By the files' sizes: row rules hide rows even from their owner. A table that was ever written has one, also if its rows are gone.
/// The tables are found from the schema, and sizes asked of them alone: the planner takes a size for free, and would ask for all first.
async fn is_empty(transaction: &Transaction<'_>, spare: &TenantName) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one(
            "WITH tables AS MATERIALIZED (
               SELECT c.oid FROM pg_depend d CROSS JOIN LATERAL (
                        SELECT oid, relkind, relname FROM pg_class WHERE oid = d.objid OFFSET 0) c
                WHERE d.refclassid = 'pg_namespace'::regclass
                  AND d.refobjid = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND d.classid = 'pg_class'::regclass
                  AND c.relkind IN ('r', 'm') AND c.relname NOT IN ('schema_stamp', 'refinery_schema_history'))
             SELECT NOT EXISTS (SELECT FROM tables WHERE pg_relation_size(oid) > 0)",
            &[&spare.as_str()],
        )
        .await
        .map_err(MigratorError::during(format!("{spare}: look for rows")))?;
    Ok(row.get(0))
}

//! Spare schemas: empty ones at the fleet's version, kept ready so that signing up a practice only assigns one.
//! Must stay true: a spare is a tenant like any other for migrations, checks and drift, but nobody is served in it and it holds no row.
//! One that no practice can take stops no sign-up, and does not count as ready; one that holds rows after all is never dropped.
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use std::time::Duration;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::chain::{Chain, Target};
use crate::connection::{Connection, begin};
use crate::isolation::{Finding, Proof};
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
    /// Spares that were dropped, because fewer are wanted, or because no practice could take them.
    pub dropped: u64,
}

/// What `progress` hears.
#[derive(Debug)]
pub enum PoolProgress<'a> {
    /// So many are about to be made or dropped, as far as is known before.
    Started(u64),
    /// One is ready.
    Made(&'a TenantName),
    /// One is gone.
    Dropped(&'a TenantName),
}

impl Migrator {
    /// Makes or drops spares until so many are ready to be taken; `progress` hears of each.
    ///
    /// # Errors
    /// When the database refuses; what was made until then stays.
    pub async fn keep_spares(
        &self,
        wanted: u64,
        mut progress: impl FnMut(PoolProgress<'_>),
    ) -> Result<PoolReport, MigratorError> {
        let mut connection = self.connection().await?;
        self.require_control(&connection.client).await?;
        self.require_hardened(&connection.client).await?;
        self.require_secret(&connection.client).await?;
        let run_id = run::begin(&connection.client, "pool", None, &json!({ "keep": wanted })).await?;
        let mut report = PoolReport::default();
        let result = self.fill(&mut connection, wanted, run_id, &mut report, &mut progress).await;
        let (ending, message) = match &result {
            Ok(()) => (Ending::Completed, None),
            Err(error) => (Ending::Failed, Some(error.to_string())),
        };
        if !connection.client.is_closed() {
            run::end(&connection.client, run_id, ending, message.as_deref()).await?;
        }
        result.map(|()| report)
    }

    async fn fill(
        &self,
        connection: &mut Connection,
        wanted: u64,
        run_id: Uuid,
        report: &mut PoolReport,
        progress: &mut impl FnMut(PoolProgress<'_>),
    ) -> Result<(), MigratorError> {
        let Stock { ready, written, spoilt } = self.stock(connection).await?;
        report.ready = ready;
        let to_drop = u64::try_from(spoilt.len()).unwrap_or_default();
        progress(PoolProgress::Started(ready.abs_diff(wanted) + to_drop));
        while report.ready < wanted {
            let spare = self.make(connection, run_id).await?;
            report.made += 1;
            report.ready += 1;
            progress(PoolProgress::Made(&spare));
        }
        // When others were made: if the whole database is at fault none can be, and then nothing is dropped.
        for spare in &spoilt {
            if let Some(dropped) = drop_one(connection, self.chain(), Which::This(spare)).await? {
                report.dropped += 1;
                progress(PoolProgress::Dropped(&dropped));
            }
        }
        let left = [written, spoilt].concat();
        while let Some(dropped) = drop_one(connection, self.chain(), Which::Surplus { wanted, left: &left }).await? {
            report.dropped += 1;
            progress(PoolProgress::Dropped(&dropped));
        }
        report.ready = self.stock(connection).await?.ready;
        Ok(())
    }

    /// Looks at each spare as if a practice were to take it, in a transaction of its own: the locks on its tables are given back, and
    /// whoever drops one holds its lock, so that none of the two waits for the other.
    async fn stock(&self, connection: &mut Connection) -> Result<Stock, MigratorError> {
        let Connection { client, proof, .. } = connection;
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        let target = generation::of_births(&transaction, self.chain()).await?;
        let spares = transaction.query(TAKEABLE, &[&target.checksum]).await;
        let spares = spares.map_err(MigratorError::during("count the spares"))?;
        transaction.commit().await.map_err(MigratorError::during("count the spares"))?;
        let mut stock = Stock::default();
        for row in spares {
            let spare = parse_name(row.get(0))?;
            let transaction = begin(client, LOCK_TIMEOUT).await?;
            let still = transaction
                .query_opt(
                    "SELECT pg_try_advisory_xact_lock_shared(hashtextextended('labor tenant ' || name, 0))
                       FROM control.tenants WHERE name = $1 AND state = 'spare'",
                    &[&spare.as_str()],
                )
                .await
                .map_err(MigratorError::during("look at a spare"))?;
            if !still.is_some_and(|row| row.get(0)) {
                continue;
            }
            match fault(&transaction, proof, &spare, row.get(1)).await? {
                None => stock.ready += 1,
                Some(fault) => {
                    tracing::warn!(%spare, "not ready: {}", fault.told());
                    if matches!(fault, Fault::Written) { &mut stock.written } else { &mut stock.spoilt }.push(spare);
                }
            }
        }
        Ok(stock)
    }

    async fn make(&self, connection: &mut Connection, run_id: Uuid) -> Result<TenantName, MigratorError> {
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
        transaction.commit().await.map_err(MigratorError::during("commit a spare"))?;
        Ok(tenant)
    }
}

/// Spares at the version of births, by whether a practice can take them.
#[derive(Default)]
struct Stock {
    ready: u64,
    /// Somebody has to look at these.
    written: Vec<TenantName>,
    spoilt: Vec<TenantName>,
}

/// Why no practice can take a spare.
enum Fault {
    /// There is a row in it.
    Written,
    Drifted,
    Unsound(Vec<Finding>),
}

impl Fault {
    fn told(&self) -> String {
        match self {
            Self::Written => "somebody wrote into its tables; see what it is, then TRUNCATE them".to_owned(),
            Self::Drifted => {
                "its schema is not what the migrator left (`labor-migrator drift --diff`); `labor-migrator pool` replaces it".to_owned()
            }
            Self::Unsound(findings) => {
                let found: Vec<_> = findings.iter().map(|f| format!("{} {}: {}", f.kind, f.object, f.detail)).collect();
                format!("the isolation check found {}; `labor-migrator pool` replaces it", found.join("; "))
            }
        }
    }
}

/// What is wrong with a spare, if anything; rows before all else, because nothing else may be done to one that has some.
async fn fault(
    transaction: &Transaction<'_>,
    proof: &Proof,
    spare: &TenantName,
    recorded: Option<&str>,
) -> Result<Option<Fault>, MigratorError> {
    let (empty, fingerprint, findings) = tokio::try_join!(
        is_empty(transaction, spare),
        proof.fingerprint(transaction, spare),
        proof.reach(transaction, spare)
    )?;
    Ok(if !empty {
        Some(Fault::Written)
    } else if fingerprint.is_none() || fingerprint.as_deref() != recorded {
        Some(Fault::Drifted)
    } else if !findings.is_empty() {
        Some(Fault::Unsound(findings))
    } else {
        None
    })
}

/// Spares that nobody said anything about and whose login owns nothing elsewhere, which would be dropped along; first those that can't be taken.
const DROPPABLE: &str = "
    SELECT t.name FROM control.tenants t LEFT JOIN control.ledger l ON l.tenant = t.name
     WHERE t.state = 'spare' AND l.held_at IS NULL
       AND NOT EXISTS (SELECT FROM control.requests r WHERE r.tenant = t.name)
       AND NOT EXISTS (SELECT FROM control.holds h WHERE h.tenant = t.name)
       AND NOT EXISTS (SELECT FROM pg_shdepend d
                        WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = to_regrole(t.name || '_app')
                          AND d.deptype = 'o' AND d.classid <> 'pg_default_acl'::regclass)
     ORDER BY l.chain_checksum IS NOT DISTINCT FROM $1 AND l.last_error IS NULL, t.name";

/// Which spare is to be dropped.
enum Which<'a> {
    This(&'a TenantName),
    /// One, if there are more than wanted without those that are left as they are.
    Surplus {
        wanted: u64,
        left: &'a [TenantName],
    },
}

impl Which<'_> {
    fn of(&self, mut spares: Vec<TenantName>) -> Vec<TenantName> {
        match self {
            Self::This(one) => spares.retain(|spare| spare == *one),
            Self::Surplus { wanted, left } => {
                spares.retain(|spare| !left.contains(spare));
                if u64::try_from(spares.len()).unwrap_or_default() <= *wanted {
                    spares.clear();
                }
            }
        }
        spares
    }
}

/// Drops one that nobody is taking, migrating or has written into; `None`: nothing was to be dropped.
async fn drop_one(
    connection: &mut Connection,
    chain: &Chain,
    which: Which<'_>,
) -> Result<Option<TenantName>, MigratorError> {
    let during = || MigratorError::during("drop a spare");
    let Connection { client, proof, .. } = connection;
    let transaction = begin(client, LOCK_TIMEOUT).await?;
    let target = generation::of_births(&transaction, chain).await?;
    let spares = transaction.query(DROPPABLE, &[&target.checksum]).await.map_err(during())?;
    let spares = spares.iter().map(|row| parse_name(row.get(0))).collect::<Result<_, _>>()?;
    for tenant in which.of(spares) {
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
        // It may have been in the middle of its migration when it was looked at.
        if matches!(which, Which::This(_)) && !is_spoilt(&transaction, proof, &tenant).await? {
            continue;
        }
        let sql = format!(
            "DELETE FROM control.outcomes WHERE tenant = '{tenant}';
             DELETE FROM control.ledger WHERE tenant = '{tenant}';
             DELETE FROM control.tenants WHERE name = '{tenant}';
             DROP SCHEMA IF EXISTS {tenant} CASCADE"
        );
        transaction.batch_execute(&sql).await.map_err(during())?;
        birth::drop_role(&transaction, &tenant).await?;
        transaction.commit().await.map_err(during())?;
        return Ok(Some(tenant));
    }
    Ok(None)
}

/// Whether no practice can take it, once nobody else is at work on it.
async fn is_spoilt(transaction: &Transaction<'_>, proof: &Proof, spare: &TenantName) -> Result<bool, MigratorError> {
    let row = transaction
        .query_one("SELECT fingerprint FROM control.ledger WHERE tenant = $1", &[&spare.as_str()])
        .await
        .map_err(MigratorError::during("read the ledger"))?;
    Ok(fault(transaction, proof, spare, row.get(0)).await?.is_some())
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
        match fault(transaction, proof, &spare, row.get(1)).await? {
            Some(fault) => tracing::warn!(%spare, "not taken: {}", fault.told()),
            None => return assign(transaction, spare, wanted).await.map(Some),
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

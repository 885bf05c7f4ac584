//! What the files make out of nothing: a schema built in a transaction that is rolled back.
//! Must stay true: it touches no tenant and leaves nothing. It is built before the first tenant is touched, so that a file with a
//! mistake, or a table without row rules, is found on an empty schema; afterwards every tenant must look the same.
use std::collections::BTreeMap;

use labor_catalog::TenantName;
use tokio_postgres::Transaction;

use crate::chain::Chain;
use crate::connection::{Connection, begin};
use crate::isolation::Known;
use crate::{Migrator, MigratorError, birth, drift, isolation, schema, undo};
use std::time::Duration;

/// Fingerprints that tenants must have, by version.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    expected: BTreeMap<i32, String>,
    /// With the shapes of what was built, so that a tenant that looks the same needs no fingerprint of its own.
    pub(crate) known: Known,
}

/// To build a schema costs as much as some dozens of fingerprints more than shapes.
const MANY: usize = 50;

/// Nobody else knows the schema, so nobody holds a lock on it.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

impl Reference {
    /// Builds the versions that tenants will pass on their way, given in ascending order.
    ///
    /// # Errors
    /// When a migration fails on an empty schema, or what it makes has a finding.
    pub(crate) async fn build(
        migrator: &Migrator,
        connection: &mut Connection,
        chain: &Chain,
        versions: &[i32],
    ) -> Result<Self, MigratorError> {
        let (mut expected, mut known) = (BTreeMap::new(), Known::default());
        let Connection { client, proof, .. } = connection;
        let transaction = begin(client, LOCK_TIMEOUT).await?;
        let tenant = migrator.scratch(&transaction).await?;
        let mut at = 0;
        for version in versions {
            if let Err(error) = ready(&transaction, &tenant, chain, at, *version).await {
                transaction.rollback().await.map_err(MigratorError::during("roll back the reference"))?;
                return Err(located(migrator, connection, chain, error).await.on_empty_schema());
            }
            at = *version;
            let findings = proof.findings(&transaction, &tenant).await?;
            if !findings.is_empty() {
                return Err(MigratorError::Unsound { version: at, findings });
            }
            expected.insert(at, known.keep(proof, &transaction, &tenant).await?);
        }
        // Within the transaction: what a file does to the whole database shows too, and is rolled back.
        let findings = migrator.findings_of_database(&transaction).await?;
        if !findings.is_empty() {
            transaction.rollback().await.map_err(MigratorError::during("roll back the reference"))?;
            let before = migrator.findings_of_database(client).await?;
            return Err(if before.is_empty() {
                MigratorError::Unsound { version: at, findings }
            } else {
                MigratorError::Weak(before)
            });
        }
        transaction.rollback().await.map_err(MigratorError::during("roll back the reference"))?;
        Ok(Self { expected, known })
    }

    /// Takes an empty schema back from one version to another, as tenants will be: the lines in which it is not what the files make.
    ///
    /// # Errors
    /// When an undo fails on an empty schema.
    pub(crate) async fn rehearse_back(
        migrator: &Migrator,
        connection: &mut Connection,
        chain: &Chain,
        from: i32,
        to: i32,
    ) -> Result<Vec<String>, MigratorError> {
        let should = lines(migrator, connection, chain, to).await?;
        let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
        let tenant = migrator.scratch(&transaction).await?;
        ready(&transaction, &tenant, chain, 0, from).await.map_err(MigratorError::on_empty_schema)?;
        schema::enter(&transaction, &tenant).await?;
        let mut at = from;
        for segment in chain.segments_back(from, to) {
            if let Some(migration) = segment.outside {
                undo::take_back_new(&transaction, migration).await.map_err(MigratorError::on_empty_schema)?;
            }
            undo::take_back(&transaction, chain, at, segment.to).await.map_err(MigratorError::on_empty_schema)?;
            at = segment.to;
        }
        schema::rule(&transaction, chain, &tenant).await?;
        schema::leave(&transaction).await?;
        let is = isolation::lines(&transaction, &tenant).await?;
        transaction.rollback().await.map_err(MigratorError::during("roll back the rehearsal"))?;
        Ok(drift::difference(&should, &is))
    }

    /// The fingerprint of a version that was built.
    pub(crate) fn expected(&self, version: i32) -> Option<&str> {
        self.expected.get(&version).map(String::as_str)
    }
}

/// What the files make of the versions at which many tenants are, so that `check`, `drift` and `verify` need not fingerprint each. Nothing
/// of versions that few have; and nothing where it can't be built, as on a standby: then all are fingerprinted.
pub(crate) async fn known(migrator: &Migrator, only: usize) -> Known {
    if (1..MANY).contains(&only) {
        return Known::default();
    }
    let built = async {
        let mut connection = migrator.connection().await?;
        build_known(migrator, &mut connection).await
    };
    built.await.unwrap_or_else(|error: MigratorError| {
        tracing::debug!(error = error.told(), "every schema is fingerprinted");
        Known::default()
    })
}

async fn build_known(migrator: &Migrator, connection: &mut Connection) -> Result<Known, MigratorError> {
    let (mut known, chain, mut at) = (Known::default(), migrator.chain(), 0);
    let Connection { client, proof, .. } = connection;
    let sql = "SELECT version FROM control.ledger GROUP BY version HAVING count(*) >= $1 ORDER BY version";
    let many = i64::try_from(MANY).unwrap_or(i64::MAX);
    let rows = client.query(sql, &[&many]).await.map_err(MigratorError::during("count the tenants of each version"))?;
    let versions = rows.iter().map(|row| row.get(0)).filter(|version| chain.at(*version).is_ok());
    let versions: Vec<i32> = versions.collect();
    if versions.is_empty() {
        return Ok(known);
    }
    let transaction = begin(client, LOCK_TIMEOUT).await?;
    let tenant = migrator.scratch(&transaction).await?;
    for version in versions {
        ready(&transaction, &tenant, chain, at, version).await?;
        known.keep(proof, &transaction, &tenant).await?;
        at = version;
    }
    transaction.rollback().await.map_err(MigratorError::during("roll back the reference"))?;
    Ok(known)
}

/// A file is sent as a whole, and of some errors the server says no place: then its statements are tried one by one.
async fn located(
    migrator: &Migrator,
    connection: &mut Connection,
    chain: &Chain,
    error: MigratorError,
) -> MigratorError {
    let MigratorError::Migration { file: Some(file), line: None, source } = error else { return error };
    // Not to be found out is no reason to tell another error.
    let line = line_of(migrator, connection, chain, &file).await.ok().flatten();
    MigratorError::Migration { file: Some(file), line, source }
}

async fn line_of(
    migrator: &Migrator,
    connection: &mut Connection,
    chain: &Chain,
    file: &str,
) -> Result<Option<usize>, MigratorError> {
    let Some(migration) = chain.migrations().iter().find(|migration| migration.file_name() == file) else {
        return Ok(None);
    };
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    let tenant = migrator.scratch(&transaction).await?;
    schema::enter(&transaction, &tenant).await?;
    schema::build(&transaction, chain, 0, migration.version - 1).await?;
    for statement in migration.statements()? {
        if transaction.batch_execute(&statement.sql).await.is_err() {
            return Ok(Some(statement.line));
        }
    }
    Ok(None)
}

/// The definition of a version, line by line.
pub(crate) async fn lines(
    migrator: &Migrator,
    connection: &mut Connection,
    chain: &Chain,
    version: i32,
) -> Result<Vec<String>, MigratorError> {
    let transaction = begin(&mut connection.client, LOCK_TIMEOUT).await?;
    let tenant = migrator.scratch(&transaction).await?;
    ready(&transaction, &tenant, chain, 0, version).await.map_err(MigratorError::on_empty_schema)?;
    let lines = isolation::lines(&transaction, &tenant).await?;
    transaction.rollback().await.map_err(MigratorError::during("roll back the reference"))?;
    Ok(lines)
}

/// From one version to another, with row rules, and out of the schema again.
async fn ready(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    chain: &Chain,
    from: i32,
    to: i32,
) -> Result<(), MigratorError> {
    schema::enter(transaction, tenant).await?;
    schema::build(transaction, chain, from, to).await?;
    schema::rule(transaction, chain, tenant).await?;
    schema::leave(transaction).await
}

impl Migrator {
    /// A login role and an empty schema that will not be kept.
    async fn scratch(&self, transaction: &Transaction<'_>) -> Result<TenantName, MigratorError> {
        let tenant = TenantName::random()?;
        // Which secret does not matter.
        birth::create_role_and_schema(transaction, &tenant, self.ring.newest_secret()).await?;
        Ok(tenant)
    }
}

//! The pending migrations on a clone, statement by statement, as a step does it with a tenant.
//! Must stay true: what runs in one transaction there runs in one here; it ends with row rules, isolation check and fingerprint.
use std::time::Instant;

use futures_util::future::join;
use labor_catalog::TenantName;

use super::observe::{self, Sight};
use super::{LOCK_TIMEOUT, Rehearsal, StatementReport, Subject};
use crate::chain::{Chain, Segment};
use crate::connection::{Connection, begin};
use crate::locks::Effect;
use crate::migration::{Kind, Migration};
use crate::statements::Statement;
use crate::up::Stop;
use crate::watch::Watch;
use crate::{Migrator, MigratorError, backfill, concurrent, plan, schema};

/// Runs all segments.
pub(super) async fn run(
    migrator: &Migrator,
    connection: &mut Connection,
    subject: &Subject,
    tenant: &TenantName,
    to: i32,
    report: &mut Rehearsal,
) -> Result<(), MigratorError> {
    let chain = migrator.chain();
    let (mut from, mut stale) = (subject.version, subject.stale);
    for segment in chain.segments(from, to) {
        if let Some(migration) = segment.outside {
            outside(migrator, connection, tenant, migration, report).await?;
        }
        inside(chain, connection, tenant, &segment, (from, stale), report).await?;
        (from, stale) = (segment.to, false);
        if !report.findings.is_empty() {
            break;
        }
    }
    Ok(())
}

/// What runs outside of a transaction: the whole file as a step runs it; its locks can't be looked at.
async fn outside(
    migrator: &Migrator,
    connection: &mut Connection,
    tenant: &TenantName,
    migration: &Migration,
    report: &mut Rehearsal,
) -> Result<(), MigratorError> {
    let statements = migration.statements()?;
    let before = observe::look(&connection.client, tenant).await?;
    let (started, stop) = (Instant::now(), Stop::default());
    match migration.kind {
        Kind::Backfill { batch, pause } => {
            let batches = backfill::Batches { size: batch, pause, lock_timeout: LOCK_TIMEOUT, stop: &stop };
            backfill::run(connection, tenant, None, migration, &batches).await?;
        }
        _ => {
            let watch = Watch { migrator, stop: &stop };
            concurrent::run(connection, tenant, &concurrent::Script::of(migration)?, LOCK_TIMEOUT, &watch).await?;
        }
    }
    let milliseconds = started.elapsed().as_millis();
    let after = observe::look(&connection.client, tenant).await?;
    let seen = observe::compare(&before, &before, &after);
    let first = statements.first();
    let more = if statements.len() > 1 { format!(" and {} more", statements.len() - 1) } else { String::new() };
    report.statements.push(StatementReport {
        place: format!("{}:{}", migration.file_name(), first.map_or(1, |statement| statement.line)),
        sql: format!("{}{more}", first.map(|statement| plan::opening(&statement.sql)).unwrap_or_default()),
        milliseconds,
        locks: None,
        rewritten: seen.rewritten,
        unforetold: Vec::new(),
    });
    Ok(())
}

async fn inside(
    chain: &Chain,
    connection: &mut Connection,
    tenant: &TenantName,
    segment: &Segment<'_>,
    (from, stale): (i32, bool),
    report: &mut Rehearsal,
) -> Result<(), MigratorError> {
    let target = chain.at(segment.to)?;
    let Connection { client, proof, .. } = connection;
    let transaction = begin(client, LOCK_TIMEOUT).await?;
    schema::enter(&transaction, tenant).await?;
    if segment.outside.is_none() {
        let mut before = observe::look(&transaction, tenant).await?;
        let effects = chain.effects()?.iter().filter(|(version, _)| **version > from && **version <= segment.to);
        for (version, list) in effects {
            let file = chain.between(version - 1, *version).next().map(Migration::file_name).unwrap_or_default();
            let first = before.files.clone();
            let first = Sight { files: first, ..Sight::default() };
            for (statement, effects) in list {
                let (seen, done) = one(&transaction, tenant, &file, (statement, effects), (&first, &before)).await?;
                before = seen;
                report.statements.push(done);
            }
        }
    }
    // What was run statement by statement is only noted.
    let noted = Segment { to: segment.to, outside: chain.between(segment.to - 1, segment.to).next() };
    schema::apply(&transaction, chain, &noted).await?;
    if stale || schema::makes_tables(chain, from, segment.to) {
        let started = Instant::now();
        schema::rule(&transaction, chain, tenant).await?;
        report.rules_milliseconds = Some(started.elapsed().as_millis());
    }
    schema::stamp(&transaction, tenant, &target).await?;
    schema::leave(&transaction).await?;
    let (findings, fingerprint) =
        join(proof.findings(&transaction, tenant), proof.fingerprint(&transaction, tenant)).await;
    report.findings = findings?;
    report.fingerprint = fingerprint?.unwrap_or_default().chars().take(12).collect();
    transaction.commit().await.map_err(MigratorError::during("commit on the clone"))
}

async fn one(
    transaction: &tokio_postgres::Transaction<'_>,
    tenant: &TenantName,
    file: &str,
    (statement, effects): (&Statement, &[Effect]),
    (first, before): (&Sight, &Sight),
) -> Result<(Sight, StatementReport), MigratorError> {
    let place = format!("{file}:{}", statement.line);
    let started = Instant::now();
    transaction.batch_execute(&statement.sql).await.map_err(MigratorError::during(place.clone()))?;
    let milliseconds = started.elapsed().as_millis();
    let after = observe::look(transaction, tenant).await?;
    let seen = observe::compare(first, before, &after);
    let unforetold = observe::differences(effects, &seen, &after);
    let report = StatementReport {
        place,
        sql: plan::opening(&statement.sql),
        milliseconds,
        locks: Some(seen.locks),
        rewritten: seen.rewritten,
        unforetold,
    };
    Ok((after, report))
}

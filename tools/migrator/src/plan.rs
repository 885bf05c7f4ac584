//! `plan`: what `up` would do, to how many tenants, under which locks, and about how long.
//! Must stay true: it only reads, and asks a handful of queries whatever the number of tenants; files that are not SQL, were edited or
//! are missing are refused here with the words of `up`. What only running them shows, `rehearse` tells and `up`.
use std::collections::BTreeSet;

use labor_catalog::TenantName;
use serde::Serialize;

use crate::chain::{Chain, Target};
use crate::lint::{self, Finding};
use crate::locks::Effect;
use crate::{Migrator, MigratorError, recorded, schema, superseded};

mod classes;
mod estimate;

pub use estimate::{PER_SEGMENT, READ_PER_SECOND, WRITE_PER_SECOND};

/// What is to be planned; as for `up`.
#[derive(Debug, Clone)]
pub struct PlanOptions {
    /// Version to bring tenants to; `None`: the newest.
    pub to: Option<i32>,
    /// Only these; empty: all.
    pub tenants: Vec<TenantName>,
    /// How many tenants at a time, for the estimate.
    pub workers: usize,
}

/// What `up` would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Version that is wanted.
    pub version: i32,
    /// Whether the control schema would stay as it is.
    pub control_current: bool,
    /// Tenants with something to do, by what they have in common.
    pub classes: Vec<Class>,
    /// Tenants that are where they should be.
    pub current: i64,
    /// Tenants that are at a later version.
    pub ahead: i64,
    /// What the linter says of the pending files.
    pub findings: Vec<Finding>,
    /// About how long the whole takes with so many workers: an estimate.
    pub milliseconds: u64,
    /// How many tenants at a time.
    pub workers: usize,
}

/// Tenants with the same version, files and definition.
#[derive(Debug, Clone, Serialize)]
pub struct Class {
    /// Version by the ledger.
    pub version: i32,
    /// First digits of the checksum over the files they were made with.
    pub chain: String,
    /// First digits of the fingerprint.
    pub class: String,
    /// How many, held ones included.
    pub tenants: i64,
    /// How many are held back; `up` leaves them.
    pub held: i64,
    /// How many are spares.
    pub spare: i64,
    /// How many are frozen.
    pub frozen: i64,
    /// How many failed when they were tried last.
    pub failed: i64,
    /// Row rules are applied: every table is locked against everybody for the length of the transaction.
    pub rules: bool,
    /// What is to be run, in order.
    pub files: Vec<FilePlan>,
    /// All tenants, one after the other: an estimate.
    pub milliseconds: u64,
    /// The slowest tenant: an estimate.
    pub milliseconds_largest: u64,
}

/// A pending file.
#[derive(Debug, Clone, Serialize)]
pub struct FilePlan {
    /// Its name.
    pub file: String,
    /// transaction, concurrent or backfill.
    pub kind: &'static str,
    /// expand or contract.
    pub phase: &'static str,
    /// Its statements.
    pub statements: Vec<StatementPlan>,
}

/// A statement.
#[derive(Debug, Clone, Serialize)]
pub struct StatementPlan {
    /// Line in the file.
    pub line: usize,
    /// Its beginning.
    pub sql: String,
    /// What it does to tables that are there.
    pub effects: Vec<Effect>,
    /// Bytes that it reads or writes anew, all tenants of the class together.
    pub bytes: i64,
    /// The same of the tenant that has most.
    pub bytes_largest: i64,
    /// All tenants, one after the other: an estimate.
    pub milliseconds: u64,
    /// The tenant that has most: an estimate.
    pub milliseconds_largest: u64,
}

impl Migrator {
    /// Plans what [`Migrator::up`] would do.
    ///
    /// # Errors
    /// When the database can't be asked, or the files don't fit what was applied.
    pub async fn plan(&self, options: &PlanOptions) -> Result<Plan, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        let control_current = self.control_is_current(&client).await?;
        let chain = self.chain();
        recorded::compare(&client, chain).await?;
        superseded::refuse_rules(&client, chain).await?;
        let target = target(chain, options.to)?;
        let found = classes::read(&client, chain, &target, &options.tenants).await?;
        let heavy = heavy_tables(chain, found.lowest(target.version), target.version)?;
        let sizes = classes::sizes(&client, &target, &options.tenants, &heavy).await?;
        let mut classes = Vec::new();
        for class in &found.classes {
            classes.push(self.class(class, &target, &sizes)?);
        }
        let findings = pending_findings(chain, &classes);
        let milliseconds = estimate::total(&classes, options.workers);
        Ok(Plan {
            version: target.version,
            control_current,
            classes,
            current: found.current,
            ahead: found.ahead,
            findings,
            milliseconds,
            workers: options.workers,
        })
    }

    fn class(&self, found: &classes::Found, target: &Target, sizes: &classes::Sizes) -> Result<Class, MigratorError> {
        let chain = self.chain();
        let effects = chain.effects()?;
        let moving = found.tenants - found.held;
        let mut files = Vec::new();
        for migration in chain.between(found.version, target.version) {
            let statements = effects.get(&migration.version).into_iter().flatten().map(|(statement, effects)| {
                let work = estimate::of(effects, sizes, found);
                StatementPlan {
                    line: statement.line,
                    sql: opening(&statement.sql),
                    effects: effects.clone(),
                    bytes: work.bytes,
                    bytes_largest: work.bytes_largest,
                    milliseconds: work.milliseconds,
                    milliseconds_largest: work.milliseconds_largest,
                }
            });
            files.push(FilePlan {
                file: migration.file_name(),
                kind: migration.kind.word(),
                phase: migration.phase.word(),
                statements: statements.collect(),
            });
        }
        let segments = chain.segments(found.version, target.version).len();
        let (milliseconds, milliseconds_largest) = estimate::class(&files, segments, moving);
        Ok(Class {
            version: found.version,
            chain: found.chain.chars().take(12).collect(),
            class: found.fingerprint.chars().take(12).collect(),
            tenants: found.tenants,
            held: found.held,
            spare: found.spare,
            frozen: found.frozen,
            failed: found.failed,
            rules: found.stale || schema::makes_tables(chain, found.version, target.version),
            files,
            milliseconds,
            milliseconds_largest,
        })
    }
}

pub(crate) fn target(chain: &Chain, to: Option<i32>) -> Result<Target, MigratorError> {
    to.map_or_else(|| Ok(chain.newest()), |version| chain.at(version))
}

/// Tables that a pending statement reads or writes as a whole.
fn heavy_tables(chain: &Chain, from: i32, to: i32) -> Result<Vec<String>, MigratorError> {
    let effects = chain.effects()?.iter().filter(|(version, _)| **version > from && **version <= to);
    let effects = effects.flat_map(|(_, list)| list).flat_map(|(_, effects)| effects);
    let tables: BTreeSet<_> = effects.filter(|e| e.rewrite || e.scan).map(|e| e.table.clone()).collect();
    Ok(tables.into_iter().collect())
}

fn pending_findings(chain: &Chain, classes: &[Class]) -> Vec<Finding> {
    let files: BTreeSet<_> = classes.iter().flat_map(|class| &class.files).map(|file| file.file.as_str()).collect();
    let mut findings = lint::lint(chain.migrations(), chain.rules());
    findings
        .retain(|f| files.contains(f.file.as_str()) || files.contains(f.file.replace(".undo.sql", ".sql").as_str()));
    findings
}

/// The first words of a statement, on one line.
pub(crate) fn opening(sql: &str) -> String {
    const LONGEST: usize = 72;
    let mut words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() > LONGEST {
        words = words.chars().take(LONGEST - 1).chain(['…']).collect();
    }
    words
}

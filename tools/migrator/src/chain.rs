//! The chain of migrations of a tenant's schema, with the row rules at its end.
//! Must stay true: a chain's checksum at a version changes when a file up to that version or the row rules change, and with nothing
//! else; a new tenant and a migrated one have gone through the same files.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use aws_lc_rs::digest;
use refinery_core::Runner;

use crate::locks::{self, Effect, Known};
use crate::migration::{Kind, Migration};
use crate::statements::{self, Statement};
use crate::{MigratorError, files::Sources, lint};

/// All migrations of a tenant's schema, in order, and the row rules.
#[derive(Debug)]
pub struct Chain {
    migrations: Vec<Migration>,
    rules: String,
    rules_checksum: String,
    /// What refinery writes into its history, by version.
    checksums: BTreeMap<i32, u64>,
    effects: OnceLock<Effects>,
    makers: OnceLock<BTreeSet<i32>>,
    /// Why it must not be run.
    unrunnable: OnceLock<Option<lint::Finding>>,
}

/// The statements of each version, with what they do to tables that were there before it.
pub type Effects = BTreeMap<i32, Vec<(Statement, Vec<Effect>)>>;

/// Where a tenant's schema is to be brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Number of the last migration.
    pub version: i32,
    /// SHA-256 in hex over all migrations up to it and the row rules.
    pub checksum: String,
}

/// A part of the way that ends with a transaction of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// Version after it.
    pub(crate) to: i32,
    /// What happens outside of that transaction, before it.
    pub(crate) outside: Option<&'a Migration>,
}

impl Chain {
    /// Reads the files.
    ///
    /// # Errors
    /// When there is none, or one can't be understood.
    pub fn new(sources: &Sources) -> Result<Self, MigratorError> {
        let migrations = sources.tenant_migrations()?;
        if migrations.is_empty() {
            return Err(MigratorError::Invalid("there is no migration of the tenant schema".to_owned()));
        }
        let rules = sources.tenant_rules().to_owned();
        let mut checksums = BTreeMap::new();
        for migration in &migrations {
            let unapplied = refinery_core::Migration::unapplied(&migration.title(), &migration.sql)?;
            checksums.insert(migration.version, unapplied.checksum());
        }
        let rules_checksum = hex::encode(digest::digest(&digest::SHA256, rules.as_bytes()));
        let (effects, makers, unrunnable) = Default::default();
        Ok(Self { migrations, rules, rules_checksum, checksums, effects, makers, unrunnable })
    }

    /// In order.
    #[must_use]
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The row rules; `{tenant}` stands for the tenant's name.
    #[must_use]
    pub fn rules(&self) -> &str {
        &self.rules
    }

    /// SHA-256 of the row rules in hex.
    #[must_use]
    pub fn rules_checksum(&self) -> &str {
        &self.rules_checksum
    }

    /// refinery's checksum of a version, as it stands in the history of a schema.
    pub(crate) fn history_checksum(&self, version: i32) -> u64 {
        self.checksums.get(&version).copied().unwrap_or_default()
    }

    /// The last version.
    #[must_use]
    pub fn newest(&self) -> Target {
        self.upto(self.migrations.len())
    }

    /// A version of the chain.
    ///
    /// # Errors
    /// When there is no such version.
    pub fn at(&self, version: i32) -> Result<Target, MigratorError> {
        let position = self.migrations.iter().position(|m| m.version == version);
        position.map(|position| self.upto(position + 1)).ok_or_else(|| {
            MigratorError::Invalid(format!(
                "there is no version {version}: the files go from {} to {}",
                self.migrations.first().map_or(0, |m| m.version),
                self.newest().version
            ))
        })
    }

    /// Migrations after one version, up to another.
    pub fn between(&self, from: i32, to: i32) -> impl Iterator<Item = &Migration> {
        self.migrations.iter().filter(move |m| m.version > from && m.version <= to)
    }

    /// The way from one version to another. With nothing but new row rules it is one segment.
    pub(crate) fn segments(&self, from: i32, to: i32) -> Vec<Segment<'_>> {
        let mut segments = Vec::new();
        let mut last = None;
        for migration in self.between(from, to) {
            if migration.kind == Kind::Transaction {
                last = Some(migration.version);
                continue;
            }
            segments.extend(last.take().map(|to| Segment { to, outside: None }));
            segments.push(Segment { to: migration.version, outside: Some(migration) });
        }
        segments.extend(last.map(|to| Segment { to, outside: None }));
        if segments.is_empty() {
            segments.push(Segment { to, outside: None });
        }
        segments
    }

    /// The way back from one version to another by the undos. Only what was made outside of a transaction is taken back outside of one:
    /// a backfill's undo, if it does anything, puts back in one go.
    pub(crate) fn segments_back(&self, from: i32, to: i32) -> Vec<Segment<'_>> {
        let mut segments = Vec::new();
        let mut segment = Segment { to: from, outside: None };
        let migrations: Vec<_> = self.between(to, from).collect();
        for migration in migrations.into_iter().rev().filter(|m| m.kind == Kind::Concurrent) {
            if migration.version < from {
                segments.push(Segment { to: migration.version, ..segment });
            }
            segment = Segment { to, outside: Some(migration) };
        }
        segments.push(Segment { to, ..segment });
        segments
    }

    /// Refuses files that would take the transaction, its role or its locks from the migrator; judged once.
    ///
    /// # Errors
    /// When there is one: its place and why.
    pub(crate) fn runnable(&self) -> Result<(), MigratorError> {
        let why = self.unrunnable.get_or_init(|| lint::unrunnable(&self.migrations));
        why.as_ref().map_or(Ok(()), |why| Err(MigratorError::Unrunnable(why.clone())))
    }

    /// What every migration locks, rewrites and reads; judged once, when it is first asked for.
    ///
    /// # Errors
    /// When a file is not SQL.
    pub fn effects(&self) -> Result<&Effects, MigratorError> {
        if let Some(effects) = self.effects.get() {
            return Ok(effects);
        }
        let mut known = Known::default();
        let mut effects = Effects::new();
        for migration in &self.migrations {
            effects.insert(migration.version, locks::of_migration(migration, &mut known)?);
        }
        Ok(self.effects.get_or_init(|| effects))
    }

    /// The versions that make tables, which have no row rules yet; judged once, when they are first asked for.
    pub(crate) fn makers(&self) -> &BTreeSet<i32> {
        self.makers.get_or_init(|| {
            let makers = self.migrations.iter().filter(|migration| statements::makes_table(&migration.sql));
            makers.map(|migration| migration.version).collect()
        })
    }

    /// refinery, which checks and writes the history in the tenant's schema.
    pub(crate) fn runner(&self, target: refinery_core::Target) -> Result<Runner, MigratorError> {
        let migrations = self.migrations.iter().map(|m| refinery_core::Migration::unapplied(&m.title(), &m.sql));
        Ok(Runner::new(&migrations.collect::<Result<Vec<_>, _>>()?).set_target(target))
    }

    /// What refinery's history holds at a version: number, name and checksum of each file.
    pub(crate) fn history(&self, version: i32) -> Result<Vec<String>, MigratorError> {
        self.between(0, version)
            .map(|m| refinery_core::Migration::unapplied(&m.title(), &m.sql))
            .map(|file| file.map(|f| format!("{} {} {}", f.version(), f.name(), f.checksum())).map_err(Into::into))
            .collect()
    }

    fn upto(&self, count: usize) -> Target {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut version = 0;
        for migration in &self.migrations[..count] {
            version = migration.version;
            context.update(format!("{}\n{}\n", migration.title(), migration.sql).as_bytes());
        }
        context.update(self.rules.as_bytes());
        Target { version, checksum: hex::encode(context.finish()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_cut_where_something_runs_outside_of_a_transaction() {
        let kinds = ["transaction", "concurrent", "transaction", "backfill", "concurrent", "transaction"];
        let migrations = (1..).zip(kinds).map(|(version, kind)| {
            Migration::parse(&format!("V{version}__x"), &format!("-- Kind: {kind}\nSELECT 1;"), None).unwrap()
        });
        let chain = Chain {
            migrations: migrations.collect(),
            rules: String::new(),
            rules_checksum: String::new(),
            checksums: BTreeMap::new(),
            effects: OnceLock::new(),
            makers: OnceLock::new(),
            unrunnable: OnceLock::new(),
        };
        let way = |from, to| {
            let segments = chain.segments_back(from, to);
            segments.iter().map(|s| (s.outside.map(|m| m.version), s.to)).collect::<Vec<_>>()
        };
        assert_eq!(way(6, 1), [(None, 5), (Some(5), 2), (Some(2), 1)]);
        assert_eq!(way(5, 3), [(Some(5), 3)]);
        assert_eq!(way(4, 2), [(None, 2)]);
        assert_eq!(way(4, 1), [(None, 2), (Some(2), 1)]);
    }
}

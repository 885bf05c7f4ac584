//! Judges migrations before any practice meets them: squawk's rules about locks and rewrites, and Labor's own about fleets.
//! Must stay true: nothing here needs a database; a finding says file, line, what happens and what to do. An exception is made
//! where the statement is, with `-- squawk-ignore <rule> -- <why>` on the line before, for squawk's rules and ours alike.
use std::collections::BTreeSet;

use serde::Serialize;

use crate::header::Header;
use crate::migration::{Kind, Migration, Phase};

mod blocks;
mod comments;
mod contract;
pub(crate) mod file;
mod ignores;
pub(crate) mod kinds;
pub mod squawk;
mod tables;
mod tenant;
mod words;

use file::File;
use tables::Tables;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth a look; the migration may be right.
    Warning,
    /// The migration must not be run like this.
    Error,
}

/// One thing that is wrong with a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the file.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// The rule, as an exception names it.
    pub rule: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{}:{}: {severity}: {} [{}]", self.file, self.line, self.message, self.rule)?;
        self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

/// Labor's own rules and what each is for; squawk's are in [`squawk::RULES`].
pub const RULES: [(&str, &str); 16] = [
    ("header", "a migration says why it is, which locks it takes and what the previous release sees; an undo says why"),
    ("syntax", "the file is SQL, and nothing that only psql understands"),
    ("contract-undeclared", "what the previous release would miss is taken away in a file that says `Phase: contract`"),
    ("concurrent-in-transaction", "a statement that can't run in a transaction is in a file of `Kind: concurrent`"),
    ("transaction-control", "the migrator begins and commits, no file does"),
    ("migrators-own", "role, settings, locks, stamp and history are the migrator's"),
    ("data-in-transaction", "rows of a table that is there are changed by a file of `Kind: backfill`"),
    ("not-repeatable", "a killed run begins a concurrent file anew, so each statement can be repeated"),
    ("backfill-shape", "a backfill is one statement that changes {batch} rows of a table that is there"),
    (
        "tenant-schema-rules",
        "a tenant's schema holds tables, indexes and constraints, and reaches for nothing outside of it",
    ),
    ("rights-elsewhere", "rights and row rules are in db/rls/tenant.sql, which alone says who may do what"),
    ("do-unseen", "what a DO block runs with EXECUTE, and which locks it takes, can't be judged here"),
    ("rls-forgotten", "every table has its line in the matrix of db/rls/tenant.sql"),
    ("comment-missing", "every table and column has a COMMENT"),
    ("undo-missing", "an expand has its undo beside it, or a comment there that says why nothing is to be done"),
    ("unused-ignore", "an exception names rules that there are"),
];

/// Exceptions from these would only move the failure to the run.
const NO_EXCEPTION: [&str; 5] =
    ["syntax", "transaction-control", "migrators-own", "concurrent-in-transaction", "backfill-shape"];

/// What must not reach the server: the first finding that no exception can be made from, in a migration or its undo.
pub(crate) fn unrunnable(migrations: &[Migration]) -> Option<Finding> {
    let mut tables = Tables::default();
    migrations.iter().find_map(|migration| {
        let known = tables.names();
        let mut findings = match File::parse(migration.file_name(), &migration.sql) {
            Err(finding) => vec![finding],
            Ok(file) => {
                tables.follow(&file);
                of_kind(&file, migration, &known)
            }
        };
        findings.extend(undo(migration));
        findings.into_iter().find(|finding| NO_EXCEPTION.contains(&finding.rule.as_str()))
    })
}

/// Judges a chain of migrations, in the order of their versions, together with the row rules they are run with.
#[must_use]
pub fn lint(migrations: &[Migration], rules_sql: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut tables = Tables::default();
    for migration in migrations {
        let known = tables.names();
        let mut own = words::of_migration(migration);
        match File::parse(migration.file_name(), &migration.sql) {
            Err(finding) => own.push(finding),
            Ok(file) => {
                tables.follow(&file);
                own.extend(judge(&file, migration, &known));
                own = ignores::apply(&file, own);
            }
        }
        own.extend(undo(migration));
        findings.extend(own);
    }
    findings.extend(tables.without_rules(rules_sql));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| {
        // squawk and we may say the same about what is taken away, in other words.
        let words = if finding.rule == contract::RULE { String::new() } else { finding.message.clone() };
        seen.insert((finding.file.clone(), finding.line, finding.rule.clone(), words))
    });
    findings.sort_by_key(|finding| (version_of(migrations, &finding.file), finding.line));
    findings
}

/// As [`lint`], but only of the files after one version, up to another.
#[must_use]
pub fn between(migrations: &[Migration], rules_sql: &str, from: i32, to: i32) -> Vec<Finding> {
    let wanted = |finding: &Finding| {
        let file = &finding.file;
        let of = |m: &&Migration| *file == m.file_name() || *file == m.undo_file_name();
        migrations.iter().find(of).is_some_and(|m| m.version > from && m.version <= to)
    };
    let mut findings = lint(migrations, rules_sql);
    findings.retain(wanted);
    findings
}

/// Refuses files after one version, up to another, if there is an error in them. A file that a tenant has can't be corrected any more.
pub(crate) fn refuse_errors(
    migrations: &[Migration],
    rules_sql: &str,
    from: i32,
    to: i32,
) -> Result<(), crate::MigratorError> {
    let findings = between(migrations, rules_sql, from, to);
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    if refused { Err(crate::MigratorError::Lint(findings)) } else { Ok(()) }
}

fn version_of(migrations: &[Migration], file: &str) -> usize {
    migrations.iter().position(|m| file == m.file_name() || file == m.undo_file_name()).unwrap_or(migrations.len())
}

fn judge(file: &File, migration: &Migration, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = squawk::run(file, migration);
    findings.extend(words::undo_missing(migration));
    findings.extend(tenant::judge(file));
    findings.extend(comments::judge(file));
    findings.extend(of_kind(file, migration, known));
    if migration.kind == Kind::Transaction {
        findings.extend(kinds::data(file, known));
    }
    if migration.phase == Phase::Expand {
        findings.extend(contract::judge(file));
    }
    findings
}

fn of_kind(file: &File, migration: &Migration, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = kinds::transaction_control(file);
    findings.extend(kinds::own(file));
    findings.extend(kinds::copies(file));
    findings.extend(match migration.kind {
        Kind::Transaction => kinds::transaction(file),
        Kind::Concurrent => kinds::concurrent(file),
        Kind::Backfill { .. } => kinds::backfill(file, known),
    });
    findings
}

/// An undo is written in quiet and run in a hurry: it says why, and it is SQL that leaves the transaction to the migrator.
fn undo(migration: &Migration) -> Vec<Finding> {
    let Some(sql) = &migration.undo else { return Vec::new() };
    let mut findings = words::of_undo(migration, &Header::parse(sql));
    match File::parse(migration.undo_file_name(), sql) {
        Err(finding) => findings.push(finding),
        Ok(file) => {
            findings.extend(kinds::transaction_control(&file));
            findings.extend(kinds::own(&file));
            findings.extend(kinds::copies(&file));
            findings.extend(match migration.kind {
                Kind::Transaction => kinds::transaction(&file),
                Kind::Concurrent => kinds::blocks(&file),
                Kind::Backfill { .. } => Vec::new(),
            });
            findings = ignores::apply(&file, findings);
        }
    }
    findings
}

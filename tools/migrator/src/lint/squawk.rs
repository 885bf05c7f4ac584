//! squawk's rules, each with what it means for a fleet of practices.
//! Must stay true: every rule that squawk runs by default is in the table, so that a new one is a decision and not a surprise.
use squawk_linter::{Linter, LinterSettings, Rule, Version, Violation};

use super::file::File;
use super::{Finding, Severity, contract};
use crate::migration::{Kind, Migration, Phase};

/// What becomes of a violation of one of squawk's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Is an error.
    Error,
    /// Is a warning.
    Warning,
    /// Is a warning in an expand file; in a contract file it is what the file is for.
    ExpandWarning,
    /// In an expand file it is `contract-undeclared`; in a contract file it is what the file is for.
    Contract,
    /// As `Contract`, and in a contract file a warning, because it also holds a lock for as long as a table is read.
    ContractAndLock,
    /// Is not run, because …
    Excluded(&'static str),
}
use Verdict::{Contract, ContractAndLock, Error, Excluded, ExpandWarning, Warning};

const NO_SUCH_OBJECT: &str = "tenant-schema-rules refuses the statement itself, whatever it does to such an object";
const NOT_BY_DEFAULT: &str = "off in squawk by default";
const SMALL_NUMBERS: &str = "counts and versions within one practice stay small; keys are UUIDs";

/// Every rule that we decided on.
pub const RULES: &[(Rule, Verdict)] = &[
    // Locks and rewrites.
    (Rule::RequireConcurrentIndexCreation, Warning),
    (Rule::RequireConcurrentIndexDeletion, Warning),
    (Rule::RequireConcurrentReindex, Warning),
    (Rule::RequireConcurrentPartitionDetach, Error),
    (Rule::AddingFieldWithDefault, Error),
    (Rule::AddingForeignKeyConstraint, Warning),
    (Rule::AddingSerialPrimaryKeyField, Error),
    (Rule::DisallowedUniqueConstraint, Error),
    (Rule::BanTruncateCascade, Error),
    (Rule::ConstraintMissingNotValid, ContractAndLock),
    (Rule::ChangingColumnType, ContractAndLock),
    (Rule::AddingNotNullableField, ContractAndLock),
    // What the previous release misses.
    (Rule::AddingRequiredField, Error),
    (Rule::RenamingColumn, Contract),
    (Rule::RenamingTable, Contract),
    (Rule::BanDropColumn, Contract),
    (Rule::BanDropTable, Contract),
    (Rule::BanDropDefault, Contract),
    (Rule::BanDropGeneratedExpression, Contract),
    (Rule::RenamingObject, ExpandWarning),
    (Rule::BanDropConstraint, ExpandWarning),
    (Rule::BanDropNotNull, ExpandWarning),
    (Rule::BanSetSchema, Error),
    // Types and names.
    (Rule::PreferTextField, Error),
    (Rule::PreferTimestampTz, Error),
    (Rule::BanCharField, Error),
    (Rule::IdentifierTooLong, Error),
    (Rule::BanDuplicateColumnAssignments, Error),
    (Rule::UnusedIgnore, Excluded("unused-ignore says it, and knows our own rules' names")),
    (Rule::PreferBigintOverInt, Excluded(SMALL_NUMBERS)),
    (Rule::PreferBigintOverSmallint, Excluded(SMALL_NUMBERS)),
    (
        Rule::PreferIdentity,
        Excluded("it advises an identity column; tenant-schema-rules refuses serial and identity alike"),
    ),
    (Rule::RequireTableSchema, Excluded("a tenant's statement must not name a schema: search_path does")),
    // How a file is run.
    (
        Rule::PreferRobustStmts,
        Excluded("transaction files are applied once and whole; not-repeatable judges concurrent files"),
    ),
    (Rule::RequireTimeoutSettings, Excluded("the migrator sets lock_timeout for every file")),
    (Rule::RequireLockTimeout, Excluded("the migrator sets lock_timeout for every file")),
    (
        Rule::RequireStatementTimeout,
        Excluded("the migrator sets the timeouts, and a concurrent build may take its time"),
    ),
    (Rule::TransactionNesting, Excluded("transaction-control refuses BEGIN and COMMIT altogether")),
    (Rule::BanUncommittedTransaction, Excluded("transaction-control refuses BEGIN and COMMIT altogether")),
    (
        Rule::BanConcurrentIndexCreationInTransaction,
        Excluded("concurrent-in-transaction says it, for all such statements"),
    ),
    (Rule::PreferRepack, Excluded("PostgreSQL 19; CLUSTER and VACUUM FULL are refused by tenant-schema-rules")),
    // Objects that a tenant's schema doesn't have.
    (Rule::BanDropDatabase, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropSchema, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropExtension, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropView, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropFunction, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropTrigger, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropType, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropDomain, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanDropSequence, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanCreateDomainWithConstraint, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterDomainWithAddConstraint, Excluded(NO_SUCH_OBJECT)),
    (Rule::RequireEnumValueOrdering, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterIdentity, Excluded("tenant-schema-rules refuses identity columns")),
    // Off by default, and right so for us.
    (
        Rule::BanDisableTrigger,
        Excluded("tenant-schema-rules and rights-elsewhere refuse to disable triggers and row security"),
    ),
    (Rule::BanAddColumn, Excluded("adding columns is what an expand does")),
    (Rule::BanSetDefault, Excluded("a new default is additive: the previous release names the columns it writes")),
    (Rule::BanDropIndex, Excluded("dropping an index takes nothing from the previous release but time")),
    (
        Rule::BanNewWriteRestriction,
        Excluded("only the author knows what the previous release writes; `Previous release:` says it"),
    ),
    (Rule::BanDropPolicy, Excluded("rights-elsewhere says it")),
    (Rule::BanRevoke, Excluded("rights-elsewhere says it")),
    (Rule::BanCreatePolicy, Excluded("rights-elsewhere says it")),
    (Rule::BanAlterPolicyCondition, Excluded("rights-elsewhere says it")),
    (Rule::BanAlterPolicyRoles, Excluded("rights-elsewhere says it")),
    (Rule::BanAlterRowLevelSecurity, Excluded("rights-elsewhere says it")),
    (Rule::BanReplicaIdentity, Excluded(NOT_BY_DEFAULT)),
    (Rule::BanDetachInheritance, Excluded(NOT_BY_DEFAULT)),
    (Rule::BanAlterGeneratedExpression, Excluded(NOT_BY_DEFAULT)),
    (Rule::BanReplaceViewFunction, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterFunctionOptions, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterViewOptions, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterRoleOptions, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterDatabaseOptions, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterSystemOptions, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterExtension, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAddEnumValue, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAddCompositeAttribute, Excluded(NO_SUCH_OBJECT)),
    (Rule::BanAlterSequenceValues, Excluded(NO_SUCH_OBJECT)),
];

/// Runs squawk over a file.
pub(crate) fn run(file: &File, migration: &Migration) -> Vec<Finding> {
    let run = RULES.iter().filter(|(_, verdict)| !matches!(verdict, Excluded(_))).map(|(rule, _)| *rule);
    let mut linter = Linter::from(run);
    linter.settings = LinterSettings {
        pg_version: Version::default(), // 15
        assume_in_transaction: migration.kind != Kind::Concurrent,
    };
    let violations = linter.lint(&file.parsed, &file.text);
    violations
        .iter()
        .filter(|violation| !said_better(violation, &violations))
        .filter_map(|violation| finding(file, migration.phase, violation))
        .collect()
}

/// Two of squawk's rules about one constraint: the one whose advice can be followed stays.
fn said_better(violation: &Violation, all: &[Violation]) -> bool {
    let better: &[Rule] = match violation.code {
        Rule::ConstraintMissingNotValid => &[Rule::DisallowedUniqueConstraint, Rule::AddingSerialPrimaryKeyField],
        Rule::AddingForeignKeyConstraint => &[Rule::ConstraintMissingNotValid],
        _ => return false,
    };
    all.iter().any(|other| {
        better.contains(&other.code)
            && other.text_range.intersect(violation.text_range).is_some_and(|range| !range.is_empty())
    })
}

/// What to do, where squawk's own advice doesn't fit files that are run by this migrator.
fn advice(rule: Rule) -> Option<&'static str> {
    match rule {
        Rule::RequireConcurrentIndexCreation => Some(
            "put it into a file with `-- Kind: concurrent` as CREATE INDEX CONCURRENTLY IF NOT EXISTS; or say \
             in an exception why the table is small",
        ),
        Rule::RequireConcurrentIndexDeletion => {
            Some("put it into a file with `-- Kind: concurrent` as DROP INDEX CONCURRENTLY IF EXISTS")
        }
        Rule::RequireConcurrentReindex => {
            Some("put it into a file with `-- Kind: concurrent` as REINDEX … CONCURRENTLY")
        }
        Rule::ConstraintMissingNotValid => {
            Some("add it NOT VALID here, and VALIDATE CONSTRAINT it in a later file with `-- Kind: concurrent`")
        }
        Rule::AddingNotNullableField => Some(
            "add CHECK (<column> IS NOT NULL) NOT VALID in an earlier file and validate it in a concurrent one: PostgreSQL then \
             believes it and reads no row",
        ),
        Rule::AddingFieldWithDefault => Some(
            "add the column without a default, let the application write it, and fill \
             old rows in a file with `-- Kind: backfill`",
        ),
        Rule::DisallowedUniqueConstraint | Rule::AddingSerialPrimaryKeyField => Some(
            "build a unique index in a file with `-- Kind: concurrent`, and add the constraint \
             USING INDEX in the next one",
        ),
        _ => None,
    }
}

fn finding(file: &File, phase: Phase, violation: &Violation) -> Option<Finding> {
    let verdict = RULES.iter().find(|(rule, _)| *rule == violation.code).map(|(_, verdict)| *verdict)?;
    let (start, end) = (usize::from(violation.text_range.start()), usize::from(violation.text_range.end()));
    // VALIDATE in the transaction of its NOT VALID locks, but takes nothing away.
    let validates = file.text.get(start..end).is_some_and(|text| text.to_lowercase().starts_with("validate"));
    let mut finding = Finding {
        file: file.name.clone(),
        line: crate::statements::line_of(&file.sql, start),
        rule: violation.code.to_string(),
        message: violation.message.clone(),
        help: advice(violation.code).map(str::to_owned).or_else(|| violation.help.clone()),
        severity: Severity::Error,
    };
    match (verdict, phase) {
        (Contract | ContractAndLock, Phase::Expand) if !validates => {
            contract::RULE.clone_into(&mut finding.rule);
            finding.message = contract::message(&violation.message);
            finding.help = Some(match &finding.help {
                Some(help) => format!("{}; {help}", contract::HELP),
                None => contract::HELP.to_owned(),
            });
        }
        (Contract | ExpandWarning, Phase::Contract) | (Excluded(_), _) => return None,
        (ContractAndLock | Warning | ExpandWarning, _) => finding.severity = Severity::Warning,
        _ => {}
    }
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_squawk_was_decided_on_once() {
        for rule in Linter::with_default_rules().rules {
            assert!(RULES.iter().any(|(known, _)| *known == rule), "decide on {rule}");
        }
        for (index, (rule, _)) in RULES.iter().enumerate() {
            assert!(RULES[..index].iter().all(|(other, _)| other != rule), "{rule} is there twice");
        }
    }
}

//! Whether a file can be run as the kind it says it is.
//! Must stay true: what is refused here would fail, or do half, in the middle of a fleet.
use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Finding;
use super::file::{File, has_token, holds, last_part, opening, parts, table_of};
use crate::statements::{BATCH, takes_keyword};

/// Begins, ends or divides a transaction.
pub(crate) const CONTROL: [SyntaxKind; 12] = [
    SyntaxKind::BEGIN,
    SyntaxKind::COMMIT_TRANSACTION,
    SyntaxKind::COMMIT_PREPARED,
    SyntaxKind::ROLLBACK_TRANSACTION,
    SyntaxKind::ROLLBACK_PREPARED,
    SyntaxKind::ROLLBACK_TO_SAVEPOINT,
    SyntaxKind::SAVEPOINT_CREATE,
    SyntaxKind::RELEASE_SAVEPOINT,
    SyntaxKind::PREPARE_TRANSACTION,
    SyntaxKind::SET_TRANSACTION,
    SyntaxKind::PLPGSQL_COMMIT_STMT,
    SyntaxKind::PLPGSQL_ROLLBACK_STMT,
];

/// BEGIN, COMMIT and the like.
pub(crate) fn transaction_control(file: &File) -> Vec<Finding> {
    let help = "take it away: the migrator opens the transaction and commits it together with stamp and ledger";
    file.everywhere(&CONTROL)
        .iter()
        .map(|(node, line)| {
            file.error_at(*line, "transaction-control", format!("`{}` in a migration", opening(node)), help)
        })
        .collect()
}

/// Sets what the migrator has set.
pub(crate) const SETTINGS: [SyntaxKind; 12] = [
    SyntaxKind::SET,
    SyntaxKind::SET_ROLE,
    SyntaxKind::SET_SESSION_AUTH,
    SyntaxKind::SET_CONSTRAINTS,
    SyntaxKind::RESET,
    SyntaxKind::RESET_ROLE,
    SyntaxKind::RESET_SESSION_AUTH,
    SyntaxKind::DISCARD,
    SyntaxKind::DISCARD_ALL,
    SyntaxKind::DISCARD_PLANS,
    SyntaxKind::DISCARD_SEQUENCES,
    SyntaxKind::DISCARD_TEMP,
];

/// What tells of a schema where it stands.
const RECORDS: [&str; 2] = ["schema_stamp", "refinery_schema_history"];

const OWN: &str = "migrators-own";

/// Role, settings, advisory locks, stamp and history: the proof and the ledger rest on them.
pub(crate) fn own(file: &File) -> Vec<Finding> {
    let mut findings = settings(file);
    findings.extend(calls(file));
    findings.extend(records(file));
    findings
}

/// Statements of a file or of a block, not what is a part of one.
fn settings(file: &File) -> Vec<Finding> {
    use SyntaxKind::{PLPGSQL_EXEC_SQL_STMT, SOURCE_FILE};
    let help = "take it away: the migrator sets role, search_path and timeouts, and needs them as it set them";
    file.everywhere(&SETTINGS)
        .iter()
        .filter(|(node, _)| {
            node.parent().is_some_and(|parent| [SOURCE_FILE, PLPGSQL_EXEC_SQL_STMT].contains(&parent.kind()))
        })
        .map(|(node, line)| {
            let message = format!("`{} …` changes what the migrator has set", opening(node));
            file.error_at(*line, OWN, message, help)
        })
        .collect()
}

fn calls(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (call, line) in file.everywhere(&[SyntaxKind::CALL_EXPR]) {
        let name = call.first_child().map(|callee| last_part(&callee)).unwrap_or_default();
        if name == "set_config" || name.contains("advisory_") {
            let help = "settings and locks are the migrator's and the application's, not a migration's";
            findings.push(file.error_at(line, OWN, format!("a call of {name}"), help));
        }
    }
    findings
}

fn records(file: &File) -> Vec<Finding> {
    use SyntaxKind::{DELETE, INSERT, TRUNCATE, UPDATE};
    let mut findings = Vec::new();
    for (write, line) in file.everywhere(&[INSERT, UPDATE, DELETE, TRUNCATE]) {
        let table = if write.kind() == TRUNCATE {
            parts(&write).into_iter().find(|part| RECORDS.contains(&part.as_str()))
        } else {
            table_of(&write)
        };
        if let Some(table) = table.filter(|table| RECORDS.contains(&table.as_str())) {
            let help = "take it away: the migrator writes it with the ledger";
            findings.push(file.error_at(line, OWN, format!("{table} is written"), help));
        }
    }
    findings
}

/// Outside of a transaction nothing takes back what a block sets, and what it runs with EXECUTE is not seen.
pub(crate) fn blocks(file: &File) -> Vec<Finding> {
    let help = "write plain statements that can be repeated, or put the block into a file of `Kind: transaction`";
    let message =
        "a DO block outside of a transaction: what it sets would stay, and what it runs with EXECUTE is not seen";
    file.nodes(&[SyntaxKind::DO]).iter().map(|node| file.error(node, OWN, message, help)).collect()
}

/// Rows come and go beside the statement, as psql sends and takes them: the migrator has none to send.
pub(crate) fn copies(file: &File) -> Vec<Finding> {
    let help = "write INSERT, or a file of `Kind: backfill`";
    let message = |node: &SyntaxNode| format!("`{} …` needs psql, which sends and takes the rows", opening(node));
    file.nodes(&[SyntaxKind::COPY]).iter().map(|node| file.error(node, "syntax", message(node), help)).collect()
}

/// Rows of a table that is there: row rules bind even the owner, so it fails, or holds the table for as long as it takes.
pub(crate) fn data(file: &File, known: &BTreeSet<String>) -> Vec<Finding> {
    let help = "put it into a file of its own with `-- Kind: backfill`: there it is a role that row rules don't bind, batch by batch";
    file.everywhere(&[SyntaxKind::INSERT, SyntaxKind::UPDATE, SyntaxKind::DELETE])
        .iter()
        .filter_map(|(node, line)| Some((*line, table_of(node).filter(|table| known.contains(table))?)))
        .map(|(line, table)| {
            file.error_at(
                line,
                "data-in-transaction",
                format!("rows of {table} are changed in the tenant's transaction"),
                help,
            )
        })
        .collect()
}

/// Nothing that refuses to run in a transaction, and no `{batch}`.
pub(crate) fn transaction(file: &File) -> Vec<Finding> {
    let help = "put it into a file of its own with `-- Kind: concurrent`";
    let mut findings = Vec::new();
    for statement in file.statements().iter().filter(|statement| outside_only(statement)) {
        let message = format!("`{} …` can't run in a transaction", opening(statement));
        findings.push(file.error(statement, "concurrent-in-transaction", message, help));
    }
    findings.extend(stray_batch(file));
    findings
}

fn outside_only(statement: &SyntaxNode) -> bool {
    use SyntaxKind::{REINDEX_TARGET_DATABASE, REINDEX_TARGET_SCHEMA, REINDEX_TARGET_SYSTEM};
    let whole = [REINDEX_TARGET_DATABASE, REINDEX_TARGET_SCHEMA, REINDEX_TARGET_SYSTEM];
    concurrently(statement) || whole.iter().any(|kind| holds(statement, *kind))
}

/// Whether it is a keyword of the statement, and not in a string, a comment or a name.
pub(crate) fn concurrently(statement: &SyntaxNode) -> bool {
    statement.descendants().any(|node| takes_keyword(node.kind()) && has_token(&node, SyntaxKind::CONCURRENTLY_KW))
}

/// Each statement can be run again after a run that was killed.
pub(crate) fn concurrent(file: &File) -> Vec<Finding> {
    let mut findings = stray_batch(file);
    findings.extend(blocks(file));
    for statement in file.statements().iter().filter(|statement| !CONTROL.contains(&statement.kind())) {
        if let Some(help) = not_repeatable(statement) {
            let message = format!("`{} …` can't be run again after a killed run", opening(statement));
            findings.push(file.error(statement, "not-repeatable", message, help));
        }
    }
    findings
}

/// What makes it repeatable; none when it is.
fn not_repeatable(statement: &SyntaxNode) -> Option<&'static str> {
    match statement.kind() {
        SyntaxKind::CREATE_INDEX | SyntaxKind::CREATE_TABLE => {
            (!holds(statement, SyntaxKind::IF_NOT_EXISTS)).then_some("give it a name and write IF NOT EXISTS before it")
        }
        SyntaxKind::DROP_INDEX | SyntaxKind::DROP_TABLE => {
            (!holds(statement, SyntaxKind::IF_EXISTS)).then_some("write IF EXISTS before the name")
        }
        SyntaxKind::ALTER_TABLE => statement.children().find_map(|action| match action.kind() {
            SyntaxKind::ADD_COLUMN => {
                (!holds(&action, SyntaxKind::IF_NOT_EXISTS)).then_some("write ADD COLUMN IF NOT EXISTS")
            }
            SyntaxKind::DROP_COLUMN | SyntaxKind::DROP_CONSTRAINT => {
                (!holds(&action, SyntaxKind::IF_EXISTS)).then_some("write IF EXISTS before the name")
            }
            SyntaxKind::ADD_CONSTRAINT => {
                Some("put ADD CONSTRAINT into a transaction file, and here only its VALIDATE")
            }
            SyntaxKind::DETACH_PARTITION | SyntaxKind::ATTACH_PARTITION => {
                Some("partitions are not for concurrent files")
            }
            SyntaxKind::TABLE_RENAME_TO | SyntaxKind::RENAME_COLUMN | SyntaxKind::RENAME_CONSTRAINT => {
                Some("put the renaming into a transaction file")
            }
            _ => None,
        }),
        SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE => {
            Some("put it into a file with `-- Kind: backfill`, or into a transaction file if it touches few rows")
        }
        _ => None,
    }
}

/// One statement, of {batch} rows, on a table that earlier migrations made.
pub(crate) fn backfill(file: &File, known: &BTreeSet<String>) -> Vec<Finding> {
    let statements = file.statements();
    let [statement] = statements.as_slice() else {
        let root = statements.get(1).cloned().or_else(|| file.nodes(&[SyntaxKind::SOURCE_FILE]).pop());
        let message = format!("a backfill is one statement, this file has {}", statements.len());
        let help = "divide it into files; indexes and columns belong into a file before it";
        return root.iter().map(|node| file.error(node, "backfill-shape", message.clone(), help)).collect();
    };
    if CONTROL.contains(&statement.kind()) {
        return Vec::new();
    }
    let fault = |message: String, help: &str| Some(file.error(statement, "backfill-shape", message, help));
    let found = if !matches!(statement.kind(), SyntaxKind::UPDATE | SyntaxKind::INSERT | SyntaxKind::DELETE) {
        fault(format!("`{} …` is no backfill", opening(statement)), "a backfill is an UPDATE, INSERT or DELETE")
    } else if !batches(file).iter().any(|node| node.ancestors().any(|above| above.kind() == SyntaxKind::LIMIT_CLAUSE)) {
        let help =
            "choose the rows in a sub-select: `WHERE id IN (SELECT id FROM … WHERE <not yet done> LIMIT {batch})`";
        fault("this backfill has no `LIMIT {batch}`: it would change all rows in one transaction".to_owned(), help)
    } else if holds(statement, SyntaxKind::SKIP_LOCKED) {
        let help =
            "take SKIP LOCKED away: a batch waits for a row no longer than lock_timeout, and is then tried again";
        fault("with SKIP LOCKED a batch can find nothing while rows are left, and that is its end".to_owned(), help)
    } else {
        let table = table_of(statement).unwrap_or_default();
        if known.contains(&table) {
            None
        } else {
            fault(format!("no migration before this one makes table {table}"), "make the table in an earlier file")
        }
    };
    found.into_iter().collect()
}

/// `{batch}` where nobody fills it in.
fn stray_batch(file: &File) -> Vec<Finding> {
    let help = "add `-- Kind: backfill` to the header, or write a number";
    let fault = |node| file.error(node, "backfill-shape", "`{batch}` in a file that is no backfill", help);
    batches(file).iter().map(fault).collect()
}

/// The nodes in which a `{batch}` stands; not those in comments.
fn batches(file: &File) -> Vec<SyntaxNode> {
    let numbers = file.nodes(&[SyntaxKind::SOURCE_FILE]).into_iter().flat_map(|root| root.descendants_with_tokens());
    numbers
        .filter_map(|element| element.into_token())
        .filter(|token| !token.kind().is_trivia())
        .filter(|token| file.sql.get(token.text_range().start().into()..token.text_range().end().into()) == Some(BATCH))
        .filter_map(|token| token.parent())
        .collect()
}

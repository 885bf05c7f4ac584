//! What a tenant's schema may hold: tables with their columns, constraints, indexes and comments.
//! Must stay true: what is not known to be sound is refused. Each further object is one more per practice and is known to
//! neither the isolation check nor the backup.
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::file::{File, child, has_token, last_part, opening, parts};
use super::kinds::{CONTROL, SETTINGS};
use super::{Finding, Severity};

const RULE: &str = "tenant-schema-rules";

/// Everything about objects and names.
pub(crate) fn judge(file: &File) -> Vec<Finding> {
    let mut findings: Vec<_> = file.statements().iter().filter_map(|statement| by_statement(file, statement)).collect();
    findings.extend(rights(file));
    findings.extend(numbers(file));
    findings.extend(calls(file));
    findings.extend(stars(file));
    findings.extend(names(file));
    findings
}

fn by_statement(file: &File, statement: &SyntaxNode) -> Option<Finding> {
    use SyntaxKind as K;
    let said = opening(statement);
    match statement.kind() {
        K::CREATE_TABLE
        | K::ALTER_TABLE
        | K::DROP_TABLE
        | K::CREATE_INDEX
        | K::ALTER_INDEX
        | K::DROP_INDEX
        | K::REINDEX
        | K::COMMENT_ON
        | K::INSERT
        | K::UPDATE
        | K::DELETE
        | K::SELECT
        | K::COMPOUND_SELECT
        | K::PAREN_SELECT
        | K::ANALYZE
        | K::LOCK
        | K::TRUNCATE => None,
        kind if CONTROL.contains(&kind) || SETTINGS.contains(&kind) => None,
        K::DO => Some(Finding {
            severity: Severity::Warning,
            ..file.error(
                statement,
                "do-unseen",
                "what this DO block runs with EXECUTE, and which locks it takes, can't be judged here",
                "write plain statements if they do",
            )
        }),
        K::GRANT | K::REVOKE | K::CREATE_POLICY | K::ALTER_POLICY | K::DROP_POLICY | K::ALTER_DEFAULT_PRIVILEGES => {
            Some(right(file, statement))
        }
        _ => {
            let help = "a tenant's schema holds tables, indexes and constraints: keys are UUIDv7 made by the application, \
                        values are text with a CHECK, logic is in the application (CONTRIBUTING.md, a new table)";
            Some(file.error(statement, RULE, format!("`{said} …` is not for a tenant's schema"), help))
        }
    }
}

fn right(file: &File, node: &SyntaxNode) -> Finding {
    let help =
        "write it in db/rls/tenant.sql, which alone says who may do what; what the files make is compared with it";
    file.error(node, "rights-elsewhere", format!("`{} …` in a migration", opening(node)), help)
}

fn rights(file: &File) -> Vec<Finding> {
    use SyntaxKind as K;
    let kinds = [K::ENABLE_RLS, K::DISABLE_RLS, K::FORCE_RLS, K::NO_FORCE_RLS, K::OWNER_TO];
    let help = "foreign keys are triggers, too: rows that break them would stay; change the rows instead";
    let disabled = file.nodes(&[K::DISABLE_TRIGGER]);
    let disabled =
        disabled.iter().map(|node| file.error(node, RULE, "DISABLE TRIGGER switches foreign keys off", help));
    file.nodes(&kinds).iter().map(|node| right(file, node)).chain(disabled).collect()
}

/// Serial and identity: a sequence per column and practice.
fn numbers(file: &File) -> Vec<Finding> {
    use SyntaxKind as K;
    let serial = ["serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"];
    let help = "use a `uuid` made by the application (UUIDv7): it sorts by time and needs no sequence";
    file.nodes(&[K::GENERATED_IDENTITY, K::ADD_GENERATED, K::PATH_TYPE])
        .iter()
        .filter(|node| node.kind() != K::PATH_TYPE || serial.contains(&last_part(node).as_str()))
        .map(|node| file.error(node, RULE, "a column with a sequence", help))
        .collect()
}

/// Functions that reach for sequences, or out of the schema.
fn calls(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for call in file.nodes(&[SyntaxKind::CALL_EXPR]) {
        let Some(callee) =
            call.first_child().filter(|node| matches!(node.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR))
        else {
            continue;
        };
        let name = parts(&callee);
        if name.last().is_some_and(|name| ["nextval", "setval"].contains(&name.as_str())) {
            let help = "a uuid made by the application needs no sequence";
            findings.push(file.error(&call, RULE, format!("a call of {}", name.join(".")), help));
        } else if outside(&name, 2) {
            findings.push(foreign(file, &call, &name));
        }
    }
    findings
}

/// `SELECT *` means another thing after the next migration.
fn stars(file: &File) -> Vec<Finding> {
    let star = |node: &SyntaxNode| has_token(node, SyntaxKind::STAR);
    file.nodes(&[SyntaxKind::TARGET])
        .iter()
        .filter(|target| star(target) || child(target, SyntaxKind::FIELD_EXPR).is_some_and(|field| star(&field)))
        .map(|target| file.error(target, RULE, "`*` for columns", "name the columns: the next migration adds some"))
        .collect()
}

/// Names with a schema: the tenant's is first in `search_path`, and another one is another practice or the control plane.
fn names(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in file.nodes(&[SyntaxKind::PATH, SyntaxKind::PATH_REF]) {
        let (qualifiers, name) = match path.parent().map(|parent| parent.kind()) {
            Some(SyntaxKind::PATH | SyntaxKind::PATH_REF | SyntaxKind::CONFIG_PARAMETER_REF) => continue,
            Some(SyntaxKind::QUALIFIED_COLUMN_NAME_REF) => (3, parts(&path)),
            _ => (2, parts(&path)),
        };
        if outside(&name, qualifiers) {
            findings.push(foreign(file, &path, &name));
        }
    }
    findings
}

fn outside(name: &[String], length: usize) -> bool {
    name.len() >= length && name.first().is_some_and(|schema| schema != "guard" && schema != "pg_catalog")
}

fn foreign(file: &File, node: &SyntaxNode, name: &[String]) -> Finding {
    let help = "write the name without a schema: the tenant's is first in search_path; only guard. and pg_catalog. may be named";
    file.error(node, RULE, format!("{} names a schema", name.join(".")), help)
}

//! Every table and column says in the database what it is, in the file that makes it.
//! Must stay true: a comment in a later file doesn't count: between the two, some practice has a column nobody explains.
use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Finding;
use super::file::{File, child, last_part, parts, table_of};

/// What was made here and has no COMMENT here.
pub(crate) fn judge(file: &File) -> Vec<Finding> {
    let commented = commented(file);
    let mut findings = Vec::new();
    for statement in file.statements() {
        let Some(table) = table_of(&statement) else { continue };
        let mut missing = Vec::new();
        if statement.kind() == SyntaxKind::CREATE_TABLE && !commented.contains(&vec![table.clone()]) {
            missing.push(format!("TABLE {table}"));
        }
        for column in columns(&statement) {
            if !commented.contains(&vec![table.clone(), column.clone()]) {
                missing.push(format!("COLUMN {table}.{column}"));
            }
        }
        if !missing.is_empty() {
            let message = format!("no COMMENT ON {}", missing.join(", "));
            let help = "add `COMMENT ON … IS '…'` to this file: what the column holds, where it comes from";
            findings.push(file.error(&statement, "comment-missing", message, help));
        }
    }
    findings
}

/// The columns that a statement makes.
fn columns(statement: &SyntaxNode) -> Vec<String> {
    let makers = match statement.kind() {
        SyntaxKind::CREATE_TABLE => child(statement, SyntaxKind::TABLE_ARG_LIST)
            .map(|list| list.children().filter(|node| node.kind() == SyntaxKind::COLUMN).collect())
            .unwrap_or_default(),
        SyntaxKind::ALTER_TABLE => {
            statement.children().filter(|node| node.kind() == SyntaxKind::ADD_COLUMN).collect::<Vec<_>>()
        }
        _ => Vec::new(),
    };
    makers.iter().filter_map(|node| child(node, SyntaxKind::COLUMN_NAME)).map(|name| last_part(&name)).collect()
}

/// Tables and columns with a comment that is not NULL: `[table]`, `[table, column]`.
fn commented(file: &File) -> BTreeSet<Vec<String>> {
    file.nodes(&[SyntaxKind::COMMENT_ON])
        .iter()
        .filter(|comment| child(comment, SyntaxKind::LITERAL).is_some())
        .filter_map(|comment| {
            comment.children().find(|node| matches!(node.kind(), SyntaxKind::OBJECT_TABLE | SyntaxKind::OBJECT_COLUMN))
        })
        .filter_map(|object| object.children().next().map(|name| parts(&name)))
        .collect()
}

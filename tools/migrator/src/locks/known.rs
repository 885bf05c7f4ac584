//! What earlier migrations made: of which table an index is, and where a foreign key leads. A statement that drops one names neither.
//! Must stay true: a constraint without a name is called as PostgreSQL calls it.
use std::collections::{BTreeMap, BTreeSet};

use squawk_syntax::ast::AstNode as _;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::UNKNOWN;
use crate::lint::file::{child, last_part, table_of};
use crate::statements::{self, Statement};

/// Indexes and foreign keys by name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    indexes: BTreeMap<String, String>,
    keys: BTreeSet<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: String,
    name: String,
    columns: Vec<String>,
    other: String,
}

impl Known {
    /// Learns what a statement makes; gives the tables it makes.
    pub fn follow(&mut self, statement: &Statement) -> Vec<String> {
        use SyntaxKind as K;
        let Ok((parsed, _)) = statements::parse(&statement.sql) else { return Vec::new() };
        let mut made = Vec::new();
        for node in parsed.tree().stmts().map(|node| node.syntax().clone()) {
            let Some(table) = table_of(&node) else { continue };
            match node.kind() {
                K::CREATE_TABLE | K::CREATE_TABLE_AS => made.push(table.clone()),
                K::CREATE_INDEX => {
                    if let Some(index) = child(&node, K::INDEX) {
                        self.indexes.insert(last_part(&index), table.clone());
                    }
                }
                _ => {}
            }
            if let Some(renamed) = child(&node, K::TABLE_RENAME_TO).and_then(|node| table_of(&node)) {
                self.rename(&table, &renamed);
            }
            self.keys.extend(keys(&node, &table));
        }
        made
    }

    fn rename(&mut self, from: &str, to: &str) {
        let change = |name: &mut String| {
            if name == from {
                to.clone_into(name);
            }
        };
        self.indexes.values_mut().for_each(change);
        let keys = std::mem::take(&mut self.keys).into_iter();
        self.keys = keys
            .map(|mut key| {
                change(&mut key.table);
                change(&mut key.other);
                key
            })
            .collect();
    }

    pub(super) fn table_of_index(&self, index: &str) -> &str {
        self.indexes.get(index).map_or(UNKNOWN, String::as_str)
    }

    /// Where the foreign key of that name leads.
    pub(super) fn of_constraint(&self, table: &str, name: &str) -> Option<&str> {
        self.keys.iter().find(|key| key.table == table && key.name == name).map(|key| key.other.as_str())
    }

    /// Where the foreign key of that column leads.
    pub(super) fn of_column(&self, table: &str, column: &str) -> Option<&str> {
        let key = self.keys.iter().find(|key| key.table == table && key.columns.iter().any(|name| name == column));
        key.map(|key| key.other.as_str())
    }

    /// Tables that a foreign key links with this one, in either direction.
    pub(super) fn linked(&self, table: &str) -> Vec<&str> {
        let ends = self.keys.iter().filter(|key| key.table == table || key.other == table);
        ends.map(|key| if key.table == table { key.other.as_str() } else { key.table.as_str() }).collect()
    }
}

fn keys(statement: &SyntaxNode, table: &str) -> Vec<Key> {
    use SyntaxKind as K;
    let nodes = statement
        .descendants()
        .filter(|node| matches!(node.kind(), K::FOREIGN_KEY_CONSTRAINT | K::REFERENCES_CONSTRAINT));
    let key = |node: SyntaxNode| {
        let other = last_part(&child(&node, K::TABLE_NAME_REF)?);
        let columns: Vec<_> = match child(&node, K::FOREIGN_KEY_COLUMN_LIST) {
            Some(list) => list.children().map(|column| last_part(&column)).collect(),
            None => node
                .ancestors()
                .find(|above| matches!(above.kind(), K::COLUMN | K::ADD_COLUMN))
                .and_then(|column| child(&column, K::COLUMN_NAME))
                .map(|name| last_part(&name))
                .into_iter()
                .collect(),
        };
        let named = child(&node, K::CONSTRAINT_NAME_CLAUSE).map(|clause| last_part(&clause));
        let name = named.unwrap_or_else(|| format!("{table}_{}_fkey", columns.join("_")));
        Some(Key { table: table.to_owned(), name, columns, other })
    };
    nodes.filter_map(key).collect()
}

//! ALTER TABLE (PostgreSQL 15, page ALTER TABLE, each form's paragraph and the Notes on rewrites and scans).
//! Must stay true: a form that isn't listed takes ACCESS EXCLUSIVE, which is what the page says of those it says nothing about.
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Effect, Known, LockMode, UNKNOWN};
use crate::lint::file::{child, holds, last_part, table_of};

/// The effects of every subcommand; the server takes the strongest lock at once.
pub(super) fn table(statement: &SyntaxNode, known: &Known) -> Vec<Effect> {
    let Some(table) = table_of(statement) else { return vec![Effect::unknown()] };
    let actions = statement.children().filter(|node| {
        !matches!(node.kind(), SyntaxKind::TABLE_RELATION_NAME | SyntaxKind::IF_EXISTS | SyntaxKind::RELATION_NAME)
    });
    actions.flat_map(|action| one(&table, &action, known)).collect()
}

fn one(table: &str, action: &SyntaxNode, known: &Known) -> Vec<Effect> {
    use SyntaxKind as K;
    let exclusive = |why| Effect::new(table, LockMode::AccessExclusive, why);
    let gentle = |why| vec![Effect::new(table, LockMode::ShareUpdateExclusive, why)];
    match action.kind() {
        K::ADD_COLUMN => add_column(table, action),
        K::DROP_COLUMN => {
            let mut effects = vec![exclusive("drops a column")];
            effects.extend(released(table, known.of_column(table, &last_name(action))));
            effects
        }
        K::ADD_CONSTRAINT => action.children().flat_map(|node| constraint(table, &node, false)).collect(),
        K::DROP_CONSTRAINT => {
            let mut effects = vec![exclusive("drops a constraint")];
            effects.extend(released(table, known.of_constraint(table, &last_name(action))));
            effects
        }
        K::VALIDATE_CONSTRAINT => {
            let mut effects =
                vec![Effect::new(table, LockMode::ShareUpdateExclusive, "validates a constraint").scanning()];
            if let Some(other) = known.of_constraint(table, &last_name(action)).filter(|other| *other != table) {
                effects.push(Effect::new(other, LockMode::RowShare, "is what a validated foreign key refers to"));
            }
            effects
        }
        K::ALTER_COLUMN | K::ALTER_SET_STATISTICS => vec![column(table, action)],
        K::ENABLE_TRIGGER | K::DISABLE_TRIGGER | K::ENABLE_REPLICA_TRIGGER | K::ENABLE_ALWAYS_TRIGGER => {
            vec![Effect::new(table, LockMode::ShareRowExclusive, "switches a trigger")]
        }
        K::CLUSTER_ON | K::SET_WITHOUT_CLUSTER => gentle("notes an order"),
        K::SET_OPTIONS | K::RESET_OPTIONS | K::ATTACH_PARTITION => gentle("sets options"),
        K::SET_LOGGED | K::SET_UNLOGGED | K::SET_ACCESS_METHOD | K::SET_TABLESPACE => {
            vec![exclusive("writes the table elsewhere").rewriting()]
        }
        K::ENABLE_RLS | K::DISABLE_RLS | K::FORCE_RLS | K::NO_FORCE_RLS => vec![exclusive("switches row security")],
        K::TABLE_RENAME_TO | K::RENAME_COLUMN | K::RENAME_CONSTRAINT => vec![exclusive("renames")],
        K::OWNER_TO | K::SET_SCHEMA | K::REPLICA_IDENTITY | K::ALTER_CONSTRAINT => vec![exclusive("changes it")],
        K::INHERIT_TABLE | K::NO_INHERIT_TABLE | K::DETACH_PARTITION | K::MERGE_PARTITIONS | K::SPLIT_PARTITION => {
            vec![exclusive("changes what belongs to it"), Effect { table: UNKNOWN.to_owned(), ..Effect::unknown() }]
        }
        _ => vec![exclusive("changes it")],
    }
}

/// A foreign key that goes takes its triggers from the other table.
fn released(table: &str, other: Option<&str>) -> Option<Effect> {
    let other = other.filter(|other| *other != table)?;
    Some(Effect::new(other, LockMode::AccessExclusive, "is what a dropped foreign key refers to"))
}

fn last_name(action: &SyntaxNode) -> String {
    use SyntaxKind::{COLUMN_NAME_REF, CONSTRAINT_NAME_REF};
    let named = action.children().find(|node| matches!(node.kind(), COLUMN_NAME_REF | CONSTRAINT_NAME_REF));
    named.map(|node| last_part(&node)).unwrap_or_default()
}

fn column(table: &str, action: &SyntaxNode) -> Effect {
    use SyntaxKind as K;
    let has = |kind| holds(action, kind);
    let effect = |why| Effect::new(table, LockMode::AccessExclusive, why);
    if has(K::SET_TYPE) {
        // text for varchar and a longer varchar need neither; the text alone doesn't tell the type that is there.
        effect("changes a type: the table and its indexes are written anew unless the bytes stay the same").rewriting()
    } else if has(K::SET_NOT_NULL) {
        effect("looks for nulls, unless a valid CHECK rules them out").scanning()
    } else if has(K::SET_STATISTICS) || has(K::SET_OPTIONS) || has(K::RESET_OPTIONS) || has(K::SET_OPTIONS_LIST) {
        Effect::new(table, LockMode::ShareUpdateExclusive, "sets what the planner looks at")
    } else {
        effect("changes a column's definition")
    }
}

/// ADD COLUMN: a constant default is kept in the catalog, a volatile one is written into every row.
fn add_column(table: &str, action: &SyntaxNode) -> Vec<Effect> {
    use SyntaxKind as K;
    let default = action.descendants().find(|node| node.kind() == K::DEFAULT_CONSTRAINT);
    let mut own = Effect::new(table, LockMode::AccessExclusive, "adds a column");
    if default.as_ref().is_some_and(is_volatile) || holds(action, K::GENERATED_CONSTRAINT) || is_serial(action) {
        own = Effect::new(table, LockMode::AccessExclusive, "adds a column that is written into every row").rewriting();
    } else if default.is_none() && holds(action, K::NOT_NULL_CONSTRAINT) {
        own = Effect::new(table, LockMode::AccessExclusive, "looks for rows, which would have no value").scanning();
    }
    let mut effects = vec![own];
    let constraints = action.children().filter(|node| node.kind() != K::NOT_NULL_CONSTRAINT);
    effects.extend(constraints.flat_map(|node| constraint(table, &node, default.is_none())));
    effects
}

/// Functions whose value is one for the whole statement: the server computes it once.
const STEADY: [&str; 6] = ["now", "transaction_timestamp", "statement_timestamp", "lower", "upper", "length"];

fn is_volatile(default: &SyntaxNode) -> bool {
    let mut calls = default.descendants().filter(|node| node.kind() == SyntaxKind::CALL_EXPR);
    calls.any(|call| {
        let name = call.children().find(|node| node.kind() != SyntaxKind::ARG_LIST);
        name.is_none_or(|name| !STEADY.contains(&last_part(&name).as_str()))
    })
}

fn is_serial(action: &SyntaxNode) -> bool {
    let types = action.children().filter(|node| !matches!(node.kind(), SyntaxKind::COLUMN_NAME));
    types
        .take(1)
        .any(|node| matches!(last_part(&node).as_str(), "serial" | "bigserial" | "smallserial" | "serial4" | "serial8"))
}

/// A constraint of a table that is there; `empty`: its column is new and null everywhere.
fn constraint(table: &str, node: &SyntaxNode, empty: bool) -> Vec<Effect> {
    use SyntaxKind as K;
    let unchecked = holds(node, K::NOT_VALID);
    let effect = |mode, why, scan: bool| Effect { scan, ..Effect::new(table, mode, why) };
    let exclusive = LockMode::AccessExclusive;
    match node.kind() {
        K::CHECK_CONSTRAINT => vec![effect(exclusive, "adds a check", !unchecked)],
        K::NOT_NULL_CONSTRAINT => vec![effect(exclusive, "looks for nulls", !unchecked)],
        K::UNIQUE_CONSTRAINT => {
            let ready = holds(node, K::USING_INDEX_NAME) || holds(node, K::USING_INDEX);
            vec![effect(exclusive, "adds a unique constraint with its index", !ready)]
        }
        K::PRIMARY_KEY_CONSTRAINT => vec![effect(exclusive, "adds a primary key with its index", true)],
        K::EXCLUDE_CONSTRAINT => vec![effect(exclusive, "adds an exclusion with its index", true)],
        K::FOREIGN_KEY_CONSTRAINT | K::REFERENCES_CONSTRAINT => {
            let scan = !unchecked && !empty;
            let mut effects = vec![effect(LockMode::ShareRowExclusive, "adds a foreign key", scan)];
            let other = child(node, K::TABLE_NAME_REF).map(|node| last_part(&node));
            effects.extend(other.filter(|other| other != table).map(|other| Effect {
                scan,
                ..Effect::new(other, LockMode::ShareRowExclusive, "is what a foreign key refers to")
            }));
            effects
        }
        _ => Vec::new(),
    }
}

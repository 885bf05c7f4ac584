//! Tables, indexes, comments, policies and triggers (PostgreSQL 15, pages CREATE INDEX, DROP INDEX, REINDEX, CREATE TABLE, DROP TABLE,
//! COMMENT, CREATE POLICY, CREATE TRIGGER).
//! Must stay true: a new table's own locks don't count, nobody knows it yet; an index that nobody knows is of a table `?`.
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Effect, Known, LockMode, UNKNOWN};
use crate::lint::file::{child, has_token, holds, last_part, parts, table_of};

pub(super) fn index(node: &SyntaxNode, known: &Known) -> Vec<Effect> {
    use SyntaxKind as K;
    let concurrently = node.descendants().any(|below| has_token(&below, K::CONCURRENTLY_KW));
    let gentle = LockMode::ShareUpdateExclusive;
    match node.kind() {
        K::CREATE_INDEX => {
            let table = table_of(node).unwrap_or_else(|| UNKNOWN.to_owned());
            let mode = if concurrently { gentle } else { LockMode::Share };
            vec![Effect::new(table, mode, "builds an index").scanning()]
        }
        K::DROP_INDEX => {
            let mode = if concurrently { gentle } else { LockMode::AccessExclusive };
            let indexes = node.children().filter(|node| node.kind() == K::INDEX_REF);
            indexes.map(|index| Effect::new(known.table_of_index(&last_part(&index)), mode, "drops an index")).collect()
        }
        K::REINDEX => {
            let mode = if concurrently { gentle } else { LockMode::Share };
            let name = |kind| node.descendants().find(|node| node.kind() == kind).map(|node| last_part(&node));
            let table = name(K::TABLE_NAME_REF)
                .or_else(|| name(K::INDEX_REF).map(|index| known.table_of_index(&index).to_owned()));
            vec![Effect::new(table.unwrap_or_else(|| UNKNOWN.to_owned()), mode, "builds indexes anew").scanning()]
        }
        // ALTER INDEX locks the index alone; readers of the table meet it only when it is moved.
        _ if holds(node, K::SET_TABLESPACE) || holds(node, K::ATTACH_PARTITION) => vec![Effect::unknown()],
        _ => Vec::new(),
    }
}

/// Only what it refers to and what it is made like.
pub(super) fn create_table(node: &SyntaxNode) -> Vec<Effect> {
    use SyntaxKind as K;
    let own = table_of(node);
    let named = |kind, inner, mode, why| {
        let nodes = node.descendants().filter(move |node| node.kind() == kind);
        nodes.filter_map(move |node| Some(Effect::new(last_part(&child(&node, inner)?), mode, why)))
    };
    let refers = "is what a foreign key refers to";
    let mut effects: Vec<_> =
        named(K::REFERENCES_CONSTRAINT, K::TABLE_NAME_REF, LockMode::ShareRowExclusive, refers).collect();
    effects.extend(named(K::FOREIGN_KEY_CONSTRAINT, K::TABLE_NAME_REF, LockMode::ShareRowExclusive, refers));
    effects.extend(named(K::LIKE_CLAUSE, K::RELATION_NAME_REF, LockMode::AccessShare, "is what it is made like"));
    effects.retain(|effect| Some(&effect.table) != own.as_ref());
    effects.sort_by(|a, b| a.table.cmp(&b.table));
    effects.dedup();
    effects
}

pub(super) fn drop_table(node: &SyntaxNode, known: &Known) -> Vec<Effect> {
    let exclusive = LockMode::AccessExclusive;
    let names: Vec<_> =
        node.children().filter(|node| node.kind() == SyntaxKind::TABLE_NAME_REF).map(|node| last_part(&node)).collect();
    let linked =
        names.iter().flat_map(|name| known.linked(name)).filter(|other| !names.iter().any(|name| name == other));
    let mut linked: Vec<_> = linked.collect();
    linked.sort_unstable();
    linked.dedup();
    let own = names.iter().map(|name| Effect::new(name, exclusive, "drops the table"));
    own.chain(linked.into_iter().map(|other| Effect::new(other, exclusive, "loses a foreign key with the table")))
        .collect()
}

/// On a table or column it keeps out only a second change like itself; on anything else it locks no table.
pub(super) fn comment(node: &SyntaxNode) -> Vec<Effect> {
    use SyntaxKind as K;
    let effect = |table: String| vec![Effect::new(table, LockMode::ShareUpdateExclusive, "comments")];
    let find = |kind| node.descendants().find(|node| node.kind() == kind);
    if let Some(table) = find(K::OBJECT_TABLE) {
        effect(last_part(&table))
    } else if let Some(column) = find(K::QUALIFIED_COLUMN_NAME_REF) {
        let mut parts = parts(&column);
        parts.pop();
        parts.pop().map(effect).unwrap_or_default()
    } else if let Some(constraint) = find(K::OBJECT_CONSTRAINT).and_then(|node| child(&node, K::TABLE_NAME_REF)) {
        vec![Effect::new(last_part(&constraint), LockMode::AccessShare, "comments on its constraint")]
    } else {
        Vec::new()
    }
}

pub(super) fn on_table(node: &SyntaxNode) -> Vec<Effect> {
    let trigger = node.kind() == SyntaxKind::CREATE_TRIGGER;
    let mode = if trigger { LockMode::ShareRowExclusive } else { LockMode::AccessExclusive };
    let table = node
        .descendants()
        .find(|node| matches!(node.kind(), SyntaxKind::TABLE_NAME_REF | SyntaxKind::RELATION_NAME_REF));
    let table = table.map_or_else(|| UNKNOWN.to_owned(), |node| last_part(&node));
    vec![Effect::new(table, mode, if trigger { "adds a trigger" } else { "changes who sees what" })]
}

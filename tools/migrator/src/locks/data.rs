//! Rows, and the commands that take a whole table (PostgreSQL 15, chapter 13.3.1 and the pages TRUNCATE, LOCK, CLUSTER, VACUUM, ANALYZE).
//! Must stay true: a table that is only read in a statement that writes is named as well.
use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::{Effect, LockMode, UNKNOWN};
use crate::lint::file::{child, has_token, holds, last_part, parts, table_of};

pub(super) fn rows(statement: &SyntaxNode) -> Vec<Effect> {
    use SyntaxKind as K;
    let mut effects = Vec::new();
    let writes = statement.descendants().filter(|node| matches!(node.kind(), K::UPDATE | K::DELETE | K::INSERT));
    for node in writes {
        let table = table_of(&node).unwrap_or_else(|| UNKNOWN.to_owned());
        let scan = node.kind() != K::INSERT;
        effects.push(Effect { scan, ..Effect::new(table, LockMode::RowExclusive, "writes rows") });
    }
    let named: BTreeSet<_> = statement
        .descendants()
        .filter(|node| node.kind() == K::WITH_TABLE)
        .filter_map(|node| child(&node, K::CTE_NAME).map(|name| last_part(&name)))
        .collect();
    let mode = if holds(statement, K::LOCKING_CLAUSE) { LockMode::RowShare } else { LockMode::AccessShare };
    let reads = statement.descendants().filter(|node| node.kind() == K::RELATION_FROM_ITEM);
    for node in reads {
        let Some(table) = child(&node, K::RELATION_NAME_REF).map(|node| last_part(&node)) else { continue };
        if !named.contains(&table) && !effects.iter().any(|effect| effect.table == table && effect.mode >= mode) {
            effects.push(Effect::new(table, mode, "reads rows"));
        }
    }
    effects
}

pub(super) fn whole(statement: &SyntaxNode) -> Vec<Effect> {
    use SyntaxKind as K;
    let names = statement.descendants().filter(|node| matches!(node.kind(), K::TABLE_NAME_REF | K::RELATION_NAME_REF));
    let names: Vec<_> = names.map(|node| last_part(&node)).collect();
    let names = if names.is_empty() { vec![UNKNOWN.to_owned()] } else { names };
    let full = has_token(statement, K::FULL_KW)
        || child(statement, K::VACUUM_OPTION_LIST)
            .is_some_and(|options| parts(&options).iter().any(|word| word == "full"));
    let effect = |table: String| match statement.kind() {
        K::TRUNCATE => Effect::new(table, LockMode::AccessExclusive, "takes all rows"),
        K::CLUSTER => Effect::new(table, LockMode::AccessExclusive, "writes the table in another order").rewriting(),
        K::VACUUM if full => Effect::new(table, LockMode::AccessExclusive, "writes the table anew").rewriting(),
        K::VACUUM => Effect::new(table, LockMode::ShareUpdateExclusive, "vacuums").scanning(),
        K::ANALYZE => Effect::new(table, LockMode::ShareUpdateExclusive, "samples the table"),
        _ => Effect::new(table, lock_mode(statement), "locks"),
    };
    names.into_iter().map(effect).collect()
}

fn lock_mode(statement: &SyntaxNode) -> LockMode {
    let clause = child(statement, SyntaxKind::LOCK_MODE_CLAUSE);
    let words = clause.map(|clause| {
        let tokens = clause.descendants_with_tokens().filter_map(|element| element.into_token());
        let words: Vec<_> =
            tokens.filter(|token| !token.kind().is_trivia()).map(|token| token.text().to_uppercase()).collect();
        words.join(" ")
    });
    let named = words.as_deref().and_then(|words| words.strip_prefix("IN ")?.strip_suffix(" MODE"));
    named.and_then(LockMode::from_words).unwrap_or(LockMode::AccessExclusive)
}

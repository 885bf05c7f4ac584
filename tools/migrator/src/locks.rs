//! What a statement of a migration locks, rewrites and reads, judged from its text.
//! Source: PostgreSQL 15, chapter 13.3.1 "Table-Level Locks", and the pages ALTER TABLE, CREATE INDEX, DROP INDEX, REINDEX, CREATE TABLE
//! ("REFERENCES"), COMMENT, TRUNCATE, CLUSTER and VACUUM.
//! Must stay true: what is not understood counts as the strongest lock on a table named `?`; a test compares every line with the server.
use serde::Serialize;
use squawk_syntax::ast::AstNode as _;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::migration::Migration;
use crate::statements::{self, Statement};

mod alter;
mod data;
mod known;
mod mode;
mod objects;

pub use known::Known;
pub use mode::LockMode;

/// Stands for a table that the text doesn't tell.
pub const UNKNOWN: &str = "?";

/// What a statement does to one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effect {
    /// Which; `?`: the text doesn't tell.
    pub table: String,
    /// The lock, held to the end of the transaction.
    pub mode: LockMode,
    /// Every row is written anew under that lock.
    pub rewrite: bool,
    /// Every row is read under that lock: a constraint is validated, or an index is built.
    pub scan: bool,
    /// Why, in a few words.
    pub why: &'static str,
}

impl Effect {
    fn new(table: impl Into<String>, mode: LockMode, why: &'static str) -> Self {
        Self { table: table.into(), mode, rewrite: false, scan: false, why }
    }

    fn scanning(mut self) -> Self {
        self.scan = true;
        self
    }

    fn rewriting(mut self) -> Self {
        (self.rewrite, self.scan) = (true, true);
        self
    }

    fn unknown() -> Self {
        Self::new(UNKNOWN, LockMode::AccessExclusive, "not understood")
    }
}

/// The effects of a statement alone. An index that is dropped is then of a table `?`.
#[must_use]
pub fn of(statement: &Statement) -> Vec<Effect> {
    of_known(statement, &Known::default())
}

/// The effects of a statement after other migrations, which say of which table an index is and where a foreign key leads.
#[must_use]
pub fn of_known(statement: &Statement, known: &Known) -> Vec<Effect> {
    let Ok((parsed, _)) = statements::parse(&statement.sql) else { return vec![Effect::unknown()] };
    parsed.tree().stmts().flat_map(|node| of_node(node.syntax(), known)).collect()
}

/// The statements of a migration with their effects on tables that it did not make itself. `known` learns what it makes.
///
/// # Errors
/// When the text is not SQL.
pub fn of_migration(
    migration: &Migration,
    known: &mut Known,
) -> Result<Vec<(Statement, Vec<Effect>)>, crate::MigratorError> {
    let mut made = std::collections::BTreeSet::new();
    let mut result = Vec::new();
    for statement in migration.statements()? {
        let mut effects = of_known(&statement, known);
        effects.retain(|effect| !made.contains(&effect.table));
        made.extend(known.follow(&statement));
        result.push((statement, effects));
    }
    Ok(result)
}

fn of_node(node: &SyntaxNode, known: &Known) -> Vec<Effect> {
    use SyntaxKind as K;
    match node.kind() {
        K::EMPTY_STMT => Vec::new(),
        K::ALTER_TABLE => alter::table(node, known),
        K::CREATE_INDEX | K::DROP_INDEX | K::REINDEX | K::ALTER_INDEX => objects::index(node, known),
        K::CREATE_TABLE => objects::create_table(node),
        K::DROP_TABLE => objects::drop_table(node, known),
        K::COMMENT_ON => objects::comment(node),
        K::CREATE_POLICY | K::ALTER_POLICY | K::DROP_POLICY | K::CREATE_TRIGGER => objects::on_table(node),
        K::UPDATE | K::DELETE | K::INSERT | K::SELECT | K::COMPOUND_SELECT | K::PAREN_SELECT | K::CREATE_TABLE_AS => {
            data::rows(node)
        }
        K::TRUNCATE | K::LOCK | K::CLUSTER | K::VACUUM | K::ANALYZE => data::whole(node),
        _ => vec![Effect::unknown()],
    }
}

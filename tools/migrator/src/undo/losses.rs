//! What an undo takes away for good, as its file says it: columns, tables, rows.
//! Must stay true: nothing here needs a database; a statement that is not known to lose nothing is named, not left out.
use serde::Serialize;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::MigratorError;
use crate::lint::file::{File, last_part, table_of};
use crate::migration::Migration;

/// Something that is gone after an undo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The undo that takes it away.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// Such as `column patients.fax`.
    pub what: String,
    /// What becomes of what is in it.
    pub lost: &'static str,
}

/// What the undo of a migration takes away, in the order of its statements.
///
/// # Errors
/// When the undo is not SQL.
pub(super) fn of(migration: &Migration) -> Result<Vec<Loss>, MigratorError> {
    let Some(sql) = &migration.undo else { return Ok(Vec::new()) };
    let file = File::parse(migration.undo_file_name(), sql).map_err(|finding| MigratorError::File {
        file: finding.file,
        line: finding.line,
        message: finding.message,
    })?;
    let mut losses = Vec::new();
    for statement in file.statements() {
        let line = file.line(&statement);
        let found = of_statement(&statement).into_iter();
        losses.extend(found.map(|(what, lost)| Loss { file: file.name.clone(), line, what, lost }));
    }
    Ok(losses)
}

const UNKNOWN: &str = "what it takes away is not known here: read it";

fn of_statement(statement: &SyntaxNode) -> Vec<(String, &'static str)> {
    use SyntaxKind as K;
    let table = || table_of(statement).unwrap_or_else(|| "?".to_owned());
    match statement.kind() {
        K::ALTER_TABLE => statement.children().filter_map(|action| of_action(&action, &table())).collect(),
        K::DROP_TABLE => {
            let names = statement.children().filter(|node| node.kind() == K::TABLE_NAME_REF);
            names.map(|name| (format!("table {}", last_part(&name)), "its rows are lost")).collect()
        }
        K::TRUNCATE => vec![("TRUNCATE".to_owned(), "all rows of its tables are lost")],
        // What stands before it or is done instead may write elsewhere.
        K::DELETE | K::UPDATE | K::INSERT
            if has(statement, K::WITH_CLAUSE) || has(statement, K::ON_CONFLICT_CLAUSE) =>
        {
            vec![(format!("rows of {} and what else it names", table()), UNKNOWN)]
        }
        K::DELETE => vec![(format!("rows of {}", table()), "those that its DELETE finds are lost")],
        K::UPDATE => vec![(format!("rows of {}", table()), "what its UPDATE writes over is lost")],
        K::DO => vec![("a DO block".to_owned(), UNKNOWN)],
        K::INSERT
        | K::CREATE_INDEX
        | K::DROP_INDEX
        | K::ALTER_INDEX
        | K::REINDEX
        | K::CREATE_TABLE
        | K::COMMENT_ON
        | K::GRANT
        | K::REVOKE
        | K::SET
        | K::RESET
        | K::ANALYZE
        | K::LOCK
        | K::CREATE_POLICY
        | K::ALTER_POLICY
        | K::DROP_POLICY
        | K::CREATE_STATISTICS
        | K::DROP_STATISTICS => Vec::new(),
        other => vec![(format!("{other:?}").replace('_', " "), UNKNOWN)],
    }
}

/// Of one thing that an ALTER TABLE does.
fn of_action(action: &SyntaxNode, table: &str) -> Option<(String, &'static str)> {
    use SyntaxKind as K;
    let column = || action.descendants().find(|node| node.kind() == K::COLUMN_NAME_REF).map(|name| last_part(&name));
    let lost = match action.kind() {
        K::DROP_COLUMN => "its values are lost",
        K::ALTER_COLUMN if has(action, K::SET_TYPE) => "what its new type does not hold of its values is lost",
        _ => return None,
    };
    Some((format!("column {table}.{}", column().as_deref().unwrap_or("?")), lost))
}

fn has(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children().any(|child| child.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_undo_takes_away_is_named() {
        let told = |undo: &str| {
            let migration = Migration::parse("V3__x", "SELECT 1;", Some(undo)).unwrap();
            let losses = of(&migration).unwrap();
            losses.iter().map(|loss| format!("{} {}: {}", loss.line, loss.what, loss.lost)).collect::<Vec<_>>()
        };
        assert_eq!(
            told(
                "-- Why: x.\nALTER TABLE patients DROP COLUMN fax, DROP IF EXISTS \"Phone\";\nDROP TABLE IF EXISTS a, b;\n\
                 DROP INDEX CONCURRENTLY IF EXISTS i; ALTER TABLE a DROP CONSTRAINT c;"
            ),
            [
                "2 column patients.fax: its values are lost",
                "2 column patients.Phone: its values are lost",
                "3 table a: its rows are lost",
                "3 table b: its rows are lost"
            ]
        );
        assert_eq!(
            told("-- Why: x.\nUPDATE patients SET a = NULL;\nDELETE FROM b; TRUNCATE c; DO $$ BEGIN NULL; END $$;"),
            [
                "2 rows of patients: what its UPDATE writes over is lost",
                "3 rows of b: those that its DELETE finds are lost",
                "3 TRUNCATE: all rows of its tables are lost",
                "3 a DO block: what it takes away is not known here: read it"
            ]
        );
        assert_eq!(
            told(
                "-- Why: x.\nALTER TABLE a ALTER COLUMN b TYPE integer USING b::integer, ALTER c DROP NOT NULL;\n\
                 INSERT INTO a VALUES (1) ON CONFLICT (b) DO UPDATE SET b = 2;\nWITH gone AS (DELETE FROM b RETURNING *) INSERT INTO a TABLE gone;\n\
                 MERGE INTO a USING b ON a.b = b.b WHEN MATCHED THEN DELETE;\nSELECT clean();\nCALL clean();\nDROP SCHEMA old CASCADE;"
            ),
            [
                "2 column a.b: what its new type does not hold of its values is lost",
                "3 rows of a and what else it names: what it takes away is not known here: read it",
                "4 rows of a and what else it names: what it takes away is not known here: read it",
                "5 MERGE: what it takes away is not known here: read it",
                "6 SELECT: what it takes away is not known here: read it",
                "7 CALL: what it takes away is not known here: read it",
                "8 DROP SCHEMA: what it takes away is not known here: read it"
            ]
        );
        let harmless = "-- Why: x.\nCREATE INDEX i ON a (b); COMMENT ON TABLE a IS 'x'; INSERT INTO a VALUES (1); ALTER TABLE a ADD COLUMN d int, \
                        ALTER b SET DEFAULT 1, RENAME CONSTRAINT c TO d; SET LOCAL lock_timeout = '1s'; GRANT SELECT ON a TO b;";
        assert_eq!(told(harmless), [""; 0]);
        assert!(told("-- Why: nothing is to be done.").is_empty());
        assert!(of(&Migration::parse("V3__x", "SELECT 1;", Some("DROP NOTHING i;")).unwrap()).is_err());
    }
}

//! What an undo takes away for good, as its file says it: columns, tables, rows.
//! Must stay true: nothing here needs a database; what a file does with statements that are not looked into is said, not left out.
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

fn of_statement(statement: &SyntaxNode) -> Vec<(String, &'static str)> {
    use SyntaxKind as K;
    let table = || table_of(statement).unwrap_or_else(|| "?".to_owned());
    match statement.kind() {
        K::ALTER_TABLE => {
            let dropped = statement.children().filter(|action| action.kind() == K::DROP_COLUMN);
            let names = dropped.filter_map(|action| action.children().find(|node| node.kind() == K::COLUMN_NAME_REF));
            names.map(|name| (format!("column {}.{}", table(), last_part(&name)), "its values are lost")).collect()
        }
        K::DROP_TABLE => {
            let names = statement.children().filter(|node| node.kind() == K::TABLE_NAME_REF);
            names.map(|name| (format!("table {}", last_part(&name)), "its rows are lost")).collect()
        }
        K::TRUNCATE => vec![("TRUNCATE".to_owned(), "all rows of its tables are lost")],
        K::DELETE => vec![(format!("rows of {}", table()), "those that its DELETE finds are lost")],
        K::UPDATE => vec![(format!("rows of {}", table()), "what its UPDATE writes over is lost")],
        K::DO => vec![("a DO block".to_owned(), "what it takes away is not known here: read it")],
        _ => Vec::new(),
    }
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
        assert!(told("-- Why: nothing is to be done.").is_empty());
        assert!(of(&Migration::parse("V3__x", "SELECT 1;", Some("DROP NOTHING i;")).unwrap()).is_err());
    }
}

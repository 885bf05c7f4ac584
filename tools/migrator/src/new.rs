//! Begins a migration: the next number, a header to be filled in, and its undo.
//! Must stay true: what is written here is refused by the linter until a person has said why, which locks and what the previous
//! release sees; a file that is there is never touched.
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::MigratorError;
use crate::files::Sources;
use crate::migration::{Kind, Migration, Phase, is_snake_case};

/// The files of a migration that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Begun {
    /// The migration.
    pub file: PathBuf,
    /// What takes it back; a contract has none.
    pub undo: Option<PathBuf>,
}

/// Writes the next migration of a tenant's schema into `migrations/tenant` of a folder laid out like the repository's `db`,
/// with the undo that an expand needs.
///
/// # Errors
/// When the name is not in snake case or is taken, the migrations there don't fit together, or a file can't be written.
pub fn create(db: &Path, name: &str, kind: Kind, phase: Phase) -> Result<Begun, MigratorError> {
    if !is_snake_case(name) || name.len() > 80 {
        return Err(MigratorError::Invalid(format!(
            "`{name}` is not a name for a migration; say what it does in lower case letters, digits and single underscores, \
             such as add_report_notes"
        )));
    }
    let migrations = Sources::folder(db)?.tenant_migrations()?;
    if let Some(other) = migrations.iter().find(|migration| migration.name == name) {
        return Err(MigratorError::Invalid(format!("there is {} already; choose another name", other.file_name())));
    }
    let version = migrations.last().map_or(1, |last| last.version + 1);
    let sql = text(name, kind, phase);
    let migration = Migration { version, name: name.to_owned(), kind, phase, sql, undo: None };
    let folder = db.join("migrations/tenant");
    let file = write(folder.join(migration.file_name()), &migration.sql)?;
    let undo = match phase {
        Phase::Expand => Some(write(folder.join(migration.undo_file_name()), undo_text(kind))?),
        Phase::Contract => None,
    };
    Ok(Begun { file, undo })
}

/// Anew: another branch's checkout or a second call may have made it since.
fn write(path: PathBuf, text: &str) -> Result<PathBuf, MigratorError> {
    let unwritten = |source| MigratorError::Unwritten { path: path.clone(), source };
    let mut file = std::fs::File::create_new(&path).map_err(unwritten)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritten)?;
    Ok(path)
}

/// What the undo says until somebody has written it.
fn undo_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Transaction => "-- Why: …\n\n-- The statements that take it back, the last first.\n",
        Kind::Concurrent => {
            "-- Why: …\n\n-- Outside of a transaction, each repeatable: DROP INDEX CONCURRENTLY IF EXISTS …\n"
        }
        Kind::Backfill { .. } => {
            "-- Why: …\n\n-- After most backfills nothing is to be done, because the column goes with the version before: say so above.\n"
        }
    }
}

/// The header to be filled in, and where the statements go.
fn text(name: &str, kind: Kind, phase: Phase) -> String {
    let mut text = format!("-- {}.\n-- Kind: {}\n-- Phase: {}\n", name.replace('_', " "), kind.word(), phase.word());
    if let Kind::Backfill { batch, pause } = kind {
        text.push_str(&format!("-- Batch: {batch}\n-- Pause: {} ms\n", pause.as_millis()));
    }
    text.push_str("-- Why: …\n-- Locks: …\n-- Previous release: …\n\n");
    text.push_str(match kind {
        Kind::Transaction => "",
        Kind::Concurrent => {
            "-- Each statement runs alone, outside of a transaction, and again after a run that was killed:\n\
             -- CREATE INDEX CONCURRENTLY IF NOT EXISTS …, DROP INDEX CONCURRENTLY IF EXISTS …,\n\
             -- ALTER TABLE … VALIDATE CONSTRAINT …\n"
        }
        Kind::Backfill { .. } => {
            "-- One statement, run until it changes no row; its condition leaves out what is done:\n\
             -- UPDATE … SET … WHERE id IN (SELECT id FROM … WHERE … IS NULL LIMIT {batch});\n"
        }
    });
    text
}

//! One migration of a tenant's schema: a file, what its name says and what its header says.
//! Must stay true: what a file is run as is written in the file and nowhere else; a word that is not known is an error, because
//! an index built in a transaction by a typing error would lock a practice out.
use std::time::Duration;

use serde::Serialize;

use crate::MigratorError;
use crate::header::{Fault, Header};
use crate::statements::{self, Statement};

/// How a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All statements in the tenant's one transaction.
    Transaction,
    /// Statements that can't run in a transaction, one by one; each can be repeated, because a killed run begins anew.
    Concurrent,
    /// One statement, again and again, each time in a transaction of its own, until it changes no row.
    Backfill {
        /// Rows per transaction: what `{batch}` stands for.
        batch: u32,
        /// Rest between two transactions.
        pause: Duration,
    },
}

impl Kind {
    /// Rows per transaction when the header doesn't say.
    pub const DEFAULT_BATCH: u32 = 1000;
    /// Rest between two transactions when the header doesn't say.
    pub const DEFAULT_PAUSE: Duration = Duration::from_millis(10);

    /// As it is written in a header.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Concurrent => "concurrent",
            Self::Backfill { .. } => "backfill",
        }
    }
}

/// Whether the previous release can go on working with what a migration leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Adds; the previous release doesn't notice.
    Expand,
    /// Takes away what only an older release needed.
    Contract,
}

impl Phase {
    /// As it is written in a header.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }
}

/// One migration of a tenant's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Its number: 1, 2, 3 …
    pub version: i32,
    /// What stands after the number in the file's name.
    pub name: String,
    /// How it is run.
    pub kind: Kind,
    /// Whether the previous release goes on working.
    pub phase: Phase,
    /// The whole text of the file.
    pub sql: String,
    /// The whole text of the `.undo.sql` beside it.
    pub undo: Option<String>,
}

impl Migration {
    /// Reads a file's name (without `.sql`) and its header. The statements are read by [`Migration::statements`].
    ///
    /// # Errors
    /// When the name can't be read or the header has a value that is not known.
    pub fn parse(file_stem: &str, sql: &str, undo: Option<&str>) -> Result<Self, MigratorError> {
        let Name { version, name } = Name::parse(file_stem)?;
        let at = |Fault { line, message }| MigratorError::File { file: format!("{file_stem}.sql"), line, message };
        let header = Header::parse(sql).map_err(at)?;
        Ok(Self {
            version,
            name,
            kind: header.kind().map_err(at)?,
            phase: header.phase().map_err(at)?,
            sql: sql.to_owned(),
            undo: undo.map(str::to_owned),
        })
    }

    /// `V2__add_notes`: what refinery's history and the chain's checksum call it.
    #[must_use]
    pub fn title(&self) -> String {
        format!("V{}__{}", self.version, self.name)
    }

    /// `V2__add_notes.sql`.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.sql", self.title())
    }

    /// `V2__add_notes.undo.sql`, whether it is there or not.
    #[must_use]
    pub fn undo_file_name(&self) -> String {
        format!("{}.undo.sql", self.title())
    }

    /// The statements of the file. In a backfill `{batch}` still stands in the text.
    ///
    /// # Errors
    /// When the text is not SQL.
    pub fn statements(&self) -> Result<Vec<Statement>, MigratorError> {
        split(&self.sql, &self.file_name())
    }

    /// The statements of the undo; none when there is no undo.
    ///
    /// # Errors
    /// When the text is not SQL.
    pub fn undo_statements(&self) -> Result<Vec<Statement>, MigratorError> {
        self.undo.as_deref().map_or(Ok(Vec::new()), |undo| split(undo, &self.undo_file_name()))
    }
}

fn split(sql: &str, file: &str) -> Result<Vec<Statement>, MigratorError> {
    statements::split(sql).map_err(|Fault { line, message }| MigratorError::File {
        file: file.to_owned(),
        line,
        message,
    })
}

/// What the name of a migration's file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The number.
    pub version: i32,
    /// The words after it.
    pub name: String,
}

impl Name {
    /// Reads `V2__add_notes`.
    ///
    /// # Errors
    /// When it is not a `V`, a number from 1, two underscores and words in snake case.
    pub fn parse(file_stem: &str) -> Result<Self, MigratorError> {
        let parts = file_stem.strip_prefix('V').and_then(|rest| rest.split_once("__"));
        let version = |digits: &str| digits.parse().ok().filter(|version: &i32| version.to_string() == digits);
        match parts.map(|(digits, name)| (version(digits), name)) {
            Some((Some(version @ 1..), name)) if is_snake_case(name) => Ok(Self { version, name: name.to_owned() }),
            _ => Err(MigratorError::Invalid(format!(
                "{file_stem}.sql is not the name of a migration; call it V<number>__<what_it_does>.sql, such as \
                 V2__add_notes.sql: number from 1 without leading zeros, then lower case letters, digits and single underscores"
            ))),
        }
    }
}

/// Lower case letters, digits and single underscores, beginning with a letter.
#[must_use]
pub fn is_snake_case(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.ends_with('_')
        && !name.contains("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_it_is() {
        let sql = "-- Kind: concurrent\n-- Phase: contract\nDROP INDEX CONCURRENTLY IF EXISTS a;";
        let migration = Migration::parse("V12__drop_index_2", sql, Some("SELECT 1;")).unwrap();
        assert_eq!((migration.version, migration.name.as_str()), (12, "drop_index_2"));
        assert_eq!((migration.kind, migration.phase), (Kind::Concurrent, Phase::Contract));
        assert_eq!(migration.title(), "V12__drop_index_2");
        assert_eq!(migration.file_name(), "V12__drop_index_2.sql");
        assert_eq!(migration.undo_file_name(), "V12__drop_index_2.undo.sql");
        assert_eq!(migration.statements().unwrap()[0].line, 3);
        assert_eq!(migration.undo_statements().unwrap()[0].sql, "SELECT 1;");
    }

    #[test]
    fn names_that_are_none() {
        for stem in [
            "V1_a", "V01__a", "V0__a", "V-1__a", "V1__A", "V1__", "U1__a", "v1__a", "V1.2__a", "V1__a-b", "V1__a__b",
            "a", "",
        ] {
            let error = Name::parse(stem).expect_err(stem).to_string();
            assert!(error.contains("V2__add_notes.sql"), "{error}");
        }
    }

    #[test]
    fn a_fault_names_file_and_line() {
        let error = Migration::parse("V1__a", "-- Why: x\n-- Kind: fast", None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "V1__a.sql:2: `Kind: fast` is not known; allowed: transaction, concurrent, backfill"
        );
        let migration = Migration::parse("V1__a", "-- Why: x\nSELECT 1;\nCREATE NOTHING a (id uuid);", None).unwrap();
        let error = migration.statements().unwrap_err().to_string();
        assert!(error.starts_with("V1__a.sql:3: "), "{error}");
    }
}

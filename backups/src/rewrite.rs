//! Reads a plain dump as it streams by: statements on one hand, rows of COPY on the other; puts another schema's name into the
//! statements, and leaves out what is the database's and no schema's.
//!
//! Must stay true: **rows pass byte for byte**, whatever they look like; only whole words are replaced; nothing of the dump is
//! ever run as a psql command; a statement that no dump of ours holds is refused ([`permitted`]); a dump that ends in the middle
//! is an error.
//! Memory: the definitions before and after the rows (some 100 KiB), never a row.
use labor_catalog::TenantName;

use crate::BackupError;
use crate::rewrite::lexer::{Lexer, Step};

mod lexer;
mod permitted;

/// Definitions of a tenant fit into this many times over; a dump that needs more is none of ours.
const LONGEST_TEXT: usize = 64 << 20;
/// In the middle of a row.
const WITHIN: u8 = u8::MAX;

/// What a dump is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Statements, with the new name in them.
    Statements(String),
    /// `COPY … FROM stdin`, with the new name in it; rows follow.
    Copy(String),
    /// Rows, as they are.
    Rows(Vec<u8>),
    /// No more rows.
    CopyEnd,
}

/// Takes a dump in chunks of any size.
pub(crate) struct Rewriter {
    old: TenantName,
    new: TenantName,
    lexer: Lexer,
    /// Statements not yet handed out.
    text: Vec<u8>,
    /// Where in `text` the statement that is being read begins.
    statement: usize,
    /// When rows are read: how much of `\.` stands at the line's beginning, or [`WITHIN`].
    rows: Option<u8>,
    /// Refuses what no dump of ours holds.
    permitted: fn(&[u8]) -> Result<(), BackupError>,
}

impl Rewriter {
    pub(crate) fn new(old: TenantName, new: TenantName) -> Self {
        let lexer = Lexer::default();
        Self { old, new, lexer, text: Vec::new(), statement: 0, rows: None, permitted: permitted::check }
    }

    /// The next bytes of the dump.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Piece>, BackupError> {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let used = match self.rows {
                Some(at) => self.take_rows(at, bytes, &mut pieces),
                None => self.take_text(bytes, &mut pieces)?,
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(pieces)
    }

    /// The end of the dump: the statements after the last rows.
    pub(crate) fn finish(mut self) -> Result<Option<Piece>, BackupError> {
        let complete = self.rows.is_none()
            && self.lexer.at_rest()
            && is_blank(self.text.get(self.statement..).unwrap_or_default());
        if complete { self.statements() } else { Err(BackupError::Damaged("the dump ends in the middle".to_owned())) }
    }

    fn take_text(&mut self, bytes: &[u8], pieces: &mut Vec<Piece>) -> Result<usize, BackupError> {
        for (index, &byte) in bytes.iter().enumerate() {
            self.text.push(byte);
            match self.lexer.step(&self.text, self.statement) {
                Step::Within => {}
                Step::Command => self.drop_command()?,
                Step::Stray => return Err(a_command()),
                Step::StatementEnd => {
                    if self.is_copy() {
                        let statement = self.text.split_off(self.statement);
                        pieces.extend(self.statements()?);
                        pieces.push(Piece::Copy(self.renamed(statement)?.trim_end_matches(';').to_owned()));
                        self.statement = 0;
                        self.rows = Some(Self::BEFORE_FIRST_LINE);
                        return Ok(index + 1);
                    }
                    let statement = without_comments(self.text.get(self.statement..).unwrap_or_default());
                    (self.permitted)(statement)?;
                    if is_of_the_database(statement) {
                        self.text.truncate(self.statement);
                    } else {
                        self.statement = self.text.len();
                    }
                }
            }
            if self.text.len() > LONGEST_TEXT {
                return Err(BackupError::Damaged("the dump has definitions without end".to_owned()));
            }
        }
        Ok(bytes.len())
    }

    /// After `FROM stdin;` the rest of that line, which is only its end, is skipped.
    const BEFORE_FIRST_LINE: u8 = 3;

    /// Hands out what is rows, and looks for the line `\.` that ends them.
    fn take_rows(&mut self, mut at: u8, bytes: &[u8], pieces: &mut Vec<Piece>) -> usize {
        let mut rows = Vec::with_capacity(bytes.len());
        for (index, &byte) in bytes.iter().enumerate() {
            at = match (at, byte) {
                (Self::BEFORE_FIRST_LINE, b'\n') => 0,
                (Self::BEFORE_FIRST_LINE, _) => at,
                (0, b'\\') => 1,
                (1, b'.') => 2,
                (2, b'\n') => {
                    push_rows(pieces, rows);
                    pieces.push(Piece::CopyEnd);
                    self.rows = None;
                    return index + 1;
                }
                (held, byte) => {
                    if held != WITHIN {
                        rows.extend_from_slice(&b"\\."[..usize::from(held)]);
                    }
                    rows.push(byte);
                    if byte == b'\n' { 0 } else { WITHIN }
                }
            };
        }
        push_rows(pieces, rows);
        self.rows = Some(at);
        bytes.len()
    }

    fn is_copy(&self) -> bool {
        let statement = self.text.get(self.statement..).unwrap_or_default();
        without_comments(statement).starts_with(b"COPY ") && statement.ends_with(b" FROM stdin;")
    }

    /// `\restrict` and `\unrestrict` guard psql against commands inside of a dump; here there are none. Any other is refused.
    fn drop_command(&mut self) -> Result<(), BackupError> {
        let start = self.text.iter().rposition(|&byte| byte == b'\\').unwrap_or_default();
        let command = self.text.split_off(start);
        if command.starts_with(b"\\restrict ") || command.starts_with(b"\\unrestrict ") {
            return Ok(());
        }
        Err(a_command())
    }

    fn statements(&mut self) -> Result<Option<Piece>, BackupError> {
        let text = std::mem::take(&mut self.text);
        self.statement = 0;
        if is_blank(&text) { Ok(None) } else { Ok(Some(Piece::Statements(self.renamed(text)?))) }
    }

    fn renamed(&self, text: Vec<u8>) -> Result<String, BackupError> {
        let text = String::from_utf8(text).map_err(|_| BackupError::Damaged("the dump is not UTF-8".to_owned()))?;
        Ok(rename(&text, &self.old, &self.new))
    }
}

/// The rights of a language are the database's, and `pg_dump` writes them all the same. The owner of a schema can't change them, but tries to
/// by writing a row that all restores share: two at once would wait for each other, and the second one fail.
fn is_of_the_database(statement: &[u8]) -> bool {
    statement.starts_with(b"GRANT ALL ON LANGUAGE ") || statement.starts_with(b"REVOKE ALL ON LANGUAGE ")
}

fn a_command() -> BackupError {
    BackupError::Damaged("the dump holds a psql command, which no dump of ours does".to_owned())
}

fn push_rows(pieces: &mut Vec<Piece>, rows: Vec<u8>) {
    if !rows.is_empty() {
        pieces.push(Piece::Rows(rows));
    }
}

/// Replaces the schema's name and the role's where they stand as whole words, quoted or not.
fn rename(text: &str, old: &TenantName, new: &TenantName) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(old.as_str()) {
        let (before, found) = rest.split_at(at);
        let after = found.get(old.as_str().len()..).unwrap_or_default();
        let tail = after.strip_prefix("_app").unwrap_or(after);
        let whole = !before.chars().next_back().is_some_and(is_word) && !tail.chars().next().is_some_and(is_word);
        renamed.push_str(before);
        renamed.push_str(if whole { new.as_str() } else { old.as_str() });
        rest = after;
    }
    renamed + rest
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

fn is_blank(text: &[u8]) -> bool {
    without_comments(text).is_empty()
}

/// What is left after white space and `--` lines.
fn without_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        if !text.starts_with(b"--") {
            return text;
        }
        text = text.iter().position(|&byte| byte == b'\n').and_then(|end| text.get(end..)).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;

//! Reads the text that `pg_dump` writes: lines of SQL, and after each `COPY … FROM stdin;` rows until a line `\.`.
//! Must stay true: memory does not grow with the rows; what is passed on, put together, is the text byte for byte.
use aws_lc_rs::digest;

use crate::BackupError;

/// Ends the rows of a COPY.
const END: &[u8] = b"\\.\n";

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A line with its line break.
    Text(&'a [u8]),
    /// The line after which rows follow.
    Copy(&'a [u8]),
    /// Bytes of rows, cut anywhere.
    Rows(&'a [u8]),
    /// The line that ends the rows.
    End,
}

/// Where in the text it is.
#[derive(Default)]
pub(crate) struct Scanner {
    /// An unfinished line of SQL; or, among rows, what may become the line that ends them.
    held: Vec<u8>,
    in_rows: bool,
    /// Among rows: the line's beginning was passed on already.
    within_row: bool,
}

impl Scanner {
    /// Passes on what can be told from these bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut to: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            let (part, rest) = bytes.split_at(end);
            bytes = rest;
            if self.in_rows {
                self.rows(part, &mut to);
            } else {
                self.text(part, &mut to);
            }
        }
    }

    fn text(&mut self, part: &[u8], to: &mut impl FnMut(Piece<'_>)) {
        self.held.extend_from_slice(part);
        if !self.held.ends_with(b"\n") {
            return;
        }
        self.in_rows = self.held.starts_with(b"COPY ") && self.held.ends_with(b" FROM stdin;\n");
        to(if self.in_rows { Piece::Copy(&self.held) } else { Piece::Text(&self.held) });
        self.held.clear();
    }

    fn rows(&mut self, part: &[u8], to: &mut impl FnMut(Piece<'_>)) {
        if !self.within_row && self.held.len() + part.len() <= END.len() {
            self.held.extend_from_slice(part);
            if self.held == END {
                self.held.clear();
                self.in_rows = false;
                return to(Piece::End);
            }
            if END.starts_with(&self.held) {
                return;
            }
            to(Piece::Rows(&self.held));
            self.within_row = !self.held.ends_with(b"\n");
            self.held.clear();
            return;
        }
        if !self.held.is_empty() {
            to(Piece::Rows(&self.held));
            self.held.clear();
        }
        to(Piece::Rows(part));
        self.within_row = !part.ends_with(b"\n");
    }

    /// Whether the text ended where one may end.
    pub(crate) fn finish(&self) -> Result<(), BackupError> {
        if self.in_rows || !self.held.is_empty() {
            return Err(BackupError::Dump("its text ends in the middle".to_owned()));
        }
        Ok(())
    }
}

/// A text in short, to be compared with another one: its lines, and a digest of each COPY's rows. What makes every `pg_dump` differ
/// from the next, the random token of `\restrict`, is left out of its lines when it is the same in all of them.
#[derive(Default)]
pub(crate) struct Outline {
    scanner: Scanner,
    lines: Vec<Vec<u8>>,
    rows: Vec<(String, Vec<u8>)>,
    hash: Option<digest::Context>,
    /// The line after which rows follow.
    copy: String,
    token: Option<Vec<u8>>,
}

impl Outline {
    /// Takes in more of the text.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let Self { scanner, lines, rows, hash, copy, token } = self;
        scanner.feed(bytes, |piece| match piece {
            Piece::Text(line) if is_restriction(line) => {
                let (command, own) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
                let same = token.get_or_insert_with(|| own.to_vec()).as_slice() == own && own.len() > 32;
                lines.push([command, if same { b" TOKEN\n" } else { own }].concat());
            }
            Piece::Text(line) => lines.push(line.to_vec()),
            Piece::Copy(line) => {
                lines.push(line.to_vec());
                *copy = String::from_utf8_lossy(line).split(' ').nth(1).unwrap_or_default().to_owned();
                *hash = Some(digest::Context::new(&digest::SHA256));
            }
            Piece::Rows(bytes) => {
                if let Some(hash) = hash {
                    hash.update(bytes);
                }
            }
            Piece::End => rows.extend(hash.take().map(|hash| (copy.clone(), hash.finish().as_ref().to_vec()))),
        });
    }

    /// The first thing in which `other`, which should be the same text, differs. Definitions are shown, rows never.
    pub(crate) fn difference(&self, other: &Self) -> Result<Option<String>, BackupError> {
        self.scanner.finish()?;
        other.scanner.finish()?;
        let lines = self.lines.len().max(other.lines.len());
        if let Some(at) = (0..lines).find(|at| self.lines.get(*at) != other.lines.get(*at)) {
            let show = |lines: &[Vec<u8>]| {
                lines.get(at).map_or_else(
                    || "nothing".to_owned(),
                    |line| {
                        format!("`{}`", String::from_utf8_lossy(line).trim_end().chars().take(200).collect::<String>())
                    },
                )
            };
            return Ok(Some(format!("{} instead of {}", show(&other.lines), show(&self.lines))));
        }
        let different = self.rows.iter().zip(&other.rows).find(|(one, two)| one != two);
        Ok(different.map(|((table, _), _)| format!("the rows of {table} differ")))
    }
}

/// `\restrict TOKEN` and `\unrestrict TOKEN`: between them psql takes no other commands of its own.
pub(crate) fn is_restriction(line: &[u8]) -> bool {
    line.starts_with(b"\\restrict ") || line.starts_with(b"\\unrestrict ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "--\nCOPY t.a (x) FROM stdin;\n\\.\n\nCOPY t.b (x, y) FROM stdin;\n1\t\\\\.\n\\.x\n\\\n\\restrict y\n\n\\.\nSELECT 1;\n";

    fn pieces(cut: usize) -> Vec<(char, Vec<u8>)> {
        let (mut scanner, mut found) = (Scanner::default(), Vec::<(char, Vec<u8>)>::new());
        for part in TEXT.as_bytes().chunks(cut) {
            scanner.feed(part, |piece| {
                let (kind, bytes) = match piece {
                    Piece::Text(line) => ('t', line),
                    Piece::Copy(line) => ('c', line),
                    Piece::Rows(bytes) => ('r', bytes),
                    Piece::End => ('e', END),
                };
                match found.last_mut() {
                    Some((last, sum)) if *last == 'r' && kind == 'r' => sum.extend_from_slice(bytes),
                    _ => found.push((kind, bytes.to_vec())),
                }
            });
        }
        scanner.finish().unwrap();
        found
    }

    #[test]
    fn text_and_rows_are_told_apart_however_the_bytes_come() {
        let whole = pieces(usize::MAX);
        assert_eq!(whole.iter().map(|(kind, _)| *kind).collect::<String>(), "tcetcret");
        assert_eq!(whole[5].1, b"1\t\\\\.\n\\.x\n\\\n\\restrict y\n\n");
        for cut in 1..TEXT.len() {
            assert_eq!(pieces(cut), whole, "in pieces of {cut}");
            assert_eq!(pieces(cut).into_iter().flat_map(|(_, bytes)| bytes).collect::<Vec<_>>(), TEXT.as_bytes());
        }
    }

    #[test]
    fn a_text_that_stops_among_rows_or_in_a_line_is_not_whole() {
        for text in ["COPY t.a (x) FROM stdin;\n1\n", "COPY t.a (x) FROM stdin;\n\\.", "SELECT 1"] {
            let mut scanner = Scanner::default();
            scanner.feed(text.as_bytes(), |_| ());
            assert!(scanner.finish().is_err(), "{text}");
        }
    }

    fn outline(text: &str) -> Outline {
        let mut outline = Outline::default();
        outline.feed(text.as_bytes());
        outline
    }

    #[test]
    fn texts_are_compared_but_for_their_random_token_and_rows_are_not_shown() {
        let (a, b) = ("a".repeat(63), "b".repeat(64));
        let head = format!("\\restrict {a}\nSELECT 1;\nCOPY t.a (x) FROM stdin;\n");
        let rows = format!("Mustermann\n\\.\n\\unrestrict {a}\n");
        let one = outline(&format!("{head}{rows}"));
        let same = outline(&format!("{head}{rows}").replace(&a, &b));
        assert_eq!(one.difference(&same).unwrap(), None);
        let text = format!("{head}{rows}");
        for wrong in
            [text.replacen(&a, &b, 1), text.replacen(&a, "b", 2), text.replacen(&format!("\\restrict {a}\n"), "", 1)]
        {
            assert!(one.difference(&outline(&wrong)).unwrap().is_some(), "{wrong}");
        }
        let other = outline(&text.replace("Mustermann", "Musterfrau"));
        assert_eq!(one.difference(&other).unwrap().unwrap(), "the rows of t.a differ");
        let other = outline(&text.replace("SELECT 1", "SELECT 2"));
        assert_eq!(one.difference(&other).unwrap().unwrap(), "`SELECT 2;` instead of `SELECT 1;`");
        let longer = outline(&format!("{head}{rows}SELECT 3;\n"));
        assert_eq!(longer.difference(&one).unwrap().unwrap(), "nothing instead of `SELECT 3;`");
    }
}

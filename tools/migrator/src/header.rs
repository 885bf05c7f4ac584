//! The comment that a migration begins with: what it is to be run as, and what its author says about it.
//! Must stay true: only the comment lines before the first statement count, and a key that is there twice is an error: what a
//! file is run as never depends on which line is read last.
use std::time::Duration;

use crate::migration::{Kind, Phase};

/// The keys that a header may have, as they are written.
const KEYS: [&str; 7] = ["Kind", "Phase", "Batch", "Pause", "Why", "Locks", "Previous release"];

/// A fault in a header, with the line it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// One key of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key as in the contributing guide, such as `Previous release`.
    pub key: &'static str,
    /// What stands after it, continuation lines included.
    pub value: String,
    /// Line in the file, from 1.
    pub line: usize,
}

/// The leading comment lines of a migration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// What stands before the first key.
    pub opening: String,
    /// The keys, in the order of the file.
    pub entries: Vec<Entry>,
}

impl Header {
    /// Reads the comment lines before the first statement. A key stands at the start of a line or of a sentence.
    ///
    /// # Errors
    /// When a key is there twice.
    pub fn parse(sql: &str) -> Result<Self, Fault> {
        let mut header = Self::default();
        // An empty line ends a text: what comes after it is about the statements. A key is still a key.
        let mut talking = true;
        for (index, line) in sql.trim_start_matches('\u{feff}').lines().enumerate() {
            let Some(mut rest) = line.trim().strip_prefix("--") else {
                talking = false;
                if line.trim().is_empty() { continue } else { break }
            };
            if rest.trim_start().starts_with("squawk-") {
                continue; // An exception for the linter: no part of any text.
            }
            while let Some((before, key, after)) = next_key(rest) {
                header.go_on(before, talking);
                if header.entry(key).is_some() {
                    let message = format!("`{key}:` is in the header twice; say it once");
                    return Err(Fault { line: index + 1, message });
                }
                header.entries.push(Entry { key, value: String::new(), line: index + 1 });
                talking = true;
                rest = after;
            }
            header.go_on(rest, talking);
        }
        Ok(header)
    }

    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Adds text to what was being said.
    fn go_on(&mut self, text: &str, talking: bool) {
        if !talking {
            return;
        }
        let target = self.entries.last_mut().map_or(&mut self.opening, |entry| &mut entry.value);
        if !target.is_empty() && !text.trim().is_empty() {
            target.push(' ');
        }
        target.push_str(text.trim());
    }

    /// How the file is to be run.
    ///
    /// # Errors
    /// When a value is not one of those allowed, or `Batch:` and `Pause:` stand in a file that is not a backfill.
    pub fn kind(&self) -> Result<Kind, Fault> {
        let kind = match self.entry("Kind") {
            None => Kind::Transaction,
            Some(entry) => match entry.value.as_str() {
                "transaction" => Kind::Transaction,
                "concurrent" => Kind::Concurrent,
                "backfill" => return Ok(Kind::Backfill { batch: self.batch()?, pause: self.pause()? }),
                _ => return Err(entry.refuse("transaction, concurrent, backfill")),
            },
        };
        match self.entry("Batch").or_else(|| self.entry("Pause")) {
            None => Ok(kind),
            Some(entry) => Err(Fault {
                line: entry.line,
                message: format!("`{}:` is for backfills only; add `-- Kind: backfill` or take it away", entry.key),
            }),
        }
    }

    /// Whether the file adds or takes away.
    ///
    /// # Errors
    /// When the value is not one of those allowed.
    pub fn phase(&self) -> Result<Phase, Fault> {
        match self.entry("Phase") {
            None => Ok(Phase::Expand),
            Some(entry) => match entry.value.as_str() {
                "expand" => Ok(Phase::Expand),
                "contract" => Ok(Phase::Contract),
                _ => Err(entry.refuse("expand, contract")),
            },
        }
    }

    fn batch(&self) -> Result<u32, Fault> {
        let Some(entry) = self.entry("Batch") else { return Ok(Kind::DEFAULT_BATCH) };
        match entry.value.parse() {
            Ok(batch @ 1..=100_000) => Ok(batch),
            _ => Err(entry.refuse("a number of rows from 1 to 100000")),
        }
    }

    fn pause(&self) -> Result<Duration, Fault> {
        let Some(entry) = self.entry("Pause") else { return Ok(Kind::DEFAULT_PAUSE) };
        let digits = entry.value.find(|c: char| !c.is_ascii_digit()).unwrap_or(entry.value.len());
        let (number, unit) = entry.value.split_at(digits);
        let pause = match (number.parse::<u32>(), unit.trim()) {
            (Ok(number), "ms") => Some(Duration::from_millis(number.into())),
            (Ok(number), "s") => Some(Duration::from_secs(number.into())),
            _ => None,
        };
        pause
            .filter(|pause| *pause <= Duration::from_secs(60))
            .ok_or_else(|| entry.refuse("a time up to 60 s, such as 20 ms or 1 s"))
    }
}

impl Entry {
    fn refuse(&self, allowed: &str) -> Fault {
        Fault { line: self.line, message: format!("`{}: {}` is not known; allowed: {allowed}", self.key, self.value) }
    }
}

/// The first key of a line: at its start in whatever case, or after a sentence's end exactly as it is written.
fn next_key(line: &str) -> Option<(&str, &'static str, &str)> {
    let start = line.trim_start();
    for key in KEYS {
        if let (Some(head), Some(after)) = (start.get(..key.len()), start.get(key.len()..))
            && head.eq_ignore_ascii_case(key)
            && let Some(value) = after.strip_prefix(':')
        {
            return Some(("", key, value));
        }
    }
    KEYS.iter()
        .filter_map(|key| line.find(&format!(". {key}:")).map(|at| (at, *key)))
        .min()
        .map(|(at, key)| (&line[..=at], key, &line[at + 2 + key.len() + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_on_over_lines_and_share_them() {
        let sql = "-- A title.\n-- Why: one\n--      two.\n-- Locks: none. Previous release: sees nothing.\n\n-- Of the statements.\n-- Kind: concurrent\n\
                   SELECT 1; -- Phase: contract\n-- Phase: contract\n";
        let header = Header::parse(sql).unwrap();
        let entries: Vec<_> = header.entries.iter().map(|e| (e.key, e.value.as_str(), e.line)).collect();
        assert_eq!(header.opening, "A title.");
        assert_eq!(
            entries,
            [
                ("Why", "one two.", 2),
                ("Locks", "none.", 4),
                ("Previous release", "sees nothing.", 4),
                ("Kind", "concurrent", 7)
            ]
        );
        assert_eq!((header.kind().unwrap(), header.phase().unwrap()), (Kind::Concurrent, Phase::Expand));
    }

    #[test]
    fn a_backfill_has_a_batch_and_a_pause() {
        let kind = |text: &str| Header::parse(text).unwrap().kind();
        let backfill = |batch, ms| Kind::Backfill { batch, pause: Duration::from_millis(ms) };
        assert_eq!(kind("-- kind: backfill").unwrap(), backfill(1000, 10));
        assert_eq!(kind("-- Kind: backfill\n-- Batch: 50\n-- Pause: 20 ms").unwrap(), backfill(50, 20));
        assert_eq!(kind("-- Kind: backfill\n-- Pause: 2s").unwrap(), backfill(1000, 2000));
    }

    #[test]
    fn a_wrong_value_names_its_line_and_what_is_allowed() {
        for (text, line, part) in [
            ("-- Kind: online", 1, "transaction, concurrent, backfill"),
            ("-- Kind:", 1, "transaction, concurrent, backfill"),
            ("-- x\n-- Phase: shrink", 2, "expand, contract"),
            ("-- Kind: backfill\n-- Batch: 0", 2, "from 1 to 100000"),
            ("-- Kind: backfill\n-- Batch: 100001", 2, "from 1 to 100000"),
            ("-- Kind: backfill\n-- Pause: 20", 2, "20 ms or 1 s"),
            ("-- Kind: backfill\n-- Pause: 2 min", 2, "20 ms or 1 s"),
            ("-- Kind: backfill\n-- Pause: 61 s", 2, "20 ms or 1 s"),
            ("-- Batch: 10", 1, "for backfills only"),
            ("-- Why: a\n-- Why: b", 2, "twice"),
        ] {
            let fault =
                Header::parse(text).and_then(|header| header.kind().and_then(|_| header.phase())).expect_err(text);
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.message.contains(part), "{text}: {}", fault.message);
        }
    }
}

//! What an author says about a migration in its header: a sentence each, not a placeholder.
//! Must stay true: what `new` writes into a header counts as nothing said.
use super::{Finding, Severity};
use crate::header::{Fault, Header};
use crate::migration::{Migration, Phase};

const ASKED: [(&str, &str); 3] = [
    ("Why", "what is better for whom after this"),
    ("Locks", "which locks are taken on which tables, and for how long"),
    ("Previous release", "what it sees and does while only half of the practices are migrated"),
];

/// Why, Locks, Previous release.
pub(crate) fn of_migration(migration: &Migration) -> Vec<Finding> {
    let header = match Header::parse(&migration.sql) {
        Ok(header) => header,
        Err(Fault { line, message }) => return vec![finding(migration.file_name(), line, message, None)],
    };
    let missing = ASKED.iter().filter_map(|(key, what)| {
        let entry = header.entry(key);
        if entry.is_some_and(|entry| says_something(&entry.value)) {
            return None;
        }
        let message = match entry {
            Some(_) => format!("`{key}:` is in the header but says nothing"),
            None => format!("the header has no `{key}:`"),
        };
        let help = format!("write after `-- {key}:` {what}");
        Some(finding(migration.file_name(), entry.map_or(1, |entry| entry.line), message, Some(help)))
    });
    // One finding per line would hide the second of two keys that are both missing.
    missing
        .reduce(|mut all, next| {
            all.message = format!("{}; {}", all.message, next.message);
            all.help = all.help.zip(next.help).map(|(a, b)| format!("{a}; {b}"));
            all
        })
        .into_iter()
        .collect()
}

/// An undo is written while it is known what it has to do. The first migration has none: it makes what there is.
pub(crate) fn undo_missing(migration: &Migration) -> Option<Finding> {
    if migration.phase != Phase::Expand || migration.undo.is_some() || migration.version == 1 {
        return None;
    }
    let (file, undo) = (migration.file_name(), migration.undo_file_name());
    let line = Header::parse(&migration.sql).ok().and_then(|header| header.entry("Phase").map(|entry| entry.line));
    let help = format!(
        "write {undo} beside it; where nothing is to be done, as after most backfills, it holds a comment that says why"
    );
    Some(Finding {
        file,
        line: line.unwrap_or(1),
        rule: "undo-missing".to_owned(),
        message: format!("{undo} is missing: `labor-migrator undo` could not take this expand back"),
        help: Some(help),
        severity: Severity::Warning,
    })
}

/// A line of why is enough for an undo.
pub(crate) fn of_undo(migration: &Migration, header: &Result<Header, Fault>) -> Vec<Finding> {
    match header {
        Err(Fault { line, message }) => vec![finding(migration.undo_file_name(), *line, message.clone(), None)],
        Ok(header) => {
            let said = header.entry("Why").map_or(&header.opening, |entry| &entry.value);
            if says_something(said) {
                return Vec::new();
            }
            let help =
                "begin it with `-- Why:` and what this undo brings back, and what of the data it can't".to_owned();
            vec![finding(migration.undo_file_name(), 1, "the undo doesn't say why".to_owned(), Some(help))]
        }
    }
}

fn finding(file: String, line: usize, message: String, help: Option<String>) -> Finding {
    Finding { file, line, rule: "header".to_owned(), message, help, severity: Severity::Error }
}

/// A word at least, and not one that stands for words to come.
fn says_something(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    let first = text.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    letters > 1 && !text.contains('…') && !["todo", "tbd", "fixme", "xxx"].contains(&first.to_lowercase().as_str())
}

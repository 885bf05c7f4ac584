//! How results look: a table or a sentence for people, JSON for machines.
//! Must stay true: a reader that goes away (`labor-backup list | head`) ends nothing: what was to be done is done all the same.
use std::fmt::Display;
use std::io::Write as _;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{Entry, State, Verdict};

/// One line on standard output. When nobody reads it any more, that is no error of ours, and there is nobody to tell.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// One line on standard error.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One result, as JSON or as a sentence.
pub(crate) fn say(json: bool, value: &impl serde::Serialize, text: &str) {
    if json {
        line(serde_json::json!(value));
    } else {
        line(text);
    }
}

/// Backups as a table.
pub(crate) fn list(json: bool, entries: &[Entry]) {
    if json {
        line(serde_json::json!(entries));
        return;
    }
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["tenant", "backup", "state", "version", "rows", "bytes", "verified"]);
    for entry in entries {
        let number =
            |value: fn(&labor_backup::Manifest) -> String| entry.manifest.as_ref().map(value).unwrap_or_default();
        table.add_row([
            entry.tenant.to_string(),
            entry.backup.to_string(),
            state(entry.state).to_owned(),
            number(|manifest| manifest.schema_version.to_string()),
            number(|manifest| manifest.rows().to_string()),
            number(|manifest| manifest.sealed.bytes.to_string()),
            verified(entry),
        ]);
    }
    line(table);
    match entries.iter().filter(|entry| entry.state == State::Complete).count() {
        1 => line("1 backup"),
        count => line(format_args!("{count} backups")),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Complete => "complete",
        State::Incomplete => "incomplete: no backup",
        State::Damaged => "damaged",
    }
}

fn verified(entry: &Entry) -> String {
    let Some(verified) = &entry.verified else {
        return "never".to_owned();
    };
    let verdict = match verified.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "FAILED",
    };
    format!("{verdict} {}", verified.verified_at.format("%Y-%m-%d %H:%M"))
}

//! How results look: a table or a sentence for people, JSON for machines.
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{Entry, State, Verdict};

/// One result, as JSON or as a sentence.
pub(crate) fn say(json: bool, value: &impl serde::Serialize, text: &str) {
    if json {
        println!("{}", serde_json::json!(value));
    } else {
        println!("{text}");
    }
}

/// Backups as a table.
pub(crate) fn list(json: bool, entries: &[Entry]) {
    if json {
        println!("{}", serde_json::json!(entries));
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
    println!("{table}");
    println!("{} backups", entries.iter().filter(|entry| entry.state == State::Complete).count());
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

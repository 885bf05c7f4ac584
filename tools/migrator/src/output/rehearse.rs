//! How a rehearsal looks: a table for each class, below it what was found.
use labor_migrator::rehearse::Rehearsal;

use super::plan::time;
use super::{line, table};

/// One class; as JSON an object on a line of its own.
pub(crate) fn rehearsal(json: bool, r: &Rehearsal) {
    if json {
        line(format_args!("{}", serde_json::json!(r)));
        return;
    }
    let rows = r.rows_of.as_ref().map(|tenant| format!(", with {} rows of {tenant}", r.rows)).unwrap_or_default();
    line(format_args!("version {}, class {}, for {} tenant(s){rows}", r.version, r.class, r.tenants));
    if !r.faithful {
        line(format_args!(
            "  the files don't make what these tenants have, and up will refuse them: see labor-migrator drift --diff"
        ));
    }
    let mut statements = table(["statement", "", "ms", "locks", "remarks"]);
    for s in &r.statements {
        let locks = s.locks.as_ref().map_or_else(
            || "outside of a transaction".to_owned(),
            |locks| locks.iter().map(|held| format!("{}: {}", held.table, held.mode)).collect::<Vec<_>>().join("\n"),
        );
        let rewritten = s.rewritten.iter().map(|table| format!("{table} was written anew"));
        let remarks = rewritten.chain(s.unforetold.iter().cloned()).collect::<Vec<_>>().join("\n");
        statements.add_row([s.place.clone(), s.sql.clone(), s.milliseconds.to_string(), locks, remarks]);
    }
    line(format_args!("{statements}"));
    if let Some(milliseconds) = r.rules_milliseconds {
        line(format_args!("  row rules: {milliseconds} ms"));
    }
    for finding in &r.findings {
        line(format_args!("  isolation check: {} {}: {}", finding.kind, finding.object, finding.detail));
    }
    match &r.error {
        Some(error) => line(format_args!("  failed: {error}")),
        None => line(format_args!("  done in {}, fingerprint {}", time(milliseconds(r)), r.fingerprint)),
    }
}

fn milliseconds(r: &Rehearsal) -> u64 {
    u64::try_from(r.milliseconds).unwrap_or(u64::MAX)
}

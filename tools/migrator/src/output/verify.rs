//! How `verify` tells what it found: a row at a time, and a sentence at the end.
use labor_migrator::named::named;
use labor_migrator::verify::{Row, Verified};

use super::{line, say};

/// One row, as soon as it is found.
pub(crate) fn row(json: bool, row: &Row) {
    if json {
        line(format_args!("{}", serde_json::json!(row)));
        return;
    }
    let tenant = row.tenant.as_deref().map_or_else(|| "the fleet".to_owned(), |name| named(name, row.slug.as_deref()));
    let note = if row.note { "note, " } else { "" };
    line(format_args!("{tenant}: {note}{}: {}", row.kind, row.detail));
}

/// The end; as JSON the last line.
pub(crate) fn end(json: bool, verified: &Verified) {
    let mut text = match verified.findings {
        0 if verified.busy > 0 => format!("{} tenants: not all of them were verified", verified.tenants),
        0 => format!("{} tenants: everything agrees", verified.tenants),
        count => format!("{} tenants: {count} finding(s)", verified.tenants),
    };
    for (count, what) in [
        (verified.notes, "note(s)"),
        (verified.busy, "with something to look at and locked, by a migrator or by whom pg_locks names: not verified"),
    ] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    let behind = match verified.behind {
        0 => None,
        behind => Some(format!("{behind} behind version {}", verified.version)),
    };
    let failed = (verified.failed > 0).then(|| format!("{} failed", verified.failed));
    let unsettled: Vec<_> = behind.into_iter().chain(failed).collect();
    if !unsettled.is_empty() {
        text += &format!(", {}: see `labor-migrator status`", unsettled.join(", "));
    }
    say(json, &serde_json::json!(verified), &text);
}

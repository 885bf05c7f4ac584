//! The floors: the product's own statements, run by pgbench as prepared statements without Labor in between.
//! Must stay true: the statements are the product's own (`labor_db::statements`), in the order in which it sends them.
use labor_db::statements;

use crate::Failure;

/// What `GET /v1/reports/{id}` runs between the claim and COMMIT (`labor_db::reports::get`).
const REPORT_GET: [&str; 8] = [
    "Events(MARK_SEEN)",
    "Reports(ONE_REPORT)",
    "Values(VALUES_OF_REPORT)",
    "Reports(DOCUMENTS_OF_REPORT)",
    "Events(EVENTS_OF_REPORT)",
    "Events(SEEN_BEFORE)",
    "Matching(MATCHES_OF_REPORT)",
    "Reports(AUDIT_REPORT)",
];
/// Which of these reads the report's own row.
pub const REPORTS_ROW: usize = 1;

/// As UUIDv7: sorted by time, so that the floor's index pages are as hot as the product's.
const SORTED_UUID: &str = "(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') \
                           || substr(gen_random_uuid()::text, 14))::uuid";
const RANDOM_UUID: &str = "gen_random_uuid()";

/// How the statements travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trips {
    /// All together, as Labor sends them.
    One,
    /// Each waits for the answer to the one before.
    Each,
}

/// The statements of a report's read, for a report and a doctor that pgbench knows as `:report` and `:doctor`.
///
/// # Errors
/// When the product has one of them no longer.
pub fn report_get() -> Result<Vec<String>, Failure> {
    let who = |statement: String| {
        let statement = statement.replace("$1", SORTED_UUID).replace("$2", ":doctor").replace("$3", "'doctor'");
        statement.replace("$4", ":report").replace("$5", RANDOM_UUID)
    };
    // What writes says who; what reads has one parameter.
    let bind = |statement: String| match statement.starts_with("INSERT") {
        true => who(statement),
        false => statement.replace("$1", ":report"),
    };
    REPORT_GET.into_iter().map(|name| product(name).map(bind)).collect()
}

/// The statement that stores a message; `:n` makes its hash and its sender's id unique, `:body` and `:source` are always the same.
///
/// # Errors
/// When the product has it no longer.
pub fn message_store() -> Result<String, Failure> {
    let values = [
        // Before $1, which is how these two begin.
        ("$10", "'webhook'"),
        ("$11", "'receiver'"),
        ("$1", SORTED_UUID),
        ("$2", ":source"),
        // A parameter, as the product binds it: an expression that differs from row to row would be evaluated for each.
        ("$3", ":n::text"),
        ("$4", "sha256(int8send(:n))"),
        ("$5", ":body"),
        ("$6", "'text/plain'"),
        ("$7", SORTED_UUID),
        ("$8", RANDOM_UUID),
        ("$9", "NULL::timestamptz"),
    ];
    let bind =
        |statement: String| values.iter().fold(statement, |text, (parameter, value)| text.replace(parameter, value));
    product("Messages(STORE_MESSAGE)").map(bind)
}

/// BEGIN, claim, statements, COMMIT.
///
/// # Errors
/// When the product has the claim's statement no longer.
pub fn transaction(claim: &str, statements: &[String], trips: Trips) -> Result<String, Failure> {
    let bind = product("Session(BIND_CLAIM)")?.replace("$1", &format!("'{claim}'"));
    let lines: Vec<&str> =
        ["BEGIN", &bind].into_iter().chain(statements.iter().map(String::as_str)).chain(["COMMIT"]).collect();
    let lines = format!("{};\n", lines.join(";\n"));
    Ok(match trips {
        Trips::One => format!("\\startpipeline\n{lines}\\endpipeline\n"),
        Trips::Each => lines,
    })
}

/// A statement of the product by its name.
fn product(name: &str) -> Result<String, Failure> {
    let found = statements::all().find(|(known, _)| known == name);
    let (_, text) = found.ok_or_else(|| format!("labor-db has no statement {name} any more"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_is_left_without_a_value() {
        for statement in report_get().unwrap().iter().chain([&message_store().unwrap()]) {
            assert!(!statement.contains('$'), "{statement}");
        }
    }
}

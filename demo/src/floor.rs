//! The floors: the product's own statements, run by pgbench as prepared statements without Labor in between.
//! Must stay true: the statements are the product's word for word (`demo/bench/*.sql`; the tests here compare with labor-db's source).
const REPORT_GET: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/report_get.sql"));
const MESSAGE_STORE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/message_store.sql"));
const BIND_CLAIM: &str = "SELECT set_config('labor.claim', $1, true)";
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
#[must_use]
pub fn report_get() -> Vec<String> {
    let who = |statement: String| {
        let statement = statement.replace("$1", SORTED_UUID).replace("$2", ":doctor").replace("$3", "'doctor'");
        statement.replace("$4", ":report").replace("$5", RANDOM_UUID)
    };
    // What writes says who; what reads has one parameter.
    let bind = |statement: String| match statement.starts_with("INSERT") {
        true => who(statement),
        false => statement.replace("$1", ":report"),
    };
    statements(REPORT_GET).into_iter().map(bind).collect()
}

/// The statement that stores a message; `:n` makes its hash and its sender's id unique, `:body` and `:source` are always the same.
#[must_use]
pub fn message_store() -> Vec<String> {
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
    statements(MESSAGE_STORE).into_iter().map(bind).collect()
}

/// BEGIN, claim, statements, COMMIT.
#[must_use]
pub fn transaction(claim: &str, statements: &[String], trips: Trips) -> String {
    let bind = BIND_CLAIM.replace("$1", &format!("'{claim}'"));
    let lines: Vec<&str> =
        ["BEGIN", &bind].into_iter().chain(statements.iter().map(String::as_str)).chain(["COMMIT"]).collect();
    let lines = format!("{};\n", lines.join(";\n"));
    match trips {
        Trips::One => format!("\\startpipeline\n{lines}\\endpipeline\n"),
        Trips::Each => lines,
    }
}

/// The statements of a file, without its comments.
fn statements(file: &str) -> Vec<String> {
    let code: Vec<&str> = file.lines().filter(|line| !line.starts_with("--")).collect();
    code.join("\n").split(';').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_line(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// A module of labor-db with its `concat!` and column macros put together, all on one line.
    fn source(module: &str) -> String {
        let path = format!("{}/../db/src/{module}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut joined = one_line(&text);
        for name in ["summary_columns", "observation_columns"] {
            if let Some((_, rest)) = text.split_once(&format!("macro_rules! {name}")) {
                let columns = one_line(rest.split('"').nth(1).unwrap());
                joined = joined.replace(&format!("{name}!()"), &format!("\"{columns}\""));
            }
        }
        joined.replace("\", \"", "").replace("\\\"", "\"")
    }

    #[test]
    fn the_floors_run_what_the_product_runs() {
        for (module, file) in [("reports", REPORT_GET), ("messages", MESSAGE_STORE), ("session", BIND_CLAIM)] {
            let source = source(module) + &source("events") + &source("matching");
            for statement in statements(file) {
                let statement = one_line(&statement);
                assert!(source.contains(&statement), "db/src/{module}.rs has no longer:\n{statement}");
            }
        }
        assert_eq!((statements(REPORT_GET).len(), statements(MESSAGE_STORE).len()), (8, 1));
    }

    #[test]
    fn no_parameter_is_left_without_a_value() {
        for statement in report_get().iter().chain(&message_store()) {
            assert!(!statement.contains('$'), "{statement}");
        }
    }
}

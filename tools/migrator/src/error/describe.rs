//! What is told of the server's answers.
//! Must stay true: no DETAIL and no message that can quote a row's values; what is not known to hold names only is not shown.
use tokio_postgres::error::{ErrorPosition, SqlState};

/// The server's message with its code, where it can only hold names; never a DETAIL, which can hold row values.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return error.to_string();
    };
    let place = match (db.table(), db.constraint()) {
        (Some(table), Some(constraint)) => format!(" (table {table}, constraint {constraint})"),
        (Some(table), None) => format!(" (table {table})"),
        _ => String::new(),
    };
    let code = db.code().code();
    let in_our_text = matches!(db.position(), Some(ErrorPosition::Original(_)));
    let names_only = holds_names_only(code, in_our_text);
    let message = if names_only {
        db.message()
    } else if code.starts_with("22") {
        "a value can't be converted or is out of range"
    } else {
        "the server's message may quote values, so it is in the server's log only"
    };
    // What 42501 advises is to lift the row rules.
    let hint = db.hint().filter(|_| names_only && *db.code() != SqlState::INSUFFICIENT_PRIVILEGE);
    format!("{message} [{code}]{place}{}", hint.map(|hint| format!("; {hint}")).unwrap_or_default())
}

/// Whether messages of this code hold names and no values. What is not known to is not shown.
fn holds_names_only(code: &str, in_our_text: bool) -> bool {
    match code.get(..2) {
        // A constraint's violation names table, column and constraint; the row is its DETAIL.
        Some("08" | "0A" | "23" | "25" | "28" | "2B" | "3D" | "3F" | "40" | "53" | "54" | "55" | "57" | "58") => true,
        // A syntax error at run time, as in a tsquery, quotes the value; one with a position is in the statement that was sent.
        Some("42") => in_our_text || !["42601", "42602", "42622"].contains(&code),
        _ => false,
    }
}

/// refinery wraps the driver's error, whose own text is only "db error".
pub(super) fn describe_migration(error: &refinery_core::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(postgres) = inner.downcast_ref::<tokio_postgres::Error>() {
            text = format!("{text}: {}", describe(postgres));
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::holds_names_only;

    #[test]
    fn messages_that_can_quote_values_are_not_shown() {
        // Code, whether it has a position in the statement, whether the message is shown.
        for (code, in_our_text, shown) in [
            ("23502", false, true),
            ("55P03", false, true),
            ("42P07", false, true),
            ("42501", false, true),
            ("42601", true, true),
            ("42601", false, false),
            ("22P02", true, false),
            ("P0001", false, false),
            ("XX000", false, false),
            ("", false, false),
        ] {
            assert_eq!(holds_names_only(code, in_our_text), shown, "{code}");
        }
    }
}

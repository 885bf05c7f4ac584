//! Which statements a dump may hold: those that `pg_dump` writes for a tenant's schema. A list of what is allowed, because
//! PostgreSQL has too many ways to end a transaction or to become another role (COMMIT, END, ABORT, PREPARE TRANSACTION, SET ROLE,
//! RESET ROLE, SET SESSION AUTHORIZATION, DO, `set_config('role', …)`) to list what is not.
//!
//! Must stay true: nothing here makes the lexer and the server read the same text differently (so strings stay standard, and the
//! encoding UTF-8). The second line of defence; the first is the manifest's HMAC ([`crate::mac`]).
//! A body in `BEGIN ATOMIC … END` is refused with the rest: `verify` says so before anybody relies on such a backup.
use crate::BackupError;

const DEFINITIONS: [&str; 5] = ["CREATE ", "ALTER ", "COMMENT ON ", "GRANT ", "REVOKE "];
/// What is set before the definitions, besides the two below that have one value.
const SETTINGS: [&str; 10] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "check_function_bodies",
    "xmloption",
    "client_min_messages",
    "row_security",
    "default_tablespace",
    "default_table_access_method",
];
const EXACTLY: [&str; 3] = [
    "SET client_encoding = 'UTF8';",
    "SET standard_conforming_strings = on;",
    "SELECT pg_catalog.set_config('search_path', '', false);",
];
/// The longest first word that a message shows; a statement's words are no data.
const LONGEST_WORD: usize = 16;

/// Refuses a statement that no dump of ours holds. It has no comments before it any more.
pub(super) fn check(statement: &[u8]) -> Result<(), BackupError> {
    let text = String::from_utf8_lossy(statement);
    let known = DEFINITIONS.iter().any(|start| text.starts_with(start))
        || EXACTLY.contains(&text.as_ref())
        || is_setting(&text)
        || is_sequence_value(&text);
    if known {
        return Ok(());
    }
    let word: String = text.chars().take_while(char::is_ascii_alphabetic).take(LONGEST_WORD).collect();
    Err(BackupError::Damaged(format!(
        "the dump holds a statement that no dump of ours does; it begins with \"{word}\""
    )))
}

/// `SET name = value;`
fn is_setting(text: &str) -> bool {
    let setting = text.strip_prefix("SET ").and_then(|rest| rest.split_once(" = "));
    setting.is_some_and(|(name, _)| SETTINGS.contains(&name))
}

/// `SELECT pg_catalog.setval('name', 1, true);`, without another call in it.
fn is_sequence_value(text: &str) -> bool {
    let arguments = text.strip_prefix("SELECT pg_catalog.setval('").and_then(|rest| rest.strip_suffix(");"));
    arguments.is_some_and(|arguments| !arguments.contains(['(', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_or_escapes_the_transaction_is_refused() {
        for statement in [
            "COMMIT;",
            "commit work;",
            "ROLLBACK;",
            "ROLLBACK TO SAVEPOINT look;",
            "END;",
            "ABORT;",
            "BEGIN;",
            "START TRANSACTION;",
            "SAVEPOINT x;",
            "RELEASE SAVEPOINT look;",
            "PREPARE TRANSACTION 'x';",
            "RESET ROLE;",
            "RESET ALL;",
            "RESET SESSION AUTHORIZATION;",
            "DISCARD ALL;",
            "SET ROLE labor_migrator;",
            "SET role = labor_migrator;",
            "SET \"role\" = labor_migrator;",
            "SET LOCAL ROLE labor_migrator;",
            "SET/**/ROLE labor_migrator;",
            "SET SESSION AUTHORIZATION DEFAULT;",
            "SET session_authorization = x;",
            "SET standard_conforming_strings = off;",
            "SET client_encoding = 'SJIS';",
            "SELECT pg_catalog.set_config('role', 'none', false);",
            "SELECT pg_catalog.setval('x', (SELECT f()), true);",
            "DO $$ BEGIN EXECUTE 'RESET ROLE'; END $$;",
            "CALL f();",
            "COPY x TO PROGRAM 'sh';",
            "/* */ COMMIT;",
            ";",
        ] {
            assert!(check(statement.as_bytes()).is_err_and(|error| error.condemns()), "{statement} was accepted");
        }
    }

    #[test]
    fn what_pg_dump_writes_is_accepted() {
        for statement in [
            "SET statement_timeout = 0;",
            "SET default_tablespace = '';",
            "SET client_encoding = 'UTF8';",
            "SELECT pg_catalog.set_config('search_path', '', false);",
            "SELECT pg_catalog.setval('t_a.numbers', 12, true);",
            "CREATE FUNCTION t_a.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;",
            "ALTER TABLE ONLY t_a.x FORCE ROW LEVEL SECURITY;",
            "REVOKE ALL ON SCHEMA t_a FROM PUBLIC;",
        ] {
            check(statement.as_bytes()).unwrap();
        }
    }
}

//! What the linter says about migrations: one bad statement per rule, and nothing about good ones.
#![expect(clippy::unwrap_used, reason = "a broken expectation may end the test where it stands")]
use labor_migrator::files::Sources;
use labor_migrator::lint::{RULES, Severity, lint};
use labor_migrator::migration::Migration;

const RULES_SQL: &str = "['patients', 'a', '', '', ''], ['notes', 'a', '', '', '']";
const SAID: &str = "-- Why: so that it is so.\n-- Locks: some. Previous release: sees nothing.\n";
const FIRST: &str = "CREATE TABLE patients (id uuid PRIMARY KEY, name text);\nCOMMENT ON TABLE patients IS 'x';\n\
                     COMMENT ON COLUMN patients.id IS 'x';\nCOMMENT ON COLUMN patients.name IS 'x';\n";

/// The rules found in a second migration, after one that makes `patients`.
fn rules(header: &str, sql: &str) -> Vec<String> {
    let first = Migration::parse("V1__a", &format!("{SAID}{FIRST}"), None).unwrap();
    let undo = Some("-- Why: nothing is to be done.");
    let second = Migration::parse("V2__b", &format!("{header}{SAID}{sql}"), undo).unwrap();
    lint(&[first, second], RULES_SQL).into_iter().map(|finding| finding.rule).collect()
}

#[track_caller]
fn each(header: &str, cases: &[(&str, &str)]) {
    for (sql, rule) in cases {
        assert_eq!(rules(header, sql), rule.split_whitespace().collect::<Vec<_>>(), "{sql}");
    }
}

#[test]
fn the_migrations_of_the_repository_have_no_errors() {
    let sources = Sources::embedded();
    let findings = lint(&sources.tenant_migrations().unwrap(), sources.tenant_rules());
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn good_files_are_left_in_peace() {
    each(
        "",
        &[
            ("ALTER TABLE patients ADD COLUMN note text;\nCOMMENT ON COLUMN patients.note IS 'x';", ""),
            (
                "ALTER TABLE patients ADD COLUMN seen timestamptz DEFAULT now();\nCOMMENT ON COLUMN patients.seen IS 'x';",
                "",
            ),
            ("ALTER TABLE patients ADD CONSTRAINT c CHECK (length(name) > 0) NOT VALID;", ""),
            (
                "CREATE TABLE notes (id uuid PRIMARY KEY, patient_id uuid REFERENCES patients (id));\nCOMMENT ON TABLE notes IS 'x';\n\
                 COMMENT ON COLUMN notes.id IS 'x';\nCOMMENT ON COLUMN notes.patient_id IS 'x';\n\
                 CREATE INDEX notes_patient_id ON notes (patient_id);",
                "",
            ),
        ],
    );
    each(
        "-- Kind: concurrent\n",
        &[(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON patients (name);\nDROP INDEX CONCURRENTLY IF EXISTS j;\n\
             ALTER TABLE patients VALIDATE CONSTRAINT c;\nREINDEX TABLE CONCURRENTLY patients;",
            "",
        )],
    );
    each(
        "-- Kind: backfill\n",
        &[
            (
                "UPDATE patients SET name = '' WHERE id IN (SELECT id FROM patients WHERE name IS NULL LIMIT {batch});",
                "",
            ),
            (
                "DELETE FROM patients WHERE id IN (SELECT id FROM patients WHERE name = '' ORDER BY id LIMIT {batch});",
                "",
            ),
        ],
    );
    each("-- Phase: contract\n", &[("ALTER TABLE patients DROP COLUMN name;", ""), ("DROP TABLE patients;", "")]);
    each("-- Phase: contract\n", &[("ALTER TABLE patients DROP CONSTRAINT c, ALTER COLUMN name DROP NOT NULL;", "")]);
}

#[test]
fn what_a_transaction_file_must_not_do() {
    each(
        "",
        &[
            ("DROP TABLE patients;", "contract-undeclared"),
            ("ALTER TABLE patients DROP COLUMN name;", "contract-undeclared"),
            ("ALTER TABLE patients RENAME COLUMN name TO n;", "contract-undeclared"),
            ("ALTER TABLE patients RENAME TO notes;", "contract-undeclared"),
            ("ALTER TABLE patients ALTER COLUMN name TYPE uuid USING name::uuid;", "contract-undeclared"),
            ("ALTER TABLE patients ALTER COLUMN name SET NOT NULL;", "contract-undeclared"),
            ("ALTER TABLE patients ALTER COLUMN name DROP DEFAULT;", "contract-undeclared"),
            ("ALTER TABLE patients ADD CONSTRAINT c CHECK (name <> '');", "contract-undeclared"),
            ("ALTER TABLE patients ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES patients (id);", "contract-undeclared"),
            ("TRUNCATE patients;", "contract-undeclared"),
            ("ALTER TABLE patients ADD CONSTRAINT c UNIQUE (name);", "disallowed-unique-constraint"),
            ("ALTER TABLE patients DROP CONSTRAINT c;", "ban-drop-constraint"),
            ("ALTER TABLE patients ALTER COLUMN name DROP NOT NULL;", "ban-drop-not-null"),
            ("CREATE INDEX i ON patients (name);", "require-concurrent-index-creation"),
            ("DROP INDEX i;", "require-concurrent-index-deletion"),
            ("CREATE INDEX CONCURRENTLY i ON patients (name);", "concurrent-in-transaction"),
            ("REINDEX SCHEMA CONCURRENTLY a;", "concurrent-in-transaction"),
            ("DROP INDEX CONCURRENTLY i;", "concurrent-in-transaction"),
            ("BEGIN;\nCOMMIT;", "transaction-control transaction-control"),
            ("SAVEPOINT a;\nROLLBACK TO SAVEPOINT a;", "transaction-control transaction-control"),
            (
                "DELETE FROM patients WHERE id IN (SELECT id FROM patients LIMIT {batch});",
                "backfill-shape data-in-transaction",
            ),
            ("ALTER TABLE patients ADD COLUMN c text;", "comment-missing"),
            ("CREATE TABLE notes (id uuid PRIMARY KEY);", "comment-missing"),
            (
                "CREATE TABLE others (id uuid);\nCOMMENT ON TABLE others IS 'x'; COMMENT ON COLUMN others.id IS 'x';",
                "rls-forgotten",
            ),
            ("SELECT 1\nSELECT 2;", "syntax"),
            ("DO $$ BEGIN PERFORM 1; END $$;", "do-unseen"),
        ],
    );
}

/// To the parser of SQL the body is a string.
#[test]
fn what_a_block_must_not_do() {
    for (body, rule) in [
        ("COMMIT;", "transaction-control"),
        ("ROLLBACK;", "transaction-control"),
        ("IF true THEN COMMIT AND CHAIN; END IF;", "transaction-control"),
        ("SET ROLE postgres;", "migrators-own"),
        ("SET LOCAL search_path = public;", "migrators-own"),
        ("RESET ROLE;", "migrators-own"),
        ("PERFORM set_config('role', 'none', true);", "migrators-own"),
        ("IF pg_try_advisory_lock(1) THEN NULL; END IF;", "migrators-own"),
        ("INSERT INTO schema_stamp (version) VALUES (9);", "migrators-own"),
        ("DELETE FROM refinery_schema_history;", "migrators-own"),
        ("TRUNCATE refinery_schema_history;", "migrators-own"),
        ("UPDATE patients SET name = '';", "data-in-transaction"),
        ("DO $b$ BEGIN COMMIT; END $b$;", "transaction-control"),
    ] {
        for sql in [
            format!("DO $$ BEGIN {body} END $$;"),
            format!("DO LANGUAGE plpgsql 'BEGIN {} END';", body.replace('\'', "''")),
        ] {
            let found = rules("", &sql);
            assert_eq!(found, ["do-unseen", rule], "{sql}");
            let found = rules("-- Kind: concurrent\n", &sql);
            assert!(found.contains(&"migrators-own".to_owned()), "{sql}: {found:?}");
        }
    }
    let unseen = [
        "DO $$ BEGIN EXECUTE 'SELECT 1'; END $$;",
        "DO $$ BEGIN PERFORM 'COMMIT; SET ROLE postgres'; END $$;",
        "DO $$ BEGIN FOR i IN 1..2 LOOP NULL; END LOOP; END $$;",
    ];
    each("", &unseen.map(|sql| (sql, "do-unseen")));
    each("-- Kind: concurrent\n", &unseen.map(|sql| (sql, "do-unseen migrators-own")));
    let sql = format!("{SAID}DO $$\nBEGIN\n  NULL;\n  COMMIT;\nEND $$;");
    let findings = lint(&[Migration::parse("V1__a", &sql, None).unwrap()], RULES_SQL);
    let lines: Vec<_> = findings.iter().map(|finding| (finding.line, finding.rule.as_str())).collect();
    assert_eq!(lines, [(3, "do-unseen"), (6, "transaction-control")], "a line of the file");
    let undo = "-- Why: so it is.\nDO $$ BEGIN NULL; END $$;";
    let concurrent = format!("-- Kind: concurrent\n{SAID}DROP INDEX CONCURRENTLY IF EXISTS i;");
    let findings = lint(&[Migration::parse("V1__a", &concurrent, Some(undo)).unwrap()], RULES_SQL);
    assert_eq!(
        findings.iter().map(|f| (f.file.as_str(), f.rule.as_str())).collect::<Vec<_>>(),
        [("V1__a.undo.sql", "migrators-own")]
    );
}

/// What psql understands, and the server or the migrator doesn't.
#[test]
fn what_only_psql_understands() {
    each(
        "",
        &[
            ("\\i other.sql", "syntax"),
            ("SELECT 1;\n\\set ON_ERROR_STOP on\n", "syntax"),
            ("SELECT 1 \\gexec", "syntax"),
            ("COPY patients (id) TO STDOUT;", "tenant-schema-rules syntax"),
            ("COPY patients (id) FROM STDIN;", "tenant-schema-rules syntax"),
            ("COPY patients (id) FROM STDIN;\n018f2f6e-0000-7000-8000-000000000000\n\\.\n", "syntax"),
        ],
    );
    // An editor's mark at the beginning of the file.
    let sql = format!("\u{feff}{SAID}SELECT 1;");
    let found = Migration::parse("V1__a", &sql, None).map(|migration| lint(&[migration], RULES_SQL));
    let said = found.map(|findings| findings.iter().map(|finding| finding.rule.clone()).collect::<Vec<_>>());
    assert_eq!(said.unwrap(), ["syntax"]);
}

#[test]
fn what_a_column_must_not_be() {
    let column = |definition: &str| {
        rules("", &format!("ALTER TABLE patients ADD COLUMN c {definition}; COMMENT ON COLUMN patients.c IS 'x';"))
    };
    for (definition, rule) in [
        ("uuid DEFAULT gen_random_uuid()", "adding-field-with-default"),
        ("text NOT NULL", "adding-required-field"),
        ("varchar(10)", "prefer-text-field"),
        ("char(10)", "ban-char-field"),
        ("timestamp", "prefer-timestamp-tz"),
        ("uuid REFERENCES patients (id)", "adding-foreign-key-constraint"),
        ("uuid REFERENCES control.sources (id) NOT VALID", "tenant-schema-rules"),
        ("other.type", "tenant-schema-rules"),
    ] {
        let found = column(definition);
        assert!(found.contains(&rule.to_owned()), "{definition}: {found:?}");
    }
    for definition in ["integer GENERATED ALWAYS AS IDENTITY", "bigserial", "bigint DEFAULT nextval('s')"] {
        assert!(column(definition).contains(&"tenant-schema-rules".to_owned()), "{definition}");
    }
}

#[test]
fn what_a_tenants_schema_must_not_hold() {
    let statements = [
        "CREATE SEQUENCE s;",
        "CREATE VIEW v AS SELECT 1 AS a;",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE TRIGGER t BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION f();",
        "CREATE TYPE t AS ENUM ('a');",
        "CREATE DOMAIN d AS text;",
        "CREATE EXTENSION pg_trgm;",
        "CREATE TABLE notes AS SELECT id FROM patients;",
        "SELECT * FROM patients;",
        "SELECT p.* FROM patients p;",
        "SELECT id FROM control.tenants;",
        "SELECT control.seen(id) FROM patients;",
        "VACUUM patients;",
        "ALTER TABLE patients DISABLE TRIGGER ALL;",
    ];
    for sql in statements {
        assert_eq!(rules("", sql), ["tenant-schema-rules"], "{sql}");
    }
    for sql in [
        "SET search_path = public;",
        "SET LOCAL lock_timeout = '1h';",
        "SET ROLE postgres;",
        "RESET ROLE;",
        "RESET ALL;",
        "DISCARD ALL;",
        "SELECT set_config('role', 'none', true);",
        "SELECT pg_catalog.pg_advisory_unlock_all();",
        "INSERT INTO schema_stamp (version) VALUES (9);",
        "DELETE FROM refinery_schema_history;",
    ] {
        assert_eq!(rules("", sql), ["migrators-own"], "{sql}");
    }
    for sql in [
        "UPDATE patients p SET name = 'x' FROM patients o WHERE p.id = o.id AND pg_catalog.length(p.name) = 0;",
        "INSERT INTO patients (id) SELECT p.id FROM patients p WHERE (SELECT count(*) FROM patients) = 0;",
        "DELETE FROM patients WHERE name = '';",
    ] {
        assert_eq!(rules("", sql), ["data-in-transaction"], "{sql}");
    }
    for sql in [
        "GRANT SELECT ON patients TO a;",
        "REVOKE ALL ON patients FROM a;",
        "CREATE POLICY p ON patients USING (true);",
        "ALTER TABLE patients DISABLE ROW LEVEL SECURITY;",
        "ALTER TABLE patients OWNER TO a;",
    ] {
        assert_eq!(rules("", sql), ["rights-elsewhere"], "{sql}");
    }
}

#[test]
fn what_concurrent_files_and_backfills_must_not_do() {
    each(
        "-- Kind: concurrent\n",
        &[
            ("CREATE INDEX CONCURRENTLY i ON patients (name);", "not-repeatable"),
            ("CREATE INDEX CONCURRENTLY ON patients (name);", "not-repeatable"),
            ("DROP INDEX CONCURRENTLY i;", "not-repeatable"),
            ("ALTER TABLE patients ADD CONSTRAINT c CHECK (name <> '') NOT VALID;", "not-repeatable"),
            ("UPDATE patients SET name = '';", "not-repeatable"),
            ("COMMIT;", "transaction-control"),
        ],
    );
    each(
        "-- Kind: backfill\n",
        &[
            ("UPDATE patients SET name = '';", "backfill-shape"),
            ("UPDATE patients SET name = '' WHERE id IN (SELECT id FROM patients LIMIT 10);", "backfill-shape"),
            ("SELECT id FROM patients LIMIT {batch};", "backfill-shape"),
            (
                "DELETE FROM patients WHERE id IN (SELECT id FROM patients LIMIT {batch} FOR UPDATE SKIP LOCKED);",
                "backfill-shape",
            ),
            ("DELETE FROM patients WHERE id IN (SELECT id FROM patients LIMIT {batch});\nSELECT 1;", "backfill-shape"),
            ("DELETE FROM others WHERE id IN (SELECT id FROM others LIMIT {batch});", "backfill-shape"),
            ("-- nothing", "backfill-shape"),
        ],
    );
    each(
        "-- Phase: contract\n",
        &[("ALTER TABLE patients ALTER COLUMN name SET NOT NULL;", "adding-not-nullable-field")],
    );
}

#[test]
fn a_header_says_something() {
    for header in [
        "",
        "-- Why: …\n-- Locks: none\n-- Previous release: sees nothing",
        "-- Why: x is\n-- Locks:\n-- Previous release: sees nothing",
        "-- Why: so\n-- Locks: none\n-- Previous release: TODO say it",
        "-- Why: so\n-- Locks: ...\n-- Previous release: sees it\n-- squawk-ignore ban-drop-column -- says nothing of locks",
        "-- Why: so\n-- Why: not\n",
    ] {
        let Ok(migration) = Migration::parse("V1__a", &format!("{header}\nSELECT 1;"), None) else { continue };
        let findings = lint(&[migration], "");
        assert_eq!(findings.iter().map(|f| f.rule.as_str()).collect::<Vec<_>>(), ["header"], "{header}");
    }
}

#[test]
fn an_undo_is_judged_too() {
    let rules = |undo: &str| -> Vec<String> {
        let migration = Migration::parse("V1__a", &format!("{SAID}{FIRST}"), Some(undo)).unwrap();
        let findings = lint(&[migration], RULES_SQL);
        assert!(findings.iter().all(|finding| finding.file == "V1__a.undo.sql"));
        findings.into_iter().map(|finding| finding.rule).collect()
    };
    assert_eq!(rules("-- Why: takes the table away, with its rows.\nDROP TABLE patients;"), [""; 0]);
    assert_eq!(rules("-- Takes the table away.\nDROP TABLE patients;"), [""; 0]);
    assert_eq!(rules("DROP TABLE patients;"), ["header"]);
    assert_eq!(rules("-- Why: so it is.\nCOMMIT;"), ["transaction-control"]);
    assert_eq!(rules("-- Why: so it is.\nDROP INDEX CONCURRENTLY i;"), ["concurrent-in-transaction"]);
    assert_eq!(rules("-- Why: so it is.\nDROP NOTHING i;"), ["syntax"]);
}

#[test]
fn an_expand_without_undo_is_warned_of() {
    let lint = |header: &str, version: i32, undo: Option<&str>| {
        let sql = format!(
            "{header}{SAID}ALTER TABLE patients ADD COLUMN note text;\nCOMMENT ON COLUMN patients.note IS 'x';"
        );
        let migration = Migration::parse(&format!("V{version}__b"), &sql, undo).unwrap();
        let findings = lint(&[migration], RULES_SQL);
        findings.iter().map(|f| format!("{} {} {:?}", f.line, f.rule, f.severity)).collect::<Vec<_>>()
    };
    assert_eq!(lint("-- Kind: transaction\n-- Phase: expand\n", 2, None), ["2 undo-missing Warning"]);
    assert_eq!(lint("", 2, None), ["1 undo-missing Warning"]);
    assert_eq!(lint("", 2, Some("-- Why: takes the column away.\nALTER TABLE patients DROP COLUMN note;")), [""; 0]);
    assert_eq!(lint("-- Phase: contract\n", 2, None), [""; 0]);
    assert_eq!(lint("", 1, None), [""; 0], "nothing is before the first");
    assert_eq!(lint("-- squawk-ignore-file undo-missing -- it stays\n", 2, None), [""; 0]);
}

#[test]
fn exceptions_name_their_rule_and_stand_before_the_statement() {
    each(
        "",
        &[
            ("\n-- squawk-ignore contract-undeclared -- nobody read it\nDROP TABLE patients;", ""),
            ("\n-- squawk-ignore ban-drop-table\nDROP TABLE patients;", ""),
            ("\n-- squawk-ignore tenant-schema-rules, rights-elsewhere -- tried\nVACUUM patients;", ""),
            ("\n-- squawk-ignore-file rights-elsewhere\nSELECT 1;\nGRANT SELECT ON patients TO a;", ""),
            ("\n-- squawk-ignore rights-elsewhere\nSELECT 1;\nGRANT SELECT ON patients TO a;", "rights-elsewhere"),
            ("\n-- squawk-ignore no-such-rule\nSELECT 1;", "unused-ignore"),
            ("\n-- squawk-ignore\nSELECT 1;", "unused-ignore"),
            ("\n-- squawk-ignore transaction-control\nCOMMIT;", "unused-ignore transaction-control"),
        ],
    );
}

#[test]
fn a_table_that_goes_or_changes_its_name_is_followed() {
    let table =
        "CREATE TABLE others (id uuid);\nCOMMENT ON TABLE others IS 'x';\nCOMMENT ON COLUMN others.id IS 'x';\n";
    each(
        "-- Phase: contract\n",
        &[
            (&format!("{table}DROP TABLE IF EXISTS others;"), ""),
            (&format!("{table}ALTER TABLE others RENAME TO notes;"), ""),
            ("ALTER TABLE patients RENAME TO others;", "rls-forgotten"),
        ],
    );
}

#[test]
fn a_finding_says_where_what_and_what_to_do() {
    let text = format!(
        "{SAID}CREATE TABLE notes (id uuid);\nCOMMENT ON TABLE notes IS 'x';\nCOMMENT ON COLUMN notes.id IS 'x';"
    );
    let findings = lint(&[Migration::parse("V1__a", &text, None).unwrap()], "");
    let said = findings[0].to_string();
    assert!(said.starts_with("V1__a.sql:3: error: table notes has no row rules"), "{said}");
    assert!(said.contains("['notes', '<SELECT>'") && said.contains("db/rls/tenant.sql"), "{said}");
    assert!(RULES.iter().any(|(rule, _)| *rule == findings[0].rule));
}

//! The folder of migrations as a person leaves it: what is taken, what is refused, and with which words.
#![expect(clippy::unwrap_used, reason = "a broken expectation may end the test where it stands")]
use std::path::Path;

use labor_migrator::chain::Chain;
use labor_migrator::files::Sources;

/// A folder like `db` that is gone when the value is.
struct Db(std::path::PathBuf);

impl Db {
    fn with(test: &str, files: &[(&str, &str)]) -> Self {
        let db = Self(std::env::temp_dir().join(format!("labor-files-{}-{test}", std::process::id())));
        for folder in ["migrations/tenant", "migrations/control", "rls"] {
            std::fs::create_dir_all(db.0.join(folder)).unwrap();
        }
        std::fs::write(db.0.join("rls/tenant.sql"), "-- rules").unwrap();
        for (name, text) in files {
            std::fs::write(db.0.join("migrations").join(name), text).unwrap();
        }
        db
    }

    fn sources(&self) -> Sources {
        Sources::folder(&self.0).unwrap()
    }

    fn refused(&self) -> String {
        let sources = self.sources();
        sources.tenant_migrations().map(drop).and(sources.control_migrations().map(drop)).unwrap_err().to_string()
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[test]
fn the_binary_and_the_repository_hold_the_same() {
    let folder = Sources::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../db")).unwrap();
    let embedded = Sources::embedded();
    assert_eq!(folder.tenant_migrations().unwrap(), embedded.tenant_migrations().unwrap());
    assert_eq!(folder.control_migrations().unwrap(), embedded.control_migrations().unwrap());
    assert_eq!(folder.tenant_rules(), embedded.tenant_rules());
    assert_eq!(embedded.control_migrations().unwrap()[0].0, "V1__control");
    for migration in embedded.tenant_migrations().unwrap() {
        assert!(!migration.statements().unwrap().is_empty());
    }
}

#[test]
fn files_are_sorted_by_number_and_undos_find_their_migration() {
    let mut files: Vec<_> = (1..=10).map(|n| (format!("tenant/V{n}__a.sql"), "SELECT 1;".to_owned())).collect();
    files.push(("tenant/V10__a.undo.sql".to_owned(), "SELECT 2;".to_owned()));
    files.push(("tenant/README.md".to_owned(), "not SQL".to_owned()));
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let db = Db::with("sorted", &files);
    let migrations = db.sources().tenant_migrations().unwrap();
    assert_eq!(migrations.iter().map(|m| m.version).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(migrations[9].undo.as_deref(), Some("SELECT 2;"));
    assert_eq!(migrations[0].undo, None);
}

#[test]
fn refinery_leaves_an_undo_alone() {
    let db = Db::with("refinery", &[("tenant/V1__a.sql", "SELECT 1;"), ("tenant/V1__a.undo.sql", "SELECT 2;")]);
    let found = refinery_core::find_migration_files(db.0.join("migrations/tenant"), refinery_core::MigrationType::Sql);
    let names: Vec<_> = found.unwrap().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["V1__a.sql"]);
}

#[test]
fn what_does_not_fit_is_refused() {
    for (test, files, part) in [
        ("twice", &["tenant/V1__a.sql", "tenant/V1__b.sql"][..], "V1__a.sql and V1__b.sql are both version 1"),
        ("gap", &["tenant/V1__a.sql", "tenant/V3__b.sql"], "V3__b.sql comes after version 1: version 2 is missing"),
        ("first", &["tenant/V2__a.sql"], "version 1 is missing"),
        ("orphan", &["tenant/V1__a.sql", "tenant/V1__b.undo.sql"], "V1__b.undo.sql undoes no migration"),
        ("name", &["tenant/first.sql"], "first.sql is not the name of a migration"),
        ("control", &["control/V1__a.sql", "control/V1__b.sql"], "both version 1"),
        ("control_name", &["control/V1-a.sql"], "V1-a.sql is not the name of a migration"),
    ] {
        let files: Vec<_> = files.iter().map(|name| (*name, "SELECT 1;")).collect();
        let message = Db::with(test, &files).refused();
        assert!(message.contains(part), "{test}: {message}");
    }
    let message = Db::with("header", &[("tenant/V1__a.sql", "-- x\n-- Phase: later\nSELECT 1;")]).refused();
    assert_eq!(message, "V1__a.sql:2: `Phase: later` is not known; allowed: expand, contract");
}

#[test]
fn a_folder_that_is_not_like_db_is_named() {
    let error = Sources::folder(Path::new("/nowhere/db")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/db"), "{error}");
}

#[test]
fn lines_that_end_with_crlf_are_the_same_lines() {
    let (file, undo, rules) = ("-- Why: x\nSELECT 1;\n\nSELECT 'a\rb';\n", "-- Why: x\nSELECT 2;\n", "-- a\n-- b\n");
    let of = |test: &str, end: &str| {
        let text = |text: &str| text.replace('\n', end);
        let files = [("tenant/V1__a.sql", file), ("tenant/V1__a.undo.sql", undo), ("control/V1__c.sql", file)];
        let files = files.map(|(name, sql)| (name, text(sql)));
        let db = Db::with(test, &files.each_ref().map(|(name, sql)| (*name, sql.as_str())));
        std::fs::write(db.0.join("rls/tenant.sql"), text(rules)).unwrap();
        db.sources()
    };
    let (lf, crlf) = (of("lf", "\n"), of("crlf", "\r\n"));
    assert_eq!(crlf, lf);
    assert_eq!(crlf.tenant_migrations().unwrap()[0].sql, file, "a lone carriage return is part of the text");
    assert_eq!(Chain::new(&crlf).unwrap().newest(), Chain::new(&lf).unwrap().newest());
    assert_eq!(crlf.tenant_rules(), rules);
}

//! A new migration: its number, its header, and that the linter doesn't let it through as it is.
use std::time::Duration;

use labor_migrator::files::Sources;
use labor_migrator::lint::lint;
use labor_migrator::migration::{Kind, Phase};
use labor_migrator::new;

#[test]
fn the_next_file_is_to_be_filled_in() {
    let db = std::env::temp_dir().join(format!("labor-new-{}", std::process::id()));
    for folder in ["migrations/tenant", "migrations/control", "rls"] {
        std::fs::create_dir_all(db.join(folder)).unwrap();
    }
    std::fs::write(db.join("rls/tenant.sql"), "").unwrap();
    let backfill = Kind::Backfill { batch: 500, pause: Duration::from_millis(20) };
    let kinds = [
        ("first", Kind::Transaction, Phase::Expand),
        ("second_one", Kind::Concurrent, Phase::Contract),
        ("third", backfill, Phase::Expand),
    ];
    for (index, (name, kind, phase)) in kinds.into_iter().enumerate() {
        let begun = new::create(&db, name, kind, phase).unwrap();
        let path = begun.file;
        assert_eq!(path, db.join(format!("migrations/tenant/V{}__{name}.sql", index + 1)));
        let migrations = Sources::folder(&db).unwrap().tenant_migrations().unwrap();
        assert_eq!((migrations[index].kind, migrations[index].phase), (kind, phase));
        let findings = lint(&migrations, "");
        let header = findings.iter().find(|f| f.rule == "header" && f.file == migrations[index].file_name()).unwrap();
        for key in ["Why", "Locks", "Previous release"] {
            assert!(header.message.contains(key), "{header}");
        }
        let undo = db.join(format!("migrations/tenant/V{}__{name}.undo.sql", index + 1));
        assert_eq!(begun.undo.is_some(), phase == Phase::Expand);
        if let Some(path) = begun.undo {
            assert_eq!(path, undo);
            let unsaid = |f: &&labor_migrator::lint::Finding| undo.ends_with(&f.file);
            assert_eq!(
                findings.iter().find(unsaid).map(|f| f.rule.as_str()),
                Some("header"),
                "it is to be filled in, too"
            );
            let filled = std::fs::read_to_string(&path).unwrap().replace(": …", ": so it is.");
            std::fs::write(&path, filled).unwrap();
        }
        let filled = std::fs::read_to_string(&path).unwrap().replace(": …", ": so it is.");
        std::fs::write(&path, filled).unwrap();
        let migrations = Sources::folder(&db).unwrap().tenant_migrations().unwrap();
        let findings = lint(&migrations, "");
        assert!(
            !findings.iter().any(|finding| finding.rule == "header" || finding.rule == "undo-missing"),
            "{findings:?}"
        );
    }
    for (name, part) in
        [("Bad Name", "add_report_notes"), ("../x", "add_report_notes"), ("first", "V1__first.sql already")]
    {
        let error = new::create(&db, name, Kind::Transaction, Phase::Expand).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::remove_dir_all(&db).unwrap();
}

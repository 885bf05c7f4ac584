//! Undo: expand migrations go back with their undo files; what can't go back is refused before a tenant is touched.
use std::path::{Path, PathBuf};

use labor_testing::{Finished, Platform, postgres, scratch};
use serde_json::Value;
use tokio_postgres::Client;

const ADD: &str = "-- Why: a test.\n-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN extra text;\n\
                   CREATE TABLE extras (id uuid PRIMARY KEY);\nALTER TABLE extras ENABLE ROW LEVEL SECURITY;\n\
                   GRANT SELECT ON extras TO labor_backup;";
const ADD_UNDO: &str = "-- Why: a test.\nDROP TABLE extras;\nALTER TABLE patients DROP COLUMN extra;";
const INDEX: &str = "-- Why: a test.\n-- Kind: concurrent\n-- Phase: expand\n\
                     CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_extra ON patients (extra);";
const INDEX_UNDO: &str = "-- Why: a test.\nDROP INDEX CONCURRENTLY IF EXISTS patients_extra;";
const FILL: &str = "-- Why: a test.\n-- Kind: backfill\n-- Phase: expand\nUPDATE patients SET extra = '' WHERE id IN \
                    (SELECT id FROM patients WHERE extra IS NULL LIMIT {batch});";
const FILL_UNDO: &str = "-- Why: nothing is to be done, the column goes with the version before.";

/// A fleet at version 2, and a folder of files that goes on.
struct Fleet {
    platform: Platform,
    client: Client,
    db: PathBuf,
}

impl Fleet {
    async fn of(name: &str) -> Self {
        let folder = scratch().await.unwrap().join(name);
        let platform = Platform::create(postgres().await, &folder, name).await.unwrap();
        for n in 1..=3 {
            platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
        }
        let db = folder.join("db");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("db"), &db);
        Self { platform, client: postgres().await.connect(name).await.unwrap(), db }
    }

    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.db.join("migrations/tenant").join(name), text).unwrap();
    }

    async fn run(&self, arguments: &[&str]) -> Finished {
        let program = self.platform.program("labor-migrator").unwrap().args(["--json", "--db"]).args([&self.db]);
        let allow = (arguments[0] == "up").then_some("--allow-lint-errors");
        program.args(arguments.iter().copied().chain(allow)).run().await.unwrap()
    }

    /// Exit code and last line.
    async fn json(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let run = self.run(arguments).await;
        let last = run.stdout.lines().last().ok_or_else(|| format!("{arguments:?}: {}", run.stderr)).unwrap();
        (run.status.code(), serde_json::from_str(last).unwrap())
    }

    async fn up(&self, arguments: &[&str]) {
        let (code, report) = self.json(&[&["up"], arguments].concat()).await;
        assert_eq!(code, Some(0), "{report}");
    }

    async fn text(&self, sql: &str) -> String {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Versions of the tenants in order of their sign-in names, and the number of classes.
    async fn standing(&self) -> String {
        self.text(
            "SELECT concat(string_agg(l.version::text, ' ' ORDER BY t.slug), ', ', count(DISTINCT fingerprint), ' class(es), born at ',
                           (SELECT generation FROM control.fleet))
               FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant",
        )
        .await
    }

    async fn agrees(&self) {
        let (code, last) = self.json(&["verify"]).await;
        let behind = last["behind"].as_u64().unwrap_or_default();
        assert_eq!((code, &last["findings"]), (Some(if behind > 0 { 3 } else { 0 }), &0.into()), "{last}");
    }
}

fn copy(from: &Path, to: &Path) {
    for folder in ["migrations/tenant", "migrations/control", "rls"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[tokio::test]
async fn the_fleet_goes_back_and_up_again() {
    let fleet = Fleet::of("undo_back").await;
    for (name, text) in [("V3__add", ADD), ("V4__index", INDEX), ("V5__fill", FILL)] {
        fleet.file(&format!("{name}.sql"), text);
    }
    for (name, text) in [("V3__add", ADD_UNDO), ("V4__index", INDEX_UNDO), ("V5__fill", FILL_UNDO)] {
        fleet.file(&format!("{name}.undo.sql"), text);
    }
    fleet.up(&["--tenant", "p1", "--to", "3"]).await;
    fleet.up(&["--tenant", "p2", "--tenant", "intake"]).await;
    fleet.up(&["--tenant", "p3", "--to", "2"]).await;
    assert_eq!(fleet.standing().await, "5 3 5 2, 3 class(es), born at 2");
    let asked = fleet.run(&["undo", "--to", "2"]).await;
    assert_eq!(asked.status.code(), Some(1));
    assert!(asked.stderr.contains("V4__index.undo.sql") && asked.stderr.contains("--yes"), "{}", asked.stderr);
    // One practice is asked for, too; and what is lost is told.
    let program = fleet.platform.program("labor-migrator").unwrap().args(["--db"]).args([&fleet.db]);
    let asked = program.args(["undo", "--to", "2", "--tenant", "p1"]).run().await.unwrap();
    assert_eq!(asked.status.code(), Some(1), "{}", asked.stderr);
    for part in [
        "V3__add.undo.sql\n    table extras: its rows are lost\n    column patients.extra: its values are lost",
        "`up` would go to version 5 again: take the files after version 2 away, or use `up --to 2`",
        "Say --yes",
    ] {
        assert!(asked.stderr.contains(part), "{part:?} is not in: {}", asked.stderr);
    }
    assert_eq!(fleet.standing().await, "5 3 5 2, 3 class(es), born at 2");
    let (code, report) = fleet.json(&["undo", "--to", "2", "--yes"]).await;
    assert_eq!((code, &report["migrated"], &report["version"]), (Some(0), &3.into(), &2.into()), "{report}");
    assert_eq!(fleet.standing().await, "2 2 2 2, 1 class(es), born at 2");
    fleet.agrees().await;
    let outcomes = "SELECT string_agg(concat_ws(' ', r.command, r.outcome, o.from_version, o.to_version, o.outcome), ', ' ORDER BY o.from_version)
                      FROM control.outcomes o JOIN control.runs r ON r.id = o.run_id WHERE r.command = 'undo'";
    assert_eq!(
        fleet.text(outcomes).await,
        "undo completed 3 2 migrated, undo completed 5 2 migrated, undo completed 5 2 migrated"
    );
    let (_, told) = fleet.json(&["history", "--run", report["run"].as_str().unwrap()]).await;
    assert!(told.as_array().unwrap().iter().all(|one| one["outcome"] == "undone"), "{told}");
    let (code, report) = fleet.json(&["undo", "--to", "2", "--yes"]).await;
    assert_eq!((code, &report["run"]), (Some(0), &Value::Null), "{report}");
    fleet.json(&["provision", "p4", "--name", "X"]).await;
    fleet.up(&[]).await;
    assert_eq!(fleet.standing().await, "5 5 5 5 5, 1 class(es), born at 5");
    fleet.agrees().await;
}

#[tokio::test]
async fn what_cannot_go_back_is_refused_before_a_tenant_is_touched() {
    let fleet = Fleet::of("undo_refused").await;
    fleet.file("V3__add.sql", ADD);
    fleet.file("V4__drop.sql", "-- Why: a test.\n-- Phase: contract\nALTER TABLE patients DROP COLUMN extra;");
    fleet.up(&["--to", "3"]).await;
    let refused = async |arguments: &[&str], reason: &str| {
        let run = fleet.run(&[&["undo", "--yes"], arguments].concat()).await;
        assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    };
    refused(&["--to", "2"], "V3__add.undo.sql is missing").await;
    fleet.file("V3__add.undo.sql", "-- Why: forgets the table.\nALTER TABLE patients DROP COLUMN extra;");
    refused(&["--to", "2"], "+ column extras 0001 id uuid").await;
    refused(&["--to", "7"], "there is no version 7").await;
    assert_eq!(fleet.standing().await, "3 3 3 3, 1 class(es), born at 3");
    fleet.file("V3__add.undo.sql", ADD_UNDO);
    fleet.up(&["--tenant", "p3"]).await;
    let contract = "1 tenant(s) are at or past V4__drop.sql, which is a contract";
    refused(&["--to", "2"], contract).await;
    refused(&["--to", "2", "--tenant", "p1"], contract).await;
    assert_eq!(fleet.standing().await, "3 3 3 4, 2 class(es), born at 3");
}

#[tokio::test]
async fn a_tenant_changed_by_hand_is_refused_with_the_difference_and_a_held_one_is_left_out() {
    let fleet = Fleet::of("undo_hand").await;
    fleet.file("V3__add.sql", ADD);
    fleet.file("V3__add.undo.sql", ADD_UNDO);
    fleet.up(&[]).await;
    let p1 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p1'").await;
    let p2 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p2'").await;
    let prepare = format!(
        "ALTER TABLE {p1}.users ADD COLUMN by_hand text;
         UPDATE control.ledger SET held_at = now(), held_by = 'x', held_reason = 'being looked at' WHERE tenant = '{p2}'"
    );
    fleet.client.batch_execute(&prepare).await.unwrap();
    let run = fleet.run(&["undo", "--to", "2", "--yes"]).await;
    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    let plan: Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(plan["plan"]["at_once"], serde_json::json!([]), "{plan}");
    let held = &plan["plan"]["held"][0];
    assert_eq!((&held["slug"], &held["reason"]), (&"p2".into(), &"being looked at".into()), "{plan}");
    let line = run.stdout.lines().find(|line| line.contains(&p1)).unwrap();
    assert!(line.contains("+ column users 0009 by_hand text") && line.contains("\"failed\""), "{line}");
    assert_eq!(fleet.standing().await, "2 3 3 2, 2 class(es), born at 2");
    let mend = format!(
        "ALTER TABLE {p1}.users DROP COLUMN by_hand; UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL"
    );
    fleet.client.batch_execute(&mend).await.unwrap();
    let (code, report) = fleet.json(&["undo", "--to", "2", "--yes"]).await;
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(fleet.standing().await, "2 2 2 2, 1 class(es), born at 2");
    fleet.agrees().await;
}

const UNIQUE: &str = "-- Why: a test.\n-- Kind: concurrent\n-- Phase: expand\n\
                      CREATE INDEX CONCURRENTLY IF NOT EXISTS patients_extra ON patients (extra);\n\
                      CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS patients_unique ON patients (family_name);";
const UNIQUE_UNDO: &str = "-- Why: a test.\nDROP INDEX CONCURRENTLY IF EXISTS patients_unique;\n\
                           DROP INDEX CONCURRENTLY IF EXISTS patients_extra;";
const SMALL_FILL: &str = "-- Why: a test.\n-- Kind: backfill\n-- Phase: expand\n-- Batch: 1\nUPDATE patients SET extra = 'x' || 1 / \
                          (identity_key <> lpad('2', 64, '0'))::integer WHERE id IN (SELECT id FROM patients WHERE extra IS NULL \
                          ORDER BY identity_key LIMIT {batch});";
const SMALL_UNDO: &str = "-- Why: a test.\nUPDATE patients SET extra = NULL;";

#[tokio::test]
async fn an_undo_that_took_an_index_away_and_failed_leaves_a_mark_and_both_ways_go_on_from_it() {
    let fleet = Fleet::of("undo_mark").await;
    for (name, text) in [
        ("V3__add.sql", ADD),
        ("V3__add.undo.sql", ADD_UNDO),
        ("V4__index.sql", INDEX),
        ("V4__index.undo.sql", INDEX_UNDO),
    ] {
        fleet.file(name, text);
    }
    fleet.up(&[]).await;
    let p1 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p1'").await;
    let index =
        format!("SELECT count(*)::text FROM pg_indexes WHERE schemaname = '{p1}' AND indexname = 'patients_extra'");
    let mark = format!(
        "SELECT concat_ws(' ', version, '/' || chain_checksum || '/', progress::text) FROM control.ledger WHERE tenant = '{p1}'"
    );
    let other = postgres().await.connect("undo_mark").await.unwrap();
    for again in [&["up"][..], &["undo", "--to", "2", "--yes"]] {
        other.batch_execute(&format!("BEGIN; LOCK TABLE {p1}.extras")).await.unwrap();
        let (code, report) = fleet
            .json(&["undo", "--to", "2", "--yes", "--tenant", "p1", "--retries", "0", "--lock-timeout", "100ms"])
            .await;
        assert_eq!((code, &report["failed"]), (Some(3), &1.into()), "{report}");
        other.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(fleet.text(&index).await, "0", "the test did not test anything");
        assert_eq!(fleet.text(&mark).await, "4 // {\"way\": \"back\", \"rows\": 0, \"version\": 4}");
        let (code, report) = fleet.json(again).await;
        assert_eq!(code, Some(0), "{report}");
        fleet.agrees().await;
    }
    assert_eq!(fleet.standing().await, "2 2 2 2, 1 class(es), born at 2");
}

#[tokio::test]
async fn what_was_begun_and_failed_is_taken_back() {
    let fleet = Fleet::of("undo_begun").await;
    for (name, text) in [
        ("V3__add.sql", ADD),
        ("V3__add.undo.sql", ADD_UNDO),
        ("V4__fill.sql", SMALL_FILL),
        ("V4__fill.undo.sql", SMALL_UNDO),
    ] {
        fleet.file(name, text);
    }
    let p1 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p1'").await;
    fleet.client.batch_execute(&crate::chain::patients(&p1, 3)).await.unwrap();
    let filled = format!("SELECT count(extra)::text FROM {p1}.patients");
    let error = format!("SELECT last_error FROM control.ledger WHERE tenant = '{p1}'");
    let (code, report) = fleet.json(&["up"]).await;
    assert_eq!((code, &report["failed"]), (Some(3), &1.into()), "{report}");
    let told = fleet.text(&error).await;
    assert!(told.contains("version 4 was begun, 1 rows of it are done and committed"), "{told}");
    assert!(!told.contains("nothing was changed"), "{told}");
    assert_eq!(fleet.text(&filled).await, "1");
    fleet.file("V4__fill.sql", &SMALL_FILL.replace("'x'", "'y'"));
    let run = fleet.run(&["up"]).await;
    assert!(run.stderr.contains("V4__fill.sql was edited"), "{}", run.stderr);
    fleet.file("V4__fill.sql", SMALL_FILL);
    let run = fleet.run(&["undo", "--to", "3", "--yes"]).await;
    let plan: Value = serde_json::from_str(run.stderr.lines().next().unwrap()).unwrap();
    assert_eq!(plan["plan"]["at_once"], serde_json::json!(["V4__fill.undo.sql"]), "{plan}");
    let report: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((run.status.code(), &report["migrated"]), (Some(0), &4.into()), "{report}");
    assert_eq!(fleet.text(&filled).await, "0");
    fleet.agrees().await;

    // Nobody is past it any more, so the file may be another one.
    std::fs::remove_file(fleet.db.join("migrations/tenant/V4__fill.undo.sql")).unwrap();
    std::fs::remove_file(fleet.db.join("migrations/tenant/V4__fill.sql")).unwrap();
    fleet.file("V4__unique.sql", UNIQUE);
    fleet.file("V4__unique.undo.sql", UNIQUE_UNDO);
    fleet.client.batch_execute(&format!("UPDATE {p1}.patients SET family_name = 'A'")).await.unwrap();
    for to in ["3", "2"] {
        let (code, report) = fleet.json(&["up"]).await;
        assert_eq!((code, &report["failed"]), (Some(3), &1.into()), "{report}");
        let told = fleet.text(&error).await;
        assert!(told.contains("version 4 was begun") && !told.contains("by hand"), "{told}");
        let (code, report) = fleet.json(&["undo", "--to", to, "--yes"]).await;
        assert_eq!(code, Some(0), "{report}");
        assert_eq!(fleet.standing().await, format!("{to} {to} {to} {to}, 1 class(es), born at {to}"));
        fleet.agrees().await;
    }
}

#[tokio::test]
async fn nothing_runs_outside_of_a_transaction_on_a_tenant_changed_by_hand_and_a_hold_stops_a_backfill() {
    let fleet = Fleet::of("undo_proof").await;
    fleet.file("V3__add.sql", ADD);
    fleet.up(&[]).await;
    let p1 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p1'").await;
    let p2 = fleet.text("SELECT name FROM control.tenants WHERE slug = 'p2'").await;
    let hold = format!(
        "UPDATE control.ledger SET held_at = now(), held_by = 'x', held_reason = 'moves' WHERE tenant = '{p2}'"
    );
    for tenant in [&p1, &p2] {
        fleet.client.batch_execute(&crate::chain::patients(tenant, 9)).await.unwrap();
    }
    let plant = format!(
        "CREATE TABLE public.ran (n int); GRANT ALL ON public.ran TO PUBLIC;
         CREATE FUNCTION public.plant() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO public.ran VALUES (1); RETURN new; END$$;
         CREATE TRIGGER plant BEFORE UPDATE ON {p1}.patients FOR EACH ROW EXECUTE FUNCTION public.plant()"
    );
    fleet.client.batch_execute(&plant).await.unwrap();
    fleet.file("V4__fill.sql", &FILL.replace("-- Phase", "-- Batch: 1\n-- Pause: 500 ms\n-- Phase"));
    let (run, ()) = tokio::join!(fleet.run(&["up"]), async {
        let begun = format!("SELECT (progress ->> 'rows')::bigint > 0 FROM control.ledger WHERE tenant = '{p2}'");
        labor_testing::until("a batch", std::time::Duration::from_secs(30), async || {
            let row = fleet.client.query_one(&begun, &[]).await.unwrap();
            Ok(row.get::<_, Option<bool>>(0).filter(|begun| *begun).ok_or_else(|| "none".to_owned()))
        })
        .await
        .unwrap();
        fleet.client.batch_execute(&hold).await.unwrap();
    });
    assert_eq!(run.status.code(), Some(3), "{}", run.stderr);
    let of = |tenant: &str| run.stdout.lines().find(|line| line.contains(tenant)).unwrap_or_default().to_owned();
    assert!(
        of(&p2).contains("held back: moves") && of(&p2).contains("rows of it are done and committed"),
        "{}",
        of(&p2)
    );
    assert!(of(&p1).contains("\"failed\"") && of(&p1).contains("plant"), "{}", of(&p1));
    assert_eq!(fleet.text("SELECT count(*)::text FROM public.ran").await, "0");
    let mend = "DROP FUNCTION public.plant CASCADE; DROP TABLE public.ran; UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL";
    fleet.client.batch_execute(mend).await.unwrap();
    fleet.up(&[]).await;
    fleet.agrees().await;
}

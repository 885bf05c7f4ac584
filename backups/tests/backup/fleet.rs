//! `run --all`: every tenant's dump is the one that `pg_dump` would write; a change is never missed; one's trouble is no other's.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use labor_backup::{
    Backup, BackupError, FleetOptions, FleetRun, Outcome, ProofRun, Sampling, TenantName, Verdict, Which,
};
use labor_testing::Program;

use crate::place::{Place, programs};

/// A database with these tenants, each with so many patients.
async fn fleet(database: &str, patients: &[i32]) -> (Place, Vec<TenantName>) {
    let place = Place::alone(database).await;
    let mut tenants = vec![place.tenant.clone()];
    for count in patients {
        tenants.push(place.neighbour(*count).await);
    }
    (place, tenants)
}

async fn run(backup: &Backup) -> FleetRun {
    backup.run_all(FleetOptions { jobs: 2, at_most_days: 30 }, |_| (), |_, _| ()).await.unwrap()
}

fn stored(run: &FleetRun) -> BTreeSet<&TenantName> {
    run.tenants.iter().filter(|(_, one)| matches!(one, Outcome::Stored { .. })).map(|(tenant, _)| tenant).collect()
}

/// What `pg_dump` itself writes, without its two lines with a random token.
async fn pg_dump(database: &str, tenant: &TenantName) -> String {
    without_token(&pg_dump_raw(database, tenant).await)
}

async fn pg_dump_raw(database: &str, tenant: &TenantName) -> String {
    let postgres = labor_testing::postgres().await;
    Program::at(programs().join("pg_dump"))
        .args(["--format=plain", "--encoding=UTF8", "--host=127.0.0.1", "--username=postgres"])
        .args([format!("--port={}", postgres.port()), format!("--dbname={database}"), format!("--schema={tenant}")])
        .env("PGPASSWORD", postgres.password())
        .output()
        .await
        .unwrap()
}

fn without_token(text: &str) -> String {
    let token = |line: &&str| line.starts_with("\\restrict ") || line.starts_with("\\unrestrict ");
    assert_eq!(text.lines().filter(token).count() % 2, 0);
    text.lines().filter(|line| !token(line)).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn every_dump_is_the_one_that_pg_dump_writes_and_restores() {
    let (place, tenants) = fleet("fleet_same", &[3, 40, 0, 7]).await;
    // pg_dump takes these as the database has them.
    let unlike = "ALTER DATABASE fleet_same SET timezone = 'Asia/Kolkata'; ALTER DATABASE fleet_same SET bytea_output = 'escape';
                  ALTER DATABASE fleet_same SET datestyle = 'German'; ALTER DATABASE fleet_same SET extra_float_digits = 0";
    place.database.batch_execute(unlike).await.unwrap();
    let backup = place.backup();
    let run = run(&backup).await;
    assert_eq!(run.faults(), Vec::<String>::new());
    assert_eq!(run.classes.len(), 1, "{:?}", run.classes);
    assert!(run.classes[0].tried_on.is_some() && run.classes[0].tenants == tenants.len());
    assert!(run.classes[0].with_rows > 4, "what was compared had no patients: {:?}", run.classes);
    for tenant in &tenants {
        let Some(Outcome::Stored { backup: id, by_class: true, .. }) = run.tenants.get(tenant) else {
            panic!("{tenant}: {:?}", run.tenants.get(tenant));
        };
        let text = place.plain(&format!("tenants/{tenant}/backups/{id}/dump.sql.zst.age")).await;
        assert!(without_token(&text) == pg_dump("fleet_same", tenant).await, "{tenant}: its dump is another text");
        assert_eq!(backup.verify(tenant, &Which::Latest).await.unwrap().verdict, Verdict::Passed);
    }
    let mut tokens = BTreeSet::new();
    for (tenant, outcome) in &run.tenants {
        let Outcome::Stored { backup: id, .. } = outcome else { continue };
        let text = place.plain(&format!("tenants/{tenant}/backups/{id}/dump.sql.zst.age")).await;
        let own: Vec<_> =
            text.lines().filter_map(|line| line.split_once("restrict ")).map(|(_, token)| token).collect();
        assert!(own.is_empty() || (own.len() == 2 && own[0] == own[1] && own[0].len() >= 63), "{tenant}: {own:?}");
        tokens.extend(own.first().map(|token| (*token).to_owned()));
    }
    let random = pg_dump_raw("fleet_same", &tenants[0]).await.contains("\n\\restrict ");
    assert_eq!(tokens.len(), if random { tenants.len() } else { 0 }, "a token that can be known serves nobody");
}

#[tokio::test]
async fn what_did_not_change_is_not_dumped_again_and_a_change_is_never_missed() {
    let (place, tenants) = fleet("fleet_changes", &[5, 5, 5]).await;
    let backup = place.backup();
    assert_eq!(stored(&run(&backup).await).len(), tenants.len());
    let again = run(&backup).await;
    assert_eq!(stored(&again), BTreeSet::new(), "{:?}", again.tenants);
    let listed = backup.list(Some(&tenants[1])).await.unwrap();
    assert_eq!(listed.len(), 1);
    let unchanged = listed[0].unchanged.as_ref().unwrap();
    assert!(unchanged.until >= again.started_at && unchanged.backup == listed[0].backup);

    let tenant = &tenants[2];
    // Nothing of this is counted, logged or seen by triggers.
    for change in [
        "DELETE FROM {t}.reports WHERE ctid = (SELECT min(ctid) FROM {t}.reports)",
        "UPDATE {t}.raw_messages SET body = set_bit(body, 4095, 1 - get_bit(body, 4095)), sha256 = sha256(set_bit(body, 4095, 1 - get_bit(body, 4095))) WHERE ctid = (SELECT min(ctid) FROM {t}.raw_messages)",
        "INSERT INTO {t}.patients (id, identity_key, family_name) VALUES (gen_random_uuid(), encode(sha256('new'), 'hex'), 'new')",
        "UPDATE {t}.schema_stamp SET chain_checksum = chain_checksum || 'x'",
        "UPDATE {t}.patients SET given_name = NULL WHERE ctid = (SELECT min(ctid) FROM {t}.patients)",
        "ALTER TABLE {t}.patients ALTER COLUMN given_name SET DEFAULT 'x'",
        "COMMENT ON COLUMN {t}.patients.given_name IS 'x'",
        "COMMENT ON SCHEMA {t} IS 'labor: restored from somewhere'",
        "COMMENT ON CONSTRAINT patients_pkey ON {t}.patients IS 'x'",
        // The same words, said of the column and then of its table.
        "COMMENT ON TABLE {t}.patients IS NULL",
        "COMMENT ON COLUMN {t}.patients.given_name IS NULL; COMMENT ON TABLE {t}.patients IS 'given_name x'",
        // pg_dump writes it as an option of the table; it is the TOAST table's.
        "ALTER TABLE {t}.raw_messages SET (toast.autovacuum_enabled = off)",
        "CREATE RULE by_hand AS ON DELETE TO {t}.patients DO ALSO NOTHING",
        "COMMENT ON RULE by_hand ON {t}.patients IS 'x'",
    ] {
        let sql = format!(
            "SET session_replication_role = replica; {}; SELECT pg_stat_reset()",
            change.replace("{t}", tenant.as_str())
        );
        place.database.batch_execute(&sql).await.unwrap();
        assert_eq!(stored(&run(&backup).await), BTreeSet::from([tenant]), "{change}");
        assert_eq!(stored(&run(&backup).await), BTreeSet::new(), "after {change}");
    }
    let all = FleetOptions { jobs: 1, at_most_days: 0 };
    assert_eq!(stored(&backup.run_all(all, |_| (), |_, _| ()).await.unwrap()).len(), tenants.len());
}

#[tokio::test]
async fn a_backup_that_is_no_good_is_made_again_although_nothing_changed() {
    let (place, tenants) = fleet("fleet_bad", &[5, 5]).await;
    let backup = place.backup();
    run(&backup).await;
    let [gone, altered, failed] = [&tenants[0], &tenants[1], &tenants[2]];
    let id = async |tenant| backup.list(Some(tenant)).await.unwrap()[0].backup.clone();
    let key = format!("tenants/{gone}/backups/{}/dump.sql.zst.age", id(gone).await);
    place.s3.delete_object().bucket(place.bucket()).key(&key).send().await.unwrap();
    let key = format!("tenants/{altered}/backups/{}/manifest.json", id(altered).await);
    let manifest = String::from_utf8(place.object(&key).await).unwrap();
    place.put(&key, manifest.replacen("\"labor_backup_version\": \"", "\"labor_backup_version\": \"x", 1).into()).await;
    // As long as before, so that only a restore shows it.
    let key = format!("tenants/{failed}/backups/{}/dump.sql.zst.age", id(failed).await);
    let mut bytes = place.object(&key).await;
    *bytes.last_mut().unwrap() ^= 1;
    place.put(&key, bytes).await;
    assert!(matches!(backup.verify(failed, &Which::Latest).await, Err(BackupError::Damaged(_))));

    assert_eq!(stored(&run(&backup).await), BTreeSet::from([gone, altered, failed]));
    assert_eq!(backup.verify(failed, &Which::Latest).await.unwrap().verdict, Verdict::Passed);
    assert_eq!(stored(&run(&backup).await), BTreeSet::new());
}

#[tokio::test]
async fn whoever_differs_from_the_class_is_dumped_by_pg_dump() {
    let (place, tenants) = fleet("fleet_drift", &[2, 2, 2, 2, 2, 2]).await;
    // Each in what another digest tells; the first is the smallest, from which the text would be read.
    for (tenant, change) in [
        (&tenants[0], "ALTER TABLE {t}.patients ADD COLUMN by_hand integer"),
        (&tenants[1], "COMMENT ON SCHEMA {t} IS 'labor: restored from elsewhere'"),
        (&tenants[2], "CREATE FUNCTION {t}.by_hand() RETURNS integer LANGUAGE sql AS 'SELECT 1'"),
        (&tenants[3], "UPDATE {t}.schema_stamp SET version = version + 1"),
    ] {
        place.database.batch_execute(&change.replace("{t}", tenant.as_str())).await.unwrap();
    }
    let backup = place.backup();
    let first = run(&backup).await;
    assert_eq!((first.faults(), stored(&first).len()), (Vec::new(), tenants.len()));
    for (number, tenant) in tenants.iter().enumerate() {
        let Some(Outcome::Stored { backup: id, by_class, .. }) = first.tenants.get(tenant) else {
            panic!("{:?}", first.tenants);
        };
        assert_eq!(*by_class, number > 3, "{number}");
        let text = place.plain(&format!("tenants/{tenant}/backups/{id}/dump.sql.zst.age")).await;
        assert!(without_token(&text) == pg_dump("fleet_drift", tenant).await, "{number}");
    }
    // What only pg_dump can tell may have changed unseen.
    assert_eq!(stored(&run(&backup).await), BTreeSet::from([&tenants[2]]));
}

#[tokio::test]
async fn a_text_that_is_not_pg_dumps_is_told_and_not_used() {
    let (place, tenants) = fleet("fleet_loud", &[9, 9, 9]).await;
    // A pg_dump that writes one line more for each tenant than for the one before stands for a server that we do not know.
    let count = place.folder().join("count");
    let script = format!("$REAL \"$@\"; echo >> {0}; cat {0}", count.display());
    let run = run(&place.backup_with_pg_dump(&script)).await;
    let faults = run.faults();
    assert!(faults.len() == 1 && faults[0].contains("not pg_dump's"), "{faults:?}");
    assert!(
        run.tenants.values().all(|one| matches!(one, Outcome::Stored { by_class: false, .. })),
        "{:?}",
        run.tenants
    );
    assert_eq!(stored(&run).len(), tenants.len());
}

#[tokio::test]
async fn one_tenants_trouble_is_no_others() {
    let (place, tenants) = fleet("fleet_trouble", &[2, 2, 2]).await;
    let backup = place.backup();
    run(&backup).await;
    let lost = &tenants[1];
    std::fs::remove_file(place.settings.keys.join(format!("{lost}.age-identity"))).unwrap();
    place.database.batch_execute(&format!("DROP SCHEMA {0} CASCADE; DROP ROLE {0}_app", tenants[2])).await.unwrap();
    for tenant in &tenants {
        let touch = format!("UPDATE {tenant}.schema_stamp SET chain_checksum = chain_checksum || 'x'");
        let _ = place.database.batch_execute(&touch).await;
    }
    let run = run(&backup).await;
    assert_eq!(stored(&run), BTreeSet::from([&tenants[0], &tenants[3]]));
    let faults = run.faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults.iter().any(|fault| fault.contains(lost.as_str()) && fault.contains("--new-key")), "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains(tenants[2].as_str()) && fault.contains("no schema")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn connections_that_the_server_ends_cost_nobody_a_backup() {
    let (place, tenants) = fleet("fleet_cut", &[2, 2, 2, 2, 2, 2]).await;
    let backup = place.backup();
    let cutter = labor_testing::postgres().await.connect("fleet_cut").await.unwrap();
    let (cut, told) = (Arc::new(AtomicBool::new(false)), tokio::sync::mpsc::unbounded_channel());
    let (tell, mut first) = told;
    let cutting = tokio::spawn(async move {
        first.recv().await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'labor_backup' AND datname = 'fleet_cut'";
        cutter.query(end, &[]).await.unwrap().len()
    });
    let once = cut.clone();
    let run = backup
        .run_all(
            FleetOptions { jobs: 2, at_most_days: 0 },
            |_| (),
            move |_, _| {
                if !once.swap(true, Ordering::Relaxed) {
                    let _ = tell.send(());
                }
            },
        )
        .await
        .unwrap();
    assert!(cutting.await.unwrap() > 0, "nothing was cut");
    assert_eq!(run.faults(), Vec::<String>::new());
    assert_eq!(stored(&run).len(), tenants.len());
    assert_eq!(place.unfinished_uploads().await, 0);
    for entry in backup.list(None).await.unwrap() {
        assert_eq!(entry.state, labor_backup::State::Complete, "{} {}", entry.tenant, entry.backup);
    }
}

#[tokio::test]
async fn a_run_that_was_stopped_goes_on_where_it_was() {
    let (place, tenants) = fleet("fleet_stopped", &[2, 2, 2, 2]).await;
    let backup = place.backup();
    let stop = backup.stop_token();
    let options = FleetOptions { jobs: 1, at_most_days: 30 };
    let stopped = backup.run_all(options, |_| (), move |_, _| stop.cancel()).await;
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    let there = backup.list(None).await.unwrap();
    assert_eq!(there.len(), 1, "objects of a backup that was not finished are left");
    let backup = place.backup();
    let rest = run(&backup).await;
    assert_eq!(stored(&rest).len(), tenants.len() - 1);
    assert!(!stored(&rest).contains(&there[0].tenant), "what was stored before the stop was stored again");
}

async fn prove(backup: &Backup, again: usize) -> ProofRun {
    backup.verify_all(Sampling { jobs: 2, again }, |_| (), |_, _| ()).await.unwrap()
}

#[tokio::test]
async fn all_new_backups_are_verified_and_old_ones_in_turn() {
    let (place, tenants) = fleet("fleet_proof", &[3, 3, 3]).await;
    let backup = place.backup();
    run(&backup).await;
    let first = prove(&backup, 0).await;
    assert_eq!(first.tenants.len(), tenants.len());
    assert_eq!(first.faults(), Vec::<String>::new());
    assert_eq!(prove(&backup, 0).await.tenants.len(), 0, "what was verified is new again");
    assert_eq!(prove(&backup, 2).await.tenants.len(), 2);

    let (late, bad) = (place.neighbour(1).await, &tenants[1]);
    let id = backup.list(Some(bad)).await.unwrap()[0].backup.clone();
    let key = format!("tenants/{bad}/backups/{id}/dump.sql.zst.age");
    let mut bytes = place.object(&key).await;
    *bytes.last_mut().unwrap() ^= 1;
    place.put(&key, bytes).await;
    let all = prove(&backup, usize::MAX).await;
    assert!(all.any_bad() && all.without_backup == [late.clone()], "{all:?}");
    assert!(prove(&backup, 0).await.any_bad(), "what is bad was told once and then no more");
    // Whoever can write into the bucket can say that it is good, but not with the tenant's key.
    let verdict = format!("tenants/{bad}/backups/{id}/verified.json");
    let said = String::from_utf8(place.object(&verdict).await).unwrap();
    place.put(&verdict, said.replace("\"failed\"", "\"passed\"").into()).await;
    assert!(prove(&backup, 0).await.any_bad(), "a forged verification was believed");
    let faults = all.faults();
    assert!(faults.len() == 2 && faults[0].contains("BAD") && faults[0].contains(bad.as_str()), "{faults:?}");
    // Its backup is no good any more, so it gets another one, and only that is verified.
    assert_eq!(stored(&run(&backup).await), BTreeSet::from([bad, &late]));
    let rest = prove(&backup, 0).await;
    assert_eq!((rest.tenants.len(), rest.faults()), (2, Vec::new()));
    assert_eq!(place.strays().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_stopped_run_of_several_leaves_nothing_unfinished() {
    let place = Place::alone("fleet_stop_all").await;
    // Several parts each, so that uploads have begun when it is stopped; and dumps that do not end by themselves.
    let mut tenants = vec![place.tenant.clone()];
    for _ in 0..2 {
        tenants.push(place.neighbour(4_000).await);
    }
    let backup = place.backup_with_pg_dump("$REAL \"$@\"\nexec sleep 60");
    // Fewer than three with a schema: each goes by pg_dump, which can be held.
    place.database.batch_execute(&format!("DROP SCHEMA {0} CASCADE; DROP ROLE {0}_app", tenants[0])).await.unwrap();
    let stop = backup.stop_token();
    let running =
        tokio::spawn(
            async move { backup.run_all(FleetOptions { jobs: 4, at_most_days: 30 }, |_| (), |_, _| ()).await },
        );
    labor_testing::until("two uploads that have begun", std::time::Duration::from_secs(60), async || {
        Ok(if place.unfinished_uploads().await == 2 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    stop.cancel();
    assert!(matches!(running.await.unwrap(), Err(BackupError::Stopped)));
    assert_eq!((place.objects().await, place.unfinished_uploads().await), (Vec::<String>::new(), 0));
}

#[tokio::test]
async fn an_old_backup_is_made_again_and_one_from_the_future_is_none() {
    let (place, tenants) = fleet("fleet_old", &[1, 1]).await;
    let backup = place.backup();
    run(&backup).await;
    let entry = &backup.list(Some(&tenants[1])).await.unwrap()[0];
    let old = entry.manifest.clone().unwrap();
    // Somebody who can write into the bucket puts the manifest where the newest would be.
    let forged = format!("tenants/{}/backups/29991231T000000Z-{}/manifest.json", tenants[1], uuid::Uuid::now_v7());
    place.put(&forged, serde_json::to_vec(&old).unwrap()).await;
    assert_eq!(stored(&run(&backup).await), BTreeSet::new());
    assert_eq!(backup.verify(&tenants[1], &Which::Latest).await.unwrap().backup, old.backup);

    let aged = labor_backup::Manifest { started_at: old.started_at - chrono::TimeDelta::days(31), ..old.clone() };
    let key = format!("tenants/{}/backups/{}/manifest.json", tenants[1], old.backup);
    place.put(&key, serde_json::to_vec(&place.signed_by(&tenants[1], &aged)).unwrap()).await;
    assert_eq!(stored(&run(&backup).await), BTreeSet::from([&tenants[1]]));
}

//! Tenants that are after what is wanted, or after what the program knows: told as ahead, by name, with what to do.
use super::Fleet;
use crate::chain::Chain;

#[tokio::test]
async fn who_is_after_the_wanted_version_is_told_and_left_there() {
    let fleet = Fleet::copy("waves_after").await;
    let chain = fleet.whole().await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await.code, Some(0));
    let ran = fleet.ran(fleet.up(&chain, &["--to", "3"])).await;
    let run = ran.lines.last().unwrap();
    assert_eq!((ran.code, &run["migrated"], &run["ahead"]), (Some(3), &4.into(), &1.into()), "{}", ran.text);
    let further = &run["ahead_tenants"][0];
    assert_eq!((&further["slug"], &further["version"]), (&"p1".into(), &6.into()), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 3, p1 6, p2 3, p3 3, p4 3");
    let others = fleet.ran(fleet.up(&chain, &["--to", "3", "--tenant", "p2"])).await;
    assert_eq!(others.code, Some(0), "those that were not asked for don't count: {}", others.text);

    fleet.execute("UPDATE control.fleet SET generation = 5").await;
    let ran = fleet.ran(chain.migrator(&fleet.platform, &["up", "--to", "3"])).await;
    assert_eq!(ran.code, Some(3));
    for part in ["1 ahead", "p1 at version 6", "undo --to 3", "new practices are born at version 5"] {
        assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
    }
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

/// A release that mends row rules only: nothing but their order tells that the one before is older.
#[tokio::test]
async fn row_rules_that_later_ones_replaced_are_refused_until_somebody_says_so() {
    let fleet = Fleet::copy("waves_older_rules").await;
    let folder = |name: &str| fleet.platform.folder().join(name);
    let older = Chain::copy(&folder("waves_rules_before"));
    let newer = Chain::copy(&folder("waves_rules_after")).with_rules("    -- mended\n");
    let has = async |chain: &Chain| {
        let text = std::fs::read_to_string(chain.folder().join("rls/tenant.sql")).unwrap();
        let sql =
            "SELECT count(*) FROM control.ledger WHERE rules_checksum = encode(sha256(convert_to($1, 'UTF8')), 'hex')";
        fleet.client.query_one(sql, &[&text]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(fleet.ran(fleet.up(&older, &[])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&newer, &["--tenant", "p1"])).await.code, Some(0));
    assert_eq!((has(&older).await, has(&newer).await), (4, 1));
    for command in
        [&["up"][..], &["up", "--tenant", "p2"], &["up", "--rules"], &["plan"], &["undo", "--to", "1", "--yes"]]
    {
        let ran = fleet.ran(older.migrator(&fleet.platform, &[&["--json"], command].concat())).await;
        assert_eq!(ran.code, Some(3), "{command:?}: {}", ran.text);
        for part in ["\"older_rules\"", "row rules (db/rls/tenant.sql)", "which 1 tenant(s) have", "up --older-rules"] {
            assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
        }
    }
    assert_eq!((has(&older).await, has(&newer).await), (4, 1));
    assert_eq!(fleet.ran(fleet.up(&newer, &[])).await.code, Some(0));
    assert_eq!((has(&older).await, has(&newer).await), (0, 5));

    let part = fleet.ran(fleet.up(&older, &["--older-rules", "--tenant", "p1"])).await;
    assert_eq!((part.code, has(&older).await), (Some(0), 1), "{}", part.text);
    let rest = fleet.ran(fleet.up(&older, &[])).await;
    assert_eq!((rest.code, has(&older).await), (Some(0), 5), "it was said once: {}", rest.text);
    assert_eq!(fleet.ran(fleet.up(&newer, &[])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&older, &[])).await.code, Some(3));
    assert_eq!(has(&newer).await, 5);
    fleet.is_whole(2).await;
}

/// The same of the guard, which is inside of the program.
#[tokio::test]
async fn a_guard_that_a_later_one_replaced_is_refused_until_somebody_says_so() {
    let fleet = Fleet::copy("waves_older_guard").await;
    let chain = Chain::copy(&fleet.files().await);
    let later = "UPDATE control.fleet SET guard_order = guard_order || 'later'::text, control_checksum = 'later'";
    fleet.execute(later).await;
    let refused = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!(refused.code, Some(3), "{}", refused.text);
    for part in ["\"older_rules\"", "guard functions (db/rls/guard.sql)", "up --older-rules"] {
        assert!(refused.text.contains(part), "{part:?} is not in: {}", refused.text);
    }
    assert_eq!(fleet.number("SELECT count(*) FROM control.fleet WHERE control_checksum = 'later'").await, 1);
    assert_eq!(fleet.ran(fleet.up(&chain, &["--older-rules"])).await.code, Some(0));
    assert_eq!(fleet.number("SELECT cardinality(guard_order)::bigint FROM control.fleet").await, 1);
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
}

/// Begun is a version whose first part is committed outside of a transaction: it is after the one before.
#[tokio::test]
async fn who_has_begun_a_later_version_is_told_as_ahead_and_not_as_failed() {
    let fleet = Fleet::copy("waves_begun_after").await;
    let chain = fleet.whole().await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "3"])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "4", "--tenant", "p4"])).await.code, Some(0));
    fleet
        .execute(
            r#"UPDATE control.ledger SET chain_checksum = '', progress = '{"version": 4, "way": "up", "rows": 0}' WHERE tenant = '{p1}';
               UPDATE control.ledger SET chain_checksum = '', progress = '{"version": 4, "way": "up", "rows": 0}',
                      held_at = now(), held_by = 'test', held_reason = 'x' WHERE tenant = '{p2}'"#,
        )
        .await;
    let ran = fleet.ran(fleet.up(&chain, &["--to", "3"])).await;
    let run = ran.lines.last().unwrap();
    let counts = ["failed", "left", "held", "ahead"].map(|count| run[count].as_i64().unwrap());
    assert_eq!((ran.code, counts), (Some(3), [0, 0, 0, 3]), "{}", ran.text);
    assert_eq!(fleet.number("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL").await, 0);
    let plan = fleet.ran(chain.migrator(&fleet.platform, &["--json", "plan", "--to", "3"])).await;
    let planned = &serde_json::from_str::<serde_json::Value>(&plan.text).unwrap()["plan"];
    assert_eq!((&planned["ahead"], planned["classes"].as_array().unwrap().len()), (&3.into(), 0), "{}", plan.text);
    assert_eq!(fleet.ran(chain.migrator(&fleet.platform, &["release", "p2"])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

/// Another `up` with a later target, or `provision` from the pool, was quicker.
#[tokio::test]
async fn who_is_brought_further_meanwhile_is_passed_by() {
    let fleet = Fleet::copy("waves_further").await;
    let chain = fleet.whole().await;
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; LOCK TABLE {p1}.patients IN ACCESS SHARE MODE")).await.unwrap();
    let arguments = [
        "--to",
        "3",
        "--first",
        "p1",
        "--first",
        "p2",
        "--workers",
        "1",
        "--retries",
        "100",
        "--lock-timeout",
        "200ms",
    ];
    let running = fleet.begin(&chain, &[arguments.as_slice(), &["--max-failures", "0"]].concat());
    fleet.blocked("LOCK TABLE").await;
    let further = fleet.ran(fleet.up(&chain, &["--tenant", "p2"])).await;
    assert_eq!(further.code, Some(0), "{}", further.text);
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = super::end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("(p2) passed by in"), "{said}");
    assert_eq!(fleet.versions().await, "intake 3, p1 3, p2 6, p3 3, p4 3");
    assert_eq!(fleet.number("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL").await, 0);
}

#[tokio::test]
async fn an_older_program_says_that_the_fleet_is_ahead() {
    let fleet = Fleet::copy("waves_older").await;
    let chain = fleet.whole().await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await.code, Some(0));
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "3"])).await.code, Some(3));
    let older = Chain::whole(&fleet.platform.folder().join("waves_older_files"));
    for stem in ["V4__search_indexes", "V5__fill_search_name", "V6__search_name_filled"] {
        std::fs::remove_file(older.file(stem)).unwrap();
    }
    let migrator = |arguments: &[&str]| fleet.ran(older.migrator(&fleet.platform, arguments));
    for command in [&["up"][..], &["plan"], &["undo", "--to", "2", "--yes"]] {
        let ran = migrator(command).await;
        assert_eq!(ran.code, Some(3), "{command:?}: {}", ran.text);
        for part in ["V4__search_indexes.sql was applied", "1 tenant(s) are ahead", "p1 at version 6", "newer program"]
        {
            assert!(ran.text.contains(part), "{part:?} is not in: {}", ran.text);
        }
    }
    let status = migrator(&["--json", "status"]).await;
    let told = &status.lines[0];
    assert_eq!((status.code, &told["behind"], &told["ahead"]), (Some(3), &0.into(), &1.into()), "{}", status.text);
    let (tenants, p1) = (told["tenants"].as_array().unwrap(), &told["tenants"][0]);
    assert_eq!((tenants.len(), &p1["slug"], &p1["ahead"]), (1, &"p1".into(), &true.into()), "{}", status.text);
    let text = migrator(&["status"]).await.text;
    assert!(text.contains("6 (ahead)") && !text.contains("(behind)") && text.contains("0 behind"), "{text}");
    fleet.execute("UPDATE control.fleet SET generation = 6").await;
    let born = migrator(&["provision", "born", "--name", "X"]).await;
    assert!(born.code == Some(3) && born.text.contains("born at version 6"), "{}", born.text);
}

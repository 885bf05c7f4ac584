//! The order of a run: canary, percentages, the rest; and two runs at once.
use labor_testing::until;

use super::{Fleet, LIMIT};
use crate::chain::{Chain, REMARKS, V3};

/// The lines of a run in words: waves by name, tenants by what became of them.
fn course(text: &str) -> Vec<String> {
    let word = |line: &str| line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let lines = text.lines().filter(|line| line.starts_with("wave ") || line.contains(" in "));
    lines
        .filter(|line| !line.starts_with("version "))
        .map(|line| if line.starts_with("wave ") { line.to_owned() } else { word(line) })
        .collect()
}

#[tokio::test]
async fn waves_come_in_order_and_a_canary_that_fails_stops_all_others() {
    let fleet = Fleet::copy("waves_order").await;
    let chain = fleet.whole().await;
    let up =
        ["up", "--wave", "canary=1,half=50%,rest=rest", "--first", "p2", "--workers", "2", "--max-failures", "100%"];
    let broken = "ALTER TABLE {p2}.patients ADD COLUMN search_name text";
    fleet.execute(broken).await;
    let ran = fleet.ran(chain.migrator(&fleet.platform, &up)).await;
    assert_eq!(
        (ran.code, course(&ran.text)),
        (Some(3), vec!["wave canary".to_owned(), "failed".to_owned()]),
        "{}",
        ran.text
    );
    assert!(ran.text.contains("p2 failed in the canary wave") && ran.text.contains("4 not tried"), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 2, p1 2, p2 2, p3 2, p4 2");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 2);

    fleet.execute("ALTER TABLE {p2}.patients DROP COLUMN search_name").await;
    let ran = fleet.ran(chain.migrator(&fleet.platform, &up)).await;
    let m = "migrated";
    assert_eq!(
        (ran.code, course(&ran.text)),
        (Some(0), ["wave canary", m, "wave half", m, m, m, "wave rest", m].map(str::to_owned).to_vec()),
        "{}",
        ran.text
    );
    assert!(ran.text.lines().nth(1).unwrap().starts_with("p2 "), "{}", ran.text);
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn two_migrators_at_once_bring_each_tenant_up_once() {
    let fleet = Fleet::copy("waves_two").await;
    // Nothing that waits for everybody's transactions, as an index does.
    let chain = Chain::copy(&fleet.files().await).with(V3).with_rules(REMARKS);
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; LOCK TABLE {p1}.patients IN ACCESS SHARE MODE")).await.unwrap();
    let one = fleet.begin(&chain, &["--workers", "1", "--first", "p1", "--lock-timeout", "10m"]);
    // It has p1 in hand, and the other one meets it there.
    fleet.blocked("LOCK TABLE").await;
    let through = async {
        // Shorter than what a program is given: what it said is told.
        let others = until("the others to be brought up beside it", LIMIT / 2, async || {
            let versions = fleet.versions().await;
            Ok(if versions == "intake 3, p1 2, p2 3, p3 3, p4 3" { Ok(()) } else { Err(versions) })
        })
        .await;
        reader.batch_execute("ROLLBACK").await.unwrap();
        others
    };
    let two = fleet.up(&chain, &["--workers", "3", "--retries", "100"]);
    let (two, others) = tokio::join!(fleet.ran(two), through);
    assert!(others.is_ok(), "{others:?}: {}", two.text);
    let (code, said) = super::end_of(&one).await;
    assert_eq!((code, two.code), (Some(0), Some(0)), "{said}{}", two.text);
    assert!(said.contains("(p1) migrated in "), "{said}");
    for slug in ["intake", "p2", "p3", "p4"] {
        assert_eq!(two.of(slug).0, "migrated", "{}", two.text);
    }
    assert_ne!(two.of("p1").0, "migrated", "{}", two.text);
    fleet.is_whole(3).await;
    let twice = "SELECT count(*) FROM (SELECT FROM control.outcomes WHERE outcome = 'migrated' AND to_version = 3 GROUP BY tenant HAVING count(*) <> 1) t";
    assert_eq!(fleet.number(twice).await, 0);
}

/// The tenants that a run told of, in order.
fn told(ran: &super::Ran) -> Vec<String> {
    ran.lines
        .iter()
        .filter_map(|line| Some(format!("{} {}", line["tenant"].as_str()?, line["outcome"].as_str()?)))
        .collect()
}

#[tokio::test]
async fn those_that_come_first_and_find_no_place_head_the_next_wave() {
    let fleet = Fleet::copy("waves_first").await;
    let chain = fleet.whole().await;
    let first = ["--workers", "1", "--first", "p2", "--first", "p3", "--first", "p4", "--first", "p2"];
    let not_selected = fleet.ran(fleet.up(&chain, &["--tenant", "p1", "--first", "p2"])).await;
    assert!(not_selected.code == Some(1) && not_selected.text.contains("--first"), "{}", not_selected.text);
    let canary = fleet.ran(fleet.up(&chain, &[&["--wave", "canary=1"], first.as_slice()].concat())).await;
    assert_eq!((canary.code, told(&canary)), (Some(3), vec!["p2 migrated".to_owned()]), "{}", canary.text);

    // Neither who is there already nor who is held is the canary.
    let hold = "UPDATE control.ledger SET held_at = now(), held_by = 'test', held_reason = 'x' WHERE tenant = '{p3}'";
    fleet.execute(hold).await;
    let arguments = ["--wave", "canary=1,100%,rest", "--pause-between", "1s"];
    let ran = fleet.ran(fleet.up(&chain, &[&arguments, first.as_slice()].concat())).await;
    assert_eq!((ran.code, told(&ran).len(), told(&ran)[0].as_str()), (Some(0), 3, "p4 migrated"), "{}", ran.text);
    fleet.execute("UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL").await;
    // Nothing is left for the second wave, and no rest is taken before it.
    let ran = fleet.ran(fleet.up(&chain, &["--wave", "canary=1,rest", "--pause-between", "10m"])).await;
    assert_eq!((ran.code, told(&ran)), (Some(0), vec!["p3 migrated".to_owned()]), "{}", ran.text);
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn a_canary_alone_raises_the_version_of_births_only_when_it_succeeds() {
    let fleet = Fleet::copy("waves_alone").await;
    let chain = fleet.whole().await;
    let up = ["--wave", "canary=1", "--first", "p2"];
    fleet.execute("ALTER TABLE {p2}.patients ADD COLUMN search_name text").await;
    assert_eq!(fleet.ran(fleet.up(&chain, &up)).await.of("p2").0, "failed");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 2);
    fleet.execute("ALTER TABLE {p2}.patients DROP COLUMN search_name").await;
    assert_eq!(fleet.ran(fleet.up(&chain, &up)).await.of("p2").0, "migrated");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 6);
}

const KEY: &str = "(hashtextextended('labor tenant {p2}', 0))";

#[tokio::test]
async fn who_is_held_by_another_migrator_is_tried_again_and_proves_nothing_in_a_canary() {
    let fleet = Fleet::copy("waves_busy").await;
    let chain = fleet.whole().await;
    fleet.execute(&format!("SELECT pg_advisory_lock{KEY}")).await;
    let up = ["--first", "p2", "--max-failures", "0"];
    let run = async |waves: &str, retries: &str| {
        fleet.ran(fleet.up(&chain, &[&["--wave", waves, "--retries", retries], up.as_slice()].concat())).await
    };
    let ran = run("canary=1,rest", "1").await;
    assert_eq!((ran.code, ran.of("p2").0), (Some(3), "busy"), "{}", ran.text);
    assert!(ran.text.contains("the canary wave has proven nothing"), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 2, p1 2, p2 2, p3 2, p4 2");
    assert_eq!(fleet.number("SELECT generation::bigint FROM control.fleet").await, 2);
    // One that was brought there is a proof.
    let ran = run("canary=2,rest", "1").await;
    assert_eq!((ran.code, ran.of("p2").0), (Some(3), "busy"), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 6, p1 6, p2 2, p3 6, p4 6");
    let other = fleet.other().await;
    let given_back = async {
        until("the migrator to have tried the lock", LIMIT, async || {
            // Nobody else is left to be tried.
            let tried = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'labor-migrator'
                            AND query LIKE '%SELECT version, chain_checksum, rules_checksum, held_reason%' AND state = 'idle'";
            let tried: i64 = other.query_one(tried, &[]).await.unwrap().get(0);
            Ok(if tried > 0 { Ok(()) } else { Err("it has not".to_owned()) })
        })
        .await
        .unwrap();
        fleet.execute(&format!("SELECT pg_advisory_unlock{KEY}")).await;
    };
    let (ran, ()) = tokio::join!(run("canary=1,rest", "8"), given_back);
    assert_eq!((ran.code, ran.of("p2").0), (Some(0), "migrated"), "{}", ran.text);
    let attempts = ran.lines.iter().find(|line| line["tenant"] == "p2").map(|line| line["attempts"].as_i64().unwrap());
    assert!(attempts > Some(1), "{}", ran.text);
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn who_is_held_deleted_or_brought_there_meanwhile_is_nobodys_failure() {
    let fleet = Fleet::copy("waves_meanwhile").await;
    let chain = fleet.whole().await;
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; LOCK TABLE {p1}.patients IN ACCESS SHARE MODE")).await.unwrap();
    let first = ["--first", "p1", "--first", "p2", "--first", "p3", "--first", "p4"];
    let rest = ["--wave", "canary=4,rest", "--workers", "1", "--retries", "100", "--max-failures", "0"];
    let running = fleet.begin(&chain, &[first.as_slice(), &rest].concat());
    fleet.blocked("LOCK TABLE").await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--tenant", "p4"])).await.code, Some(0));
    fleet
        .execute(
            "UPDATE control.ledger SET held_at = now(), held_by = 'test', held_reason = 'x' WHERE tenant = '{p2}';
             DELETE FROM control.outcomes WHERE tenant = '{p3}'; DELETE FROM control.ledger WHERE tenant = '{p3}';
             UPDATE control.ledger SET last_error = 'x', last_error_at = now() WHERE tenant = '{p4}'",
        )
        .await;
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = super::end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    for (slug, outcome) in [("p1", "migrated"), ("p2", "passed by"), ("p3", "passed by"), ("p4", "current")] {
        assert!(said.contains(&format!("{} ({slug}) {outcome} in ", fleet.name(slug))), "{slug} {outcome}: {said}");
    }
    assert_eq!(fleet.versions().await, "intake 6, p1 6, p2 2, p4 6");
    assert_eq!(fleet.number("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL").await, 0);
}

#[tokio::test]
async fn who_is_released_during_a_run_below_all_others_is_taken_along() {
    let fleet = Fleet::copy("waves_released").await;
    let chain = fleet.whole().await;
    fleet
        .execute("UPDATE control.ledger SET held_at = now(), held_by = 'test', held_reason = 'x' WHERE tenant = '{p2}'")
        .await;
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "5"])).await.code, Some(0));
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; LOCK TABLE {p1}.patients IN ACCESS SHARE MODE")).await.unwrap();
    let running = fleet.begin(&chain, &["--first", "p1", "--workers", "1", "--retries", "100", "--rules"]);
    fleet.blocked("LOCK TABLE").await;
    fleet.execute("UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL").await;
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = super::end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn the_canary_is_nobody_who_is_not_worked_with_as_long_as_there_is_anybody_else() {
    let fleet = Fleet::copy("waves_idle").await;
    let chain = fleet.whole().await;
    let sql = "SELECT l.tenant FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant WHERE t.kind = 'practice' ORDER BY 1";
    let rows = fleet.client.query(sql, &[]).await.unwrap();
    let practices: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for (name, state) in [(&practices[0], "spare"), (&practices[1], "frozen")] {
        fleet.execute(&format!("UPDATE control.tenants SET state = '{state}' WHERE name = '{name}'")).await;
    }
    let canary = async |arguments: &[&str]| {
        let ran = fleet.ran(fleet.up(&chain, &[&["--wave", "canary=1", "--workers", "1"], arguments].concat())).await;
        assert_eq!(told(&ran).len(), 1, "{}", ran.text);
        let sql = "SELECT t.state || ' ' || t.kind FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                    ORDER BY l.migrated_at DESC LIMIT 1";
        fleet.client.query_one(sql, &[]).await.unwrap().get::<_, String>(0)
    };
    assert_eq!(canary(&["--to", "3"]).await, "active practice");
    let (spare, frozen, intake) = (practices[0].as_str(), practices[1].as_str(), fleet.name("intake"));
    assert_eq!(canary(&["--to", "3", "--first", frozen]).await, "frozen practice", "it was named");
    let left = ["--to", "3", "--tenant", spare, "--tenant", intake];
    assert_eq!(canary(&left).await, "spare practice", "only the intake is left besides");
    assert_eq!(canary(&left).await, "active intake", "nobody else is left");
    assert_eq!(fleet.ran(fleet.up(&chain, &["--wave", "canary=9,rest"])).await.code, Some(0));
    fleet.is_whole(6).await;
}

#[tokio::test]
async fn who_was_asked_for_and_is_held_is_told_with_the_reason() {
    let fleet = Fleet::copy("waves_held").await;
    let chain = fleet.whole().await;
    let run = async |arguments: &[&str]| fleet.ran(chain.migrator(&fleet.platform, arguments)).await;
    assert_eq!(run(&["hold", "p1", "--reason", "moving house"]).await.code, Some(0));
    let other = run(&["up", "--tenant", "p2"]).await;
    assert!(other.code == Some(0) && !other.text.contains("held"), "p1 was not asked for: {}", other.text);
    let held = run(&["up", "--tenant", "p1"]).await;
    assert_eq!(held.code, Some(3), "{}", held.text);
    for part in ["1 held back", "p1 by ", ": moving house", "labor-migrator release"] {
        assert!(held.text.contains(part), "{part:?} is not in: {}", held.text);
    }
    let json = fleet.ran(fleet.up(&chain, &["--tenant", "p1"])).await;
    let told = &json.lines.last().unwrap()["held_tenants"][0];
    assert_eq!((&told["slug"], &told["reason"]), (&"p1".into(), &"moving house".into()), "{}", json.text);
    assert!(told["by"].is_string(), "{}", json.text);
    let all = run(&["up"]).await;
    assert!(all.code == Some(0) && all.text.contains("1 held back"), "{}", all.text);
}

#[tokio::test]
async fn the_canary_is_a_practice_and_the_intake_only_by_name_or_when_nobody_else_is_left() {
    let fleet = Fleet::copy("waves_intake").await;
    let chain = fleet.whole().await;
    // The name that would come first is the intake's.
    let intake = fleet.name("intake");
    let sql = "SELECT min(tenant) FROM control.ledger";
    let lowest: String = fleet.client.query_one(sql, &[]).await.unwrap().get(0);
    if lowest != intake {
        let swap = "UPDATE control.tenants SET kind = 'practice' WHERE kind = 'intake'";
        fleet.execute(&format!("{swap}; UPDATE control.tenants SET kind = 'intake' WHERE name = '{lowest}'")).await;
    }
    let canary = async |arguments: &[&str]| {
        let ran = fleet.ran(fleet.up(&chain, &[&["--wave", "canary=1", "--workers", "1"], arguments].concat())).await;
        assert_eq!(told(&ran).len(), 1, "{}", ran.text);
        let sql = "SELECT t.kind FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant WHERE l.version = $1 ORDER BY l.migrated_at DESC LIMIT 1";
        let version: i32 = if arguments.contains(&"3") { 3 } else { 6 };
        fleet.client.query_one(sql, &[&version]).await.unwrap().get::<_, String>(0)
    };
    assert_eq!(canary(&["--to", "3"]).await, "practice");
    let slug = &fleet.tenants.iter().find(|(name, _)| *name == lowest).unwrap().1;
    assert_eq!(canary(&["--to", "3", "--first", slug]).await, "intake", "it was named");
    assert_eq!(fleet.ran(fleet.up(&chain, &["--to", "3"])).await.code, Some(0));
    assert_eq!(canary(&["--tenant", slug]).await, "intake", "nobody else is left");
    assert_eq!(fleet.ran(fleet.up(&chain, &["--wave", "canary=9,rest"])).await.code, Some(0));
    fleet.is_whole(6).await;
}

//! What an operator decides about one practice, and what the migrator remembers of its runs.
use labor_testing::{Platform, postgres, scratch};
use serde_json::Value;

use crate::clinic::{PASSWORD, User, without_worker};

async fn migrator(platform: &Platform, arguments: &[&str]) -> (Option<i32>, String) {
    let run = platform.program("labor-migrator").unwrap().args(arguments.iter().copied()).run().await.unwrap();
    (run.status.code(), run.stdout + &run.stderr)
}

#[tokio::test]
async fn a_held_practice_is_passed_by_until_it_is_released() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_hold"), "steer_hold").await.unwrap();
    let held = platform.practice("p1", "Praxis", "100000001").await.unwrap();
    platform.practice("p2", "Praxis", "100000002").await.unwrap();
    let client = postgres().await.connect("steer_hold").await.unwrap();
    assert_eq!(migrator(&platform, &["hold", "p1", "--reason", ""]).await.0, Some(1));
    let (code, said) = migrator(&platform, &["hold", "p1", "--reason", "moving house"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = migrator(&platform, &["hold", &held, "--reason", "again"]).await;
    assert!(code == Some(1) && said.contains("is held already"), "{said}");

    client.batch_execute("UPDATE control.ledger SET chain_checksum = 'older'").await.unwrap();
    let (code, said) = migrator(&platform, &["up"]).await;
    assert!(code == Some(0) && said.contains("2 migrated, 0 failed, 1 held back"), "{said}");
    let (code, said) = migrator(&platform, &["status"]).await;
    assert!(code == Some(0) && said.contains("held: moving house") && said.contains("0 behind"), "{said}");

    assert_eq!(migrator(&platform, &["release", "p1"]).await.0, Some(0));
    assert_eq!(migrator(&platform, &["release", "p1"]).await.0, Some(1));
    assert_eq!(migrator(&platform, &["status"]).await.0, Some(3), "it is behind now");
    assert_eq!(migrator(&platform, &["up"]).await.0, Some(0));

    let runs = platform.json("labor-migrator", &["--json", "history"], "").await.unwrap();
    let commands: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["up", "release", "up", "hold", "provision", "provision", "provision"]);
    assert!(
        runs.as_array().unwrap().iter().all(|run| run["outcome"] == "completed" && run["finished_at"].is_string()),
        "{runs}"
    );
    let of_one = platform.json("labor-migrator", &["--json", "history", "--tenant", "p1"], "").await.unwrap();
    let of_one = of_one.as_array().unwrap();
    let text = |o: &Value, key: &str| o[key].as_str().unwrap_or("none").to_owned();
    let said: Vec<_> = of_one.iter().map(|o| ["command", "outcome", "reason"].map(|key| text(o, key))).collect();
    assert_eq!(
        said,
        [
            ["up", "migrated", "none"],
            ["release", "completed", "none"],
            ["hold", "completed", "moving house"],
            ["provision", "migrated", "none"]
        ]
    );
    assert!(of_one.iter().all(|o| text(o, "started_on").contains('@')), "by whom: {of_one:?}");
    let (code, said) = migrator(&platform, &["hold", "nobody", "--reason", "x"]).await;
    assert!(code == Some(1) && said.contains("there is no tenant nobody"), "{said}");
}

#[tokio::test]
async fn a_suspended_practice_is_served_again_when_it_is_resumed() {
    let clinic = without_worker("steer_suspend").await;
    let doctor = clinic.doctor("a").await;
    assert!(doctor.get("/v1/reports").await.status().is_success());
    let (code, said) = migrator(&clinic.platform, &["suspend", "a", "--reason", "unpaid"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!doctor.get("/v1/reports").await.status().is_success());
    assert!(User::sign_in(&clinic.server.base, "a", "doctor", PASSWORD).await.is_err());
    assert!(clinic.doctor("b").await.get("/v1/reports").await.status().is_success());
    assert_eq!(migrator(&clinic.platform, &["suspend", "a", "--reason", "twice"]).await.0, Some(0));
    // It goes on being migrated, and checked.
    clinic.execute("UPDATE control.ledger SET chain_checksum = 'older'").await;
    assert_eq!(migrator(&clinic.platform, &["up"]).await.0, Some(0));
    assert_eq!(migrator(&clinic.platform, &["resume", "a"]).await.0, Some(0));
    let doctor = clinic.doctor("a").await;
    assert!(doctor.get("/v1/reports").await.status().is_success());
    let (code, said) = migrator(&clinic.platform, &["rename", "a", "--name", "Praxis am See"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(clinic.count("SELECT count(*) FROM control.tenants WHERE display_name = 'Praxis am See'").await, 1);
}

#[tokio::test]
async fn spares_are_migrated_with_the_fleet_and_taken_by_the_next_practice() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_pool"), "steer_pool").await.unwrap();
    let client = postgres().await.connect("steer_pool").await.unwrap();
    let (code, said) = migrator(&platform, &["pool", "--keep", "1"]).await;
    let (first, rest) = said.split_once('\n').unwrap();
    assert!(code == Some(0) && first.starts_with("t_") && first.ends_with(" made"), "a line for each: {said}");
    assert_eq!(rest, "1 spare(s) ready, 1 made, 0 dropped\n");
    let kept = platform.json("labor-migrator", &["--json", "pool", "--keep", "3"], "").await.unwrap();
    assert_eq!((&kept["ready"], &kept["made"]), (&3.into(), &2.into()));
    client.batch_execute("UPDATE control.ledger SET chain_checksum = 'older'").await.unwrap();
    // A spare that is behind is no use to anybody.
    let cold = platform.json("labor-migrator", &["--json", "provision", "p1", "--name", "Eins"], "").await.unwrap();
    assert_eq!(cold["from_pool"], false);
    assert_eq!(migrator(&platform, &["up"]).await.0, Some(0));
    let warm = platform
        .json("labor-migrator", &["--json", "provision", "p2", "--name", "Zwei", "--bsnr", "100000002"], "")
        .await
        .unwrap();
    assert_eq!(warm["from_pool"], true);
    let (code, said) = migrator(&platform, &["provision", "p2", "--name", "Twice"]).await;
    assert!(code == Some(1) && said.contains("the sign-in name \"p2\" is taken"), "{said}");
    assert_eq!(migrator(&platform, &["check"]).await.0, Some(0));
    let spares = "SELECT count(*) FROM control.tenants WHERE state = 'spare'";
    assert_eq!(client.query_one(spares, &[]).await.unwrap().get::<_, i64>(0), 2);
    // Nobody logs in to one, and one with a past is passed by.
    let first = "SELECT t.name, r.rolcanlogin FROM control.tenants t JOIN pg_roles r ON r.rolname = t.name || '_app'
                  WHERE t.state = 'spare' ORDER BY t.name LIMIT 1";
    let row = client.query_one(first, &[]).await.unwrap();
    let (spare, open): (String, bool) = (row.get(0), row.get(1));
    assert!(!open);
    let past = format!(
        "INSERT INTO {spare}.users (id, username, password_hash, role, display_name)
         VALUES (gen_random_uuid(), 'x', '$argon2id$x', 'admin', 'X')"
    );
    client.batch_execute(&past).await.unwrap();
    let made =
        platform.json("labor-migrator", &["--json", "provision", "wary", "--name", "Vorsicht"], "").await.unwrap();
    assert_eq!(made["from_pool"], true);
    assert_ne!(made["tenant"], spare.as_str());
    let left = platform.json("labor-migrator", &["--json", "pool", "--keep", "0"], "").await.unwrap();
    assert_eq!(left["dropped"], 0, "rows are not dropped by the way");
    client.batch_execute(&format!("TRUNCATE {spare}.users CASCADE")).await.unwrap();
    let dropped = platform.json("labor-migrator", &["--json", "pool", "--keep", "0"], "").await.unwrap();
    assert_eq!((&dropped["ready"], &dropped["dropped"]), (&0.into(), &1.into()));
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't\\_%'";
    assert_eq!(client.query_one(schemas, &[]).await.unwrap().get::<_, i64>(0), 4, "intake, p1, p2 and wary");
}

#[tokio::test]
async fn a_spare_that_nobody_can_take_stops_no_practice_and_is_replaced() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_bad"), "steer_bad").await.unwrap();
    let client = postgres().await.connect("steer_bad").await.unwrap();
    let keep = async |wanted: &str| {
        let kept = platform.json("labor-migrator", &["--json", "pool", "--keep", wanted], "").await.unwrap();
        ["ready", "made", "dropped"].map(|what| kept[what].as_u64().unwrap())
    };
    let first = async || -> String {
        let sql = "SELECT min(name) FROM control.tenants WHERE state = 'spare'";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    assert_eq!(keep("2").await, [2, 2, 0]);
    let unsound = first().await;
    client.batch_execute(&format!("GRANT USAGE ON SCHEMA control TO {unsound}_app")).await.unwrap();
    let made = platform.json("labor-migrator", &["--json", "provision", "p1", "--name", "Eins"], "").await.unwrap();
    assert_eq!(made["from_pool"], true, "the other one");
    assert_ne!(made["tenant"], unsound.as_str());
    assert_eq!(keep("2").await, [2, 2, 1], "the unsound one is replaced");

    let drifted = first().await;
    client.batch_execute(&format!("ALTER TABLE {drifted}.orders ADD COLUMN x integer")).await.unwrap();
    assert_eq!(keep("2").await, [2, 1, 1], "and so is one that was changed by hand");

    let written = first().await;
    let past = format!(
        "INSERT INTO {written}.users (id, username, password_hash, role, display_name)
         VALUES (gen_random_uuid(), 'x', '$argon2id$x', 'admin', 'X'); ALTER TABLE {written}.orders ADD COLUMN x integer"
    );
    client.batch_execute(&past).await.unwrap();
    assert_eq!(keep("2").await, [2, 1, 0], "one with rows does not count, and stays whatever else it has");
    assert_eq!(keep("0").await, [0, 0, 2]);
    assert_eq!(first().await, written);
}

/// One looks at all spares while the other drops some: none waits for the other for ever.
#[tokio::test]
async fn two_that_keep_the_pool_do_not_stop_each_other() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_two"), "steer_two").await.unwrap();
    let keep = async |wanted: &str| migrator(&platform, &["pool", "--keep", wanted]).await;
    assert_eq!(keep("12").await.0, Some(0));
    for _ in 0..2 {
        let (less, same, more) = tokio::join!(keep("2"), keep("8"), keep("12"));
        for (code, said) in [less, same, more] {
            assert_eq!(code, Some(0), "{said}");
        }
    }
    assert_eq!(keep("3").await.0, Some(0));
    let spares = "SELECT count(*) FROM control.tenants WHERE state = 'spare'";
    let client = postgres().await.connect("steer_two").await.unwrap();
    assert_eq!(client.query_one(spares, &[]).await.unwrap().get::<_, i64>(0), 3);
    assert_eq!(migrator(&platform, &["verify"]).await.0, Some(0));
}

async fn approve_deletion(platform: &Platform, tenant: &str) {
    for operator in ["anna", "bert"] {
        platform.json("labor", &["operator", "add", operator, "--name", operator], "").await.unwrap();
    }
    let add = "INSERT INTO control.requests (id, tenant, kind, reason, grace_days, requested_by, approved_by, approved_at, state)
               SELECT gen_random_uuid(), $1, 'deletion', 'test', 0, a.id, b.id, now(), 'approved'
                 FROM control.operators a, control.operators b WHERE a.username = 'anna' AND b.username = 'bert'";
    let client = postgres().await.connect(platform.database()).await.unwrap();
    assert_eq!(client.execute(add, &[&tenant]).await.unwrap(), 1);
}

#[tokio::test]
async fn what_cannot_be_decided_is_refused_with_the_reason_and_what_was_is_in_the_history() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_why"), "steer_why").await.unwrap();
    let p1 = platform.practice("p1", "Praxis", "100000001").await.unwrap();
    let run = async |arguments: &[&str]| migrator(&platform, arguments).await;
    for (arguments, why) in [
        (&["resume", "p1"][..], "can't be opened: it is open"),
        (&["suspend", "intake", "--reason", "x"], "can't be suspended: it is the intake"),
    ] {
        let (code, said) = run(arguments).await;
        assert!(code == Some(1) && said.contains(why), "{said}");
    }
    let (code, said) = run(&["suspend", "p1", "--reason", "x"]).await;
    assert!(code == Some(0) && said.contains(&format!("{p1} (p1) is suspended")), "{said}");
    let (code, said) = run(&["suspend", "p1", "--reason", "x"]).await;
    assert!(code == Some(0) && said.contains(&format!("{p1} (p1) is suspended already")), "{said}");
    approve_deletion(&platform, &p1).await;
    for (arguments, what) in [(&["suspend", "p1", "--reason", "x"][..], "suspended"), (&["resume", "p1"], "opened")] {
        let (code, said) = run(arguments).await;
        let why = format!("can't be {what}: its deletion was approved");
        assert!(code == Some(1) && said.contains(&why), "{said}");
    }
    // By either name.
    for (name, bsnr) in [("p1", "100000002"), (p1.as_str(), "100000003")] {
        let made = platform.json("labor-migrator", &["--json", "identify", name, "--bsnr", bsnr], "").await.unwrap();
        assert_eq!((&made["tenant"], &made["slug"]), (&p1.as_str().into(), &"p1".into()));
    }
    let (code, said) = run(&["identify", "nobody", "--bsnr", "100000004"]).await;
    assert!(code == Some(1) && said.contains("status --all"), "{said}");
    let runs = platform.json("labor-migrator", &["--json", "history", "--limit", "2"], "").await.unwrap();
    assert!(
        runs.as_array().unwrap().iter().all(|run| run["command"] == "identify" && run["outcome"] == "completed"),
        "{runs}"
    );
    let client = postgres().await.connect("steer_why").await.unwrap();
    let rules = "UPDATE control.ledger SET chain_checksum = 'older', rules_checksum = 'older'";
    client.batch_execute(rules).await.unwrap();
    assert!(run(&["status"]).await.1.contains("row rules differ"));
}

#[tokio::test]
async fn an_unprepared_database_is_told_alike_by_every_command() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("steer_bare"), "steer_bare").await.unwrap();
    postgres().await.create_database("steer_empty").await.unwrap();
    let url = platform.setting("LABOR_MIGRATOR_URL").replace("steer_bare", "steer_empty");
    for command in [
        &["up"][..],
        &["up", "--tenant", "x"],
        &["plan"],
        &["status"],
        &["check"],
        &["verify"],
        &["history"],
        &["drift"],
        &["rehearse"],
        &["pool", "--keep", "1"],
    ] {
        let (code, said) = migrator(&platform, &[&["--database-url", &url], command].concat()).await;
        let told = "this database is not prepared for Labor yet: run `labor-migrator bootstrap` (once, as a superuser), then `labor-migrator up`";
        assert!(code == Some(1) && said.contains(told), "{command:?}: {said}");
    }
}

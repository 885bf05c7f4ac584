//! Migrate: ledger → lock, DDL, proof, stamp → report.
use labor_testing::{Fault, Platform, Program, Wire, postgres, scratch, write_private};
use serde_json::Value;

use crate::kill;

async fn fleet(name: &str) -> Platform {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join(name), name).await.unwrap();
    for n in 1..=3 {
        platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
    }
    platform
}

/// `up`: its exit code, and what it says of each tenant and, last, of the run.
async fn up(platform: &Platform, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let program = platform.program("labor-migrator").unwrap().args(["--json", "up"]).args(arguments.iter().copied());
    let run = program.run().await.unwrap();
    let lines = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (run.status.code(), lines)
}

#[tokio::test]
async fn the_fleet_is_brought_up_again_after_a_tenant_fell_behind() {
    let platform = fleet("migrate_up").await;
    let client = postgres().await.connect("migrate_up").await.unwrap();
    let nothing = platform.json("labor-migrator", &["--json", "up"], "").await.unwrap();
    assert_eq!(
        (&nothing["migrated"], &nothing["run"]),
        (&0.into(), &Value::Null),
        "a fleet that is current costs nothing"
    );
    client.batch_execute("UPDATE control.ledger SET chain_checksum = 'older'").await.unwrap();
    let status = platform.program("labor-migrator").unwrap().args(["--json", "status"]).run().await.unwrap();
    assert_eq!(status.status.code(), Some(3), "behind is told by the exit code");
    let (_, done) = up(&platform, &["--workers", "3"]).await;
    let (tenants, run) = done.split_at(done.len() - 1);
    assert!(tenants.len() == 4 && tenants.iter().all(|t| t["outcome"] == "migrated"), "{done:?}");
    assert_eq!((&run[0]["migrated"], &run[0]["failed"]), (&4.into(), &0.into()));
    let status = platform.json("labor-migrator", &["--json", "status", "--all"], "").await.unwrap();
    let tenants = status["tenants"].as_array().unwrap();
    assert!(tenants.iter().all(|t| t["current"] == true && t["class"] == tenants[0]["class"]), "{status}");
    assert_eq!(platform.json("labor-migrator", &["--json", "check"], "").await.unwrap().as_array().unwrap().len(), 0);
}

/// To look what the server leaves open costs more than all the rest.
#[tokio::test]
async fn what_finds_nothing_to_do_asks_once_what_the_server_leaves_open() {
    let platform = fleet("migrate_idle").await;
    let check = labor_catalog::sql::SERVER_CHECK.lines().next().unwrap();
    for command in ["up", "status"] {
        let wire = Wire::start(("127.0.0.1", postgres().await.port()), Fault::None).await.unwrap();
        let url = wire.url(&kill::url(&platform)).unwrap();
        let program = platform.program("labor-migrator").unwrap().env("LABOR_MIGRATOR_URL", url).args([command]);
        let ran = program.run().await.unwrap();
        assert!(ran.status.success(), "{command}: {}", ran.stderr);
        let asked = wire.log();
        assert_eq!(asked.iter().filter(|text| text.starts_with(check)).count(), 1, "{command}: {asked:#?}");
    }
}

/// The stamp in the schema and the ledger say the same, because they were written in one transaction.
#[tokio::test]
async fn a_tenant_that_fails_the_isolation_check_is_rolled_back_and_the_others_go_on() {
    let platform = fleet("migrate_check").await;
    let client = postgres().await.connect("migrate_check").await.unwrap();
    let broken: String =
        client.query_one("SELECT name FROM control.tenants WHERE slug = 'p2'", &[]).await.unwrap().get(0);
    client
        .batch_execute(&format!(
            "CREATE TABLE {broken}.forgotten (id int); ALTER TABLE {broken}.forgotten OWNER TO labor_owner;
        GRANT SELECT ON {broken}.forgotten TO {broken}_app; UPDATE control.ledger SET chain_checksum = 'older'"
        ))
        .await
        .unwrap();
    let (code, report) = up(&platform, &[]).await;
    assert_eq!(code, Some(3));
    for tenant in &report[..report.len() - 1] {
        let failed = tenant["tenant"] == broken.as_str();
        assert_eq!(tenant["outcome"], if failed { "failed" } else { "migrated" }, "{tenant}");
        assert_eq!(
            failed,
            tenant["error"].as_str().is_some_and(|e| e.contains("forgotten") && e.contains("db/rls/tenant.sql"))
        );
    }
    let row = client
        .query_one("SELECT chain_checksum, last_error IS NOT NULL FROM control.ledger WHERE tenant = $1", &[&broken])
        .await
        .unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, bool>(1)), ("older", true));
    client.batch_execute(&format!("DROP TABLE {broken}.forgotten")).await.unwrap();
    platform.program("labor-migrator").unwrap().args(["up"]).output().await.unwrap();
    let behind: i64 = client
        .query_one("SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL OR chain_checksum = 'older'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(behind, 0);
}

#[tokio::test]
async fn a_taken_name_or_number_is_refused_and_leaves_nothing() {
    let platform = fleet("migrate_taken").await;
    let client = postgres().await.connect("migrate_taken").await.unwrap();
    let count = async |sql: &str| client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    let before = (count("SELECT count(*) FROM pg_roles").await, count("SELECT count(*) FROM pg_namespace").await);
    for (arguments, reason) in [
        ["provision", "p1", "--name", "X"].as_slice(),
        &["provision", "new", "--name", "X", "--bsnr", "100000001"],
        &["provision", "Bad Slug", "--name", "X"],
        &["provision", "new", "--name", "X", "--bsnr", "12"],
        &["provision", "second", "--name", "X", "--intake"],
    ]
    .iter()
    .zip([
        "the sign-in name \"p1\" is taken",
        "the BSNR 100000001 belongs to a tenant already",
        "can't be a sign-in name",
        "is not a BSNR",
        "there is an intake already",
    ]) {
        let run = platform.program("labor-migrator").unwrap().args(arguments.iter().copied()).run().await.unwrap();
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        assert!(run.stderr.starts_with("labor-migrator: ") && run.stderr.contains(reason), "{}", run.stderr);
    }
    // Roles belong to the cluster, which other tests share: only this database's schemas can be counted exactly.
    assert_eq!(count("SELECT count(*) FROM pg_namespace").await, before.1);
}

#[tokio::test]
async fn an_unprepared_database_and_a_wrong_password_are_told_plainly() {
    let platform = fleet("migrate_bad").await;
    let said = |url: String| {
        let program = platform.program("labor-migrator").unwrap().env("LABOR_MIGRATOR_URL", url).args(["up"]);
        async move { program.run().await.unwrap() }
    };
    postgres().await.create_database("migrate_empty").await.unwrap();
    let empty = platform.setting("LABOR_MIGRATOR_URL").replace("migrate_bad", "migrate_empty");
    let unprepared = said(empty).await;
    assert_eq!(unprepared.status.code(), Some(1), "{}", unprepared.stderr);
    assert!(unprepared.stderr.contains("labor-migrator bootstrap"), "{}", unprepared.stderr);
    let refused = said(postgres().await.url_as("labor_migrator", "wrong", "migrate_bad")).await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("password authentication failed") && !refused.stderr.contains("wrong@"),
        "{}",
        refused.stderr
    );
    let unreachable = said("postgres://labor_migrator:x@127.0.0.1:1/none".to_owned()).await;
    assert_eq!(unreachable.status.code(), Some(1), "{}", unreachable.stderr);
    assert!(
        unreachable.stderr.contains("can't connect to labor_migrator at 127.0.0.1:1/none"),
        "{}",
        unreachable.stderr
    );
}

/// Every running process signs with the key that the database knows: another one would shut all of them out.
#[tokio::test]
async fn another_master_secret_is_refused_and_changes_nothing() {
    let platform = fleet("migrate_secret").await;
    let client = postgres().await.connect("migrate_secret").await.unwrap();
    let key = "SELECT string_agg(k::text, ';') || (SELECT count(*) FROM pg_namespace) FROM guard.claim_keys k";
    let before: String = client.query_one(key, &[]).await.unwrap().get(0);
    let other = platform.folder().join("other-secret");
    write_private(&other, &"ab".repeat(32)).unwrap();
    for arguments in [["up"].as_slice(), &["provision", "new", "--name", "X"]] {
        let program = platform.program("labor-migrator").unwrap().env("LABOR_MASTER_SECRET_FILE", &other);
        let run = program.args(arguments).run().await.unwrap();
        assert_eq!(run.status.code(), Some(1), "{arguments:?}");
        let told = "this master secret is not the one this database was prepared with";
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
    assert_eq!(client.query_one(key, &[]).await.unwrap().get::<_, String>(0), before);
    platform.json("labor-migrator", &["--json", "up"], "").await.unwrap();
}

/// As under `labor-migrator status | head -1`: long before the program prints, nobody reads any more.
#[tokio::test]
async fn a_closed_pipe_is_no_fault() {
    let platform = fleet("migrate_pipe").await;
    let programs = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned();
    let settings = ["LABOR_MIGRATOR_URL", "LABOR_MASTER_SECRET_FILE"].map(|name| (name, platform.setting(name)));
    let shell = Program::at("/bin/bash".into()).envs(settings).env("MIGRATOR", programs.join("labor-migrator"));
    for command in ["status", "check", "--json status"] {
        let script = format!("set -o pipefail; \"$MIGRATOR\" {command} | true");
        let ended = shell.clone().args(["-c", &script]).run().await.unwrap();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{command}: {}", ended.stderr);
    }
}

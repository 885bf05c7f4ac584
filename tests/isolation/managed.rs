//! A server that gives no superuser: nothing is begun there before somebody said so, and what stays open is said each time.
use std::time::Duration;

use labor_testing::{Finished, Program};
use serde_json::Value;

use crate::attack_suite::turn;
use crate::world::{World, managed, world};

const SETTING: &str = "LABOR_ACCEPT_WEAKER_ISOLATION";
const LIMIT: Duration = Duration::from_secs(30);

async fn run(program: Program, arguments: &[&str]) -> Finished {
    program.args(arguments).run().await.unwrap()
}

fn migrator(world: &World) -> Program {
    world.platform.program("labor-migrator").unwrap()
}

fn labor(world: &World) -> Program {
    world.platform.program("labor").unwrap()
}

/// Kinds of an error's findings, or of those of `check`.
fn kinds(findings: &Value) -> Vec<&str> {
    let mut kinds: Vec<_> =
        findings.as_array().unwrap().iter().filter_map(|finding| finding["kind"].as_str()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn the_migrator_begins_nothing_before_somebody_agreed() {
    let (_turn, world) = (turn().await, managed().await);
    for (arguments, kind, status) in [
        (["--json", "bootstrap"].as_slice(), "no_superuser", 1),
        (&["--json", "up"], "unhardened", 4),
        (&["--json", "pool", "--keep", "1"], "unhardened", 4),
        (&["--json", "baseline", "t_abcdefghijkl", "--slug", "early", "--name", "Praxis"], "unhardened", 4),
    ] {
        let refused = run(migrator(world).without(SETTING), arguments).await;
        assert_eq!(refused.status.code(), Some(status), "{}", refused.stderr);
        let error: Value = serde_json::from_str(&refused.stderr).unwrap();
        assert_eq!(error["error"]["kind"], kind, "{error}");
    }
    let up = run(migrator(world), &["up"]).await;
    assert!(up.status.success(), "{}", up.stderr);
    assert!(up.stderr.contains("unhardened catalogs"), "it is not said: {}", up.stderr);
}

#[tokio::test]
async fn check_and_status_say_what_stays_open() {
    let (_turn, world) = (turn().await, managed().await);
    let refused = run(migrator(world).without(SETTING), &["--json", "check"]).await;
    assert_eq!(refused.status.code(), Some(4), "{}", refused.stderr);
    let found: Value = serde_json::from_str(&refused.stdout).unwrap();
    let found: Vec<_> = found.as_array().unwrap().iter().map(|one| one["finding"].clone()).collect();
    let objects: Vec<_> = found.iter().filter_map(|finding| finding["object"].as_str()).collect();
    for object in [
        "languages",
        "catalogs",
        "functions that run SQL text",
        "large objects",
        "temporary files",
        "server log",
        "labor_backup",
    ] {
        assert!(objects.contains(&object), "{object} is not in {objects:?}");
    }
    assert!(kinds(&Value::from(found)).iter().all(|kind| ["unhardened", "incapable"].contains(kind)));
    let accepted = run(migrator(world), &["check"]).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", accepted.stdout);
    assert!(accepted.stdout.contains("accepted: database unhardened catalogs"), "{}", accepted.stdout);
    let status = run(migrator(world), &["status"]).await;
    assert!(status.stderr.contains("unhardened catalogs"), "{}", status.stderr);
}

/// What was agreed to is what PostgreSQL is shipped with, and not what somebody gave.
#[tokio::test]
async fn a_mistake_on_such_a_server_is_still_a_finding() {
    let (_turn, world) = (turn().await, managed().await);
    let superuser = world.superuser().await;
    let sql = format!(
        "BEGIN; SET LOCAL search_path = pg_catalog; GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC;
         GRANT SELECT ON pg_statistic TO PUBLIC; CREATE FUNCTION pg_catalog.pg_sleep_planted() RETURNS int RETURN 1;
         GRANT labor_services TO {}",
        world.b.name.role()
    );
    superuser.batch_execute("SET allow_system_table_mods = on").await.unwrap();
    superuser.batch_execute(&sql).await.unwrap();
    let findings = labor_migrator::isolation::check(&superuser, &world.b.name).await.unwrap();
    superuser.batch_execute("ROLLBACK").await.unwrap();
    let mut left: Vec<_> =
        findings.iter().filter(|finding| !finding.is_of_the_server()).map(|f| f.kind.as_str()).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        ["function_reachable", "function_reachable", "relation_reachable", "role_member", "role_membership"]
    );
}

#[tokio::test]
async fn serve_and_work_begin_nothing_before_somebody_agreed_and_say_what_stays_open() {
    let (_turn, world) = (turn().await, managed().await);
    let folder = world.platform.folder();
    for arguments in [["serve", "--listen=127.0.0.1:0"].as_slice(), &["work"]] {
        let refused = run(labor(world).without(SETTING), arguments).await;
        assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
        assert!(refused.stderr.contains(SETTING) && refused.stderr.contains("catalogs"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("listening") && !refused.stderr.contains("working"), "{}", refused.stderr);
        let log = folder.join(format!("accepted-{}.log", arguments[0]));
        let running = labor(world).args(arguments).start_with_log(&log).unwrap();
        let begun = if arguments[0] == "serve" { "\"listening\"" } else { "\"working\"" };
        running.wait_for_line(begun, LIMIT).await.unwrap();
        let said = running.said();
        assert!(said.contains("weaker isolation, accepted") && said.contains("\"catalogs\""), "{said}");
        running.terminate(LIMIT).await.unwrap();
    }
}

#[tokio::test]
async fn on_a_hardened_server_nothing_is_said() {
    let world = world().await;
    let checked = run(migrator(world), &["up"]).await;
    assert!(checked.status.success() && !checked.stderr.contains("unhardened"), "{}", checked.stderr);
    let server = world.platform.serve().await.unwrap();
    assert!(!server.running.said().contains("weaker"), "{}", server.running.said());
}

//! A COMMIT that was sent and whose answer never came: whether the server did it is looked up, and that is what is recorded.
use labor_testing::{Fault, Wire, postgres};

use super::{Fleet, Ran};
use crate::chain::{Chain, V3};

/// Its second part is a transaction of its own, because of what comes between.
const INDEX: (&str, &str) = (
    "V4__given_name",
    "-- Kind: concurrent\n-- Phase: expand\nCREATE INDEX CONCURRENTLY IF NOT EXISTS patients_given_name ON patients (given_name);\n",
);

/// `up` of p1 on a copy of the fleet, through a proxy; its statements.
async fn up(name: &str, fault: Fault, retries: &str) -> (Fleet, Chain, Ran, Vec<String>) {
    let fleet = Fleet::copy(name).await;
    let chain = Chain::copy(&fleet.files().await).with(V3).with_rules(crate::chain::REMARKS).with(INDEX);
    let wire = Wire::start(("127.0.0.1", postgres().await.port()), fault).await.unwrap();
    let url = wire.url(fleet.platform.setting("LABOR_MIGRATOR_URL")).unwrap();
    let arguments = ["--tenant", "p1", "--workers", "1", "--retries", retries];
    let ran = fleet.ran(fleet.up(&chain, &arguments).env("LABOR_MIGRATOR_URL", url)).await;
    assert_eq!(wire.done(), fault != Fault::None, "{name}: the fault was not made");
    (fleet, chain, ran, wire.log())
}

/// The boundaries of the COMMITs that bring p1 to version 3 and to version 4.
async fn commits() -> [u64; 2] {
    let (_, _, ran, log) = up("unanswered_clean", Fault::None, "0").await;
    assert_eq!((ran.code, ran.of("p1").0), (Some(0), "migrated"), "{}", ran.text);
    let parts: Vec<u64> = (1..)
        .zip(log.windows(2))
        .filter(|(_, pair)| {
            pair[0].contains("UPDATE control.ledger\n         SET version") && pair[1].starts_with("COMMIT")
        })
        .map(|(at, _)| at + 1)
        .collect();
    assert_eq!(parts.len(), 2, "COMMITs at {parts:?} of {log:#?}");
    [parts[0], parts[1]]
}

/// What the records say of p1: ledger, outcome, run.
async fn recorded(fleet: &Fleet) -> String {
    let sql = "SELECT format('ledger %s %s, outcome %s to %s %s, run %s %s %s', l.version, l.last_error IS NOT NULL,
                             o.outcome, o.to_version, o.error IS NOT NULL, r.outcome, r.succeeded, r.failed)
                 FROM control.ledger l JOIN control.outcomes o USING (tenant) JOIN control.runs r ON r.id = o.run_id
                WHERE l.tenant = '{p1}' AND r.command = 'up'";
    fleet.client.query_one(&fleet.sql(sql), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn an_unanswered_commit_is_recorded_as_what_the_server_made_of_it() {
    let [first, last] = commits().await;
    let failed = |version: i32| format!("ledger {version} t, outcome failed to {version} t, run completed 0 1");
    let migrated = "ledger 4 f, outcome migrated to 4 f, run completed 1 0".to_owned();
    // Done, or not; and with no further attempt, or some.
    for (name, fault, retries, wanted) in [
        ("unanswered_last_done", Fault::CutAfter { at: last }, "0", migrated.clone()),
        ("unanswered_last_lost", Fault::Cut { at: last }, "0", failed(3)),
        ("unanswered_first_done", Fault::CutAfter { at: first }, "0", failed(3)),
        ("unanswered_first_lost", Fault::Cut { at: first }, "0", failed(2)),
        ("unanswered_last_done_again", Fault::CutAfter { at: last }, "5", migrated.clone()),
        ("unanswered_last_lost_again", Fault::Cut { at: last }, "5", migrated.clone()),
        ("unanswered_first_done_again", Fault::CutAfter { at: first }, "5", migrated.clone()),
    ] {
        let (fleet, chain, ran, _) = up(name, fault, retries).await;
        let (code, outcome) = if wanted == migrated { (0, "migrated") } else { (3, "failed") };
        assert_eq!((ran.code, ran.of("p1").0), (Some(code), outcome), "{name}: {}", ran.text);
        assert_eq!(recorded(&fleet).await, wanted, "{name}: {}", ran.text);
        assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0), "{name}");
        fleet.is_whole(4).await;
    }
}

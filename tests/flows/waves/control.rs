//! The control schema while somebody is in its way: every sign-in reads it, so it is locked briefly, and again after a pause.
use std::time::{Duration, Instant};

use labor_testing::Running;

use super::{Fleet, LIMIT, end_of};
use crate::chain::Chain;

const AGAIN: &str = "the control schema will be tried again";

fn begin(fleet: &Fleet, chain: &Chain) -> Running {
    let program = chain.migrator(&fleet.platform, &["up"]).env("RUST_LOG", "labor_migrator=info");
    program.start_with_log(&fleet.platform.folder().join(format!("{}.log", fleet.platform.database()))).unwrap()
}

#[tokio::test]
async fn who_reads_the_control_schema_for_long_delays_its_migration_and_no_sign_in() {
    let fleet = Fleet::copy("waves_control").await;
    let chain = Chain::of_control(&fleet.files().await);
    let reader = fleet.other().await;
    reader.batch_execute("BEGIN; SELECT FROM control.tenants").await.unwrap();
    let running = begin(&fleet, &chain);
    fleet.blocked("ALTER TABLE control.tenants").await;
    let start = Instant::now();
    // A sign-in, behind the migrator's lock.
    assert_eq!(fleet.number("SELECT count(*) FROM control.tenants").await, 5);
    assert!(start.elapsed() < Duration::from_secs(2), "a sign-in waited for {:?}", start.elapsed());
    let line = running.wait_for_line(AGAIN, LIMIT).await.unwrap();
    assert!(line.contains("lock timeout"), "{line}");
    reader.batch_execute("ROLLBACK").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.number("SELECT count(*) FROM control.tenants WHERE remark IS NULL").await, 5);
}

#[tokio::test]
async fn who_is_at_work_on_the_control_schema_is_waited_for() {
    let fleet = Fleet::copy("waves_control_turn").await;
    let chain = Chain::copy(&fleet.files().await);
    fleet.execute("UPDATE control.fleet SET control_checksum = 'older'").await;
    let other = fleet.other().await;
    other.batch_execute("SELECT pg_advisory_lock(hashtext('labor control'))").await.unwrap();
    let running = begin(&fleet, &chain);
    let line = running.wait_for_line(AGAIN, LIMIT).await.unwrap();
    assert!(line.contains("another migrator is at work on it"), "{line}");
    other.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(fleet.number("SELECT count(*) FROM control.fleet WHERE control_checksum = 'older'").await, 0);
}

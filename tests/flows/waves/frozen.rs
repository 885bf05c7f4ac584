//! A migrator that stands still in the middle of a practice, as on a machine that hangs: its connection stays, and nobody is behind it.
use labor_testing::until;

use super::{Fleet, LIMIT, end_of};

#[tokio::test]
async fn what_a_migrator_that_stands_still_has_locked_is_given_back() {
    let fleet = Fleet::copy("waves_frozen").await;
    let chain = fleet.whole().await;
    let reader = fleet.other().await;
    reader.batch_execute(&fleet.sql("BEGIN; SELECT id FROM {p1}.patients")).await.unwrap();
    let running = fleet.begin(&chain, &["--first", "p1", "--workers", "1", "--lock-timeout", "10m"]);
    let backend = fleet.blocked("LOCK TABLE").await;
    running.freeze();
    reader.batch_execute("COMMIT").await.unwrap();
    // Now it has the locks, and says no more.
    let state = "SELECT coalesce((SELECT state FROM pg_stat_activity WHERE pid = $1), 'ended')";
    until("its transaction to idle", LIMIT, async || {
        let state: String = fleet.client.query_one(state, &[&backend]).await.unwrap().get(0);
        Ok(if state == "idle in transaction" { Ok(()) } else { Err(state) })
    })
    .await
    .unwrap();
    let read = fleet.sql("SELECT id FROM {p1}.patients");
    let read = tokio::time::timeout(LIMIT, reader.batch_execute(&read)).await;
    assert!(matches!(read, Ok(Ok(()))), "whoever reads the practice waits for a migrator that stands still: {read:?}");
    running.thaw();
    let (code, said) = end_of(&running).await;
    assert_eq!(code, Some(0), "{said}");
    fleet.is_whole(6).await;
}

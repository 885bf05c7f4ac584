//! A full disk: the practice that needs the space is as it was and is told, the others go on; with space the same command goes on.
use labor_testing::{Platform, Postgres, scratch};

use super::{Fleet, populate};
use crate::chain::Chain;

const REWRITE: (&str, &str) = (
    "V3__filler",
    "-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN filler uuid NOT NULL DEFAULT gen_random_uuid();\n\
     COMMENT ON COLUMN patients.filler IS 'x';\n",
);

/// The server's files may not grow beyond what the practice has: to the server that is a disk which takes half of a page. WAL has
/// files of 16 MB, so the practice needs more.
#[tokio::test]
async fn who_needs_space_on_a_full_disk_is_as_it_was_and_goes_on_when_there_is_some() {
    let folder = scratch().await.unwrap().join("waves_disk");
    let cluster = Postgres::start(&folder.join("postgres")).await.unwrap();
    let platform = Platform::create(&cluster, &folder, "labor").await.unwrap();
    populate(&platform, &cluster.connect("labor").await.unwrap(), 3).await;
    let fleet = Fleet::of(platform, cluster.connect("labor").await.unwrap()).await;
    let chain = Chain::copy(&folder.join("db")).with(REWRITE);
    let p2 = fleet.name("p2").to_owned();
    fleet
        .execute(&format!(
            "INSERT INTO {p2}.patients (id, identity_key, family_name, given_name)
             SELECT gen_random_uuid(), lpad(n::text, 64, '0'), 'Muster' || n, 'Erika' FROM generate_series(10, 150000) n"
        ))
        .await;
    let size = fleet.number("SELECT pg_relation_size('{p2}.patients')").await;
    assert!(size > 17_000_000, "{size}");

    let fleet = limited(&cluster, fleet, Some(u64::try_from(size).unwrap() + 4096)).await;
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((ran.code, ran.of("p2").0), (Some(3), "failed"), "{}", ran.text);
    let error = ran.of("p2").1;
    assert!(error.contains("could not extend file") && error.contains("[53100]"), "{error}");
    assert!(error.contains("V3__filler.sql:3") && error.contains("Check free disk space"), "{error}");
    assert_eq!(fleet.versions().await, "intake 3, p1 3, p2 2, p3 3");
    assert_eq!(fleet.number("SELECT pg_relation_size('{p2}.patients')").await, size, "the space is given back");
    let failed = fleet.ran(chain.migrator(&fleet.platform, &["history", "--failed"])).await;
    assert!(failed.text.contains("p2") && failed.text.contains("[53100]"), "{}", failed.text);
    let verified = fleet.ran(chain.migrator(&fleet.platform, &["verify"])).await;
    assert!(verified.code == Some(3) && verified.text.contains("1 behind"), "{}", verified.text);

    let fleet = limited(&cluster, fleet, None).await;
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((ran.code, ran.of("p2").0), (Some(0), "migrated"), "{}", ran.text);
    fleet.is_whole(3).await;
}

async fn limited(cluster: &Postgres, fleet: Fleet, bytes: Option<u64>) -> Fleet {
    cluster.limit_files(bytes);
    cluster.restart().await.unwrap();
    Fleet::of(fleet.platform, cluster.connect("labor").await.unwrap()).await
}

/// As when the disk takes not even a line: without a record of it the practice would be the next one again.
#[tokio::test]
async fn whose_failure_can_not_be_written_down_is_not_tried_again_in_the_run() {
    let fleet = Fleet::copy("waves_unwritten").await;
    let chain = Chain::copy(&fleet.files().await).with(REWRITE);
    fleet
        .execute(
            "ALTER TABLE {p1}.patients ADD COLUMN by_hand text;
             ALTER TABLE control.outcomes ADD CONSTRAINT no_failures CHECK (outcome <> 'failed')",
        )
        .await;
    let ran = fleet.ran(fleet.up(&chain, &["--workers", "1", "--max-failures", "100"])).await;
    let tried = ran.lines.iter().filter(|line| line["tenant"] == "p1").count();
    assert_eq!((ran.code, tried, ran.of("p1").0), (Some(3), 1, "failed"), "{}", ran.text);
    let run = ran.lines.last().unwrap();
    assert_eq!((&run["migrated"], &run["failed"], &run["left"]), (&4.into(), &1.into(), &0.into()), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 3, p1 2, p2 3, p3 3, p4 3");
    fleet
        .execute(
            "ALTER TABLE control.outcomes DROP CONSTRAINT no_failures; ALTER TABLE {p1}.patients DROP COLUMN by_hand",
        )
        .await;
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
}

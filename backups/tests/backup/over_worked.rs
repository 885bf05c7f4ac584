//! The whole way: what a laboratory sent after the backup is read again by a worker, in the practice that the backup took the place of.
use std::path::Path;
use std::time::Duration;

use labor_testing::{Durability, Platform, Postgres, s3, scratch};

use crate::runbooks::{bucket, with_bucket};

const LIMIT: Duration = Duration::from_secs(120);

/// Messages of a laboratory, in the order of their names.
fn samples() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/ldt/tests/fixtures/good");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "ldt")).collect();
    files.sort();
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn results_that_came_after_the_backup_are_there_again() {
    let folder = scratch().await.unwrap().join("worked");
    let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
    let platform = Platform::create(&postgres, &folder.join("platform"), "worked").await.unwrap();
    let platform = with_bucket(platform, s3().await, "worked");
    bucket("worked").await;
    let tenant = platform.practice("a", "Praxis A", "123456700").await.unwrap();
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let _worker = platform.work(&[]).await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    let database = postgres.connect("worked").await.unwrap();
    // What a doctor sees: the order in which workers get to messages decides how many versions are before it, not what is current.
    let results = format!(
        "SELECT (SELECT count(*) FROM {tenant}.raw_messages WHERE state = 'processed'),
                (SELECT string_agg(DISTINCT encode(content_sha256, 'hex'), ' ') FROM {tenant}.reports WHERE superseded_by IS NULL)"
    );
    let results = async || {
        let row = database.query_one(&results, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, String>(1))
    };

    let samples = samples();
    assert_eq!(sender.send(&samples[0]).await.unwrap().status, 202);
    platform.until_idle(&postgres, LIMIT).await.unwrap();
    let early = results().await;
    platform.json("labor-backup", &["--json", "run", "--tenant", &tenant], "").await.unwrap();
    for message in &samples {
        assert_eq!(sender.send(message).await.unwrap().status, 202);
    }
    platform.until_idle(&postgres, LIMIT).await.unwrap();
    let all = results().await;
    assert!(all.0 > early.0 && all.1.len() > early.1.len(), "{all:?} after {early:?}");

    let words = ["--json", "restore", "--over", &tenant, "--yes", "Praxis A"];
    let restored = platform.json("labor-backup", &words, "").await.unwrap();
    assert_eq!(restored["carried"]["messages"].as_i64(), Some(all.0 - early.0), "{restored}");
    platform.until_idle(&postgres, LIMIT).await.unwrap();
    assert_eq!(results().await, all);
    // And what comes now goes on coming.
    assert_eq!(sender.send(&samples[0]).await.unwrap().status, 202);
}

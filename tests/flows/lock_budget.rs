//! How long a practice's readers wait while its tables are locked one after the other.
//! Must stay true: who waits for a table that we have never waits longer than lock_timeout for us to get another one.
use std::time::{Duration, Instant};

use labor_testing::{Platform, postgres, scratch, until};
use tokio_postgres::Client;

const V3: &str = "-- Two tables.\n-- Kind: transaction\n-- Phase: expand\n-- Why: a test.\n-- Locks: both.\n-- Previous release: nothing.\n\
    ALTER TABLE audit ADD COLUMN remark text; ALTER TABLE orders ADD COLUMN remark text;";

/// As an operator's own folder: the repository's db and one more file.
pub(crate) fn folder(platform: &Platform, files: &[(&str, &str)]) -> String {
    let to = platform.folder().join("db");
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("db");
    for part in ["migrations/tenant", "migrations/control", "rls"] {
        std::fs::create_dir_all(to.join(part)).unwrap();
        for file in std::fs::read_dir(from.join(part)).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, to.join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
    for (name, text) in files {
        std::fs::write(to.join("migrations/tenant").join(name), text).unwrap();
    }
    to.display().to_string()
}

async fn read(client: &Client, table: &str) {
    client.batch_execute(&format!("BEGIN; SELECT count(*) FROM {table}")).await.unwrap();
}

#[tokio::test]
async fn readers_wait_for_all_locks_together_no_longer_than_lock_timeout() {
    let platform =
        Platform::create(postgres().await, &scratch().await.unwrap().join("budget"), "budget").await.unwrap();
    let tenant = platform.practice("p1", "Praxis", "100000001").await.unwrap();
    let db = folder(&platform, &[("V3__two_tables.sql", V3)]);
    let connect = async || postgres().await.connect("budget").await.unwrap();
    let (first, second, third, watch) = (connect().await, connect().await, connect().await, connect().await);
    read(&first, &format!("{tenant}.audit")).await;
    read(&second, &format!("{tenant}.orders")).await;
    let up = [
        "--json",
        "--db",
        &db,
        "up",
        "--allow-lint-errors",
        "--tenant",
        "p1",
        "--lock-timeout",
        "2s",
        "--retries",
        "0",
    ];
    let program = platform.program("labor-migrator").unwrap().args(up);
    let count = format!("SELECT count(*) FROM {tenant}.audit");
    let reading = async {
        until("the migrator to wait for the first table", Duration::from_secs(30), async || {
            let row = watch.query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[]).await.unwrap();
            Ok(if row.get::<_, i64>(0) > 0 { Ok(()) } else { Err("it doesn't yet".to_owned()) })
        })
        .await
        .unwrap();
        let started = Instant::now();
        let release = async {
            tokio::time::sleep(Duration::from_millis(1300)).await;
            first.batch_execute("COMMIT").await.unwrap();
        };
        let (row, ()) = tokio::join!(third.query_one(&count, &[]), release);
        row.unwrap();
        started.elapsed()
    };
    let (ended, waited) = tokio::join!(program.run(), reading);
    // One timeout for each table would be 1.3 s and 2 s.
    assert!(waited > Duration::from_millis(1300) && waited < Duration::from_millis(2700), "{waited:?}");
    let ended = ended.unwrap();
    assert!(ended.stdout.contains("take the locks") && ended.stdout.contains("55P03"), "{}", ended.stdout);
    second.batch_execute("COMMIT").await.unwrap();
    let again = platform
        .program("labor-migrator")
        .unwrap()
        .args(["--db", &db, "up", "--allow-lint-errors", "--tenant", "p1"])
        .run()
        .await
        .unwrap();
    assert!(again.status.success(), "{}", again.stderr);
    let version = watch.query_one("SELECT version FROM control.ledger WHERE tenant = $1", &[&tenant]).await.unwrap();
    assert_eq!(version.get::<_, i32>(0), 3);
}

//! A supervised cluster: what it promises about starting, stopping, crashing, its log and its door.
#![expect(clippy::unwrap_used, reason = "in the helpers of a test, too, a broken expectation ends it")]

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use labor_testing::{DataFolder, Durability, Error, Postgres, PostgresHome};
use tokio_postgres::NoTls;

async fn place() -> (DataFolder, PathBuf) {
    let folder = DataFolder::claim_empty("postgres-test").await.unwrap();
    let place = folder.join("postgres");
    (folder, place)
}

async fn one(postgres: &Postgres, query: &str) -> String {
    postgres.connect("postgres").await.unwrap().query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn two_start_at_once_and_each_keeps_its_data_through_stop_crash_and_a_later_start() {
    let (_folder, place) = place().await;
    let (_other_folder, other_place) = self::place().await;
    let start = |place| async move { Postgres::start_with(place, Durability::Fast).await.unwrap() };
    let (postgres, other) = tokio::join!(start(&place), start(&other_place));
    assert_ne!(postgres.port(), other.port());
    let (port, password) = (postgres.port(), postgres.password().to_owned());

    postgres.create_database("practice").await.unwrap();
    let client = postgres.connect("practice").await.unwrap();
    client.batch_execute("CREATE TABLE report (n int); INSERT INTO report VALUES (1)").await.unwrap();
    postgres.restart().await.unwrap();
    postgres.connect("practice").await.unwrap().batch_execute("INSERT INTO report VALUES (2)").await.unwrap();
    postgres.kill().await.unwrap();
    assert!(postgres.connect("practice").await.is_err());
    assert!(postgres.pid().is_none());
    postgres.restart().await.unwrap();
    assert_eq!(postgres.port(), port);
    drop(postgres);

    let again = Postgres::start_with(&place, Durability::Fast).await.unwrap();
    assert_eq!(again.password(), password);
    let count: i64 =
        again.connect("practice").await.unwrap().query_one("SELECT count(*) FROM report", &[]).await.unwrap().get(0);
    assert_eq!(count, 2);
    other.stop().await.unwrap();
    assert!(other.connect("postgres").await.is_err());
}

#[tokio::test]
async fn a_folder_has_one_server_and_a_recycled_process_id_in_postmaster_pid_harms_nobody() {
    let (_folder, place) = place().await;
    let postgres = Postgres::start_with(&place, Durability::Fast).await.unwrap();
    let second = Postgres::start_with(&place, Durability::Fast).await;
    assert!(matches!(second, Err(Error::InUse { .. })), "{second:?}");
    assert_eq!(one(&postgres, "SELECT 'alive'").await, "alive");
    drop(postgres);

    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let pid_file = format!("{}\n{}\n1\n1\n\n127.0.0.1\n", stranger.id(), place.join("data").display());
    fs::write(place.join("data/postmaster.pid"), pid_file).unwrap();
    let postgres = Postgres::start_with(&place, Durability::Fast).await.unwrap();
    assert_eq!(one(&postgres, "SELECT 'alive'").await, "alive");
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was ended");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn every_login_needs_its_password_and_is_stored_by_scram() {
    let postgres = labor_testing::postgres().await;
    for password in ["", "wrong"] {
        let url = postgres.url_as("postgres", password, "postgres");
        assert!(tokio_postgres::connect(&url, NoTls).await.is_err(), "{password:?} opened the door");
    }
    let client = postgres.connect("postgres").await.unwrap();
    let group = "CREATE ROLE labor_tenants NOLOGIN; CREATE ROLE t1 LOGIN PASSWORD 'p/:@ 1' IN ROLE labor_tenants";
    client.batch_execute(group).await.unwrap();
    let (tenant, driver) = tokio_postgres::connect(&postgres.url_as("t1", "p/:@ 1", "postgres"), NoTls).await.unwrap();
    tokio::spawn(driver);
    assert_eq!(tenant.query_one("SELECT current_user::text", &[]).await.unwrap().get::<_, String>(0), "t1");
    let stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'";
    assert!(one(postgres, stored).await.starts_with("SCRAM-SHA-256$"));
    let methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules";
    assert_eq!(one(postgres, methods).await, "scram-sha-256");
}

#[tokio::test]
async fn the_cluster_is_utf8_with_checksums_and_its_files_are_private() {
    let postgres = labor_testing::postgres().await;
    assert_eq!(one(postgres, "SHOW server_encoding").await, "UTF8");
    assert_eq!(one(postgres, "SHOW data_checksums").await, "on");
    assert_eq!(one(postgres, "SHOW max_connections").await, "300");
    let major: u32 = one(postgres, "SHOW server_version_num").await.parse().unwrap();
    assert_eq!(major / 10_000, PostgresHome::find().unwrap().major());
    let folder = postgres.log().parent().unwrap().to_owned();
    for (name, mode) in [("superuser.password", 0o600), ("data", 0o700), (".", 0o700)] {
        assert_eq!(fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
}

/// The server hides nothing by itself: what is not in the logs of the tests, Labor's settings of its database keep out of them.
#[tokio::test]
async fn in_a_database_that_nobody_set_up_the_log_shows_values() {
    let postgres = labor_testing::postgres().await;
    let client = postgres.connect("postgres").await.unwrap();
    client.batch_execute("CREATE TEMP TABLE person (name text PRIMARY KEY)").await.unwrap();
    client.execute("INSERT INTO person VALUES ($1)", &[&"Erika Mustermann"]).await.unwrap();
    client.execute("INSERT INTO person VALUES ($1)", &[&"Erika Mustermann"]).await.unwrap_err();
    let log = fs::read_to_string(postgres.log()).unwrap();
    assert!(log.contains("Mustermann"), "{log}");
}

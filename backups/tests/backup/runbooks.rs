//! The runbooks, run as they stand: the commands are read out of docs/runbooks.md.
use std::path::Path;

use labor_testing::{Durability, Platform, Postgres, Program, S3, s3, scratch};

use crate::place::fill;

const PAGE: &str = include_str!("../../../docs/runbooks.md");
const SETTINGS: [&str; 13] = [
    "LABOR_ADMIN_URL",
    "LABOR_MIGRATOR_URL",
    "LABOR_CONTROL_URL",
    "LABOR_BACKUP_URL",
    "LABOR_RESTORE_URL",
    "LABOR_MASTER_SECRET_FILE",
    "LABOR_PG_BIN",
    "LABOR_BACKUP_KEYS",
    "LABOR_S3_ENDPOINT",
    "LABOR_S3_REGION",
    "LABOR_S3_BUCKET",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];

/// The blocks of one runbook, in their order.
pub(crate) fn blocks(of: &str) -> Vec<&'static str> {
    let begin = format!("```sh {of}\n");
    let blocks = PAGE.split(begin.as_str()).skip(1);
    blocks.map(|rest| rest.split_once("```").unwrap().0).collect()
}

pub(crate) fn with_bucket(platform: Platform, store: &S3, bucket: &str) -> Platform {
    platform.with(store.settings(bucket))
}

/// Runs a block as somebody at a shell would.
async fn shell(platform: &Platform, block: &str, variables: &[(&str, &str)]) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_labor-backup")).parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let settings = SETTINGS.map(|name| (name, platform.setting(name)));
    let bash = Program::at("/bin/bash".into()).args(["-euo", "pipefail", "-c", block]);
    bash.envs(settings).envs(variables.iter().copied()).env("PATH", path).output().await.unwrap()
}

async fn count(postgres: &Postgres, tenant: &str) -> i64 {
    let client = postgres.connect("runbooks").await.unwrap();
    client.query_one(&format!("SELECT count(*) FROM {tenant}.patients"), &[]).await.unwrap().get(0)
}

pub(crate) async fn bucket(name: &str) {
    s3().await.client().create_bucket().bucket(name).send().await.unwrap();
}

#[tokio::test]
async fn every_command_of_the_runbooks_does_what_the_page_says() {
    let folder = scratch().await.unwrap().join("runbooks");
    let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
    let platform = Platform::create(&postgres, &folder.join("platform"), "runbooks").await.unwrap();
    let platform = with_bucket(platform, s3().await, "runbooks");
    bucket("runbooks").await;
    let tenant = platform.practice("a", "Praxis A", "100000001").await.unwrap();
    let name = labor_backup::TenantName::parse(&tenant).unwrap();
    let client = postgres.connect("runbooks").await.unwrap();
    fill(&client, &name, 3).await;

    for block in blocks("nightly") {
        shell(&platform, block, &[]).await;
    }
    let listed = platform.json("labor-backup", &["--json", "list", "--tenant", &tenant], "").await.unwrap();
    let backup = listed[0]["backup"].as_str().unwrap().to_owned();
    let variables = [("TENANT", tenant.as_str()), ("BACKUP", &backup), ("PRACTICE", "Praxis A")];

    // One practice: there, back, and for good.
    client.batch_execute(&format!("DELETE FROM {tenant}.reports; DELETE FROM {tenant}.patients")).await.unwrap();
    let [look, restore, back, confirm]: [&str; 4] = blocks("restore").try_into().unwrap();
    shell(&platform, look, &variables).await;
    shell(&platform, restore, &variables).await;
    assert_eq!(count(&postgres, &tenant).await, 3);
    shell(&platform, back, &variables).await;
    assert_eq!(count(&postgres, &tenant).await, 0);
    shell(&platform, back, &variables).await;
    shell(&platform, confirm, &variables).await;
    assert_eq!(count(&postgres, &tenant).await, 3);

    // The bucket, then a key, then the server.
    bucket("runbooks-second").await;
    let platform = with_bucket(platform, s3().await, "runbooks-second");
    for block in blocks("bucket") {
        shell(&platform, block, &[]).await;
    }
    std::fs::remove_file(folder.join(format!("platform/backup-keys/{tenant}.age-identity"))).unwrap();
    for block in blocks("key") {
        shell(&platform, block, &variables).await;
    }
    drop(client);
    postgres.kill().await.unwrap();
    let new = Postgres::start_with(&folder.join("new"), Durability::Fast).await.unwrap();
    new.create_database("runbooks").await.unwrap();
    let platform = Platform::settings_for(&new, &folder.join("platform"), "runbooks").unwrap();
    let platform = with_bucket(platform, s3().await, "runbooks-second");
    for block in blocks("server") {
        shell(&platform, block, &[]).await;
    }
    assert_eq!(count(&new, &tenant).await, 3);
    let status = platform.json("labor-migrator", &["--json", "status"], "").await.unwrap();
    assert_eq!((&status["total"], status["groups"].as_array().map(Vec::len)), (&2.into(), Some(1)), "{status}");
}

#[test]
fn no_command_on_the_page_is_left_out() {
    let known = ["nightly", "restore", "server", "bucket", "versions", "key", "by-hand"];
    let run: usize = known.iter().map(|name| blocks(name).len()).sum();
    assert_eq!(PAGE.matches("```sh").count(), run);
    assert_eq!(PAGE.matches("\n```\n").count(), run);
}

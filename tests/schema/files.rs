//! `db/schemas`: what scripts/schemas.sh would write now.
use std::path::Path;
use std::process::Command;

use labor_testing::postgres;

use crate::world::{DATABASE, world};

/// What differs between versions of `pg_dump` and from run to run.
fn is_noise(line: &str) -> bool {
    ["--", "SET ", "SELECT pg_catalog.set_config", "\\restrict ", "\\unrestrict "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// The same as `plain` in scripts/schemas.sh: without noise, and at most one empty line in a row.
fn plain(dump: &str) -> String {
    let mut text = String::new();
    let mut empty = false;
    for line in dump.lines().filter(|line| !is_noise(line)) {
        if !(line.is_empty() && empty) {
            text += line;
            text += "\n";
        }
        empty = line.is_empty();
    }
    text
}

async fn dump(arguments: &[&str]) -> String {
    let postgres = postgres().await;
    let mut command = Command::new(postgres.home().program("pg_dump"));
    let output = command.arg("--schema-only").args(arguments).arg(postgres.url(DATABASE)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    plain(&String::from_utf8(output.stdout).unwrap())
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("db/schemas").join(name);
    std::fs::read_to_string(&path).unwrap_or_default()
}

fn first_difference(written: &str, now: &str) -> Option<String> {
    let (mut written, mut now) = (written.lines(), now.lines());
    for number in 1.. {
        match (written.next(), now.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => return Some(format!("line {number}\n  written: {one:?}\n  now:     {other:?}")),
        }
    }
    None
}

/// The files are written with PostgreSQL 15, as demo, tests and the supported minimum have it; another major writes some definitions
/// otherwise, so it is not compared.
async fn compares() -> bool {
    postgres().await.home().major() == 15
}

#[tokio::test]
async fn the_file_of_a_practices_schema_is_what_the_migrations_arrive_at() {
    let world = world().await;
    if !compares().await {
        return;
    }
    let now = dump(&["-n", &world.practice]).await.replace(&world.practice, "example");
    let difference = first_difference(&file("tenant.sql"), &now);
    assert!(difference.is_none(), "db/schemas/tenant.sql is not up to date, run make schemas: {}", difference.unwrap());
}

#[tokio::test]
async fn the_file_of_everything_else_is_what_the_migrations_arrive_at() {
    let world = world().await;
    if !compares().await {
        return;
    }
    let now = dump(&["-N", &world.practice, "-N", &world.intake, "-N", "pgmq"]).await;
    let difference = first_difference(&file("control.sql"), &now);
    assert!(
        difference.is_none(),
        "db/schemas/control.sql is not up to date, run make schemas: {}",
        difference.unwrap()
    );
}

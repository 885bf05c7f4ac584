//! A full disk, under the database, an export, or the keys: what needs the space says so and leaves nothing half, what does not need it goes
//! on, and the same command ends well once there is room.
//!
//! To a program a file that may not grow is a disk that takes no more: so nobody has to be root for it.
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use labor_backup::{BackupError, Destination, Which};
use labor_testing::{Durability, Postgres, scratch};

use crate::place::{Place, fill};
use crate::versions::approved_export;

/// Their messages need more than a file of the server may have afterwards, which takes half of a page at last, as a full disk does.
/// Write-ahead log comes in files of 16 MiB.
const MANY: i32 = 6_000;
const FULL: u64 = (17 << 20) + 4096;

async fn full(postgres: &Postgres, place: &mut Place, bytes: Option<u64>) {
    postgres.limit_files(bytes);
    postgres.restart().await.unwrap();
    place.database = postgres.connect("disk").await.unwrap();
}

#[tokio::test]
async fn on_a_full_server_a_backup_is_made_and_a_verification_says_why_it_could_not_be() {
    let folder = scratch().await.unwrap().join("full_disk");
    let postgres = Postgres::start_with(&folder, Durability::Fast).await.unwrap();
    let mut place = Place::on(&postgres, "disk").await;
    let (backup, tenant) = (place.backup(), place.tenant.clone());
    fill(&place.database, &tenant, MANY).await;
    let large = Which::Id(backup.run(&tenant).await.unwrap().backup);
    let empty = format!("TRUNCATE {tenant}.patients, {tenant}.raw_messages, {tenant}.reports CASCADE");
    place.database.batch_execute(&empty).await.unwrap();
    fill(&place.database, &tenant, 10).await;
    full(&postgres, &mut place, Some(FULL)).await;

    // Reading takes no room: also now there is a backup, and an export.
    assert_eq!(backup.run(&tenant).await.unwrap().tables["patients"].rows, 10);
    let request = approved_export(&place).await;
    let exported = backup.export(request, &place.folder().join("export"), None, &[]).await.unwrap();
    assert_eq!(exported.manifest.tenant, tenant);
    for refused in [
        backup.verify(&tenant, &large).await.map(drop),
        backup.restore(&tenant, &large, Destination::New).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(!error.condemns() && error.to_string().contains("[53100]"), "{error}");
    }
    assert!(!place.objects().await.iter().any(|key| key.ends_with("verified.json")), "a verdict was written");
    assert_eq!(place.strays().await, Vec::<String>::new());

    full(&postgres, &mut place, None).await;
    assert_eq!(backup.verify(&tenant, &large).await.unwrap().faults, Vec::<String>::new());
    backup.restore(&tenant, &large, Destination::New).await.unwrap();
}

/// The program on a disk that takes files of so many KiB.
async fn on_a_disk_of(place: &Place, kib: u32, words: &[&str]) -> Output {
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
    let mut bash = tokio::process::Command::new("/bin/bash");
    bash.args(["-c", &script, env!("CARGO_BIN_EXE_labor-backup")]).args(words).stdin(std::process::Stdio::null());
    for (name, value) in place.program().as_std().get_envs() {
        bash.env(name, value.unwrap_or_default());
    }
    bash.env("LABOR_PG_BIN", crate::place::programs()).output().await.unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn an_export_onto_a_full_disk_leaves_nothing_of_anybody() {
    let place = Place::with_patients(100).await;
    let request = approved_export(&place).await.to_string();
    let folder = place.folder().join("export");
    let words = ["export", "--request", &request, "--unsigned", "--into", folder.to_str().unwrap()];
    let output = on_a_disk_of(&place, 16, &words).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("write tables/") && told(&output).contains("File too large"), "{}", told(&output));
    assert!(!folder.exists(), "patients' data stayed");
    let output = on_a_disk_of(&place, 1 << 20, &words).await;
    assert!(output.status.success(), "{}", told(&output));
    labor_backup::check_export(&folder, &[]).unwrap();
}

#[tokio::test]
async fn a_key_that_finds_no_room_makes_no_backup_and_is_not_half_there() {
    let place = Place::with_patients(1).await;
    let words = ["run", "--tenant", place.tenant.as_str()];
    let output = on_a_disk_of(&place, 0, &words).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let keys = place.settings.keys.display().to_string();
    assert!(told(&output).contains(&keys) && told(&output).contains("File too large"), "{}", told(&output));
    assert_eq!(place.objects().await, Vec::<String>::new());
    assert_eq!(std::fs::read_dir(&place.settings.keys).unwrap().count(), 0, "something of a key stayed");
    let output = on_a_disk_of(&place, 1 << 20, &words).await;
    assert!(output.status.success(), "{}", told(&output));
    let key = place.settings.keys.join(format!("{}.age-identity", place.tenant));
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    place.backup().verify(&place.tenant, &Which::Latest).await.unwrap();
    // With the key there, a full disk under it is nobody's trouble.
    let output = on_a_disk_of(&place, 0, &words).await;
    assert!(output.status.success(), "{}", told(&output));
    assert!(!matches!(place.backup().list(Some(&place.tenant)).await, Err(BackupError::NotFound(_))));
}

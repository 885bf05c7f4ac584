//! `check-export` as a program: what it prints, and to whom.
use std::path::Path;
use std::process::{Command, Stdio};

use aws_lc_rs::digest;

/// An export without tables, and its manifest's SHA-256.
fn export(folder: &Path) -> String {
    let id = uuid::Uuid::now_v7();
    let manifest = serde_json::json!({
        "what": "labor export", "format": 2, "tenant": "t_abcdefabcdef", "request": id, "requested_by": id, "approved_by": id,
        "exported_at": "2026-01-01T00:00:00Z", "schema_version": 1, "software": "x", "left_out": [], "files": [],
    });
    let document = serde_json::to_vec(&manifest).unwrap();
    std::fs::write(folder.join("manifest.json"), &document).unwrap();
    hex::encode(digest::digest(&digest::SHA256, &document))
}

fn check(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labor-backup"));
    command.arg("check-export").arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_manifests_own_hash_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let hash = export(folder.path());
    let output = check(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&hash));
    let output = check(folder.path()).arg("--json").output().unwrap();
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((printed["manifest_sha256"].as_str(), printed["tenant"].is_string()), (Some(hash.as_str()), true));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    export(folder.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = check(folder.path()).stdout(writer).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

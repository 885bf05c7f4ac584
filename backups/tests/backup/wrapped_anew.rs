//! Keys are listed and wrapped anew: after a rotation, into a service, from one to another, and back. No backup notices.
use labor_backup::{Backup, BackupError, KeyServiceSettings, Rewrapped, Settings, TransitSettings, Which};
use labor_testing::{OpenBao, open_bao, scratch};
use reqwest::Method;
use serde_json::Value;

use crate::place::Place;
use crate::wrapped::{transit, with_service, wrapped_by_bao, wrapped_file};

/// The names in the folder of keys.
fn names(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(&place.settings.keys).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The same engine with other names of keys: another service, as far as we know.
async fn another() -> TransitSettings {
    let bao = open_bao().await;
    TransitSettings { prefix: "another".to_owned(), ..transit(bao, bao.token()) }
}

async fn still_opens(place: &Place, backup: &Backup, made: &labor_backup::BackupId) {
    backup.verify(&place.tenant, &Which::Id(made.clone())).await.unwrap();
}

#[tokio::test]
async fn keys_go_into_a_service_to_another_and_back_and_every_backup_stays_readable() {
    let place = Place::with_patients(2).await;
    let of = place.tenant.as_str();
    let [plain, wrapped, sealing] =
        ["age-identity", "age-identity.wrapped", "manifest-key"].map(|end| format!("{of}.{end}"));
    let first = place.backup().run(&place.tenant).await.unwrap().backup;
    let identity = std::fs::read_to_string(place.settings.keys.join(&plain)).unwrap();
    // Another killed run left something of the plain key.
    std::fs::write(place.settings.keys.join(format!(".{of}.left")), &identity).unwrap();

    let bao = wrapped_by_bao(&place).await;
    let key = format!("transit/labor-backup-{of}");
    let moved = bao.rewrap_key(of, None).await.unwrap();
    assert_eq!(moved, Rewrapped::Wrapped { key: key.clone(), version: Some(1), before: None });
    assert_eq!(names(&place), [wrapped.clone(), sealing.clone()]);
    still_opens(&place, &wrapped_by_bao(&place).await, &first).await;
    assert_eq!(bao.rewrap_key(of, None).await.unwrap(), Rewrapped::AsItWas);
    let second = bao.run(&place.tenant).await.unwrap().backup;

    // From one service to another, which has to be named.
    let other = with_service(&place, another().await);
    assert!(matches!(other.rewrap_key(of, None).await, Err(BackupError::Refused(_))));
    let server = open_bao().await;
    let from = KeyServiceSettings::Transit(Box::new(transit(server, server.token())));
    let moved = other.rewrap_key(of, Some(&from)).await.unwrap();
    assert_eq!(moved, Rewrapped::Wrapped { key: format!("transit/another-{of}"), version: Some(1), before: Some(key) });
    server
        .must(
            Method::POST,
            &format!("transit/keys/labor-backup-{of}/config"),
            Some(serde_json::json!({"deletion_allowed": true})),
        )
        .await
        .unwrap();
    server.must(Method::DELETE, &format!("transit/keys/labor-backup-{of}"), None).await.unwrap();
    for backup in [&first, &second] {
        still_opens(&place, &with_service(&place, another().await), backup).await;
    }

    // To another server, where the key has the same name and as many versions; the first server's is what is named.
    let elsewhere = OpenBao::start(&scratch().await.unwrap().join("bao-elsewhere")).await.unwrap();
    let set = TransitSettings { prefix: "another".to_owned(), ..transit(&elsewhere, elsewhere.token()) };
    let (there, from) = (with_service(&place, set), KeyServiceSettings::Transit(Box::new(another().await)));
    elsewhere.must(Method::POST, &format!("transit/keys/another-{of}"), None).await.unwrap();
    let wrong = there.rewrap_key(of, None).await.unwrap_err();
    assert!(matches!(wrong, BackupError::KeyService { .. }), "a key of the same name passed for it: {wrong:?}");
    let moved = there.rewrap_key(of, Some(&from)).await.unwrap();
    let name = format!("transit/another-{of}");
    assert_eq!(moved, Rewrapped::Wrapped { key: name.clone(), version: Some(1), before: Some(name.clone()) });
    still_opens(&place, &there, &first).await;
    let back = with_service(&place, another().await);
    let from = TransitSettings { prefix: "another".to_owned(), ..transit(&elsewhere, elsewhere.token()) };
    back.rewrap_key(of, Some(&KeyServiceSettings::Transit(Box::new(from)))).await.unwrap();

    // And back: the very file that it was.
    let mut program = place.program();
    program
        .args(["--json", "keys", "rewrap", of, "--from", "transit:transit/another"])
        .env("VAULT_ADDR", "https://127.0.0.1:1");
    program.envs(server.env().map(|(name, value)| (format!("FROM_{name}"), value)));
    let output = program.output().await.unwrap();
    let back: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(back, serde_json::json!({"of": of, "outcome": "plain", "before": format!("transit/another-{of}")}));
    assert_eq!(names(&place), std::slice::from_ref(&plain));
    assert_eq!(std::fs::read_to_string(place.settings.keys.join(&plain)).unwrap(), identity);
    still_opens(&place, &place.backup(), &second).await;
    assert_eq!(place.backup().rewrap_key(of, None).await.unwrap(), Rewrapped::AsItWas);
}

#[tokio::test]
async fn a_rotated_key_is_taken_up_by_all_and_a_killed_run_is_continued() {
    let place = Place::with_patients(1).await;
    let (neighbour, bao) = (place.neighbour(1).await, open_bao().await);
    let made = wrapped_by_bao(&place).await.run(&place.tenant).await.unwrap().backup;
    place.backup().run(&neighbour).await.unwrap();
    let of = place.tenant.as_str();
    bao.must(Method::POST, &format!("transit/keys/labor-backup-{of}/rotate"), None).await.unwrap();
    let program = |arguments: &[&str]| {
        let mut program = place.program();
        program.args(arguments).envs(bao.env()).env("LABOR_KEY_SERVICE", "transit:transit");
        program
    };
    // As a run that was killed left it: the wrapped key is there, the plain one not gone yet.
    let plain = place.settings.keys.join(format!("{neighbour}.age-identity"));
    let text = std::fs::read_to_string(&plain).unwrap();
    assert!(program(&["keys", "rewrap", neighbour.as_str()]).output().await.unwrap().status.success());
    labor_testing::write_private(&plain, &text).unwrap();

    let output = program(&["--json", "keys", "rewrap", "--all"]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!plain.exists());
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_ours = lines.iter().find(|line| line["of"] == of).unwrap();
    assert_eq!((&of_ours["outcome"], &of_ours["version"]), (&"wrapped".into(), &2.into()), "{lines:?}");
    // The old version may go now.
    let config = serde_json::json!({"min_decryption_version": 2});
    bao.must(Method::POST, &format!("transit/keys/labor-backup-{of}/config"), Some(config)).await.unwrap();
    still_opens(&place, &wrapped_by_bao(&place).await, &made).await;

    let listed = program(&["--json", "keys", "list"]).output().await.unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let ours = listed.as_array().unwrap().iter().find(|entry| entry["of"] == of).unwrap();
    assert_eq!((&ours["service"], &ours["version"]), (&"transit".into(), &2.into()), "{ours}");
    assert!(ours["public_key"].as_str().unwrap().starts_with("age1") && ours["made_at"].is_string(), "{ours}");
}

#[tokio::test]
async fn a_service_that_wraps_and_does_not_unwrap_gets_no_key() {
    let place = Place::with_patients(1).await;
    let made = place.backup().run(&place.tenant).await.unwrap().backup;
    let (bao, before) = (open_bao().await, names(&place));
    let policy = "path \"transit/keys/*\" { capabilities = [\"create\", \"read\", \"update\"] }
                  path \"transit/encrypt/*\" { capabilities = [\"create\", \"update\"] }";
    let one_way = with_service(&place, transit(bao, &bao.token_with(policy).await.unwrap()));
    let refused = one_way.rewrap_key(place.tenant.as_str(), None).await;
    assert!(matches!(refused, Err(BackupError::KeyService { .. })), "{refused:?}");
    assert_eq!(names(&place), before);
    still_opens(&place, &place.backup(), &made).await;
    let neighbour = place.neighbour(1).await;
    assert!(matches!(one_way.run(&neighbour).await, Err(BackupError::KeyService { .. })));
    assert_eq!(names(&place), before, "a key was kept that nobody can unwrap");
}

#[tokio::test]
async fn two_different_keys_of_one_tenant_are_told_and_neither_is_touched() {
    let place = Place::with_patients(1).await;
    wrapped_by_bao(&place).await.run(&place.tenant).await.unwrap();
    let elsewhere = Settings { keys: place.folder().join("elsewhere"), ..place.settings.clone() };
    Backup::new(elsewhere).unwrap().with_new_key(true).run(&place.tenant).await.unwrap();
    let name = format!("{}.age-identity", place.tenant);
    std::fs::rename(place.folder().join("elsewhere").join(&name), place.settings.keys.join(&name)).unwrap();
    let refused = wrapped_by_bao(&place).await.rewrap_key(place.tenant.as_str(), None).await;
    assert!(matches!(&refused, Err(BackupError::Key { reason, .. }) if reason.contains("wrong folder")), "{refused:?}");
    assert!(wrapped_file(&place).exists() && place.settings.keys.join(&name).exists());
    let listed = place.backup().keys().unwrap();
    assert!(listed[0].fault.as_ref().is_some_and(|fault| fault.contains("wrong folder")), "{listed:?}");
}

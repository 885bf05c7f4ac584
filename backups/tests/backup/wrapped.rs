//! Keys that OpenBao wraps: the whole way of a backup, what goes on while the service is down, and every way in which it can fail.
use std::path::PathBuf;

use labor_backup::{
    Backup, BackupError, Destination, KeyServiceSettings, Settings, State, Token, TransitSettings, Which,
};
use labor_testing::{OpenBao, open_bao, scratch};
use reqwest::Method;
use serde_json::{Value, json};

use crate::place::Place;

/// The transit engine of a server, opened by a token.
pub(crate) fn transit(bao: &OpenBao, token: &str) -> TransitSettings {
    TransitSettings {
        address: bao.address().parse().unwrap(),
        mount: "transit".to_owned(),
        prefix: "labor-backup".to_owned(),
        token: Token::Given(token.to_owned()),
        namespace: None,
        certificates: Some(bao.certificate()),
    }
}

/// The place's program with keys that this service wraps.
pub(crate) fn with_service(place: &Place, service: TransitSettings) -> Backup {
    let key_service = KeyServiceSettings::Transit(Box::new(service));
    Backup::new(Settings { key_service, ..place.settings.clone() }).unwrap()
}

/// The same with the shared server's root token.
pub(crate) async fn wrapped_by_bao(place: &Place) -> Backup {
    let bao = open_bao().await;
    with_service(place, transit(bao, bao.token()))
}

pub(crate) fn wrapped_file(place: &Place) -> PathBuf {
    place.settings.keys.join(format!("{}.age-identity.wrapped", place.tenant))
}

/// What is told when the key can't be unwrapped. It is never said of the backup.
async fn told(place: &Place, service: TransitSettings) -> String {
    let error = with_service(place, service).verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyService { .. }) && !error.condemns(), "{error:?}");
    let listed = place.backup().list(Some(&place.tenant)).await.unwrap();
    assert!(listed.iter().all(|entry| entry.state == State::Complete && entry.verified.is_none()), "{listed:?}");
    error.to_string()
}

#[tokio::test]
async fn a_backup_goes_all_its_way_and_the_folder_alone_opens_nothing() {
    let place = Place::with_patients(3).await;
    let backup = wrapped_by_bao(&place).await;
    let made = backup.run(&place.tenant).await.unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(&place.settings.keys).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let sealing = place.settings.keys.join(format!("{}.manifest-key", place.tenant));
    assert_eq!(names, [wrapped_file(&place), sealing.clone()]);
    for path in &names {
        let text = std::fs::read_to_string(path).unwrap();
        assert!(!text.contains("AGE-SECRET-KEY"), "{} is open", path.display());
    }
    let verified = backup.verify(&place.tenant, &Which::Latest).await.unwrap();
    let restored = backup.restore(&place.tenant, &Which::Latest, Destination::New).await.unwrap();
    assert_eq!((verified.backup, restored.rows), (made.backup.clone(), verified.rows));
    // Without the service that is set the folder is worth nothing, and that is said.
    let error = place.backup().verify(&place.tenant, &Which::Latest).await.unwrap_err();
    assert!(matches!(&error, BackupError::Refused(why) if why.contains("LABOR_KEY_SERVICE is folder")), "{error:?}");
    // What making backups takes is derived again when it was lost, altered, or is another tenant's.
    let neighbour = place.neighbour(1).await;
    backup.run(&neighbour).await.unwrap();
    let theirs = std::fs::read_to_string(place.settings.keys.join(format!("{neighbour}.manifest-key"))).unwrap();
    for damage in [None, Some("age1\n00\n"), Some(theirs.as_str())] {
        std::fs::remove_file(&sealing).unwrap();
        if let Some(text) = damage {
            labor_testing::write_private(&sealing, text).unwrap();
        }
        backup.run(&place.tenant).await.unwrap();
        backup.verify(&place.tenant, &Which::Latest).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_is_down_or_sealed_stops_no_backup_and_condemns_none() {
    let place = Place::with_patients(2).await;
    let bao = OpenBao::start(&scratch().await.unwrap().join("bao-down")).await.unwrap();
    let service = transit(&bao, bao.token());
    with_service(&place, service.clone()).run(&place.tenant).await.unwrap();
    bao.must(Method::POST, "sys/seal", None).await.unwrap();
    assert!(told(&place, service.clone()).await.contains("is sealed"));
    drop(bao);
    let told = told(&place, service.clone()).await;
    assert!(told.contains("can't be reached at https://127.0.0.1"), "{told}");

    let down = with_service(&place, service);
    down.run(&place.tenant).await.unwrap();
    let listed = down.list(Some(&place.tenant)).await.unwrap();
    assert_eq!(listed.iter().filter(|entry| entry.state == State::Complete).count(), 2);
    // A new tenant's key can't be made, and nothing is left of the attempt.
    let neighbour = place.neighbour(1).await;
    let error = down.run(&neighbour).await.unwrap_err();
    assert!(matches!(error, BackupError::KeyService { .. }), "{error:?}");
    assert_eq!(std::fs::read_dir(&place.settings.keys).unwrap().count(), 2);
}

#[tokio::test]
async fn a_wrapped_file_opens_nothing_but_its_own_tenant_and_unaltered() {
    let place = Place::with_patients(1).await;
    let (backup, neighbour) = (wrapped_by_bao(&place).await, place.neighbour(1).await);
    let made = backup.run(&place.tenant).await.unwrap();
    let other = backup.run(&neighbour).await.unwrap();
    let path = wrapped_file(&place);
    let good: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let theirs =
        std::fs::read_to_string(place.settings.keys.join(format!("{neighbour}.age-identity.wrapped"))).unwrap();
    let theirs: Value = serde_json::from_str(&theirs).unwrap();
    // A process of its own: what was unwrapped is remembered.
    let verify = async |file: &Value| {
        labor_testing::write_private(&path, &file.to_string()).unwrap();
        let error = wrapped_by_bao(&place).await.verify(&place.tenant, &Which::Latest).await;
        error.map(|verified| verified.backup).map_err(|error| {
            assert!(!error.condemns(), "{error}");
            error.to_string()
        })
    };
    let copied = verify(&theirs).await.unwrap_err();
    assert!(copied.contains(&format!("is the key of {neighbour}, not of {}", place.tenant)), "{copied}");
    let with = |changes: &[(&str, &Value)]| {
        let mut file = good.clone();
        changes.iter().for_each(|(field, value)| file[*field] = (*value).clone());
        file
    };
    let renamed = verify(&with(&[("key", &theirs["key"])])).await.unwrap_err();
    assert!(renamed.contains("set the one that wrapped it"), "{renamed}");
    let recipient = json!(other.recipient);
    let mut altered = good["wrapped"].as_str().unwrap().to_owned();
    let last = altered.len() - 8;
    altered.replace_range(last..=last, if &altered[last..=last] == "A" { "B" } else { "A" });
    for file in [
        with(&[("wrapped", &theirs["wrapped"])]),
        with(&[("public_key", &recipient)]),
        with(&[("wrapped", &json!(altered))]),
        with(&[("wrapped", &json!("vault:v1:"))]),
        with(&[("wrapped", &json!("nothing"))]),
    ] {
        let error = verify(&file).await.unwrap_err();
        assert!(error.contains("can't unwrap this file"), "{error}");
    }
    assert_eq!(verify(&good).await.unwrap(), made.backup);
}

#[tokio::test]
async fn whoever_wraps_what_is_not_the_tenant_s_is_refused_by_the_service() {
    // With the right key of the service, but bound to somebody else: only what it is bound to tells them apart.
    let place = Place::with_patients(1).await;
    let backup = wrapped_by_bao(&place).await;
    backup.run(&place.tenant).await.unwrap();
    let bao = open_bao().await;
    let path = wrapped_file(&place);
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let name = format!("labor-backup-{}", place.tenant);
    let bind = |of: &str| {
        use base64::Engine as _;
        let text = format!("labor-backup key v1 of {of}: {}", file["public_key"].as_str().unwrap());
        json!(base64::engine::general_purpose::STANDARD.encode(text))
    };
    let decrypt = json!({"ciphertext": file["wrapped"], "associated_data": bind(place.tenant.as_str())});
    let answer = bao.must(Method::POST, &format!("transit/decrypt/{name}"), Some(decrypt)).await.unwrap();
    let encrypt = json!({"plaintext": answer["data"]["plaintext"], "associated_data": bind("t_other")});
    let answer = bao.must(Method::POST, &format!("transit/encrypt/{name}"), Some(encrypt)).await.unwrap();
    file["wrapped"] = answer["data"]["ciphertext"].clone();
    labor_testing::write_private(&path, &file.to_string()).unwrap();
    let told = told(&place, transit(bao, bao.token())).await;
    assert!(told.contains("wrapped for somebody else"), "{told}");
}

#[tokio::test]
async fn what_the_service_refuses_is_told_with_what_to_do() {
    let place = Place::with_patients(1).await;
    let bao = open_bao().await;
    let root = transit(bao, bao.token());
    with_service(&place, root.clone()).run(&place.tenant).await.unwrap();
    let key = format!("transit/keys/labor-backup-{}", place.tenant);

    let expired = told(&place, transit(bao, "s.never0was0one")).await;
    assert!(expired.contains("refuses the token") && !expired.contains("never0was"), "{expired}");
    let blind = bao.token_with("path \"transit/keys/*\" { capabilities = [\"read\"] }").await.unwrap();
    let forbidden = told(&place, transit(bao, &blind)).await;
    assert!(forbidden.contains("needs update (and create) on transit/decrypt/labor-backup-t_"), "{forbidden}");
    let elsewhere = TransitSettings { certificates: None, ..root.clone() };
    let stranger = told(&place, elsewhere).await;
    assert!(stranger.contains("can't be reached") && stranger.to_lowercase().contains("certificate"), "{stranger}");

    // The version of the key that wrapped it is no longer allowed.
    bao.must(Method::POST, &format!("{key}/rotate"), None).await.unwrap();
    let config = format!("{key}/config");
    bao.must(Method::POST, &config, Some(json!({"min_decryption_version": 2}))).await.unwrap();
    let too_old = told(&place, root.clone()).await;
    assert!(too_old.contains("min_decryption_version"), "{too_old}");
    bao.must(Method::POST, &config, Some(json!({"min_decryption_version": 1, "deletion_allowed": true})))
        .await
        .unwrap();
    with_service(&place, root.clone()).verify(&place.tenant, &Which::Latest).await.unwrap();

    with_service(&place, root.clone()).run(&place.tenant).await.unwrap();
    bao.must(Method::DELETE, &key, None).await.unwrap();
    let error = with_service(&place, root.clone()).verify(&place.tenant, &Which::Latest).await.unwrap_err().to_string();
    assert!(error.contains(&format!("does not know the key transit/labor-backup-{}", place.tenant)), "{error}");
    let renamed = TransitSettings { mount: "nowhere".to_owned(), ..root };
    let neighbour = place.neighbour(1).await;
    let error = with_service(&place, renamed).run(&neighbour).await.unwrap_err().to_string();
    assert!(error.contains("has nothing at nowhere/"), "{error}");
}

#[tokio::test]
async fn the_program_reads_a_token_s_file_anew_and_prints_no_secret() {
    let place = Place::with_patients(1).await;
    let bao = open_bao().await;
    let file = place.folder().join("token");
    labor_testing::write_private(&file, "s.expired\n").unwrap();
    let program = |arguments: &[&str]| {
        let mut program = place.program();
        program.args(arguments).envs(bao.env()).env_remove("VAULT_TOKEN").env("VAULT_TOKEN_FILE", &file);
        program.env("LABOR_KEY_SERVICE", "transit:transit");
        program
    };
    let run = ["run", "--tenant", place.tenant.as_str()];
    let refused = program(&run).output().await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("refuses the token") && !said.contains("s.expired"), "{said}");
    labor_testing::write_private(&file, bao.token()).unwrap();
    let done = program(&run).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let open = program(&["keys", "list"]).env("VAULT_ADDR", "http://192.0.2.1:8200").output().await.unwrap();
    assert!(String::from_utf8_lossy(&open.stderr).contains("https only"));
}

#[tokio::test]
async fn processes_that_make_a_wrapped_key_at_once_end_with_one() {
    let place = Place::with_patients(1).await;
    let runs = (0..4).map(async |_| wrapped_by_bao(&place).await.run(&place.tenant).await.unwrap().recipient);
    let recipients = futures_util::future::join_all(runs).await;
    assert!(recipients.iter().all(|recipient| *recipient == recipients[0]), "{recipients:?}");
    assert_eq!(std::fs::read_dir(&place.settings.keys).unwrap().count(), 2, "a temporary file was left");
    wrapped_by_bao(&place).await.verify(&place.tenant, &Which::Latest).await.unwrap();
}

#[tokio::test]
async fn the_control_schema_s_key_is_wrapped_like_a_tenant_s() {
    let place = Place::alone("wrapped_control").await;
    let bao = open_bao().await;
    wrapped_by_bao(&place).await.control_run().await.unwrap();
    assert!(place.settings.keys.join("control.age-identity.wrapped").exists());
    let down = TransitSettings { address: "https://127.0.0.1:1".parse().unwrap(), ..transit(bao, bao.token()) };
    with_service(&place, down.clone()).control_run().await.unwrap();
    let error = with_service(&place, down).control_restore().await.unwrap_err();
    assert!(matches!(&error, BackupError::KeyService { of, .. } if of == "control"), "{error:?}");
    // It is opened, and then there are tenants already.
    let error = wrapped_by_bao(&place).await.control_restore().await.unwrap_err();
    assert!(matches!(error, BackupError::Refused(_)), "{error:?}");
    let listed = place.backup().keys().unwrap();
    assert_eq!(
        (listed.len(), listed[0].of.as_str(), listed[0].key.as_deref()),
        (1, "control", Some("transit/labor-backup-control"))
    );
}

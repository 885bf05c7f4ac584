//! Export / delete: request → second person → holds → steps → certificate.
use labor_testing::{Finished, s3};
use reqwest::StatusCode;

use crate::back_up::settings;
use crate::clinic::{Clinic, PASSWORD, User, clinic, samples};

async fn labor(clinic: &Clinic, arguments: &[&str]) -> Finished {
    clinic.platform.program("labor").unwrap().args(arguments).run().await.unwrap()
}

async fn delete(clinic: &Clinic, request: &str) -> Finished {
    clinic.platform.program("labor-migrator").unwrap().args(["delete", "--request", request]).run().await.unwrap()
}

async fn backup(clinic: &Clinic, arguments: &[&str]) -> Finished {
    clinic.platform.program("labor-backup").unwrap().args(["--json"]).args(arguments).run().await.unwrap()
}

/// A clinic with results, a bucket and two operators.
async fn prepared(name: &str) -> Clinic {
    let mut clinic = clinic(name).await;
    clinic.platform = clinic.platform.with(settings(s3().await, &name.replace('_', "-")));
    for (_, bytes) in samples("good") {
        clinic.post(&bytes).await;
    }
    clinic.until_idle().await;
    for operator in ["anna", "bert"] {
        clinic.platform.json("labor", &["operator", "add", operator, "--name", operator], "").await.unwrap();
    }
    clinic
}

async fn request(clinic: &Clinic, kind: &str) -> String {
    let arguments = ["request", "create", kind, "--practice", "a", "--reason", "contract ended", "--by", "anna"];
    clinic.platform.json("labor", &arguments, "").await.unwrap()["request"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_deleted_before_two_people_agreed_and_while_a_hold_stands() {
    let clinic = prepared("delete_refused").await;
    let id = request(&clinic, "deletion").await;
    let refused = delete(&clinic, &id).await;
    assert!(!refused.status.success() && refused.stderr.contains("not approved"), "{}", refused.stderr);
    let alone = labor(&clinic, &["request", "approve", &id, "--by", "anna"]).await;
    assert!(!alone.status.success() && alone.stderr.contains("another operator"), "{}", alone.stderr);
    // The database itself refuses what the program would not do.
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    let forced = client
        .batch_execute(&format!(
            "UPDATE control.requests SET approved_by = requested_by, state = 'approved' WHERE id = '{id}'"
        ))
        .await;
    assert!(forced.is_err());
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let arguments = ["hold", "add", "--practice", "a", "--holder", "court", "--reason", "case 1"];
    let hold = clinic.platform.json("labor", &arguments, "").await.unwrap()["hold"].as_str().unwrap().to_owned();
    let held = delete(&clinic, &id).await;
    assert!(!held.status.success() && held.stderr.contains("court (case 1"), "{}", held.stderr);
    assert!(!clinic.doctor("a").await.reports().await.is_empty(), "refused means untouched");
    assert!(labor(&clinic, &["hold", "remove", &hold]).await.status.success());
    assert!(delete(&clinic, &id).await.status.success());
}

#[tokio::test]
async fn a_deleted_practice_is_gone_certified_and_the_other_is_untouched() {
    let clinic = prepared("delete_done").await;
    let tenant = &clinic.tenants[0];
    assert!(backup(&clinic, &["run", "--tenant", tenant, "--create-bucket"]).await.status.success());
    let doctor = clinic.doctor("a").await;
    let id = request(&clinic, "deletion").await;
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let early = backup(&clinic, &["erase", "--request", &id]).await;
    assert!(!early.status.success(), "objects are erased only after the database");
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (certificate["tenant"].as_str(), certificate["steps"].as_array().unwrap().len()),
        (Some(tenant.as_str()), 4)
    );
    assert!(certificate["found_afterwards"].as_object().unwrap().values().all(|count| *count == 0));
    assert_eq!(delete(&clinic, &id).await.stdout, done.stdout, "a repeated run gives the same certificate");
    // Nobody gets in any more, with an old token or a new sign-in; nothing is left.
    assert!(matches!(
        doctor.get("/v1/reports").await.status(),
        StatusCode::FORBIDDEN | StatusCode::SERVICE_UNAVAILABLE
    ));
    assert!(User::sign_in(&clinic.server.base, "a", "doctor", PASSWORD).await.is_err());
    assert_eq!(clinic.count(&format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{tenant}'")).await, 0);
    assert_eq!(clinic.doctor("b").await.reports().await.len(), 1);
    // A message for the deleted practice is not lost: it waits in the intake.
    clinic.post(&samples("good")[0].1).await;
    let erased = backup(&clinic, &["erase", "--request", &id]).await;
    assert!(erased.status.success(), "{}", erased.stderr);
    let objects = s3()
        .await
        .client()
        .list_objects_v2()
        .bucket("delete-done")
        .prefix(format!("tenants/{tenant}/"))
        .send()
        .await
        .unwrap();
    assert_eq!(objects.contents().len(), 0);
    assert!(!clinic.platform.folder().join("backup-keys").join(format!("{tenant}.age-identity")).exists());
}

#[tokio::test]
async fn an_export_holds_every_row_in_an_open_format() {
    let clinic = prepared("export_done").await;
    let id = request(&clinic, "export").await;
    let refused = backup(&clinic, &["export", "--request", &id, "--into", "unused"]).await;
    assert!(!refused.status.success(), "an export takes two people too");
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let folder = clinic.platform.folder().join("export");
    let exported = backup(&clinic, &["export", "--request", &id, "--into", &folder.display().to_string()]).await;
    assert!(exported.status.success(), "{}", exported.stderr);
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let tenant = &clinic.tenants[0];
    for file in manifest["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let Some(rows) = file["rows"].as_i64() else { continue };
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(text.lines().count(), usize::try_from(rows).unwrap(), "{name}");
        assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{name}");
        let table = name.strip_suffix(".ndjson").unwrap();
        assert_eq!(clinic.count(&format!("SELECT count(*) FROM {tenant}.{table}")).await, rows, "{name}");
    }
    let values = std::fs::read_to_string(folder.join("patients.ndjson")).unwrap();
    assert!(values.contains("Müller") && !values.contains("222222200"));
    assert!(
        !std::fs::read_to_string(folder.join("users.ndjson")).unwrap().contains("argon2"),
        "a credential is not exported"
    );
    let originals: Vec<_> = std::fs::read_dir(folder.join("messages"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(originals.contains(&samples("good")[0].1), "the messages are there byte for byte");
    let checked = backup(&clinic, &["check-export", &folder.display().to_string()]).await;
    assert!(checked.status.success(), "{}", checked.stderr);
    std::fs::write(folder.join("patients.ndjson"), values.replacen("Müller", "Miller", 1)).unwrap();
    assert!(
        !backup(&clinic, &["check-export", &folder.display().to_string()]).await.status.success(),
        "a changed file is noticed"
    );
}

//! Export / delete: what a deletion waits for while the practice is shut and kept, and how it is taken back.
use labor_testing::Finished;
use serde_json::{Value, json};

use crate::clinic::{Clinic, PASSWORD, User};
use crate::export_delete::{approved, backup, delete, labor, prepared, request, step};

async fn retained(name: &str) -> Clinic {
    let clinic = prepared(name).await;
    clinic.execute("UPDATE control.retention SET years = 10").await;
    clinic
}

/// Refused for now: what it says for machines.
async fn waits(clinic: &Clinic, id: &str) -> Value {
    let program = clinic.platform.program("labor-migrator").unwrap();
    let waiting: Finished = program.args(["--json", "delete", "--request", id]).run().await.unwrap();
    assert_eq!(waiting.status.code(), Some(3), "{}", waiting.stderr);
    let error: Value = serde_json::from_str(waiting.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["kind"], "not_yet", "{error}");
    error["error"].clone()
}

async fn rows(clinic: &Clinic) -> i64 {
    clinic.count(&format!("SELECT count(*) FROM {}.reports", clinic.tenants[0])).await
}

/// When connections had ended, as if it had been so long ago.
async fn shut_since(clinic: &Clinic, id: &str, ago: &str) {
    let sql = format!(
        "UPDATE control.requests SET steps = jsonb_set(steps, '{{1,at}}', to_jsonb(clock_timestamp() - interval '{ago}')) WHERE id = '{id}'"
    );
    clinic.execute(&sql).await;
}

#[tokio::test]
async fn for_two_weeks_a_practice_is_shut_and_kept_and_can_be_had_back() {
    let clinic = prepared("delete_grace").await;
    let create = ["request", "create", "deletion", "--practice", "a", "--reason", "contract ended", "--by", "anna"];
    let made = clinic.platform.json("labor", &create, "").await.unwrap();
    assert_eq!(made["grace_days"], 14);
    let id = made["request"].as_str().unwrap().to_owned();
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let waiting = waits(&clinic, &id).await;
    assert!(waiting["waits"][0].as_str().unwrap().contains("14 days of grace"), "{waiting}");
    assert_eq!(waiting["unconfirmed"], false);
    assert!(User::sign_in(&clinic.server.base, "a", "doctor", PASSWORD).await.is_err(), "it is shut");
    assert!(rows(&clinic).await > 0, "and kept");
    shut_since(&clinic, &id, "13 days 23 hours").await;
    waits(&clinic, &id).await;

    assert!(labor(&clinic, &["request", "withdraw", &id, "--by", "bert"]).await.status.success());
    let refused = delete(&clinic, &id).await;
    assert!(!refused.status.success() && refused.stderr.contains("taken back"), "{}", refused.stderr);
    let resumed = clinic.platform.program("labor-migrator").unwrap().args(["resume", "a"]).run().await.unwrap();
    assert!(resumed.status.success(), "{}", resumed.stderr);
    assert!(!clinic.doctor("a").await.reports().await.is_empty());

    let id = approved(&clinic).await;
    clinic.execute(&format!("UPDATE control.requests SET grace_days = 14 WHERE id = '{id}'")).await;
    waits(&clinic, &id).await;
    shut_since(&clinic, &id, "14 days").await;
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let late = labor(&clinic, &["request", "withdraw", &id, "--by", "bert"]).await;
    assert!(!late.status.success() && late.stderr.contains("dropped already"), "{}", late.stderr);
}

/// An approved export of practice `a`, made into a folder of this name; its request.
async fn exported(clinic: &Clinic, folder: &str) -> String {
    let id = request(clinic, "export").await;
    assert!(labor(clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let into = clinic.platform.folder().join(folder);
    let made = backup(clinic, &["export", "--request", &id, "--into", into.to_str().unwrap(), "--unsigned"]).await;
    assert!(made.status.success(), "{}", made.stderr);
    id
}

async fn receipt(clinic: &Clinic, export: &str, folder: &str) -> Finished {
    let manifest = clinic.platform.folder().join(folder).join("manifest.json");
    let arguments = [
        "request",
        "receipt",
        export,
        "--manifest",
        manifest.to_str().unwrap(),
        "--from",
        "Dr. A, by letter",
        "--by",
        "anna",
    ];
    labor(clinic, &arguments).await
}

#[tokio::test]
async fn what_has_to_be_kept_is_dropped_only_when_the_practice_has_it_as_it_was_in_the_end() {
    let clinic = retained("delete_receipt").await;
    // Handed over while results still came.
    let early = exported(&clinic, "early").await;
    assert!(receipt(&clinic, &early, "early").await.status.success());
    let id = approved(&clinic).await;
    let waiting = waits(&clinic, &id).await;
    assert_eq!((waiting["waits"].as_array().unwrap().len(), &waiting["unconfirmed"]), (3, &json!(true)), "{waiting}");
    assert!(waiting["waits"][0].as_str().unwrap().contains("630f"), "{waiting}");
    assert!(rows(&clinic).await > 0);

    let export = exported(&clinic, "late").await;
    waits(&clinic, &id).await;
    // One that says what no export can.
    let forged = clinic.platform.folder().join("forged");
    std::fs::create_dir(&forged).unwrap();
    let late = std::fs::read(clinic.platform.folder().join("late").join("manifest.json")).unwrap();
    let mut manifest: Value = serde_json::from_slice(&late).unwrap();
    manifest["exported_at"] = json!("2099-01-01T00:00:00Z");
    std::fs::write(forged.join("manifest.json"), manifest.to_string()).unwrap();
    assert!(receipt(&clinic, &export, "forged").await.stderr.contains("the time has not come"));
    let other = receipt(&clinic, &export, "early").await;
    assert!(!other.status.success() && other.stderr.contains(&early), "{}", other.stderr);
    assert!(receipt(&clinic, &export, "late").await.status.success());
    // What is taken back confirms nothing.
    let withdrawn = format!(
        "UPDATE control.requests SET state = 'withdrawn', withdrawn_by = requested_by, withdrawn_at = now() WHERE id = '{export}'"
    );
    clinic.execute(&withdrawn).await;
    let waiting = waits(&clinic, &id).await;
    assert!(waiting["waits"][2].as_str().unwrap().contains("before it was shut"), "{waiting}");
    let again = format!(
        "UPDATE control.requests SET state = 'approved', withdrawn_by = NULL, withdrawn_at = NULL WHERE id = '{export}'"
    );
    clinic.execute(&again).await;
    let list = clinic.platform.json("labor", &["request", "list"], "").await.unwrap();
    let known = list["requests"].as_array().unwrap().iter().find(|known| known["id"] == export.as_str()).unwrap();
    assert!(known["received_at"].is_string() && known["grace_days"].is_null(), "{known}");
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: Value = serde_json::from_str(&done.stdout).unwrap();
    let handed_over = &step(&certificate, "drop")["handed_over"]["receipt"];
    assert_eq!((&handed_over["request"], &handed_over["from"]), (&json!(export), &Value::Null), "{certificate}");
    let manifest = std::fs::read(clinic.platform.folder().join("late").join("manifest.json")).unwrap();
    std::fs::write(clinic.platform.folder().join("m"), manifest).unwrap();
    let sum = std::process::Command::new("sha256sum").arg(clinic.platform.folder().join("m")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(handed_over["manifest_sha256"].as_str(), sum.split_whitespace().next());
}

/// One without records has nothing to hand over; one whose login was shut before can't be looked into, so it counts as if it had.
#[tokio::test]
async fn whoever_has_no_records_needs_no_receipt_unless_nobody_can_look() {
    let clinic = retained("delete_empty").await;
    for (slug, bsnr) in [("empty", "300000001"), ("shut", "300000002")] {
        clinic.platform.practice(slug, "Praxis", bsnr).await.unwrap();
    }
    let suspend = ["suspend", "shut", "--reason", "unpaid"];
    assert!(clinic.platform.program("labor-migrator").unwrap().args(suspend).run().await.unwrap().status.success());
    let mut ids = Vec::new();
    for slug in ["empty", "shut"] {
        let create =
            ["request", "create", "deletion", "--practice", slug, "--reason", "x", "--grace-days", "0", "--by", "anna"];
        let made = clinic.platform.json("labor", &create, "").await.unwrap();
        let id = made["request"].as_str().unwrap().to_owned();
        assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
        ids.push(id);
    }
    let done = delete(&clinic, &ids[0]).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(step(&certificate, "drop")["handed_over"], json!({ "receipt": null, "no_receipt": null, "kept": [] }));
    assert_eq!(waits(&clinic, &ids[1]).await["unconfirmed"], true);
}

/// What somebody wrote who was let in again is in no export that was made before.
#[tokio::test]
async fn whoever_is_let_in_again_begins_the_waiting_anew() {
    let clinic = retained("delete_let_in").await;
    let id = approved(&clinic).await;
    waits(&clinic, &id).await;
    let export = exported(&clinic, "export").await;
    assert!(receipt(&clinic, &export, "export").await.status.success());
    clinic.execute(&format!("ALTER ROLE {}_app LOGIN", clinic.tenants[0])).await;
    let waiting = waits(&clinic, &id).await;
    assert_eq!(waiting["unconfirmed"], true, "{waiting}");
    let again = exported(&clinic, "again").await;
    assert!(receipt(&clinic, &again, "again").await.status.success());
    assert!(delete(&clinic, &id).await.status.success());
}

/// A restore over the practice keeps what was there before, which no export has.
#[tokio::test]
async fn what_a_restore_set_aside_is_decided_on_first() {
    let clinic = prepared("delete_kept").await;
    let [tenant, _] = &clinic.tenants;
    let kept = format!(
        "CREATE SCHEMA t_keptforlater AUTHORIZATION labor_owner;
         COMMENT ON SCHEMA t_keptforlater IS 'labor: restored over: {tenant} as it was, kept since now'"
    );
    clinic.execute(&kept).await;
    let id = approved(&clinic).await;
    let refused = delete(&clinic, &id).await;
    assert!(!refused.status.success() && refused.stderr.contains("restore confirm"), "{}", refused.stderr);
    assert!(!clinic.doctor("a").await.reports().await.is_empty(), "refused means untouched");
    clinic.execute("DROP SCHEMA t_keptforlater").await;
    assert!(delete(&clinic, &id).await.status.success());
}

/// A practice may want its data deleted and not returned (GDPR, Article 28(3)(g)): two people say so, and the certificate.
#[tokio::test]
async fn without_a_receipt_it_goes_on_only_when_two_people_said_why() {
    let clinic = retained("delete_unreturned").await;
    let create =
        ["request", "create", "deletion", "--practice", "a", "--reason", "x", "--grace-days", "0", "--by", "anna"];
    let why = "has all of it in its own system, letter of 2026-11-02";
    let made = clinic.platform.json("labor", &[&create[..], &["--no-receipt", why]].concat(), "").await.unwrap();
    let id = made["request"].as_str().unwrap().to_owned();
    let list = clinic.platform.json("labor", &["request", "list"], "").await.unwrap();
    assert_eq!(
        (&list["requests"][0]["no_receipt"], &list["requests"][0]["practice"]),
        (&json!(why), &json!("a")),
        "{list}"
    );
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: Value = serde_json::from_str(&done.stdout).unwrap();
    let handed_over = &step(&certificate, "drop")["handed_over"];
    assert_eq!((&handed_over["no_receipt"], handed_over["kept"].as_array().unwrap().len()), (&json!(why), 2));
}

/// The database itself refuses the drop of a program that waits for nothing.
#[tokio::test]
async fn an_earlier_program_that_waits_for_nothing_drops_nothing() {
    let clinic = prepared("delete_earlier").await;
    let id = approved(&clinic).await;
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    let drops = format!(
        "UPDATE control.requests SET state = 'running', steps = steps || '{{\"step\": \"drop\", \"counts\": {{}}}}' WHERE id = '{id}'"
    );
    let refused = client.batch_execute(&drops).await.unwrap_err();
    assert_eq!(refused.as_db_error().unwrap().constraint(), Some("requests_waited"));
}

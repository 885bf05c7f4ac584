//! Export / delete, the second: request → second person → holds → steps → certificate.
use std::time::Duration;

use labor_testing::{Finished, postgres, s3, until};
use reqwest::StatusCode;
use serde_json::json;

use crate::back_up::bucket;
use crate::clinic::{Clinic, PASSWORD, User, clinic, samples};
use crate::exported::{keys, openssl};

pub(crate) async fn labor(clinic: &Clinic, arguments: &[&str]) -> Finished {
    clinic.platform.program("labor").unwrap().args(arguments).run().await.unwrap()
}

pub(crate) async fn delete(clinic: &Clinic, request: &str) -> Finished {
    clinic.platform.program("labor-migrator").unwrap().args(["delete", "--request", request]).run().await.unwrap()
}

pub(crate) async fn backup(clinic: &Clinic, arguments: &[&str]) -> Finished {
    clinic.platform.program("labor-backup").unwrap().args(["--json"]).args(arguments).run().await.unwrap()
}

/// A clinic with results that need not be kept, a bucket and two operators.
pub(crate) async fn prepared(name: &str) -> Clinic {
    let mut clinic = clinic(name).await;
    clinic.platform = clinic.platform.with(bucket(name).await);
    for (_, bytes) in samples("good") {
        clinic.post(&bytes).await;
    }
    clinic.until_idle().await;
    for operator in ["anna", "bert"] {
        clinic.platform.json("labor", &["operator", "add", operator, "--name", operator], "").await.unwrap();
    }
    clinic.execute("UPDATE control.retention SET years = 0").await;
    clinic
}

pub(crate) async fn request(clinic: &Clinic, kind: &str) -> String {
    let mut arguments =
        vec!["request", "create", kind, "--practice", "a", "--reason", "contract ended", "--by", "anna"];
    if kind == "deletion" {
        arguments.extend(["--grace-days", "0"]);
    }
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
    let sql = "SELECT string_agg(outcome, ', ' ORDER BY started_at) FROM control.runs WHERE command = 'delete'";
    let runs: String = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(runs, "failed, completed", "one that was not approved has not begun");
}

#[tokio::test]
async fn a_deleted_practice_is_gone_certified_and_the_other_is_untouched() {
    let clinic = prepared("delete_done").await;
    let tenant = &clinic.tenants[0];
    assert!(backup(&clinic, &["run", "--tenant", tenant, "--create-bucket"]).await.status.success());
    let doctor = clinic.doctor("a").await;
    let id = request(&clinic, "deletion").await;
    // Entries that DROP ROLE stops at: they go with the role.
    let superuser = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let role: String =
        superuser.query_one("SELECT name || '_app' FROM control.tenants WHERE slug = 'a'", &[]).await.unwrap().get(0);
    let sql = format!("SET ROLE {role}; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO labor_tenants; RESET ROLE");
    superuser.batch_execute(&sql).await.unwrap();
    assert!(labor(&clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    let (key, public) = keys(clinic.platform.folder());
    let early = backup(&clinic, &["erase", "--request", &id, "--signing-key", &key]).await;
    assert!(!early.status.success(), "objects are erased only after the database");
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        (certificate["tenant"].as_str(), certificate["steps"].as_array().unwrap().len()),
        (Some(tenant.as_str()), 7)
    );
    assert_eq!((&certificate["requested_by"], &certificate["approved_by"]), (&json!("anna"), &json!("bert")));
    assert!(certificate["requested_at"].as_str() < certificate["approved_at"].as_str(), "{certificate}");
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
    let erased = backup(&clinic, &["erase", "--request", &id, "--signing-key", &key]).await;
    assert!(erased.status.success(), "{}", erased.stderr);
    let certificate: serde_json::Value = serde_json::from_str(&erased.stdout).unwrap();
    assert_eq!((certificate["key"].as_str(), certificate["found_afterwards"].as_u64()), (Some("destroyed"), Some(0)));
    // The certificate that is kept is signed, and OpenSSL proves it.
    for name in ["json", "json.sig"] {
        let object = s3()
            .await
            .client()
            .get_object()
            .bucket("delete-done")
            .key(format!("certificates/{id}.{name}"))
            .send()
            .await;
        let bytes = object.unwrap().body.collect().await.unwrap().into_bytes();
        std::fs::write(clinic.platform.folder().join(format!("certificate.{name}")), bytes).unwrap();
    }
    let check =
        format!("pkeyutl -verify -pubin -inkey {public} -rawin -in certificate.json -sigfile certificate.json.sig");
    openssl(clinic.platform.folder(), &check);
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

pub(crate) fn step<'a>(certificate: &'a serde_json::Value, name: &str) -> &'a serde_json::Value {
    let steps = certificate["steps"].as_array().unwrap();
    &steps.iter().find(|step| step["step"] == name).unwrap()["counts"]
}

pub(crate) async fn approved(clinic: &Clinic) -> String {
    let id = request(clinic, "deletion").await;
    assert!(labor(clinic, &["request", "approve", &id, "--by", "bert"]).await.status.success());
    id
}

/// Two restored copies: one as the restore left it, one whose comment somebody removed; and a clone.
#[tokio::test]
async fn restored_copies_are_deleted_with_the_practice_and_what_waits_in_the_intake_is_named() {
    let clinic = prepared("delete_copies").await;
    let [tenant, other] = &clinic.tenants;
    assert!(backup(&clinic, &["run", "--tenant", tenant, "--create-bucket"]).await.status.success());
    assert!(backup(&clinic, &["run", "--tenant", other]).await.status.success());
    for (of, into) in [(tenant, "t_copyofanna01"), (tenant, "t_copyofanna02"), (other, "t_copyofberta1")] {
        let restored = backup(&clinic, &["restore", "--tenant", of, "--into", into]).await;
        assert!(restored.status.success(), "{}", restored.stderr);
    }
    clinic.execute("COMMENT ON SCHEMA t_copyofanna02 IS NULL").await;
    // What a killed `rehearse --data` leaves has no stamp yet; its comment says whose rows it may hold.
    for (of, clone) in [(tenant, "t_copyofanna03"), (other, "t_copyofberta2")] {
        let comment = format!("COMMENT ON SCHEMA {clone} IS 'labor-migrator rehearsal of {of} by x@y'");
        clinic.execute(&format!("CREATE SCHEMA {clone} AUTHORIZATION labor_owner; {comment}")).await;
    }
    for body in ["unreadable, but for 123456700", "unreadable, and for nobody"] {
        clinic.post(body.as_bytes()).await;
    }
    clinic.until_idle().await;
    let intake: String = {
        let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
        client.query_one("SELECT name FROM control.tenants WHERE kind = 'intake'", &[]).await.unwrap().get(0)
    };
    let waiting = clinic
        .count(&format!("SELECT count(*) FROM {intake}.raw_messages WHERE position('123456700'::bytea IN body) > 0"))
        .await;
    assert_eq!(waiting, 1);
    let done = delete(&clinic, &approved(&clinic).await).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(step(&certificate, "drop")["copies_dropped"], 3);
    assert_eq!(certificate["found_afterwards"]["copies"], 0);
    assert_eq!(certificate["intake_messages"], waiting);
    let named = format!("{waiting} with one of its BSNRs");
    assert!(certificate["residuals"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains(&named)));
    let left = "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 't_copyof%')
                     + (SELECT count(*) FROM pg_roles WHERE rolname LIKE 't_copyof%')";
    assert_eq!(
        clinic.count(left).await,
        3,
        "the other practice's copy, schema and role, and its clone are all that is left"
    );
    let searched = format!("SELECT count(*) FROM {intake}.audit WHERE action = 'message.search'");
    assert_eq!(clinic.count(&searched).await, 1);
}

/// Whoever may make schemas could have the deletion run a function with the migrator's rights, by a stamp that is a view.
#[tokio::test]
async fn a_stamp_that_is_no_plain_table_of_ours_is_not_read_and_stops_the_deletion() {
    let clinic = prepared("delete_trap").await;
    let id = approved(&clinic).await;
    clinic
        .execute(
            "CREATE SCHEMA t_trapfordelet; CREATE TABLE public.sprung (by text); GRANT ALL ON public.sprung TO PUBLIC;
             GRANT USAGE ON SCHEMA public, t_trapfordelet TO labor_migrator;
             CREATE FUNCTION public.trap() RETURNS text LANGUAGE sql AS $$INSERT INTO public.sprung VALUES (session_user) RETURNING by$$;
             CREATE VIEW t_trapfordelet.schema_stamp AS SELECT public.trap() AS tenant;
             GRANT SELECT ON t_trapfordelet.schema_stamp TO PUBLIC",
        )
        .await;
    let refused = delete(&clinic, &id).await;
    assert!(!refused.status.success() && refused.stderr.contains("could run somebody's code"), "{}", refused.stderr);
    assert_eq!(clinic.count("SELECT count(*) FROM public.sprung").await, 0, "the trap was sprung");
    clinic.execute("DROP SCHEMA t_trapfordelet CASCADE; DROP FUNCTION public.trap(); DROP TABLE public.sprung").await;
    assert!(delete(&clinic, &id).await.status.success());
}

/// A hold that is being written while the deletion begins is waited for, and one that came after `freeze` is still found.
#[tokio::test]
async fn a_hold_that_comes_in_the_middle_stops_the_deletion_and_outlives_it() {
    let clinic = prepared("delete_hold").await;
    let (tenant, id) = (&clinic.tenants[0], approved(&clinic).await);
    let court = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let hold = format!(
        "INSERT INTO control.holds (id, tenant, holder, reason) VALUES (gen_random_uuid(), '{tenant}', 'court', 'case 2')"
    );
    court.batch_execute(&format!("BEGIN; {hold}")).await.unwrap();
    let commit = async {
        let waits = "SELECT count(*) FROM pg_stat_activity
                      WHERE application_name = 'labor-migrator' AND datname = current_database() AND wait_event_type = 'Lock'
                        AND query LIKE 'SELECT FROM control.tenants%FOR UPDATE'";
        until("the deletion to wait for the hold", Duration::from_secs(20), async || {
            Ok(if clinic.count(waits).await > 0 { Ok(()) } else { Err("not yet".to_owned()) })
        })
        .await
        .unwrap();
        court.batch_execute("COMMIT").await.unwrap();
    };
    let (held, ()) = tokio::join!(delete(&clinic, &id), commit);
    assert!(!held.status.success() && held.stderr.contains("court (case 2"), "{}", held.stderr);
    assert!(!clinic.doctor("a").await.reports().await.is_empty(), "refused means untouched");
    // As if a run had been killed after `disconnect`: the hold is looked for again before anything is dropped.
    let steps = r#"'[{"step": "freeze", "counts": {}}, {"step": "disconnect", "counts": {}}]'"#;
    clinic.execute(&format!("UPDATE control.requests SET state = 'running', steps = {steps} WHERE id = '{id}'")).await;
    assert!(delete(&clinic, &id).await.stderr.contains("court (case 2"));
    assert!(clinic.count(&format!("SELECT count(*) FROM {tenant}.reports")).await > 0);
    // A hold that has ended stops nothing, and stays as evidence.
    clinic.execute("UPDATE control.holds SET until = current_date - 1").await;
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    assert_eq!(clinic.count(&format!("SELECT count(*) FROM control.holds WHERE tenant = '{tenant}'")).await, 1);
}

/// An open transaction of the practice's login neither survives nor blocks the deletion.
#[tokio::test]
async fn connections_of_the_practice_end_before_anything_is_dropped() {
    let clinic = prepared("delete_connected").await;
    let (tenant, id) = (&clinic.tenants[0], approved(&clinic).await);
    let secret = std::fs::read_to_string(clinic.platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
    let tenant_name = labor_catalog::TenantName::parse(tenant).unwrap();
    let password = labor_catalog::MasterSecret::from_hex(&secret).unwrap().tenant_password(&tenant_name);
    let url = postgres().await.url_as(&tenant_name.role(), &password, clinic.platform.database());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let ended = tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE reports IN ACCESS SHARE MODE").await.unwrap();
    let done = delete(&clinic, &id).await;
    assert!(done.status.success(), "{}", done.stderr);
    let certificate: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(step(&certificate, "disconnect")["connections_closed"].as_i64().unwrap() > 0, "{certificate}");
    assert_eq!(certificate["found_afterwards"]["connections"], 0);
    assert!(ended.await.unwrap().is_err() && client.is_closed(), "the connection lives on");
}

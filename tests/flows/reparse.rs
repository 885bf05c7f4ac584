//! Messages read again with a later reader: shown first, applied as it was shown, and nothing that the product promises is broken by it.
//!
//! How a reader of yesterday is played: a message is sent and worked on as always; then its bytes are replaced by others, which today's
//! reader reads otherwise. All that is stored is what a worker stored of it.
mod ended;
mod stays;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use labor_testing::{Finished, OneShot, postgres};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{id, open, results};
use crate::clinic::{Clinic, clinic};

/// A value that was read as an ordinary one, and is none.
pub(crate) const READ: &str = "K||4.4|mmol/L||N|||F";
pub(crate) const SAYS: &str = "K||7.1|mmol/L||HH|||F";

/// Sends a message that says what yesterday's reader reads in another; the id under which it is stored with the other's bytes.
pub(crate) async fn sent(clinic: &Clinic, read: &[u8], says: &[u8]) -> String {
    let answer = clinic.post(read).await;
    clinic.until_idle().await;
    let message = answer.json["message_id"].as_str().unwrap().to_owned();
    replace(clinic, &message, says).await;
    message
}

pub(crate) async fn replace(clinic: &Clinic, message: &str, says: &[u8]) {
    let hex: String = says.iter().map(|byte| format!("{byte:02x}")).collect();
    clinic
        .execute(&format!(
            "UPDATE {}.raw_messages SET body = decode('{hex}', 'hex'), sha256 = sha256(decode('{hex}', 'hex')) WHERE id = '{message}'",
            clinic.tenants[0]
        ))
        .await;
}

/// What a run printed: a line for each message, and what it says in all.
pub(crate) struct Printed {
    pub(crate) finished: Finished,
    pub(crate) lines: Vec<Value>,
}

impl Printed {
    fn of(finished: Finished) -> Self {
        let lines = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { finished, lines }
    }

    /// The line of this message.
    pub(crate) fn message(&self, message: &str) -> Option<&Value> {
        self.lines.iter().find(|line| line["message"] == message)
    }

    pub(crate) fn last(&self) -> &Value {
        self.lines.last().unwrap()
    }

    pub(crate) fn plan(&self) -> String {
        assert!(self.finished.status.success(), "{}", self.finished.stderr);
        self.last()["plan"].as_str().unwrap().to_owned()
    }

    pub(crate) fn fields(&self, message: &str) -> Vec<String> {
        let fields = &self.message(message).unwrap()["records"][0]["fields"];
        fields.as_object().unwrap().keys().cloned().collect()
    }
}

fn folder(clinic: &Clinic) -> &Path {
    clinic.platform.folder()
}

pub(crate) fn begin(clinic: &Clinic, arguments: &[&str]) -> OneShot {
    let program = clinic.platform.program("labor").unwrap().args(["reparse", "--tenant", "a", "--json", "--plans"]);
    program.args([folder(clinic)]).args(arguments).begin().unwrap()
}

pub(crate) async fn reparse(clinic: &Clinic, arguments: &[&str]) -> Printed {
    Printed::of(begin(clinic, arguments).end().await.unwrap())
}

/// A dry run and what it shows, applied.
pub(crate) async fn applied(clinic: &Clinic) -> Value {
    let plan = reparse(clinic, &[]).await.plan();
    let applied = reparse(clinic, &["--apply", &plan]).await;
    assert!(applied.finished.status.success(), "{}", applied.finished.stderr);
    applied.last()["applied"].clone()
}

/// Rows and digest of every table of the practice.
pub(crate) async fn everything(clinic: &Clinic) -> Vec<String> {
    let tenant = &clinic.tenants[0];
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let tables =
        format!("SELECT relname::text FROM pg_class WHERE relnamespace = '{tenant}'::regnamespace AND relkind = 'r'");
    let mut found = Vec::new();
    for table in client.query(&tables, &[]).await.unwrap() {
        let table: &str = table.get(0);
        let digest = format!(
            "SELECT format('%s: %s %s', '{table}', count(*), md5(string_agg(t::text, '|' ORDER BY t::text))) FROM {tenant}.{table} t"
        );
        found.push(client.query_one(&digest, &[]).await.unwrap().get(0));
    }
    found.sort();
    assert!(found.len() > 15, "{found:?}");
    found
}

pub(crate) async fn versions(clinic: &Clinic) -> i64 {
    clinic.count(&format!("SELECT count(*) FROM {}.reports", clinic.tenants[0])).await
}

#[tokio::test]
async fn what_reads_otherwise_is_shown_by_the_names_of_its_fields_and_nothing_is_changed() {
    let clinic = clinic("reparse_show").await;
    let message = sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    clinic.post(&results(2, &["NA||140|mmol/L|||||F"])).await;
    clinic.until_idle().await;
    let before = everything(&clinic).await;
    let shown = reparse(&clinic, &[]).await;
    shown.plan();
    for field in ["report.critical", "value.critical", "value.flag", "value.value_number", "value.value_text"] {
        assert!(shown.fields(&message).contains(&field.to_owned()), "{field}: {:?}", shown.fields(&message));
    }
    assert_eq!(shown.lines.len(), 2, "what reads as before is not told: {:?}", shown.lines);
    let totals = &shown.last()["totals"];
    assert_eq!((&totals["messages"], &totals["would_change"]), (&json!(2), &json!(1)), "{totals}");
    assert_eq!(totals["fields"]["value.value_text"], 1);
    for said in ["Muster", "Erika", "\"7.1\"", "\"4.4\"", "1966-10-24"] {
        let plan = std::fs::read_to_string(shown.last()["file"].as_str().unwrap()).unwrap();
        for text in [&shown.finished.stdout, &shown.finished.stderr, &plan] {
            assert!(!text.contains(said), "{said} is of the message: {text}");
        }
    }
    assert_eq!(everything(&clinic).await, before);
    assert_eq!(reparse(&clinic, &[]).await.plan(), shown.plan(), "the same is the same plan");
    let other_days = reparse(&clinic, &["--until", "2020-01-01"]).await;
    assert_eq!(other_days.last()["totals"]["messages"], 0);
    let only = reparse(&clinic, &["--since", "2020-01-01", "--message", &message]).await;
    assert_eq!(only.last()["totals"]["messages"], 1);
    // For people.
    let program = clinic.platform.program("labor").unwrap().args(["reparse", "--tenant", "a", "--plans"]);
    let text = program.args([folder(&clinic)]).output().await.unwrap();
    assert!(text.contains(&message) && text.contains("value.value_text 1") && text.contains(&shown.plan()), "{text}");
}

/// A practice that can't be written to at all: whoever only looks does not notice.
#[tokio::test]
async fn looking_writes_nothing_and_applying_is_all_or_nothing() {
    let clinic = clinic("reparse_read_only").await;
    sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    let before = everything(&clinic).await;
    let role = format!("{}_app", clinic.tenants[0]);
    clinic.execute(&format!("ALTER ROLE {role} SET default_transaction_read_only = on")).await;
    let plan = reparse(&clinic, &[]).await.plan();
    let refused = reparse(&clinic, &["--apply", &plan]).await;
    assert!(!refused.finished.status.success());
    assert!(
        refused.finished.stderr.contains("25006"),
        "a write in a read-only transaction: {}",
        refused.finished.stderr
    );
    clinic.execute(&format!("ALTER ROLE {role} RESET default_transaction_read_only")).await;
    assert_eq!(everything(&clinic).await, before);
    assert!(reparse(&clinic, &["--apply", &plan]).await.finished.status.success());
}

#[tokio::test]
async fn values_are_written_into_a_new_file_of_the_operators_alone_and_that_is_audited() {
    let clinic = clinic("reparse_values").await;
    sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    let file: PathBuf = folder(&clinic).join("values");
    let arguments = ["--show-values", file.to_str().unwrap()];
    let shown = reparse(&clinic, &arguments).await;
    shown.plan();
    assert!(!shown.finished.stdout.contains("\"7.1\""));
    let written = std::fs::read_to_string(&file).unwrap();
    let line: Value = written
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["field"] == "value.value_text")
        .unwrap();
    assert_eq!((&line["stored"], &line["now"]), (&json!("4.4"), &json!("7.1")));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!reparse(&clinic, &arguments).await.finished.status.success(), "it is there already");
    let audited = format!(
        "SELECT count(*) FROM {}.audit WHERE action = 'message.show_values' AND actor = 'reparse'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&audited).await, 1);
}

#[tokio::test]
async fn applied_it_is_a_new_version_with_its_alert_and_notice_to_be_acknowledged_anew() {
    let clinic = clinic("reparse_apply").await;
    let doctor = clinic.doctor("a").await;
    let message = sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    let first = doctor.reports().await[0].clone();
    doctor.json(&format!("/v1/reports/{}", id(&first))).await;
    let acknowledge = format!("/v1/reports/{}/acknowledgement", id(&first));
    assert_eq!(doctor.post(&acknowledge, &json!({})).await.status(), StatusCode::NO_CONTENT);
    let tenant = &clinic.tenants[0];
    let untouched = format!(
        "SELECT count(*) FROM {tenant}.reports r JOIN {tenant}.observations o ON o.report_id = r.id
          WHERE r.id = '{}' AND o.value_text = '4.4' AND NOT r.critical AND r.reading = 1",
        id(&first)
    );
    assert!(open(&doctor).await.is_empty());
    assert_eq!(applied(&clinic).await, json!({ "messages": 1, "records": 1, "alerts": 1, "messages_before": 0 }));
    let reports = doctor.reports().await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let second = &reports[0];
    assert_eq!((&second["version"], &second["critical"]), (&json!(2), &json!(true)), "{second}");
    assert!(second["acknowledged_at"].is_null());
    for field in ["patient_id", "received_at", "order_number"] {
        assert_eq!(second[field], first[field]);
    }
    let alerts = open(&doctor).await;
    assert_eq!((alerts.len(), &alerts[0]["value"]), (1, &json!("7.1")), "{alerts:?}");
    let told = doctor.json("/v1/notices").await["items"].clone();
    assert_eq!((&told[0]["report_id"], &told[0]["replaced_by"]), (&first["id"], &second["id"]), "{told}");
    let read = doctor.json(&format!("/v1/reports/{}", id(second))).await;
    assert_eq!(
        (&read["seen_before"][0]["name"], &read["read_again"]["with"]),
        (&json!("Dr. Test"), &json!("hl7 0.1.0"))
    );
    assert_eq!(clinic.count(&untouched).await, 1, "what was read before stays");
    let audited = format!(
        "SELECT count(*) FROM {tenant}.audit WHERE action = 'message.reparse' AND object_id = '{message}' AND actor = 'reparse'"
    );
    assert_eq!(clinic.count(&audited).await, 1);
    // A resend of it is one, and read again once more it is the same.
    let again = everything(&clinic).await;
    let shown = reparse(&clinic, &[]).await;
    assert_eq!(shown.last()["totals"]["would_change"], 0, "{:?}", shown.lines);
    assert_eq!(everything(&clinic).await, again);
    clinic.post(&results(2, &[SAYS])).await;
    clinic.until_idle().await;
    assert_eq!(versions(&clinic).await, 2);
}

#[tokio::test]
async fn the_same_plan_again_finds_it_done() {
    let clinic = clinic("reparse_again").await;
    sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    let shown = reparse(&clinic, &[]).await;
    for done_before in [0, 1] {
        let applied = reparse(&clinic, &["--apply", &shown.plan()]).await;
        assert!(applied.finished.status.success(), "{}", applied.finished.stderr);
        assert_eq!(applied.last()["applied"]["messages_before"], done_before);
        assert_eq!(versions(&clinic).await, 2);
    }
    assert_eq!(reparse(&clinic, &[]).await.last()["totals"]["would_change"], 0);
}

#[tokio::test]
async fn a_plan_that_does_not_fit_any_more_is_refused_with_the_messages() {
    let clinic = clinic("reparse_drift").await;
    let first = sent(&clinic, &results(1, &[READ]), &results(1, &[SAYS])).await;
    let shown = reparse(&clinic, &[]).await;
    let hash = shown.plan();
    // Another one reads otherwise, too.
    let second = sent(&clinic, &results(2, &["NA||140|mmol/L|||||F"]), &results(2, &["NA||41|mmol/L|||||F"])).await;
    let before = everything(&clinic).await;
    let refused = reparse(&clinic, &["--apply", &hash]).await;
    assert!(!refused.finished.status.success());
    assert!(refused.message(&second).is_some() && refused.message(&first).is_none(), "{:?}", refused.lines);
    // The first says something else.
    let both = reparse(&clinic, &[]).await.plan();
    replace(&clinic, &first, &results(1, &["K||7.2|mmol/L||HH|||F"])).await;
    let replaced = everything(&clinic).await;
    let refused = reparse(&clinic, &["--apply", &both]).await;
    assert!(refused.message(&first).is_some() && refused.message(&second).is_none(), "{:?}", refused.lines);
    assert_eq!(everything(&clinic).await, replaced);
    assert_ne!(before, replaced);
    // A plan that somebody edited, another practice's, and none.
    let file = PathBuf::from(shown.last()["file"].as_str().unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&first, &second)).unwrap();
    let edited = reparse(&clinic, &["--apply", &hash]).await;
    assert!(edited.finished.stderr.contains("was changed since"), "{}", edited.finished.stderr);
    let plan = reparse(&clinic, &[]).await.plan();
    let other =
        clinic.platform.program("labor").unwrap().args(["reparse", "--tenant", "b", "--apply", &plan, "--plans"]);
    let other = other.args([folder(&clinic)]).run().await.unwrap();
    assert!(other.stderr.contains("another practice"), "{}", other.stderr);
    assert!(!reparse(&clinic, &["--apply", &"0".repeat(64)]).await.finished.status.success());
    assert_eq!(everything(&clinic).await, replaced);
}

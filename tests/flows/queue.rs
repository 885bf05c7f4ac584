//! The queue: tenants take turns, and what was given up is seen, replayed or discarded by an operator.
use std::time::Duration;

use labor_db::Control;
use labor_db::queue::Queue;
use labor_testing::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::clinic::{Clinic, LIMIT, PASSWORD, User, clinic, sample, without_worker};

const HIDDEN: Duration = Duration::from_secs(60);
const NO_WAIT: Duration = Duration::ZERO;

/// Tenants of the queue alone: nobody opens them here.
const BUSY: &str = "t_mmmmmmmmmmmm";
const FIRST: &str = "t_aaaaaaaaaaaa";
const LAST: &str = "t_zzzzzzzzzzzz";

async fn enqueue(clinic: &Clinic, tenant: &str, count: usize) {
    let entry = format!("jsonb_build_object('tenant', '{tenant}', 'message_id', gen_random_uuid())");
    clinic.execute(&format!("SELECT pgmq.send('messages', {entry}) FROM generate_series(1, {count})")).await;
}

async fn queue(clinic: &Clinic) -> Queue {
    Control::connect(clinic.platform.setting("LABOR_CONTROL_URL"), 4).unwrap().queue().await
}

/// Whose entries are taken, in order.
async fn taken(queue: &Queue, count: i32) -> Vec<String> {
    let deliveries = queue.take(count, HIDDEN, NO_WAIT).await.unwrap();
    deliveries.iter().map(|delivery| delivery.entry.tenant.to_string()).collect()
}

#[tokio::test]
async fn a_thousand_messages_of_one_tenant_do_not_hold_up_one_of_another() {
    let clinic = without_worker("queue_turns").await;
    let queue = queue(&clinic).await;
    enqueue(&clinic, BUSY, 1000).await;
    assert_eq!(taken(&queue, 1).await, [BUSY]);
    enqueue(&clinic, FIRST, 1).await;
    enqueue(&clinic, LAST, 2).await;
    let mut order = Vec::new();
    for _ in 0..7 {
        order.extend(taken(&queue, 1).await);
    }
    assert_eq!(order, [LAST, FIRST, BUSY, LAST, BUSY, BUSY, BUSY], "one at a time, in turn");
    // The flood is the last by name now, and whoever comes before it has its turn in the same take.
    enqueue(&clinic, LAST, 100).await;
    enqueue(&clinic, FIRST, 1).await;
    assert_eq!(taken(&queue, 4).await, [LAST, LAST, FIRST, BUSY]);
    assert_eq!(taken(&queue, 4).await, [LAST, LAST, BUSY, BUSY]);
    // What comes again later holds nobody up.
    clinic.execute("UPDATE pgmq.q_messages SET vt = now() + interval '1 hour'").await;
    enqueue(&clinic, FIRST, 1).await;
    assert_eq!(taken(&queue, 4).await, [FIRST]);
    assert!(taken(&queue, 4).await.is_empty());
}

#[tokio::test]
async fn workers_that_take_at_once_never_take_the_same() {
    let clinic = without_worker("queue_at_once").await;
    for tenant in [FIRST, BUSY, LAST] {
        enqueue(&clinic, tenant, 40).await;
    }
    let mut numbers = Vec::new();
    let queues = [queue(&clinic).await, queue(&clinic).await, queue(&clinic).await];
    while numbers.len() < 120 {
        let [a, b, c] = &queues;
        let (a, b, c) = tokio::join!(a.take(5, HIDDEN, LIMIT), b.take(5, HIDDEN, NO_WAIT), c.take(5, HIDDEN, NO_WAIT));
        numbers.extend([a, b, c].into_iter().flat_map(Result::unwrap).map(|delivery| delivery.number));
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 120);
}

async fn labor(clinic: &Clinic, arguments: &[&str]) -> Value {
    clinic.platform.json("labor", &[&["queue"], arguments].concat(), "").await.unwrap()
}

async fn until_dead(clinic: &Clinic) -> Value {
    until("the message to be given up", LIMIT, async || {
        let dead = labor(clinic, &["dead"]).await["dead_letters"].clone();
        Ok(if dead.as_array().is_some_and(|dead| dead.len() == 1) {
            Ok(dead[0].clone())
        } else {
            Err(dead.to_string())
        })
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn what_was_given_up_is_listed_replayed_and_discarded() {
    let clinic = without_worker("queue_dead").await;
    let tenant = &clinic.tenants[0];
    let worker = clinic.platform.work(&["--attempts", "1"]).await.unwrap();
    clinic.execute(&format!("ALTER TABLE {tenant}.orders RENAME TO elsewhere")).await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    let letter = until_dead(&clinic).await;
    let number = letter["number"].to_string();
    assert_eq!(letter["tenant"], tenant.as_str(), "{letter}");
    assert!(letter["reason"].as_str().unwrap().starts_with("given up after 1 attempts"), "{letter}");
    assert_eq!(labor(&clinic, &["status"]).await["dead"], 1);

    clinic.execute(&format!("ALTER TABLE {tenant}.elsewhere RENAME TO orders")).await;
    assert_eq!(labor(&clinic, &["replay", &number]).await["replayed"], letter["message_id"]);
    clinic.until_idle().await;
    assert_eq!(clinic.doctor("a").await.reports().await.len(), 1);
    assert_eq!(labor(&clinic, &["status"]).await["dead"], 0);

    clinic.execute(&format!("ALTER TABLE {tenant}.orders RENAME TO elsewhere")).await;
    clinic.post(&sample("Z01_LDT3_04_extremwert.ldt")).await;
    let letter = until_dead(&clinic).await;
    clinic.execute(&format!("ALTER TABLE {tenant}.elsewhere RENAME TO orders")).await;
    let number = letter["number"].to_string();
    labor(&clinic, &["discard", &number, "--reason", "sent anew"]).await;
    assert_eq!(labor(&clinic, &["status"]).await["dead"], 0);
    let kept = format!(
        "SELECT count(*) FROM {tenant}.raw_messages WHERE state = 'failed' AND reason LIKE 'given up%; discarded: sent anew' AND octet_length(body) > 0"
    );
    assert_eq!(clinic.count(&kept).await, 1);
    for arguments in [["replay", "4711"], ["replay", &number]] {
        let run = clinic.platform.program("labor").unwrap().args(["queue"]).args(arguments).run().await.unwrap();
        assert!(run.status.code() == Some(1) && run.stderr.contains("there is no dead letter"), "{}", run.stderr);
    }
    drop(worker);
}

/// Killed by what it works on, a worker comes to no end that could count the attempt.
#[tokio::test]
async fn what_was_delivered_too_often_is_given_up_before_it_is_tried_again() {
    let clinic = without_worker("queue_poison").await;
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.execute("UPDATE pgmq.q_messages SET read_ct = 12").await;
    let worker = clinic.platform.work(&[]).await.unwrap();
    let letter = until_dead(&clinic).await;
    assert!(letter["reason"].as_str().unwrap().contains("workers ended while they were at it"), "{letter}");
    assert!(clinic.doctor("a").await.reports().await.is_empty(), "it was not tried");
    labor(&clinic, &["replay", &letter["number"].to_string()]).await;
    clinic.until_idle().await;
    assert_eq!(clinic.doctor("a").await.reports().await.len(), 1, "it was innocent");
    drop(worker);
}

/// Over the API, without an operator; nobody else of the practice may, and no other practice's administrator.
#[tokio::test]
async fn an_administrator_deals_with_what_was_set_aside() {
    let clinic = clinic("queue_api").await;
    for practice in ["a", "b"] {
        clinic.platform.user(practice, "admin", "Admin", "admin", PASSWORD).await.unwrap();
    }
    let admin = User::sign_in(&clinic.server.base, "a", "admin", PASSWORD).await.unwrap();
    let others = User::sign_in(&clinic.server.base, "b", "admin", PASSWORD).await.unwrap();
    let tenant = &clinic.tenants[0];
    let broken = format!(
        "UPDATE {tenant}.raw_messages SET state = 'quarantined', reason = 'x: mended since' WHERE state = 'processed'"
    );
    clinic.post(&sample("Z01_LDT3_01_final.ldt")).await;
    clinic.until_idle().await;
    clinic.execute(&broken).await;
    let listed = admin.json("/v1/messages/set-aside").await["items"].clone();
    let message = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["reason"]), (1, &json!("x: mended since")), "{listed}");
    assert!(others.json("/v1/messages/set-aside").await["items"].as_array().unwrap().is_empty());
    let (replay, discard) = (format!("/v1/messages/{message}/replay"), format!("/v1/messages/{message}/discard"));
    let reason = json!({ "reason": "sent anew" });
    for path in [&replay, &discard] {
        assert_eq!(others.post(path, &reason).await.status(), StatusCode::NOT_FOUND, "another practice's");
        assert_eq!(clinic.doctor("a").await.post(path, &reason).await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(clinic.doctor("a").await.get("/v1/messages/set-aside").await.status(), StatusCode::FORBIDDEN);
    for wrong in [json!({}), json!({ "reason": " " }), json!({ "reason": "x".repeat(201) })] {
        assert_eq!(admin.post(&discard, &wrong).await.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }

    let letter = format!(
        "SELECT pgmq.send('dead_messages', jsonb_build_object('tenant', '{tenant}', 'message_id', '{message}', 'reason', 'x'))"
    );
    clinic.execute(&letter).await;
    for _ in 0..2 {
        assert_eq!(admin.post(&discard, &reason).await.status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(labor(&clinic, &["status"]).await["dead"], 0);
    let listed = admin.json("/v1/messages/set-aside").await["items"].clone();
    assert_eq!(listed[0]["reason"], "x: mended since; discarded: sent anew", "noted once");
    clinic.execute(&letter).await;
    assert_eq!(admin.post(&replay, &json!({})).await.status(), StatusCode::ACCEPTED);
    clinic.until_idle().await;
    assert!(admin.json("/v1/messages/set-aside").await["items"].as_array().unwrap().is_empty());
    assert_eq!(labor(&clinic, &["status"]).await["dead"], 0);
    assert_eq!(admin.post(&replay, &json!({})).await.status(), StatusCode::NOT_FOUND, "it is processed");
    let named = format!(
        "SELECT count(*) FROM {tenant}.audit a JOIN {tenant}.users u ON u.id::text = a.actor
          WHERE u.username = 'admin' AND a.action = 'message.wish_replay' AND a.object_id = '{message}' AND a.outcome = 'success'"
    );
    assert_eq!(clinic.count(&named).await, 1);
}

/// What can't be read is seen by whoever looks after the worker, and leaves the head of the list when somebody has decided.
#[tokio::test]
async fn what_is_set_aside_is_counted_listed_and_discarded() {
    let clinic = without_worker("queue_aside").await;
    let worker = clinic.platform.work(&["--metrics-listen", "127.0.0.1:0"]).await.unwrap();
    let mut messages = Vec::new();
    for body in [b"first\0".as_slice(), b"second\0"] {
        messages.push(clinic.post(body).await.json["message_id"].as_str().unwrap().to_owned());
        clinic.until_idle().await;
    }
    let line = worker.wait_for_line("\"metrics\"", LIMIT).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let figures = reqwest::get(format!("http://{}/metrics", said["address"].as_str().unwrap())).await.unwrap();
    let figures = figures.text().await.unwrap();
    assert!(figures.contains("\nlabor_messages_quarantined_total 2\n"), "{figures}");
    assert!(figures.contains("\nlabor_messages_given_up_total 0\n"), "{figures}");

    let quarantine = async |arguments: &[&str]| {
        clinic
            .platform
            .program("labor")
            .unwrap()
            .args(["quarantine"])
            .args(arguments.iter().copied())
            .run()
            .await
            .unwrap()
    };
    let listed = async || -> (Vec<String>, Value) {
        let listed: Value = serde_json::from_str(&quarantine(&["list"]).await.stdout).unwrap();
        let ids = listed["messages"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap().to_owned());
        (ids.collect(), listed["total"].clone())
    };
    let (first, second) = (messages[0].clone(), messages[1].clone());
    assert_eq!(listed().await, (vec![second.clone(), first.clone()], json!(2)));
    assert!(!quarantine(&["discard", &second, "--reason", " "]).await.status.success());
    assert!(quarantine(&["discard", &second, "--reason", "a test"]).await.status.success());
    assert_eq!(listed().await, (vec![first, second.clone()], json!(2)), "what is decided stands last");
    let again = quarantine(&["discard", &second, "--reason", "a test"]).await;
    assert!(!again.status.success() && again.stderr.contains("discarded already"), "{}", again.stderr);
}

/// A laboratory whose channel converts its files is told before a file comes that can't be understood for it.
#[tokio::test]
async fn what_a_reader_tolerated_is_listed_by_laboratory() {
    let clinic = clinic("queue_warnings").await;
    let sent: String = sample("A01_ldt2_8201_iso88591.ldt").iter().map(|byte| char::from(*byte)).collect();
    let message = clinic.post(sent.as_bytes()).await.json["message_id"].clone();
    clinic.until_idle().await;
    let listed =
        clinic.platform.json("labor", &["quarantine", "warnings", "--practice", "a"], "").await.unwrap()["warnings"]
            .clone();
    let found = listed.as_array().unwrap().iter().find(|warning| warning["code"] == "transcoded");
    let found = found.unwrap_or_else(|| panic!("{listed}"));
    assert_eq!((&found["messages"], &found["newest"]), (&json!(1), &message), "{listed}");
    let long_ago = "UPDATE {}.raw_messages SET received_at = received_at - interval '8 days'";
    clinic.execute(&long_ago.replace("{}", &clinic.tenants[0])).await;
    let listed = clinic.platform.json("labor", &["quarantine", "warnings", "--practice", "a"], "").await.unwrap();
    assert_eq!(listed["warnings"], json!([]));
}

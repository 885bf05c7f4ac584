//! Whose turn it is: a step of the ladder, the next one when its time is over, at last everybody; also across a restart of the worker.
use labor_testing::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::alerts::{id, open, order, outcome, post, results, user};
use crate::clinic::{Clinic, LIMIT, User, clinic, without_worker};

const CRITICAL: &str = "K||7.1|mmol/L||HH|||F";

async fn key(clinic: &Clinic, name: &str) -> String {
    let client = labor_testing::postgres().await.connect(clinic.platform.database()).await.unwrap();
    let sql = format!("SELECT id::text FROM {}.users WHERE username = '{name}'", clinic.tenants[0]);
    client.query_one(&sql, &[]).await.unwrap().get(0)
}

async fn ladder(user: &User, emergency: Value) -> StatusCode {
    user.put("/v1/alert-ladder", &json!({ "emergency": emergency })).await.status()
}

/// The kinds of its events, with the steps.
async fn turns(user: &User, alert: &str) -> Vec<(String, i64)> {
    let alert = user.json(&format!("/v1/alerts/{alert}")).await;
    let events = alert["events"].as_array().unwrap().iter();
    events.map(|event| (event["kind"].as_str().unwrap().to_owned(), event["step"].as_i64().unwrap_or(-1))).collect()
}

async fn until_turns(user: &User, alert: &str, expected: &[(&str, i64)]) {
    until("the next turn", LIMIT, async || {
        let seen = turns(user, alert).await;
        let same = seen.iter().map(|(kind, step)| (kind.as_str(), *step)).eq(expected.iter().copied());
        Ok(if same { Ok(()) } else { Err(format!("{seen:?}")) })
    })
    .await
    .unwrap();
}

async fn status(clinic: &Clinic) -> Value {
    clinic.platform.json("labor", &["queue", "status"], "").await.unwrap()
}

/// Lets an alert's turn be over now.
async fn hurry(clinic: &Clinic, alert: &str) {
    let tenant = &clinic.tenants[0];
    clinic
        .execute(&format!(
            "UPDATE {tenant}.alert_events SET due_at = now() - interval '1 second' WHERE alert_id = '{alert}' AND due_at IS NOT NULL;
             UPDATE pgmq.q_messages SET vt = now(), message = message || jsonb_build_object('due', now() - interval '1 second') WHERE message ->> 'alert_id' = '{alert}'"
        ))
        .await;
}

#[tokio::test]
async fn who_does_not_see_to_it_in_time_is_followed_by_the_next_and_at_last_by_everybody() {
    let clinic = clinic("ladder_steps").await;
    let (one, two) = (user(&clinic, "one", "doctor").await, user(&clinic, "two", "lab-technician").await);
    let (doctor, admin) = (clinic.doctor("a").await, user(&clinic, "admin", "admin").await);
    let steps = json!([
        { "user_id": key(&clinic, "one").await, "deputy_id": null, "seconds": 1 },
        { "user_id": key(&clinic, "two").await, "seconds": 1 },
    ]);
    assert_eq!(ladder(&admin, steps.clone()).await, StatusCode::NO_CONTENT);
    let mut read = doctor.json("/v1/alert-ladder").await;
    assert_eq!(read["emergency"][0], steps[0]);
    assert_eq!(read["phone"].take(), json!([]));
    post(&clinic, &results(1, &[CRITICAL])).await;
    let alert = id(&open(&doctor).await[0]).to_owned();
    until_turns(&one, &alert, &[("raised", 1), ("escalated", 2), ("escalated", 0)]).await;
    let seen = one.json(&format!("/v1/alerts/{alert}")).await;
    let with: Vec<_> = seen["events"].as_array().unwrap().iter().map(|event| event["with"].clone()).collect();
    assert_eq!(with, [json!("one"), json!("two"), Value::Null], "{seen}");
    let mine = async |user: &User| open(user).await[0]["mine"].clone();
    assert_eq!(
        [mine(&one).await, mine(&two).await, mine(&admin).await],
        [json!(true), json!(true), json!(false)],
        "who can see to it"
    );
    // Everybody is asked again, until a day is over; the alert stays open.
    hurry(&clinic, &alert).await;
    let up_to_here = [("raised", 1), ("escalated", 2), ("escalated", 0), ("escalated", 0), ("unanswered", 0)];
    until_turns(&one, &alert, &up_to_here[..4]).await;
    clinic.execute(&format!("UPDATE {}.alerts SET raised_at = now() - interval '25 hours'", clinic.tenants[0])).await;
    hurry(&clinic, &alert).await;
    until_turns(&one, &alert, &up_to_here).await;
    assert_eq!(open(&doctor).await.len(), 1);
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_messages").await, 0, "no timer is left");
    let report = doctor.json("/v1/alerts/report").await;
    let figures = &report["tiers"][0];
    assert_eq!((&figures["raised"], &figures["escalated"], &figures["confirmed"]), (&json!(1), &json!(1), &json!(0)));
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "7.1" });
    assert_eq!(outcome(&two, &alert, said).await.0, StatusCode::NO_CONTENT);
    let figures = doctor.json("/v1/alerts/report").await["tiers"][0].clone();
    assert_eq!(
        (&figures["confirmed"], &figures["within_limit"], &figures["share_within_limit"]),
        (&json!(1), &json!(0), &json!(0.0))
    );
    assert!(figures["median_minutes"].as_f64().unwrap() > 24.0 * 60.0, "{figures}");
}

/// The timer stands in the queue, and what happens is worked out from rows: a worker may be killed in between.
#[tokio::test]
async fn a_time_limit_that_ends_while_no_worker_runs_is_seen_to_by_the_next_one_once() {
    let mut clinic = without_worker("ladder_restart").await;
    let one = user(&clinic, "one", "doctor").await;
    let steps = json!([{ "user_id": key(&clinic, "one").await, "seconds": 1 }]);
    assert_eq!(ladder(&one, steps).await, StatusCode::NO_CONTENT);
    let worker = clinic.platform.work(&[]).await.unwrap();
    post(&clinic, &results(1, &[CRITICAL])).await;
    worker.kill9();
    let alert = id(&open(&one).await[0]).to_owned();
    let tenant = clinic.tenants[0].clone();
    let events = format!("SELECT count(*) FROM {tenant}.alert_events WHERE alert_id = '{alert}'");
    let before = clinic.count(&events).await;
    hurry(&clinic, &alert).await;
    assert_eq!(clinic.count(&events).await, before, "nobody looked at it");
    // Delivery is at least once: the timer is there three times.
    let again = format!(
        "SELECT pgmq.send('messages', jsonb_build_object('tenant', '{tenant}', 'alert_id', '{alert}')) FROM generate_series(1, 2)"
    );
    clinic.execute(&again).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    let due = "SELECT count(*) FROM pgmq.q_messages WHERE vt <= now() + interval '1 minute'";
    until("the timers to be seen to", LIMIT, async || {
        Ok(if clinic.count(due).await == 0 { Ok(()) } else { Err("not yet".to_owned()) })
    })
    .await
    .unwrap();
    assert_eq!(clinic.count(&events).await, before + 1);
    assert_eq!(clinic.count("SELECT count(*) FROM pgmq.q_messages").await, 1, "one timer for the next turn");
}

#[tokio::test]
async fn an_alert_that_ended_goes_to_nobody_else() {
    let clinic = clinic("ladder_ended").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    let alert = id(&open(&doctor).await[0]).to_owned();
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "7,1" });
    assert_eq!(outcome(&doctor, &alert, said).await.0, StatusCode::NO_CONTENT);
    hurry(&clinic, &alert).await;
    until("the timer to be seen to", LIMIT, async || {
        let left = clinic.count("SELECT count(*) FROM pgmq.q_messages").await;
        Ok(if left == 0 { Ok(()) } else { Err(format!("{left}")) })
    })
    .await
    .unwrap();
    assert_eq!(turns(&doctor, &alert).await, [("raised".to_owned(), 0), ("confirmed".to_owned(), -1)]);
}

#[tokio::test]
async fn the_deputy_has_the_turn_of_who_can_not_sign_in_any_more() {
    let clinic = clinic("ladder_deputy").await;
    let (one, deputy) = (user(&clinic, "one", "doctor").await, user(&clinic, "deputy", "doctor").await);
    let doctor = clinic.doctor("a").await;
    let (first, second) = (key(&clinic, "one").await, key(&clinic, "deputy").await);
    let steps = json!([{ "user_id": first, "deputy_id": second, "seconds": 3600 }]);
    assert_eq!(ladder(&one, steps.clone()).await, StatusCode::NO_CONTENT);
    post(&clinic, &results(1, &[CRITICAL])).await;
    let turn = async |user: &User| {
        let alert = open(user).await[0].clone();
        (alert["with"].clone(), alert["mine"].clone())
    };
    assert_eq!(turn(&one).await, (json!("one"), json!(true)));
    assert_eq!(turn(&deputy).await, (json!("one"), json!(false)));
    let deactivate = async |name: &str| {
        let arguments = ["user", "deactivate", "--practice", "a", "--username", name];
        clinic.platform.json("labor", &arguments, "").await.unwrap();
    };
    deactivate("one").await;
    assert_eq!(turn(&deputy).await, (json!("deputy"), json!(true)));
    assert_eq!(turn(&doctor).await, (json!("deputy"), json!(false)));
    deactivate("deputy").await;
    assert_eq!(turn(&doctor).await, (Value::Null, json!(true)), "all doctors', if there is nobody else");
    // Nobody is put on the ladder who can't see to an alert.
    assert_eq!(ladder(&doctor, steps).await, StatusCode::BAD_REQUEST);
    user(&clinic, "admin", "admin").await;
    let me = key(&clinic, "doctor").await;
    for refused in [
        json!([{ "user_id": key(&clinic, "admin").await, "seconds": 60 }]),
        json!([{ "user_id": me, "deputy_id": second, "seconds": 60 }]),
        json!([{ "user_id": me, "seconds": 0 }]),
        json!([{ "user_id": me }]),
        json!(vec![json!({ "user_id": me, "seconds": 60 }); 21]),
    ] {
        assert_eq!(ladder(&doctor, refused.clone()).await, StatusCode::BAD_REQUEST, "{refused}");
    }
    let kept = doctor.json("/v1/alert-ladder").await;
    assert_eq!(kept["emergency"][0]["user_id"], first, "a refused ladder replaces nothing: {kept}");
    let technician = user(&clinic, "tech", "lab-technician").await;
    assert_eq!(ladder(&technician, json!([])).await, StatusCode::FORBIDDEN);
    assert_eq!(ladder(&doctor, json!([])).await, StatusCode::NO_CONTENT);
}

/// A timer that is not due is neither work that waits nor a sign that work is late; it is never given up, because nothing brings it back.
#[tokio::test]
async fn timers_are_told_apart_from_messages_that_wait() {
    let mut clinic = clinic("ladder_queue").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    post(&clinic, &order(2, "L-2", "19661024|F", &[CRITICAL])).await;
    until("the entries to be gone", LIMIT, async || {
        let status = status(&clinic).await;
        let idle = status["timers"] == 2 && status["waiting"] == 0 && status["hidden"] == 0;
        Ok(if idle && status["oldest_seconds"] == 0.0 { Ok(()) } else { Err(status.to_string()) })
    })
    .await
    .unwrap();
    clinic.worker = None;
    let alert = id(&open(&doctor).await[0]).to_owned();
    hurry(&clinic, &alert).await;
    assert_eq!(
        (status(&clinic).await["timers"].clone(), status(&clinic).await["waiting"].clone()),
        (json!(1), json!(1))
    );
    clinic.execute("UPDATE pgmq.q_messages SET read_ct = 12 WHERE vt <= now()").await;
    let tenant = clinic.tenants[0].clone();
    clinic.execute(&format!("ALTER TABLE {tenant}.alert_events RENAME TO elsewhere")).await;
    let worker = clinic.platform.work(&[]).await.unwrap();
    let failed = "SELECT count(*) FROM pgmq.q_messages WHERE message ? 'alert_id' AND read_ct > 12 AND vt > now() + interval '5 minutes'";
    until("the timer to fail", LIMIT, async || {
        Ok(if clinic.count(failed).await == 1 { Ok(()) } else { Err(status(&clinic).await.to_string()) })
    })
    .await
    .unwrap();
    let seen = status(&clinic).await;
    assert_eq!((&seen["dead"], &seen["timers"], &seen["hidden"]), (&json!(0), &json!(1), &json!(1)), "{seen}");
    assert!(seen["oldest_seconds"].as_f64().unwrap() > 0.0, "it is late, whenever it comes again: {seen}");
    clinic.execute(&format!("ALTER TABLE {tenant}.elsewhere RENAME TO alert_events")).await;
    clinic.execute("UPDATE pgmq.q_messages SET vt = now() WHERE read_ct > 12").await;
    until_turns(&doctor, &alert, &[("raised", 0), ("escalated", 0)]).await;
    drop(worker);
}

/// A restored copy has open alerts and no timers.
#[tokio::test]
async fn the_timers_of_open_alerts_are_made_anew() {
    let clinic = clinic("ladder_timers").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    post(&clinic, &order(2, "L-2", "19661024|F", &[CRITICAL])).await;
    let alert = id(&open(&doctor).await[0]).to_owned();
    let ended = id(&open(&doctor).await[1]).to_owned();
    let said = json!({ "outcome": "confirmed", "reached": "x", "read_back": "7,1" });
    assert_eq!(outcome(&doctor, &ended, said).await.0, StatusCode::NO_CONTENT);
    clinic.execute("DELETE FROM pgmq.q_messages").await;
    let again = clinic.platform.json("labor", &["queue", "timers", "a"], "").await.unwrap();
    assert_eq!(again["timers"], 1, "{again}");
    assert_eq!(status(&clinic).await["timers"], 1);
    // One that comes too early, as when a clock is set back, is left for its time.
    clinic.execute("UPDATE pgmq.q_messages SET vt = now()").await;
    let left = "SELECT count(*) FROM pgmq.q_messages WHERE vt > now() + interval '10 minutes'";
    until("the timer to be left", LIMIT, async || {
        Ok(if clinic.count(left).await == 1 { Ok(()) } else { Err(status(&clinic).await.to_string()) })
    })
    .await
    .unwrap();
    assert_eq!(turns(&doctor, &alert).await, [("raised".to_owned(), 0)]);
    hurry(&clinic, &alert).await;
    until_turns(&doctor, &alert, &[("raised", 0), ("escalated", 0)]).await;
}

/// Of one practice's backlog and its timer the timer comes first, whatever the order in which they came.
#[tokio::test]
async fn a_timer_that_is_due_does_not_wait_behind_its_practices_messages() {
    let mut clinic = clinic("ladder_backlog").await;
    let doctor = clinic.doctor("a").await;
    post(&clinic, &results(1, &[CRITICAL])).await;
    clinic.worker = None;
    let alert = id(&open(&doctor).await[0]).to_owned();
    let tenant = clinic.tenants[0].clone();
    // Messages that are not there are done as soon as they are taken.
    clinic
        .execute(&format!(
            "INSERT INTO pgmq.q_messages (vt, message) SELECT now() - interval '1 hour', jsonb_build_object('tenant', '{tenant}', 'message_id', gen_random_uuid())
               FROM generate_series(1, 20000)"
        ))
        .await;
    hurry(&clinic, &alert).await;
    clinic.worker = Some(clinic.platform.work(&[]).await.unwrap());
    until_turns(&doctor, &alert, &[("raised", 0), ("escalated", 0)]).await;
    assert!(clinic.count("SELECT count(*) FROM pgmq.q_messages WHERE message ? 'message_id'").await > 10000);
}

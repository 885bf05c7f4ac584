//! What the queue of a channel makes of answers: nothing that Labor takes ever blocks it, and what blocks it is the sender's to mend.
use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use labor_testing::State;
use serde_json::Value;

use crate::clinic::{LIMIT, clinic, sample, without_worker};
use crate::world::{channel, kept, read, report, sent, settings};

#[tokio::test]
async fn a_hundred_at_once_are_all_sent_and_each_is_kept_once() {
    let clinic = clinic("contract_hundred").await;
    let channel = channel(&clinic, |settings| settings.threads = 100);
    read(&channel, 100);
    let messages = sent(&channel).await;
    let ids: HashSet<String> = messages.iter().map(|m| m.answer()["message_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 100);
    assert!(messages.iter().all(|message| message.status() == Some(202)));
    clinic.until_idle().await;
    let processed = format!("SELECT count(*) FROM {}.raw_messages WHERE state = 'processed'", clinic.tenants[0]);
    assert_eq!(clinic.count(&processed).await, 100);
}

#[tokio::test]
async fn twenty_times_the_same_bytes_at_once_are_one_message_with_one_id() {
    let clinic = without_worker("contract_twenty").await;
    let body = report(1);
    let answers: Vec<_> =
        join_all((0..20).map(|_| clinic.sender.send(&body))).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");
    let ids: HashSet<&str> = answers.iter().map(|answer| answer.json["message_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.json["duplicate"] == Value::Bool(false)).count(), 1);
    assert_eq!(kept(&clinic, &body).await, 1);
}

/// Two results under one id of the sender: both are kept, and the fault of the set-up is seen in the answer, the log and the database.
#[tokio::test]
async fn an_id_that_comes_again_with_other_bytes_is_a_warning_and_loses_nothing() {
    let clinic = clinic("contract_reused").await;
    let channel = channel(&clinic, |settings| settings.fixed_message_id = Some("constant".to_owned()));
    read(&channel, 2);
    channel.read("again", &report(1));
    let messages = sent(&channel).await;
    let warnings: Vec<Value> = messages.iter().map(|message| message.answer()["warnings"].clone()).collect();
    assert_eq!(
        warnings,
        [Value::Null, serde_json::json!(["message-id-reused"]), Value::Null],
        "the last is a duplicate"
    );
    assert_eq!((kept(&clinic, &report(0)).await, kept(&clinic, &report(1)).await), (1, 1));
    assert!(clinic.server.running.said().contains("X-Message-Id came with other bytes before"));
    clinic.until_idle().await;
    let warned = format!(
        "SELECT count(*) FROM {}.raw_messages WHERE state = 'processed' AND warnings @> '[{{\"code\": \"message-id-reused\"}}]'",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&warned).await, 1, "the worker keeps it beside its own warnings");
}

/// An index has no room for this: the message would be refused for ever.
#[tokio::test]
async fn an_id_of_any_length_refuses_no_message() {
    let clinic = without_worker("contract_long_id").await;
    let long: String = (0..400).map(|_| labor_testing::random_hex(16).unwrap()).collect();
    let channel = channel(&clinic, |settings| settings.fixed_message_id = Some(long.clone()));
    read(&channel, 2);
    let messages = sent(&channel).await;
    assert!(messages.iter().all(|message| message.attempts.len() == 1), "{messages:?}");
    assert_eq!((kept(&clinic, &report(0)).await, kept(&clinic, &report(1)).await), (1, 1));
    assert_eq!(messages[1].answer()["warnings"], serde_json::json!(["message-id-reused"]));
    let stored = format!(
        "SELECT count(*) FROM {}.raw_messages WHERE sender_message_id = left('{long}', 200)",
        clinic.tenants[0]
    );
    assert_eq!(clinic.count(&stored).await, 2);
}

#[tokio::test]
async fn a_file_that_nobody_can_read_blocks_neither_the_channel_nor_the_worker() {
    let clinic = clinic("contract_poison").await;
    let channel = channel(&clinic, |_| {});
    for (number, poison) in
        [&b"no LDT at all"[..], b"", b"\0\xff\xfe", &sample("Z01_LDT3_01_final.ldt")[..300]].iter().enumerate()
    {
        channel.read(&format!("poison {number}"), poison);
    }
    channel.read("good", &report(1));
    let messages = sent(&channel).await;
    assert!(messages.iter().all(|message| message.attempts.len() == 1), "{messages:?}");
    clinic.until_idle().await;
    let reports = clinic.doctor("a").await.reports().await;
    assert!(reports.iter().any(|report| report["order_number"] == "B-2026-0001"), "{reports:?}");
    let listed = clinic.platform.json("labor", &["quarantine", "list"], "").await.unwrap();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 4);
}

/// What stands in docs/mirth.md: the first refused message holds up all behind it, mending the secret does not mend what was signed
/// before, and the response transformer turns it into an ERROR.
#[tokio::test]
async fn a_wrong_signature_blocks_the_channel_until_somebody_looks() {
    let clinic = without_worker("contract_wrong").await;
    let blocked = channel(&clinic, |settings| settings.secret = "wrong".to_owned());
    read(&blocked, 2);
    let first = blocked.until_tried(0, 3, LIMIT).await.unwrap();
    assert!(first.attempts.iter().all(|attempt| attempt.status == Some(401)), "{first:?}");
    assert!(blocked.message(1).unwrap().attempts.is_empty(), "the second waits behind it");
    blocked.change(|settings| settings.secret.clone_from(&clinic.source.secret));
    let tried = blocked.message(0).unwrap().attempts.len();
    let frozen = blocked.until_tried(0, tried + 3, LIMIT).await.unwrap();
    assert_eq!((frozen.state, frozen.status()), (State::Queued, Some(401)), "its signature is frozen");
    blocked.change(|settings| settings.regenerate = true);
    sent(&blocked).await;

    let transformed = channel(&clinic, |settings| settings.response_transformer = true);
    transformed.change(|settings| settings.secret = "wrong".to_owned());
    transformed.read("wrong", &report(7));
    transformed.until(0, State::Error, LIMIT).await.unwrap();
    transformed.change(|settings| settings.secret.clone_from(&clinic.source.secret));
    transformed.read("right", &report(8));
    transformed.until(1, State::Sent, LIMIT).await.unwrap();
    assert_eq!((kept(&clinic, &report(7)).await, kept(&clinic, &report(8)).await), (0, 1));
}

/// The server remembers sources for some seconds: a secret that was changed a moment ago is accepted at once all the same.
#[tokio::test]
async fn while_a_secret_is_changed_both_are_accepted_also_for_what_was_signed_before() {
    let clinic = without_worker("contract_keys").await;
    let old = channel(&clinic, |settings| settings.url = "http://127.0.0.1:1/v1/messages".to_owned());
    read(&old, 1);
    old.until_tried(0, 1, LIMIT).await.unwrap();
    for (number, gzip) in [(1, false), (2, true)] {
        // Now it is remembered as it was.
        assert_eq!(clinic.sender.send(&report(number + 10)).await.unwrap().status, 202);
        let rotated = clinic.platform.json("labor", &["source", "rotate", &clinic.source.id], "").await.unwrap();
        let secret = rotated["secret"].as_str().unwrap().to_owned();
        let new = channel(&clinic, |settings| (settings.secret, settings.gzip) = (secret, gzip));
        new.read("new", &report(number));
        let messages = sent(&new).await;
        assert_eq!(messages[0].attempts.len(), 1, "gzip {gzip}: {messages:?}");
        if number == 1 {
            old.change(|own| own.url = settings(&clinic).url);
            assert_eq!(sent(&old).await[0].status(), Some(202), "frozen before the change");
        }
    }
}

/// The engine marks a redirect as SENT. This is why Labor never redirects: see `routes`.
#[tokio::test]
async fn a_redirect_in_front_of_labor_would_lose_the_result() {
    let clinic = without_worker("contract_redirect").await;
    let target = format!("{}/v1/messages", clinic.server.base);
    let redirect = async move || axum::response::Redirect::permanent(&target);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/messages", listener.local_addr().unwrap());
    let front = axum::Router::new().fallback(redirect);
    let serving = tokio::spawn(async move { axum::serve(listener, front).await });
    let lost = channel(&clinic, |settings| settings.url.clone_from(&url));
    lost.read("lost", &report(1));
    assert_eq!(sent(&lost).await[0].status(), Some(308));
    assert_eq!(kept(&clinic, &report(1)).await, 0);
    let seen = channel(&clinic, |settings| {
        settings.url = url;
        settings.response_transformer = true;
    });
    seen.read("seen", &report(1));
    seen.until(0, State::Error, LIMIT).await.unwrap();
    serving.abort();
}

#[tokio::test]
async fn a_rotating_queue_and_one_that_gives_up_behave_as_documented() {
    let clinic = without_worker("contract_rotating").await;
    let interval = Duration::from_millis(50);
    let rotating = channel(&clinic, |settings| {
        settings.queue = labor_testing::Queue::Always { interval, rotate: true };
        settings.secret = "wrong".to_owned();
    });
    rotating.read("wrong", &report(1));
    rotating.until_tried(0, 1, LIMIT).await.unwrap();
    rotating.change(|own| own.secret.clone_from(&clinic.source.secret));
    rotating.read("right", &report(2));
    rotating.until(1, State::Sent, LIMIT).await.unwrap();
    assert_eq!(rotating.message(0).unwrap().state, State::Queued);

    let without = channel(&clinic, |settings| {
        settings.queue = labor_testing::Queue::Never { retries: 2, interval };
        settings.secret = "wrong".to_owned();
    });
    without.read("wrong", &report(3));
    assert_eq!(without.until(0, State::Error, LIMIT).await.unwrap().attempts.len(), 3);
}

/// `mirth-sim`, as docs/mirth.md shows it.
#[tokio::test]
async fn the_program_says_what_came_of_each_file() {
    let clinic = without_worker("contract_program").await;
    let (secret, file) = (clinic.platform.folder().join("secret.txt"), clinic.platform.folder().join("result.ldt"));
    std::fs::write(&file, report(1)).unwrap();
    let url = settings(&clinic).url;
    for (key, options, ended, says) in [
        (clinic.source.secret.as_str(), &["--gzip"] as &[_], Some(0), "Sent "),
        ("wrong", &["--no-queue"], Some(1), "401: "),
        ("wrong", &["--interval", "0", "--stop-after", "1"], Some(1), "Queued "),
    ] {
        std::fs::write(&secret, format!("{key}\n")).unwrap();
        let program =
            labor_testing::Program::named("mirth-sim").unwrap().args(["--url", &url, "--source", &clinic.source.id]);
        let program = program.args(["--secret-file".as_ref(), secret.as_os_str()]).args(options).args([&file]);
        let run = program.run().await.unwrap();
        assert_eq!(run.status.code(), ended, "{}{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(says), "{}", run.stdout);
    }
    assert_eq!(kept(&clinic, &report(1)).await, 1);
}

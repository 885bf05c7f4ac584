//! When something is away: the channel keeps its messages and sends them again, frozen as they are, and each is kept once.
use std::time::Duration;

use labor_testing::{ChannelSettings, Durability, Mode, Platform, Postgres, Proxy, State, postgres, scratch, until};
use serde_json::Value;

use crate::clinic::{LIMIT, without_worker};
use crate::world::{AT_ONCE, all_kept, channel, kept, read, report, sent, settings};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The engine signs once. After an outage of days the signature is that old.
#[tokio::test]
async fn what_was_signed_before_a_long_outage_is_accepted_after_it() {
    let clinic = without_worker("contract_frozen").await;
    for (number, (age, source_window)) in
        [(Duration::from_secs(360), None), (6 * DAY, None), (400 * DAY, Some(0))].into_iter().enumerate()
    {
        if let Some(window) = source_window {
            clinic.execute(&format!("UPDATE control.sources SET window_seconds = {window}")).await;
        }
        let late = channel(&clinic, |settings| settings.age = age);
        late.read("late", &report(number));
        // The former window is remembered for some seconds.
        sent(&late).await;
        assert_eq!(kept(&clinic, &report(number)).await, 1);
    }
}

#[tokio::test]
async fn what_is_older_than_the_window_stays_queued_and_says_why() {
    let clinic = without_worker("contract_window").await;
    let late = channel(&clinic, |settings| settings.age = 8 * DAY);
    late.read("late", &report(1));
    let message = late.until_tried(0, 2, LIMIT).await.unwrap();
    assert_eq!((message.state, message.status()), (State::Queued, Some(401)));
    assert!(message.answer()["detail"].as_str().unwrap().contains("time window"), "{message:?}");
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let clinic = without_worker("contract_restart").await;
    let channel = channel(&clinic, |settings| settings.threads = 4);
    read(&channel, 40);
    until("some to be sent", LIMIT, async || {
        let count = channel.messages().iter().filter(|message| message.state == State::Sent).count();
        Ok(if count >= 5 { Ok(()) } else { Err(format!("{count} sent")) })
    })
    .await
    .unwrap();
    clinic.server.running.kill9();
    let address = clinic.server.base.trim_start_matches("http://").to_owned();
    // Until its port is free again.
    let _server = until("the server to be back", LIMIT, async || {
        Ok(clinic.platform.serve_at(&address).await.map_err(|error| error.to_string()))
    })
    .await
    .unwrap();
    sent(&channel).await;
    assert_eq!(all_kept(&clinic).await, 40);
}

/// The answer is lost on its way: the channel times out and sends again what is durable already.
#[tokio::test]
async fn an_answer_that_is_lost_makes_a_duplicate_with_the_same_id() {
    let clinic = without_worker("contract_lost").await;
    let port = clinic.server.base.rsplit(':').next().unwrap().parse().unwrap();
    let proxy = Proxy::start(port).await.unwrap();
    let url = proxy.url(&settings(&clinic).url).unwrap();
    proxy.set(Mode::Deaf);
    let channel = channel(&clinic, |settings| {
        settings.url = url;
        settings.socket_timeout = Duration::from_secs(3);
    });
    channel.read("lost", &report(1));
    until("the message to be durable", LIMIT, async || {
        let count = kept(&clinic, &report(1)).await;
        Ok(if count == 1 { Ok(()) } else { Err(format!("{count} kept")) })
    })
    .await
    .unwrap();
    channel.until_tried(0, 1, LIMIT).await.unwrap();
    proxy.set(Mode::Pass);
    let message = &sent(&channel).await[0];
    assert_eq!(message.attempts[0].status, None, "the first answer never came");
    assert_eq!(message.answer()["duplicate"], Value::Bool(true));
    let first = format!("SELECT count(*) FROM {}.raw_messages WHERE id::text = $1", clinic.tenants[0]);
    let client = postgres().await.connect(clinic.platform.database()).await.unwrap();
    let id = message.answer()["message_id"].as_str().unwrap().to_owned();
    assert_eq!(client.query_one(&first, &[&id]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(kept(&clinic, &report(1)).await, 1);
}

#[tokio::test]
async fn without_its_database_labor_answers_503_and_takes_everything_when_it_is_back() {
    let folder = scratch().await.unwrap().join("contract_down");
    let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await.unwrap();
    let platform = Platform::create(&postgres, &folder.join("labor"), "labor").await.unwrap();
    platform.practice("a", "Praxis A", "123456700").await.unwrap();
    let source = platform.source("laboratory").await.unwrap();
    let server = platform.serve().await.unwrap();
    let channel = labor_testing::Channel::start(ChannelSettings {
        queue: AT_ONCE,
        threads: 3,
        ..platform.channel(&server.base, &source)
    })
    .unwrap();
    channel.read("before", &report(0));
    channel.until(0, State::Sent, LIMIT).await.unwrap();
    postgres.stop().await.unwrap();
    for number in 1..6 {
        channel.read(&number.to_string(), &report(number));
    }
    let down = channel.until_tried(1, 2, LIMIT).await.unwrap();
    assert!(down.attempts.iter().all(|attempt| attempt.status == Some(503)), "{down:?}");
    postgres.restart().await.unwrap();
    sent(&channel).await;
    let client = postgres.connect("labor").await.unwrap();
    let tenant: String =
        client.query_one("SELECT name FROM control.tenants WHERE kind <> 'intake'", &[]).await.unwrap().get(0);
    let count = client.query_one(&format!("SELECT count(*) FROM {tenant}.raw_messages"), &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 6);
}

//! What clients of the API and operators see of it.
use std::time::Duration;

use labor_testing::{Mode, Platform, Proxy, until};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::world::{Full, LIMIT, World};

const PASSWORD: &str = "a password for tests";

/// A request may take 25 s; whoever waits for longer was told nothing.
const TOO_LONG: Duration = Duration::from_secs(27);

fn client() -> Client {
    Client::builder().no_proxy().timeout(TOO_LONG).build().unwrap()
}

/// A server behind a proxy, with a practice `p1` and its doctor.
async fn served(world: World, proxy: &Proxy, settings: &[(&str, &str)]) -> (Platform, World, labor_testing::Server) {
    world.platform.user("p1", "doctor", "Dr. Test", "doctor", PASSWORD).await.unwrap();
    let folder = world.platform.folder().join("proxied");
    let platform = Platform::settings_for(&world.postgres, &folder, "labor").unwrap();
    let secret = world.platform.setting("LABOR_MASTER_SECRET_FILE").to_owned();
    let mut all = vec![
        ("LABOR_CONTROL_URL".to_owned(), proxy.url(world.url()).unwrap()),
        ("LABOR_MASTER_SECRET_FILE".to_owned(), secret),
    ];
    all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let platform = platform.with(all);
    let server = platform.serve().await.unwrap();
    (platform, world, server)
}

/// A doctor who is signed in, and asks.
struct Doctor {
    http: Client,
    url: String,
    token: String,
}

impl Doctor {
    async fn sign_in(base: &str) -> Self {
        let http = client();
        let body = json!({ "practice": "p1", "username": "doctor", "password": PASSWORD });
        let answer: Value =
            http.post(format!("{base}/v1/sign-in")).json(&body).send().await.unwrap().json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self { http, url: format!("{base}/v1/reports"), token }
    }

    async fn ask(&self) -> Response {
        self.http.get(&self.url).bearer_auth(&self.token).send().await.unwrap()
    }

    async fn is_told_to_come_back(&self, fault: &str) {
        let answer = self.ask().await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault}");
        let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{fault}: {seconds}");
    }

    async fn is_served_again(&self) {
        until("the practice to be served again", LIMIT, async || {
            let status = self.ask().await.status();
            Ok(if status == StatusCode::OK { Ok(()) } else { Err(status.to_string()) })
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn who_can_not_be_served_is_told_when_to_come_back() {
    let world = World::new(1).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let (_platform, world, server) = served(world, &proxy, &[]).await;
    let doctor = Doctor::sign_in(&server.base).await;
    assert_eq!(doctor.ask().await.status(), StatusCode::OK);
    for fault in [Mode::Blackhole, Mode::Refuse] {
        proxy.set(fault);
        if fault == Mode::Refuse {
            proxy.cut();
        }
        doctor.is_told_to_come_back(&format!("{fault:?}")).await;
        proxy.set(Mode::Pass);
        doctor.is_served_again().await;
    }
    let frozen = world.postgres.freeze().unwrap();
    doctor.is_told_to_come_back("the server stands still").await;
    drop(frozen);
    doctor.is_served_again().await;
    world.postgres.stop().await.unwrap();
    doctor.is_told_to_come_back("the server is down").await;
    world.postgres.restart().await.unwrap();
    doctor.is_served_again().await;
    let full = Full::prepare(&world.postgres).await;
    doctor.is_served_again().await;
    let all = full.take_all(&world).await;
    doctor.is_told_to_come_back("the server is full").await;
    drop(all);
    doctor.is_served_again().await;
}

#[tokio::test]
async fn figures_are_served_on_an_address_of_their_own_and_name_nobody() {
    let world = World::new(1).await;
    let tenant = world.practices[0].name.to_string();
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let (_platform, _world, server) = served(world, &proxy, &[("LABOR_METRICS_LISTEN", "127.0.0.1:0")]).await;
    let (http, doctor) = (client(), Doctor::sign_in(&server.base).await);
    assert_eq!(doctor.ask().await.status(), StatusCode::OK);
    let line = server.running.wait_for_line("\"metrics\"", LIMIT).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}/metrics", said["address"].as_str().unwrap());
    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let text = answer.text().await.unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    for name in [
        "open",
        "idle",
        "waiting",
        "tenants",
        "evicted_total",
        "refused_total",
        "connects_total",
        "connect_failures_total",
        "discarded_total",
        "retired_total",
        "spent_total",
        "lost_total",
        "unavailable_total",
        "bind_seconds_count",
    ] {
        assert!(text.contains(&format!("\nlabor_pool_{name} ")), "no {name} in:\n{text}");
    }
    let figure = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("labor_pool_{name} ")));
        line.unwrap().parse().unwrap()
    };
    // A sign-in is two sessions, and a request one.
    assert!(figure(&text, "connects_total") >= 3 && figure(&text, "bind_seconds_count") >= 3, "{text}");
    assert_eq!(figure(&text, "unavailable_total"), 0);
    assert!(!text.contains(&tenant) && !text.contains("p1"), "{text}");
    assert_eq!(http.get(format!("{}/metrics", server.base)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    proxy.set(Mode::Refuse);
    proxy.cut();
    // The first may still have a connection, and lose it.
    until("an outage to be counted", LIMIT, async || {
        doctor.is_told_to_come_back("refused").await;
        let text = http.get(&url).send().await.unwrap().text().await.unwrap();
        Ok(if figure(&text, "unavailable_total") > 0 { Ok(()) } else { Err(text) })
    })
    .await
    .unwrap();
}

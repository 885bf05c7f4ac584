//! What clients of the API and operators see of it.
use std::time::Duration;

use labor_testing::{Mode, Platform, Proxy, until};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::world::{LIMIT, World};

const PASSWORD: &str = "a password for tests";

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(40)).build().unwrap()
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

#[tokio::test]
async fn who_can_not_be_served_is_told_when_to_come_back() {
    let world = World::new(1).await;
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let (_platform, _world, server) = served(world, &proxy, &[]).await;
    let http = client();
    let body = json!({ "practice": "p1", "username": "doctor", "password": PASSWORD });
    let token: Value =
        http.post(format!("{}/v1/sign-in", server.base)).json(&body).send().await.unwrap().json().await.unwrap();
    let ask = async || {
        let request = http.get(format!("{}/v1/reports", server.base));
        request.bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap()
    };
    assert_eq!(ask().await.status(), StatusCode::OK);
    for fault in [Mode::Blackhole, Mode::Refuse] {
        proxy.set(fault);
        if fault == Mode::Refuse {
            proxy.cut();
        }
        let answer = ask().await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        let seconds: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        proxy.set(Mode::Pass);
        until("the practice to be served again", LIMIT, async || {
            let status = ask().await.status();
            Ok(if status == StatusCode::OK { Ok(()) } else { Err(status.to_string()) })
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn figures_are_served_on_an_address_of_their_own_and_name_nobody() {
    let world = World::new(1).await;
    let tenant = world.practices[0].name.to_string();
    let proxy = Proxy::start(world.postgres.port()).await.unwrap();
    let (_platform, _world, server) = served(world, &proxy, &[("LABOR_METRICS_LISTEN", "127.0.0.1:0")]).await;
    let http = client();
    let body = json!({ "practice": "p1", "username": "doctor", "password": PASSWORD });
    let signed_in = http.post(format!("{}/v1/sign-in", server.base)).json(&body).send().await.unwrap();
    assert_eq!(signed_in.status(), StatusCode::OK);
    let line = server.running.wait_for_line("\"metrics\"", LIMIT).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}/metrics", said["address"].as_str().unwrap());
    let answer = http.get(url).send().await.unwrap();
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
    assert!(!text.contains("labor_pool_connects_total 0"), "the sign-in is not counted:\n{text}");
    assert!(!text.contains(&tenant) && !text.contains("p1"), "{text}");
    assert_eq!(http.get(format!("{}/metrics", server.base)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

//! Behind proxies: whose word about addresses and HTTPS is taken.
use labor_testing::{Server, Source};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::clinic::{Clinic, without_worker};
use crate::world::report;

/// A server with these settings, whose one source may post from 192.0.2.0/24.
async fn served(name: &str, settings: &[(&str, &str)]) -> (Clinic, Server, Source) {
    let mut clinic = without_worker(name).await;
    let source = clinic.platform.source("bound").await.unwrap();
    clinic.execute("UPDATE control.sources SET allowed_from = '{192.0.2.0/24}' WHERE name = 'bound'").await;
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
    clinic.platform = clinic.platform.with(settings);
    let server = clinic.platform.serve().await.unwrap();
    (clinic, server, source)
}

async fn post(server: &Server, source: &Source, pairs: &[(&'static str, &str)]) -> (u16, HeaderMap) {
    let sender = labor_testing::Sender::new(&server.base, &source.id, source.secret.as_bytes()).unwrap();
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let post = http.post(format!("{}/v1/messages", server.base)).headers(headers).header("X-Labor-Source", &source.id);
    let post = post.header("X-Labor-Timestamp", now).header("X-Labor-Signature", sender.signature(now, &report(1)));
    let answer = post.body(report(1)).send().await.unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

#[tokio::test]
async fn an_allowlist_sees_the_senders_address_through_a_trusted_proxy_only() {
    let (_clinic, server, source) =
        served("contract_proxied", &[("LABOR_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]).await;
    for (pairs, status) in [
        (&[("x-forwarded-for", "192.0.2.7")] as &[_], 202),
        (&[("x-forwarded-for", "198.51.100.1, 192.0.2.7:4711, 10.1.2.3")], 202),
        (&[("forwarded", "for=192.0.2.7;proto=https")], 202),
        (&[("x-forwarded-for", "192.0.2.7, 198.51.100.1")], 403),
        (&[("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=198.51.100.1")], 403),
        (&[("x-forwarded-for", "192.0.2.7, unknown")], 403),
        (&[("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "198.51.100.1")], 403),
        (&[("x-real-ip", "192.0.2.7")], 403),
        (&[], 403),
    ] {
        assert_eq!(post(&server, &source, pairs).await.0, status, "{pairs:?}");
    }
    let lines = server.running.said();
    let seen = |address: &str| {
        lines.lines().any(|line| line.contains("\"request\"") && line.contains(&format!("\"address\":\"{address}\"")))
    };
    assert!(seen("192.0.2.7") && seen("198.51.100.1") && seen("-") && seen("127.0.0.1"), "{lines}");
}

#[tokio::test]
async fn without_trusted_proxies_headers_are_nothing_but_words() {
    let (_clinic, server, source) = served("contract_untrusted", &[]).await;
    for pairs in [&[("x-forwarded-for", "192.0.2.7")] as &[_], &[("forwarded", "for=192.0.2.7")], &[]] {
        assert_eq!(post(&server, &source, pairs).await.0, 403, "{pairs:?}");
    }
}

#[tokio::test]
async fn plain_http_is_refused_and_never_redirected() {
    let settings = [("LABOR_TRUSTED_PROXIES", "127.0.0.1"), ("LABOR_HTTPS_ONLY", "true")];
    let (_clinic, server, source) = served("contract_plain", &settings).await;
    let from = ("x-forwarded-for", "192.0.2.7");
    assert_eq!(post(&server, &source, &[from, ("x-forwarded-proto", "https")]).await.0, 202);
    for pairs in
        [&[from] as &[_], &[from, ("x-forwarded-proto", "http")], &[from, ("x-forwarded-proto", "https, http")]]
    {
        let (status, headers) = post(&server, &source, pairs).await;
        assert_eq!(status, 426, "{pairs:?}");
        assert!(!headers.contains_key("location") && headers.contains_key("upgrade"));
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(http.get(format!("{}{path}", server.base)).send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(http.get(format!("{}/sign-in", server.base)).send().await.unwrap().status(), 426);
}

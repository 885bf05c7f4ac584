//! No address answers a laboratory's POST with what the engine takes for success, but for the webhook itself.
use std::collections::BTreeSet;

use labor_testing::Answer;
use reqwest::header::{ALLOW, LOCATION};
use reqwest::{Client, Method, redirect};

use crate::clinic::{Clinic, without_worker};
use crate::world::{all_kept, report};

/// All addresses there are, from the description of the API and from the pages' route table, and some that there are not.
async fn addresses(clinic: &Clinic) -> BTreeSet<String> {
    let description = clinic.platform.json("labor", &["openapi"], "").await.unwrap();
    let mut all: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
    let sources = [include_str!("../../src/routes.rs"), include_str!("../../src/pages/mod.rs")];
    for route in sources.iter().flat_map(|source| source.split(".route(\"").skip(1)) {
        all.insert(route.split('"').next().unwrap().to_owned());
    }
    for address in ["/v1/messages", "/v1/messages/self-test", "/sign-in", "/sign-out", "/inbox/{id}", "/openapi.json"] {
        assert!(all.contains(address), "{address} is not found in the tables any more");
    }
    all.extend(
        ["/v1/messages/", "//v1/messages", "/v1/Messages", "/v1", "/nothing", "/v1/messages?x=1"].map(str::to_owned),
    );
    all.into_iter()
        .map(|address| address.replace("{id}", "01a20000-0000-7000-8000-000000000000").replace("{name}", "x.css"))
        .collect()
}

fn is_form(address: &str) -> bool {
    address == "/sign-out"
        || address.starts_with("/inbox/")
            && ["/acknowledgement", "/match", "/match/search", "/unmatch", "/release", "/withdraw"]
                .iter()
                .any(|form| address.ends_with(form))
        || address.starts_with("/notices/")
        || address.starts_with("/alerts/")
}

async fn posted(http: &Client, clinic: &Clinic, address: &str, kind: &str, signed: bool) -> reqwest::Response {
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let mut post = http.post(format!("{}{address}", clinic.server.base)).header("Content-Type", kind).body(report(1));
    if signed {
        post = post.header("X-Labor-Source", &clinic.source.id).header("X-Labor-Timestamp", now);
        post = post.header("X-Labor-Signature", clinic.sender.signature(now, &report(1)));
    }
    post.send().await.unwrap()
}

#[tokio::test]
async fn no_address_but_the_webhook_answers_below_400_to_a_message() {
    let clinic = without_worker("contract_routes").await;
    let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    for address in addresses(&clinic).await {
        for kind in ["text/plain; charset=UTF-8", "application/octet-stream", "application/x-www-form-urlencoded"] {
            for signed in [true, false] {
                let answer = posted(&http, &clinic, &address, kind, signed).await;
                let status = answer.status().as_u16();
                assert!(answer.headers().get(LOCATION).is_none_or(|_| !signed), "{address} {kind}");
                match address.as_str() {
                    "/v1/messages" | "/v1/messages?x=1" if signed => assert_eq!(status, 202, "{address} {kind}"),
                    // Browsers' own forms, which no laboratory sends; who is not signed in is led there.
                    form if is_form(form) && !signed && kind.ends_with("urlencoded") => assert_eq!(status, 303),
                    _ => assert!((400..500).contains(&status), "{address} {kind} signed {signed}: {status}"),
                }
            }
        }
    }
    assert_eq!(all_kept(&clinic).await, 1);
}

#[tokio::test]
async fn other_methods_on_the_webhook_are_told_which_one_to_use() {
    let clinic = without_worker("contract_methods").await;
    let http = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
    for address in ["/v1/messages", "/v1/messages/self-test"] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let answer = http.request(method.clone(), format!("{}{address}", clinic.server.base)).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 405, "{method} {address}");
            assert_eq!(answer.headers()[ALLOW], "POST", "{method} {address}");
        }
    }
    let answer: Answer = clinic.sender.send(&report(1)).await.unwrap();
    assert_eq!(answer.status, 202);
}

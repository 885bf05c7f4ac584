//! Senders that stop, lie or ask first, and many large ones at once.
use std::io::Write as _;
use std::time::Duration;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use labor_testing::Sender;

use crate::clinic::{Clinic, LIMIT, without_worker};
use crate::raw::{Raw, head, head_of};
use crate::world::{channel, kept, report, sent};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up_with_a_clear_answer() {
    let clinic = without_worker("contract_silent").await;
    let body = report(1);
    let mut raw = Raw::open(&clinic).await;
    raw.write(head(&clinic, "/v1/messages", &body, &format!("Content-Length: {}\r\n", body.len())).as_bytes()).await;
    raw.write(&body[..100]).await;
    let answer = raw.until("}").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("nothing of the body came"), "{answer}");
    assert_eq!(kept(&clinic, &body).await, 0);
}

#[tokio::test]
async fn who_asks_first_is_told_before_the_body_is_sent() {
    let clinic = without_worker("contract_expect").await;
    let body = report(1);
    let further = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    let mut good = Raw::open(&clinic).await;
    good.write(head(&clinic, "/v1/messages", &body, &further).as_bytes()).await;
    assert!(good.until("\r\n\r\n").await.starts_with("HTTP/1.1 100 "));
    good.write(&body).await;
    assert!(good.until("message_id").await.contains("HTTP/1.1 202 "));

    let stranger = Sender::new(&clinic.server.base, "01a20000-0000-7000-8000-000000000000", b"x").unwrap();
    let mut refused = Raw::open(&clinic).await;
    let head = head_of(&stranger, "01a20000-0000-7000-8000-000000000000", "/v1/messages", &body, &further);
    refused.write(head.as_bytes()).await;
    assert!(refused.until("}").await.starts_with("HTTP/1.1 401 "), "without a word to go on");
    let declared = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", 33 * MIB);
    let mut large = Raw::open(&clinic).await;
    large.write(crate::raw::head(&clinic, "/v1/messages", &body, &declared).as_bytes()).await;
    assert!(large.until("}").await.starts_with("HTTP/1.1 413 "));
}

/// Apache writes the whole body before it reads: the refusal must reach it all the same.
#[tokio::test]
async fn a_refusal_reaches_a_sender_that_writes_everything_first() {
    let clinic = without_worker("contract_refused").await;
    let large = vec![b'x'; 40 * MIB];
    let further = format!("Content-Length: {}\r\n", large.len());
    let mut raw = Raw::open(&clinic).await;
    raw.write(head(&clinic, "/v1/messages", &large, &further).as_bytes()).await;
    raw.write(&large).await;
    let answer = raw.until("}").await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("at most"), "{answer}");
    let stranger = Sender::new(&clinic.server.base, "01a20000-0000-7000-8000-000000000000", b"x").unwrap();
    assert_eq!(stranger.send(&large[..20 * MIB]).await.unwrap().status, 401);
}

/// Eight bodies of 100 kB that would unpack to 100 MB each: refused before they have cost as much as one of them.
#[tokio::test]
async fn bombs_cost_the_server_little_memory() {
    let clinic = without_worker("contract_bombs").await;
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![b' '; 100 * MIB]).unwrap();
    let bomb = packer.finish().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let now = chrono::Utc::now().timestamp().unsigned_abs();
    let post = async || {
        let post = http.post(format!("{}/v1/messages", clinic.server.base)).header("X-Labor-Source", &clinic.source.id);
        let post =
            post.header("X-Labor-Timestamp", now).header("X-Labor-Signature", clinic.sender.signature(now, &bomb));
        post.header("Content-Encoding", "gzip").body(bomb.clone()).send().await.unwrap().status().as_u16()
    };
    assert_eq!(post().await, 413);
    let before = most_memory(clinic.server.running.pid());
    assert_eq!(join_all((0..8).map(|_| post())).await, [413; 8]);
    let grown = most_memory(clinic.server.running.pid()) - before;
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
}

/// The most memory that a process has had (`VmHWM`), in bytes.
fn most_memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// There is memory for one large message. While one comes slowly, a second is told to come again, and small ones pass.
#[tokio::test]
async fn large_messages_wait_for_memory_and_small_ones_do_not_wait_for_them() {
    let clinic = without_worker("contract_memory").await;
    let Clinic { platform, source, .. } = clinic;
    let platform = platform.with([("LABOR_BODY_MEMORY".to_owned(), (40 * MIB).to_string())]);
    let server = platform.serve().await.unwrap();
    let sender = platform.sender(&server, &source).unwrap();
    let large = vec![b'x'; 30 * MIB];
    let mut slow = Raw::to(&server.base).await;
    let further = format!("Content-Length: {}\r\n", large.len());
    slow.write(head_of(&sender, &source.id, "/v1/messages", &large, &further).as_bytes()).await;
    slow.write(&large[..MIB]).await;
    // Begun, once the server has read that much: a second one finds no room.
    let mut other = large.clone();
    other[0] = b'y';
    let second = Raw::to(&server.base).await;
    let answer = refused_for_room(second, &sender, &source.id, &other, &further).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: 5\r\n"), "{answer}");
    for number in 0..20 {
        assert_eq!(sender.send(&report(number)).await.unwrap().status, 202);
    }
    slow.write(&large[MIB..]).await;
    assert!(slow.until("}").await.contains("HTTP/1.1 202 "));
    assert_eq!(sender.send(&other).await.unwrap().status, 202, "there is room again");
}

/// Sends the head only: nothing of the body is read before there is room. Meanwhile the first one must keep coming, or it would be
/// given up for being silent.
async fn refused_for_room(mut raw: Raw, sender: &Sender, source: &str, body: &[u8], further: &str) -> String {
    let further = format!("{further}Expect: 100-continue\r\n");
    raw.write(head_of(sender, source, "/v1/messages", body, &further).as_bytes()).await;
    assert!(raw.is_silent(Duration::from_secs(1)).await, "it waits for a while");
    raw.until("}").await
}

/// A front that wants a password, as the engine's Basic authentication meets it: first without, then with it.
#[tokio::test]
async fn the_round_trip_of_basic_authentication_breaks_nothing() {
    let clinic = without_worker("contract_basic").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = format!("http://{}/v1/messages", listener.local_addr().unwrap());
    let gate = axum::Router::new().fallback(gate).with_state(clinic.server.base.clone());
    let serving = tokio::spawn(async move { axum::serve(listener, gate).await });
    let password = Some(("channel".to_owned(), "password".to_owned()));
    for (number, url) in [Some(front), None].into_iter().enumerate() {
        let channel = channel(&clinic, |settings| {
            settings.basic.clone_from(&password);
            if let Some(url) = url {
                settings.url = url;
            }
        });
        channel.read("report", &report(number));
        let messages = sent(&channel).await;
        assert_eq!(messages[0].attempts.len(), 1, "{messages:?}");
        assert_eq!(kept(&clinic, &report(number)).await, 1);
    }
    // Labor's own 401 names a scheme that is not Basic: the engine takes it as the answer, and sends no password.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = client.post(format!("{}/v1/messages", clinic.server.base)).body("x").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Labor-Signature");
    let wrong = channel(&clinic, |settings| {
        settings.basic = password;
        settings.secret = "wrong".to_owned();
    });
    wrong.read("wrong", &report(9));
    assert_eq!(wrong.until_tried(0, 1, LIMIT).await.unwrap().status(), Some(401));
    serving.abort();
}

/// Asks for a password, then passes the request on.
async fn gate(Shared(target): Shared<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * MIB).await.unwrap();
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"x\"")]).into_response();
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut headers: HeaderMap = parts.headers;
    headers.remove(header::HOST);
    let answer = client.post(format!("{target}{}", parts.uri.path())).headers(headers).body(body).send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}

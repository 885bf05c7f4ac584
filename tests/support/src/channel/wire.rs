//! One attempt: the request as Apache HttpClient 4.5 puts it on the wire for the HTTP Sender.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};

use super::message::{Attempt, Content, Request};
use super::{ChannelSettings, DataType};
use crate::{Error, Result};

/// The boundary that a form has; Apache makes one up per form.
const BOUNDARY: &str = "----------------------------a-boundary-as-of-a-form";
/// The engine names the part after a temporary file.
const PART: &str = "c2e1a0de-6d5f-4f2e-9a53-2f3f6c1f4c571234567890.tmp";

/// A client as one thread of the channel has it: its connection is kept alive, redirects of a POST are not followed.
pub(super) fn client(settings: &ChannelSettings) -> Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.socket_timeout)
        // Apache's is the time without a byte; the answer is small, so it comes down to the time until it comes.
        .read_timeout(settings.socket_timeout)
        .timeout(settings.socket_timeout.saturating_mul(4))
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(60))
        .user_agent("Mirth Connect");
    let client = if settings.url.contains("//127.0.0.1") { client.no_proxy() } else { client };
    client.build().map_err(|source| Error::Http { url: settings.url.clone(), source })
}

/// Sends it, and a second time with a password if a 401 asks for one.
pub(super) async fn attempt(client: &reqwest::Client, settings: &ChannelSettings, request: &Request) -> Attempt {
    let answered = async {
        let answer = build(client, settings, request).send().await?;
        let asked =
            answer.headers().get(WWW_AUTHENTICATE).is_some_and(|scheme| scheme.as_bytes().starts_with(b"Basic"));
        let Some((user, password)) = settings.basic.as_ref().filter(|_| answer.status() == 401 && asked) else {
            return Ok(answer);
        };
        let _ = answer.bytes().await?;
        build(client, settings, request).basic_auth(user, Some(password)).send().await
    };
    let answered: std::result::Result<reqwest::Response, reqwest::Error> = answered.await;
    match answered {
        Ok(answer) => {
            let status = answer.status().as_u16();
            match answer.text().await {
                Ok(answer) => Attempt { status: Some(status), answer },
                Err(error) => Attempt { status: None, answer: chain(&error) },
            }
        }
        Err(error) => Attempt { status: None, answer: chain(&error) },
    }
}

fn build(client: &reqwest::Client, settings: &ChannelSettings, request: &Request) -> reqwest::RequestBuilder {
    let (bytes, kind) = body(settings, &request.content);
    let (bytes, kind) = if settings.multipart {
        (form(&bytes, &kind), format!("multipart/form-data; boundary={BOUNDARY}"))
    } else {
        (bytes, kind)
    };
    let mut post = client
        .post(&settings.url)
        .header(CONTENT_TYPE, kind)
        .header("Accept-Encoding", "gzip,deflate")
        .header("X-Labor-Source", &settings.source)
        .header("X-Labor-Timestamp", &request.timestamp)
        .header("X-Labor-Signature", &request.signature)
        .header("X-Message-Id", &request.message_id);
    if !settings.gzip {
        return post.body(bytes);
    }
    post = post.header(CONTENT_ENCODING, "gzip");
    // Apache does not know how long it becomes, and sends it in chunks.
    let packed = packed(&bytes);
    let chunks = packed.chunks(2048).map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec())).collect::<Vec<_>>();
    post.body(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)))
}

/// The bytes, and their Content-Type.
fn body(settings: &ChannelSettings, content: &Content) -> (Vec<u8>, String) {
    match (content, settings.data_type) {
        (Content::Text(text), DataType::Text(charset)) => {
            (charset.encode(text), format!("text/plain; charset={}", charset.name()))
        }
        (Content::Text(text), DataType::Binary) => (text.clone().into_bytes(), "text/plain".to_owned()),
        (Content::Bytes(bytes), _) => (bytes.clone(), "text/plain".to_owned()),
    }
}

fn form(bytes: &[u8], kind: &str) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{PART}\"; filename=\"{PART}\"\r\nContent-Type: {kind}\r\n\
         Content-Transfer-Encoding: binary\r\n\r\n"
    );
    [head.as_bytes(), bytes, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Into memory: nothing can fail, and an empty result would be refused as damaged.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn chain(error: &reqwest::Error) -> String {
    let (mut text, mut source) = (error.to_string(), std::error::Error::source(error));
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

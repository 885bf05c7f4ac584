//! The self-test: a laboratory's channel posts here what it would post to the webhook, and is told what arrived.
//! Must stay true: nothing is stored; without a signature that is accepted the caller learns about its own bytes only; no name, no
//! content, no practice is told; and the answer is never below 400. A channel that was left on this address takes anything below 400
//! for success and would lose every result; so its messages stay in its queue.
mod content;
mod limits;
mod reason;

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use labor_db::KeysInUse;
use labor_db::control::Source;
use serde::Serialize;
use utoipa::ToSchema;

use self::content::Content;
pub(crate) use self::limits::Limits;
use self::reason::Verdict;
use super::sender::{self, text};
use crate::App;
use crate::body::{self, Received, Shape};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::signature::Signed;

/// Of headers that are told back.
const LONGEST_ECHO: usize = 200;

/// What arrived, and what the webhook would have made of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Tested {
    /// Never.
    stored: bool,
    /// Why the status is what it is.
    note: &'static str,
    received: Arrived,
    signature: Verdict,
    /// Only for a signature that is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

/// Facts about the request.
#[derive(Serialize, ToSchema)]
pub(crate) struct Arrived {
    /// Bytes of the file, unpacked.
    bytes: usize,
    /// SHA-256 of them, in hex.
    sha256: String,
    /// Bytes of the body as sent.
    sent: usize,
    /// Whether it was packed with gzip.
    gzip: bool,
    /// Whether it was in a form (multipart/form-data).
    form: bool,
    /// Content-Type of the file.
    content_type: Option<String>,
    /// X-Message-Id.
    message_id: Option<String>,
}

/// Try a channel: what arrives, and whether its signature is accepted. Nothing is stored, and the status is 422 whatever comes of it.
#[utoipa::path(post, path = "/v1/messages/self-test", tag = "messages",
    params(
        ("X-Labor-Source" = Uuid, Header, description = "Id of the source"),
        ("X-Labor-Timestamp" = Option<u64>, Header, description = "Unix seconds, as signed"),
        ("X-Labor-Signature" = Option<String>, Header, description = "as for the webhook"),
        ("X-Message-Id" = Option<String>, Header, description = "The sender's own id of the message")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "LDT 2 or LDT 3, as for the webhook"),
    responses(
        (status = 422, description = "What arrived; so that a channel that was left on this address loses nothing, never a 2xx", body = Tested),
        (status = 400, description = "The body is damaged or ended early", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Source not known", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not from this address", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large, as sent or unpacked", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Packed or wrapped in a way that is not taken", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "It came over plain HTTP", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many tests", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again later", body = Problem, content_type = "application/problem+json")
    ))]
pub(crate) async fn test(
    State(app): State<App>,
    axum::Extension(caller): axum::Extension<Caller>,
    request: Request,
) -> Result<(StatusCode, Json<Tested>), Problem> {
    let (parts, body) = request.into_parts();
    let mut wire = body.into_data_stream();
    let tested = Box::pin(look(&app, &caller, &parts.headers, &mut wire)).await;
    if tested.is_err() {
        body::discard(&parts.headers, &mut wire).await;
    }
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(tested?)))
}

async fn look(app: &App, caller: &Caller, headers: &HeaderMap, wire: &mut BodyDataStream) -> Result<Tested, Problem> {
    let source = sender::source_of(app, headers, caller).await?;
    let _place = app.self_tests.enter(source.id)?;
    // As it is at this moment: a secret that was just given out is tried right away.
    let source = app.control.source_now(source.id).await?.ok_or_else(|| sender::refused_sender("no such source"))?;
    let in_use = app.control.keys_in_use().await?;
    let (timestamp, tag) = (text(headers, "x-labor-timestamp"), text(headers, "x-labor-signature"));
    let signed = Signed::parse(timestamp, tag).ok();
    let signatures = signed.as_ref().map(|signed| signed.begin(&app.secrets, in_use, &source)).unwrap_or_default();
    let shape = Shape::of(headers)?;
    let (gzip, form) = (shape.gzip, shape.form());
    let received = body::receive(&app.bodies.of(source.id), shape, wire, signatures).await?;
    let arrived = Arrived {
        bytes: received.bytes.len(),
        sha256: hex::encode(received.sha256),
        sent: received.sent,
        gzip,
        form,
        content_type: received.content_type.as_deref().map(shortened),
        message_id: text(headers, "x-message-id").map(shortened),
    };
    let signature = verdict(app, in_use, source, timestamp, tag, &received).await?;
    let content = if signature.accepted { Some(content::of(app, &received.bytes).await?) } else { None };
    let note = "Nothing was stored. The status is 422 whatever came of the test, so that a channel that is left on this address \
                keeps its messages in its queue; the webhook is /v1/messages.";
    drop(received.share);
    Ok(Tested { stored: false, note, received: arrived, signature, content })
}

/// Hashes the body a few times: outside the async threads.
async fn verdict(
    app: &App,
    in_use: KeysInUse,
    source: Source,
    timestamp: Option<&str>,
    tag: Option<&str>,
    received: &Received,
) -> Result<Verdict, Problem> {
    let (secrets, bytes) = (app.secrets.clone(), received.bytes.clone());
    let (timestamp, tag) = (timestamp.map(str::to_owned), tag.map(str::to_owned));
    let over_sent = received.over_sent.clone();
    let judging = tokio::task::spawn_blocking(move || {
        let asked = reason::Asked { secrets: &secrets, in_use, source: &source, body: &bytes };
        asked.verdict(timestamp.as_deref(), tag.as_deref(), over_sent)
    });
    judging.await.map_err(|_| Problem::unavailable())
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_ECHO).collect()
}

//! The webhook: laboratories post LDT and HL7 messages here.
//! Must stay true (what Mirth does with answers decides it): 202 as soon as the bytes are durable, the same answer for a
//! duplicate, never a redirect, never 409; what can't be understood or routed is accepted and set aside; 4xx only when the
//! sender itself must be mended; 503 when nothing is durable. The answer holds no patient data: senders store it.
use axum::body::{BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use labor_db::control::Source;
use labor_db::messages::{self, NewMessage, Stored};
use labor_db::{Claims, DbError, KeysInUse, TenantName};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::acknowledge;
use super::sender::{self, refused_sender, text};
use crate::App;
use crate::body::{self, Received, Shape};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::request::{RequestId, Who};
use crate::signature::{BadSignature, Signed};
use crate::worker::route;

/// What the sender is told: enough to find the message again and to prove that the bytes arrived unchanged.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// Id of the stored message; for a duplicate the id of the first one.
    message_id: Uuid,
    /// SHA-256 of the bytes stored (the file, unpacked), in hex.
    sha256: String,
    /// Number of bytes stored.
    bytes: usize,
    /// Whether the same bytes of this source were stored before.
    duplicate: bool,
    /// What is odd about the request itself, as codes: `message-id-reused`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<&'static str>,
}

/// Post a laboratory's message, byte for byte.
#[utoipa::path(post, path = "/v1/messages", tag = "messages",
    params(
        ("X-Labor-Source" = Uuid, Header, description = "Id of the source"),
        ("X-Labor-Timestamp" = u64, Header, description = "Unix seconds, as signed"),
        ("X-Labor-Signature" = String, Header, description = "v1= and HMAC-SHA256 in hex over timestamp, a dot and the file's bytes"),
        ("X-Message-Id" = Option<String>, Header, description = "The sender's own id of the message"),
        ("Content-Encoding" = Option<String>, Header, description = "gzip, or absent")
    ),
    request_body(
        content(
            (Vec<u8> = "application/octet-stream"),
            (Vec<u8> = "multipart/form-data")
        ),
        description = "LDT 2, LDT 3 or HL7 v2 ORU^R01, as the body itself or as the one file of a form"
    ),
    responses(
        (status = 202, description = "Durable; it will be worked on. An HL7 acknowledgement if Accept names x-application/hl7-v2+er7 or application/hl7-v2", body = Accepted),
        (status = 400, description = "The body is damaged or ended early", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Source or signature not accepted", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not from this address", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large, as sent or unpacked", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Packed or wrapped in a way that is not taken", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "It came over plain HTTP", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not durable; send again", body = Problem, content_type = "application/problem+json")
    ))]
pub(crate) async fn receive(
    State(app): State<App>,
    RequestId(request_id): RequestId,
    axum::Extension(who): axum::Extension<Who>,
    axum::Extension(caller): axum::Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut wire = body.into_data_stream();
    let taken = Box::pin(take(&app, &who, request_id, &caller, &parts.headers, &mut wire)).await;
    if taken.is_err() {
        body::discard(&parts.headers, &mut wire).await;
    }
    taken
}

/// Reads the body; from then on a sender of HL7 can be answered in its own words.
async fn take(
    app: &App,
    who: &Who,
    request_id: Uuid,
    caller: &Caller,
    headers: &HeaderMap,
    wire: &mut BodyDataStream,
) -> Result<Response, Problem> {
    let source = sender::source_of(app, headers, caller).await?;
    let refuse = |error: BadSignature| refused_sender(error.to_string());
    let (timestamp, tag) = (text(headers, "x-labor-timestamp"), text(headers, "x-labor-signature"));
    let signed = Signed::of(&source, timestamp, tag).map_err(refuse)?;
    let shape = Shape::of(headers)?;
    let source = sender::fresh_for(app, source, &shape).await?;
    let in_use = app.control.keys_in_use().await?;
    let signatures = signed.begin(&app.secrets, in_use, &source);
    let mut received = body::receive(&app.bodies.of(source.id), shape, wire, signatures).await?;
    let sent = Sent { headers, signed: &signed, in_use, source: &source };
    let outcome = keep(app, who, request_id, sent, &mut received).await;
    Ok(acknowledge::answer(headers, &received.bytes, outcome))
}

/// Who sent the body, and how.
struct Sent<'r> {
    headers: &'r HeaderMap,
    signed: &'r Signed<'r>,
    in_use: KeysInUse,
    source: &'r Source,
}

/// Checks the signature and makes the body durable.
async fn keep(
    app: &App,
    who: &Who,
    request_id: Uuid,
    sent: Sent<'_>,
    received: &mut Received,
) -> Result<Accepted, Problem> {
    let Sent { headers, signed, in_use, source } = sent;
    sender::verify(app, signed, in_use, source, received).await?;
    let tenant = tenant_for(app, &received.bytes).await?;
    let message = NewMessage {
        source_id: source.id,
        sender_message_id: text(headers, "x-message-id"),
        content_type: received.content_type.as_deref(),
        body: &received.bytes,
        sha256: received.sha256,
        received_at: None,
    };
    let stored = store(app, who, request_id, message, tenant).await?;
    if stored.id_reused {
        tracing::warn!(source = %source.id, message = %stored.id, "X-Message-Id came with other bytes before; both are kept");
    }
    Ok(Accepted {
        message_id: stored.id,
        sha256: hex::encode(received.sha256),
        bytes: received.bytes.len(),
        duplicate: stored.duplicate,
        warnings: stored.id_reused.then_some(messages::ID_REUSED).into_iter().collect(),
    })
}

/// Stores in a tenant; when that one was frozen or deleted a moment ago, in the intake: nothing is lost, nothing is refused.
/// One whose schema is at a version that this release can't serve comes back soon: the sender keeps the message and tries again.
async fn store(
    app: &App,
    who: &Who,
    request_id: Uuid,
    message: NewMessage<'_>,
    tenant: TenantName,
) -> Result<Stored, DbError> {
    let claims = Claims::receiver(tenant);
    who.is(&claims);
    match app.session(&claims, request_id).await {
        Ok(mut session) => messages::store(&mut session, message).await,
        // Not served now: closed, or between two versions. The sender must not be made to wait for one practice.
        Err(DbError::Refused(_) | DbError::OtherVersion(_) | DbError::Unsound) => {
            let intake = Claims::receiver(app.control.intake().await?);
            messages::store(&mut app.session(&intake, request_id).await?, message).await
        }
        Err(error) => Err(error),
    }
}

/// One practice for all of its records: there. Else the intake, whose worker splits it or sets it aside.
async fn tenant_for(app: &App, body: &Bytes) -> Result<TenantName, DbError> {
    let bytes = body.clone();
    let recipients = tokio::task::spawn_blocking(move || route::recipients(&bytes)).await.unwrap_or_default();
    match route::single_tenant(&app.control, &recipients).await? {
        Some(tenant) => Ok(tenant),
        None => app.control.intake().await,
    }
}

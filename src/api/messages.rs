//! The webhook: laboratories post LDT messages here.
//! Must stay true (what Mirth does with answers decides it): 202 as soon as the bytes are durable, the same answer for a
//! duplicate, never a redirect, never 409; what can't be understood or routed is accepted and set aside; 4xx only when the
//! sender itself must be mended; 503 when nothing is durable. The answer holds no patient data: senders store it.
use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode};
use ipnet::IpNet;
use labor_db::control::Source;
use labor_db::messages::{self, NewMessage, Stored};
use labor_db::{Claims, DbError, TenantName};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::problem::Problem;
use crate::request::{RequestId, Who};
use crate::signature::{BadSignature, Signed};
use crate::worker::route;

const UNKNOWN_SOURCE: &str = "X-Labor-Source must be the id of an active source";

/// What the sender is told: enough to find the message again and to prove that the bytes arrived unchanged.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// Id of the stored message; for a duplicate the id of the first one.
    message_id: Uuid,
    /// SHA-256 of the bytes received, in hex.
    sha256: String,
    /// Number of bytes received.
    bytes: usize,
    /// Whether the same bytes of this source were stored before.
    duplicate: bool,
}

/// Post a laboratory's message, byte for byte.
#[utoipa::path(post, path = "/v1/messages", tag = "messages",
    params(
        ("X-Labor-Source" = Uuid, Header, description = "Id of the source"),
        ("X-Labor-Timestamp" = u64, Header, description = "Unix seconds, as signed"),
        ("X-Labor-Signature" = String, Header, description = "v1= and HMAC-SHA256 in hex over timestamp, a dot and the body"),
        ("X-Message-Id" = Option<String>, Header, description = "The sender's own id of the message")
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "LDT 2 or LDT 3"),
    responses(
        (status = 202, description = "Durable; it will be worked on", body = Accepted),
        (status = 401, description = "Source or signature not accepted", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Not from this address", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not durable; send again", body = Problem, content_type = "application/problem+json")
    ))]
pub(crate) async fn receive(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RequestId(request_id): RequestId,
    axum::Extension(who): axum::Extension<Who>,
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let headers = request.headers().clone();
    let source = source_of(&app, &headers, peer.ip()).await?;
    let refuse = |error: BadSignature| refused_sender(error.to_string());
    let (timestamp, tag) = (text(&headers, "x-labor-timestamp"), text(&headers, "x-labor-signature"));
    let signed = Signed::of(&source, timestamp, tag).map_err(refuse)?;
    // So many bodies are in memory at once, however many senders there are.
    let _place = app.bodies.acquire().await.map_err(|_| Problem::unavailable())?;
    let body = read_body(request, app.body_limit).await?;
    verify(&app, &signed, &source, &body).await?;
    let message = NewMessage {
        source_id: source.id,
        sender_message_id: text(&headers, "x-message-id"),
        content_type: text(&headers, "content-type"),
        body: &body,
        received_at: None,
    };
    let stored = store(&app, &who, request_id, message, tenant_for(&app, &body).await?).await?;
    let accepted = Accepted {
        message_id: stored.id,
        sha256: hex::encode(stored.sha256),
        bytes: body.len(),
        duplicate: stored.duplicate,
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
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
        Err(DbError::Refused(_) | DbError::OtherVersion(_)) => {
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

/// Whether the signature fits. The source is looked at anew before it is refused: its secret may just have been changed.
async fn verify(app: &App, signed: &Signed<'_>, source: &Source, body: &Bytes) -> Result<(), Problem> {
    let in_use = app.control.keys_in_use().await?;
    let mut checked = signed.verify(&app.secrets, in_use, source, body);
    if checked.is_err() {
        let source = app.control.source_now(source.id).await?.ok_or_else(|| refused_sender(UNKNOWN_SOURCE))?;
        checked = signed.verify(&app.secrets, in_use, &source, body);
    }
    checked.map_err(|error| match error {
        BadSignature::Lacking => {
            tracing::warn!(source = %source.id, %error, "message refused");
            Problem::unavailable()
        }
        error => refused_sender(error.to_string()),
    })
}

async fn source_of(app: &App, headers: &HeaderMap, peer: IpAddr) -> Result<Source, Problem> {
    let refused = || refused_sender(UNKNOWN_SOURCE);
    let id: Uuid = text(headers, "x-labor-source").and_then(|id| id.parse().ok()).ok_or_else(refused)?;
    let source = app.control.source(id).await?.ok_or_else(refused)?;
    let allowed = source.allowed_from.is_empty()
        || source
            .allowed_from
            .iter()
            .filter_map(|net| net.parse::<IpNet>().ok())
            .any(|net| net.contains(&peer.to_canonical()));
    if allowed {
        Ok(source)
    } else {
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "address",
            "Not from this address",
            "This source may not post from the address it posted from; ask the operators to allow it.",
        ))
    }
}

fn refused_sender(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "sender-refused", "The sender is not accepted", detail)
}

async fn read_body(mut request: Request, limit: usize) -> Result<Bytes, Problem> {
    axum::extract::DefaultBodyLimit::max(limit).apply(&mut request);
    Bytes::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The message is too large",
                format!("At most {limit} bytes are accepted."),
            )
        } else {
            Problem::bad_request("the body ended early; send the message again")
        }
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

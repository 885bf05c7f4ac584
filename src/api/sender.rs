//! Who posts: the source, from where, and whether it signed what it sent.
//! Must stay true: nothing is told about sources; an unknown one and a disabled one look alike.
use axum::http::{HeaderMap, StatusCode};
use labor_db::KeysInUse;
use labor_db::control::Source;
use uuid::Uuid;

use crate::App;
use crate::body::{Received, Shape};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::signature::{BadSignature, Signed};

const UNKNOWN_SOURCE: &str = "X-Labor-Source must be the id of an active source";

/// The active source that the headers name, if it may post from where it does.
pub(crate) async fn source_of(app: &App, headers: &HeaderMap, caller: &Caller) -> Result<Source, Problem> {
    let refused = || refused_sender(UNKNOWN_SOURCE);
    let id: Uuid = text(headers, "x-labor-source").and_then(|id| id.parse().ok()).ok_or_else(refused)?;
    let source = app.control.source(id).await?.ok_or_else(refused)?;
    if source.allowed_from.is_empty() || caller.is_from(&source.allowed_from) {
        return Ok(source);
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "address",
        "Not from this address",
        "This source may not post from the address it posted from; ask the operators to allow it.",
    ))
}

/// The source as it is at this moment, when the body is packed: a signature over what was sent can't be computed once more.
pub(crate) async fn fresh_for(app: &App, source: Source, shape: &Shape) -> Result<Source, Problem> {
    if !shape.gzip {
        return Ok(source);
    }
    app.control.source_now(source.id).await?.ok_or_else(|| refused_sender(UNKNOWN_SOURCE))
}

/// Whether the signature fits, over the file or over the bytes as sent. The source is looked at anew before it is refused: its secret
/// may just have been changed.
pub(crate) async fn verify(
    app: &App,
    signed: &Signed<'_>,
    in_use: KeysInUse,
    source: &Source,
    received: &mut Received,
) -> Result<(), Problem> {
    let (file, sent) = (std::mem::take(&mut received.over_file), std::mem::take(&mut received.over_sent));
    if signed.is_one_of(file) || signed.is_one_of(sent) {
        return Ok(());
    }
    let source = app.control.source_now(source.id).await?.ok_or_else(|| refused_sender(UNKNOWN_SOURCE))?;
    signed.verify(&app.secrets, in_use, &source, &received.bytes).map_err(|error| match error {
        BadSignature::Lacking => {
            tracing::warn!(source = %source.id, %error, "message refused");
            Problem::unavailable()
        }
        error => refused_sender(error.to_string()),
    })
}

pub(crate) fn refused_sender(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "sender-refused", "The sender is not accepted", detail)
}

pub(crate) fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

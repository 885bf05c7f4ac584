//! Messages of the practice that could not be understood or were given up: its administrators see them, have them worked on again, or say
//! why they may stay where they are.
//! Must stay true: who wants it is in the audit before a worker's claim does it; no message is ever taken away.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use labor_db::messages::{self, SetAsideMessages, Wish};
use labor_db::{ClaimRole, Claims};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Longest reason, in characters.
const LONGEST_REASON: usize = 200;

/// Why a message may stay where it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Discard {
    /// 1 to 200 characters; no health data.
    #[schema(max_length = 200)]
    reason: String,
}

/// Messages that were set aside, with the reason, and those that wait for longer than they should.
#[utoipa::path(get, path = "/v1/messages/set-aside", tag = "messages", security(("bearer" = [])), responses(
    (status = 200, description = "Messages that were set aside", body = SetAsideMessages),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not an administrator of the practice", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
) -> Result<Json<SetAsideMessages>, Problem> {
    require_admin(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(messages::list_set_aside(&mut session).await?))
}

/// Lets a message be worked on again, after what was wrong is mended.
#[utoipa::path(post, path = "/v1/messages/{id}/replay", tag = "messages", params(("id" = Uuid, Path, description = "Id of the message")), security(("bearer" = [])), responses(
    (status = 202, description = "It is in the queue again"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not an administrator of the practice", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such message was set aside in this practice", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn replay(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let id = wished(&app, &claims, request_id, id, Wish::Replay).await?;
    let mut session = app.session(&Claims::worker(claims.tenant().clone()), request_id).await?;
    // In this order: killed in between, the letter is there still, and a second replay does no harm.
    if !messages::replay(&mut session, id).await? {
        return Err(Problem::not_found());
    }
    app.control.queue().await.remove_dead_letters_of(claims.tenant(), id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Says that a message is not to be worked on again. It stays, with its bytes and the reason.
#[utoipa::path(post, path = "/v1/messages/{id}/discard", tag = "messages", params(("id" = Uuid, Path, description = "Id of the message")), request_body = Discard, security(("bearer" = [])), responses(
    (status = 204, description = "Noted"),
    (status = 400, description = "There is no reason, or it is too long", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not an administrator of the practice", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "No such message was set aside in this practice", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn discard(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<Discard>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    require_admin(&claims)?;
    let reason = body.map_err(|_| Problem::bad_request("send a JSON object with reason (text)"))?.0.reason;
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
        return Err(Problem::bad_request("reason must have 1 to 200 characters"));
    }
    let id = wished(&app, &claims, request_id, id, Wish::Discard).await?;
    let mut session = app.session(&Claims::worker(claims.tenant().clone()), request_id).await?;
    messages::discarded(&mut session, id, reason).await?;
    app.control.queue().await.remove_dead_letters_of(claims.tenant(), id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The message's id, once it is noted who wants what done with it.
async fn wished(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Result<Path<Uuid>, PathRejection>,
    wish: Wish,
) -> Result<Uuid, Problem> {
    require_admin(claims)?;
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let mut session = app.session(claims, request_id).await?;
    if messages::wished(&mut session, id, wish).await? { Ok(id) } else { Err(Problem::not_found()) }
}

fn require_admin(claims: &Claims) -> Result<(), Problem> {
    if claims.role() == ClaimRole::Admin {
        return Ok(());
    }
    let detail = "Only an administrator of the practice can see and deal with messages that were set aside.";
    Err(Problem::new(StatusCode::FORBIDDEN, "only-admins", "Not allowed", detail))
}

//! What the reader has to be told: values that they saw and that do not count any more, or were somebody else's.
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use labor_db::notices::{self, Notice};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// The reader's unread notices.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Notices {
    /// Newest first, at most 200.
    items: Vec<Notice>,
}

/// Versions that the reader saw and that were corrected or taken from the patient since, and which the reader has not yet said to have heard of.
#[utoipa::path(get, path = "/v1/notices", tag = "notices", security(("bearer" = [])), responses(
    (status = 200, description = "Unread notices", body = Notices),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
) -> Result<Json<Notices>, Problem> {
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(Notices { items: notices::unread(&mut session).await? }))
}

/// The reader has read a notice.
#[utoipa::path(post, path = "/v1/notices/{id}/read", tag = "notices", params(("id" = Uuid, Path, description = "Id of the notice")), security(("bearer" = [])), responses(
    (status = 204, description = "Noted"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The reader has no such unread notice", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn read(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let mut session = app.session(&claims, request_id).await?;
    if notices::mark_read(&mut session, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

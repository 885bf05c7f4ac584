//! Taking note of a report.
//! Must stay true: only a doctor does it, and only of what counts today; the newer version is named to whoever comes too late.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use labor_db::events::{self, Acknowledged};
use labor_db::{ClaimRole, Claims};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Longest comment, in characters.
const LONGEST_COMMENT: usize = 1000;

/// What goes along with an acknowledgement.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledgement {
    /// The doctor for whom it is acknowledged: who acknowledges is noted beside.
    on_behalf_of: Option<Uuid>,
    /// Up to 1,000 characters.
    #[schema(max_length = 1000)]
    comment: Option<String>,
}

impl Acknowledgement {
    /// As a form sends it: an empty comment is none.
    pub(crate) fn with_comment(comment: Option<String>) -> Self {
        Self { on_behalf_of: None, comment: comment.filter(|comment| !comment.trim().is_empty()) }
    }
}

/// A doctor has taken note of this version of the report. Said again it changes nothing.
#[utoipa::path(post, path = "/v1/reports/{id}/acknowledgement", tag = "reports", params(("id" = Uuid, Path, description = "Id of the report")), request_body = Acknowledgement, security(("bearer" = [])), responses(
    (status = 204, description = "Acknowledged"),
    (status = 400, description = "The body can't be read, or the colleague is no doctor of this practice", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not a doctor", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The report was replaced by a newer version", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn acknowledge(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<Acknowledgement>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let Json(acknowledgement) = body.map_err(|_| {
        Problem::bad_request("send a JSON object, {} or with on_behalf_of (a user's id) and comment (text)")
    })?;
    apply(&app, &claims, request_id, id, &acknowledgement).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same for the API and the pages.
pub(crate) async fn apply(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Uuid,
    said: &Acknowledgement,
) -> Result<(), Problem> {
    if claims.role() != ClaimRole::Doctor {
        let detail = "Only a doctor of the practice can acknowledge a report.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "only-doctors", "Not allowed", detail));
    }
    let comment = said.comment.as_deref().map(str::trim);
    if comment.is_some_and(|text| text.is_empty() || text.chars().count() > LONGEST_COMMENT || text.contains('\0')) {
        return Err(Problem::bad_request("comment must have 1 to 1,000 characters"));
    }
    let mut session = app.session(claims, request_id).await?;
    match events::acknowledge(&mut session, id, said.on_behalf_of, comment).await? {
        Acknowledged::Done => Ok(()),
        Acknowledged::NotFound => Err(Problem::not_found()),
        Acknowledged::NoSuchColleague => {
            Err(Problem::bad_request("on_behalf_of must be the id of a doctor of this practice who can sign in"))
        }
        Acknowledged::Replaced(newer) => Err(Problem::new(
            StatusCode::CONFLICT,
            "replaced",
            "There is a newer version",
            format!(
                "There is a newer version of this report, {newer}; read and acknowledge that one. Nothing was changed."
            ),
        )),
    }
}

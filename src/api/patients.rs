//! Values of one patient across reports.
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use labor_db::reports::{self, Observation, Page};
use uuid::Uuid;

use crate::App;
use crate::api::paging::Paging;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// A patient's values across all current reports, newest first.
#[utoipa::path(get, path = "/v1/patients/{id}/observations", tag = "patients", params(("id" = Uuid, Path, description = "Id of the patient"), Paging), security(("bearer" = [])), responses(
    (status = 200, description = "A page of values", body = Page<Observation>),
    (status = 400, description = "Paging can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such patient", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn observations(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Page<Observation>>, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let (after, limit) = paging.map_err(|_| Problem::bad_request("limit must be a number"))?.parse()?;
    let mut session = app.session(&claims, request_id).await?;
    let page = reports::observations_of(&mut session, id, after, limit).await?;
    Ok(Json(page.ok_or_else(Problem::not_found)?))
}

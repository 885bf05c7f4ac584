//! Reports of the practice.
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use labor_db::reports::{self, Page, Report, ReportSummary};
use uuid::Uuid;

use crate::App;
use crate::api::paging::Paging;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Current reports, newest first.
#[utoipa::path(get, path = "/v1/reports", tag = "reports", params(Paging), security(("bearer" = [])), responses(
    (status = 200, description = "A page of reports", body = Page<ReportSummary>),
    (status = 400, description = "Paging can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Page<ReportSummary>>, Problem> {
    let (after, limit) = paging.map_err(|_| Problem::bad_request("limit must be a number"))?.parse()?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(reports::list(&mut session, after, limit).await?))
}

/// One report with its values.
#[utoipa::path(get, path = "/v1/reports/{id}", tag = "reports", params(("id" = Uuid, Path, description = "Id of the report")), security(("bearer" = [])), responses(
    (status = 200, description = "The report", body = Report),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Report>, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(reports::get(&mut session, id).await?.ok_or_else(Problem::not_found)?))
}

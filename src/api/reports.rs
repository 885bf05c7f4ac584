//! Reports of the practice.
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use labor_db::matching;
use labor_db::reports::{self, Page, Report, ReportSummary};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::App;
use crate::api::paging::Paging;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Which reports.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// false: only those without a patient; without it all.
    matched: Option<bool>,
}

/// Current reports, newest first.
#[utoipa::path(get, path = "/v1/reports", tag = "reports", params(Which, Paging), security(("bearer" = [])), responses(
    (status = 200, description = "A page of reports", body = Page<ReportSummary>),
    (status = 400, description = "Paging can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    which: Result<Query<Which>, QueryRejection>,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<Page<ReportSummary>>, Problem> {
    let only_false = || Problem::bad_request("matched can only be false; leave it out for all reports");
    let Query(Which { matched }) = which.map_err(|_| only_false())?;
    let (after, limit) = paging.map_err(|_| Problem::bad_request("limit must be a number"))?.parse()?;
    let mut session = app.session(&claims, request_id).await?;
    match matched {
        None => Ok(Json(reports::list(&mut session, after, limit).await?)),
        Some(false) => Ok(Json(matching::unmatched(&mut session, after, limit).await?)),
        Some(true) => Err(only_false()),
    }
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

//! Releasing reports to patients.
//! Must stay true: a genetic report is released by its responsible doctor alone; the database refuses it to everybody else, and here it is
//! said why.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use labor_db::Claims;
use labor_db::releases::{self, Named, Released};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::admin::own_lanr;
use crate::api::staff;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Releases a report to its patient.
#[utoipa::path(post, path = "/v1/reports/{id}/release", tag = "reports", params(("id" = Uuid, Path, description = "Id of the report")), security(("bearer" = [])), responses(
    (status = 204, description = "Released"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not a doctor, or genetic and another doctor is responsible", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It was replaced, is nobody's, has an open emergency alert, or nobody is responsible for it", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn release(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    apply_release(&app, &claims, request_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a release back: the patient does not see the report any more.
#[utoipa::path(post, path = "/v1/reports/{id}/withdraw", tag = "reports", params(("id" = Uuid, Path, description = "Id of the report")), security(("bearer" = [])), responses(
    (status = 204, description = "Withdrawn"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not a doctor", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn withdraw(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    apply_withdrawal(&app, &claims, request_id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same for the API and the pages.
pub(crate) async fn apply_release(app: &App, claims: &Claims, request_id: Uuid, id: Uuid) -> Result<(), Problem> {
    staff::doctor(claims)?;
    let Ok(user) = claims.subject().parse::<Uuid>() else { return Err(Problem::not_found()) };
    let mut session = app.session(claims, request_id).await?;
    let conflict = |name, title, detail: String| Err(Problem::new(StatusCode::CONFLICT, name, title, detail));
    match releases::release(&mut session, id, user).await? {
        Released::Done => Ok(()),
        Released::NotFound => Err(Problem::not_found()),
        Released::Replaced(newer) => conflict(
            "replaced",
            "There is a newer version",
            format!("There is a newer version of this report, {newer}; read and release that one. Nothing was changed."),
        ),
        Released::Unmatched => conflict(
            "unmatched",
            "It is nobody's",
            "The report was not matched to a patient of the practice, so there is nobody to release it to.".to_owned(),
        ),
        Released::AlertOpen => conflict(
            "alert-open",
            "An emergency alert is open",
            "A value of this report threatens life, and nobody has confirmed it yet. Tell the patient in person, note it with the alert, and release it then.".to_owned(),
        ),
        Released::NobodyResponsible => conflict(
            "nobody-responsible",
            "Nobody is responsible for it",
            "It is a genetic examination, and the laboratory did not say which doctor ordered it. An administrator names the responsible doctor first; only that doctor may release it (GenDG, section 11).".to_owned(),
        ),
        Released::NotResponsible => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not-responsible",
            "Another doctor is responsible",
            "It is a genetic examination: only the responsible doctor, known by the doctor number (LANR), may release it (GenDG, section 11).",
        )),
    }
}

/// The same for the API and the pages.
pub(crate) async fn apply_withdrawal(app: &App, claims: &Claims, request_id: Uuid, id: Uuid) -> Result<(), Problem> {
    staff::doctor(claims)?;
    let mut session = app.session(claims, request_id).await?;
    if releases::withdraw(&mut session, id).await? { Ok(()) } else { Err(Problem::not_found()) }
}

/// Who is responsible for a genetic report.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResponsibleDoctor {
    /// The doctor number: nine digits.
    lanr: String,
}

/// Names the responsible doctor of a genetic report of which the laboratory sent none. Once: it can't be changed.
#[utoipa::path(post, path = "/v1/reports/{id}/responsible-doctor", tag = "reports", params(("id" = Uuid, Path, description = "Id of the report")), request_body = ResponsibleDoctor, security(("bearer" = [])), responses(
    (status = 204, description = "Named"),
    (status = 400, description = "Not a doctor number", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not an administrator", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "Somebody is responsible already, or it is no genetic report", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn name_doctor(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<ResponsibleDoctor>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let Json(sent) = body.map_err(|_| Problem::bad_request("send a JSON object with lanr, nine digits"))?;
    staff::admin(&claims)?;
    if !own_lanr(&sent.lanr) {
        return Err(Problem::bad_request(
            "lanr must be a doctor's own number: nine digits, the seventh checks the six before it",
        ));
    }
    let mut session = app.session(&claims, request_id).await?;
    let conflict = |name, title, detail: &str| Err(Problem::new(StatusCode::CONFLICT, name, title, detail));
    match releases::name_doctor(&mut session, id, &sent.lanr).await? {
        Named::Done => Ok(StatusCode::NO_CONTENT),
        Named::NotFound => Err(Problem::not_found()),
        Named::Before => conflict(
            "responsible-before",
            "Somebody is responsible already",
            "The laboratory sent a doctor number, or somebody was named before; nobody is put in that doctor's place. Nothing was changed.",
        ),
        Named::NotGenetic => conflict(
            "not-genetic",
            "It is no genetic report",
            "Any doctor of the practice may release it. Nothing was changed.",
        ),
    }
}

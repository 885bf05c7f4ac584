//! Who a report is about, decided by people.
//! Must stay true: only doctors and admins decide; patients see nothing of it; what is searched for stands in the body, never in an address.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::NaiveDate;
use labor_db::matching::decide::{self, Decided, Decision};
use labor_db::matching::{self, Candidates, Known, Search};
use labor_db::{ClaimRole, Claims};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Longest comment or reason, in characters.
const LONGEST_COMMENT: usize = 1000;
/// Longest name that is searched for, in characters.
const LONGEST_NAME: usize = 200;

/// To whom a report is matched: one of the two.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchRequest {
    /// A patient of the practice.
    pub(crate) patient_id: Option<Uuid>,
    /// true: a new patient is made from what the report says.
    #[serde(default)]
    pub(crate) new_patient: bool,
    /// What has to be remembered.
    pub(crate) comment: Option<String>,
}

/// Why a report is not this patient's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnmatchRequest {
    /// 1 to 1,000 characters; colleagues read it, the patient does not.
    pub(crate) reason: String,
}

/// Whose it is now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Matched {
    /// The patient.
    pub(crate) patient_id: Uuid,
}

/// What a patient is searched by: the beginning of the family name, or the birth date.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatientSearch {
    /// Beginning of the family name; umlauts, accents, hyphens and case make no difference.
    pub(crate) family_name: Option<String>,
    /// Beginning of the given name.
    pub(crate) given_name: Option<String>,
    /// Birth date.
    pub(crate) birth_date: Option<NaiveDate>,
}

/// Who was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// In the order of their names, at most 50.
    items: Vec<Known>,
}

/// Who could be meant by a report, with score and reasons, best first.
#[utoipa::path(get, path = "/v1/reports/{id}/candidates", tag = "matching", params(("id" = Uuid, Path, description = "Id of the report")), security(("bearer" = [])), responses(
    (status = 200, description = "Who could be meant", body = Candidates),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "A patient", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn candidates(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Candidates>, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    only_staff(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(matching::candidates(&mut session, id).await?.ok_or_else(Problem::not_found)?))
}

/// Match all versions of a report to a patient.
#[utoipa::path(post, path = "/v1/reports/{id}/match", tag = "matching", params(("id" = Uuid, Path, description = "Id of the report")), request_body = MatchRequest, security(("bearer" = [])), responses(
    (status = 200, description = "Matched", body = Matched),
    (status = 400, description = "The body can't be read, or there is no such patient", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor an admin", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It has a patient already", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn decide(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<MatchRequest>, JsonRejection>,
) -> Result<Json<Matched>, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let Json(request) = body.map_err(|_| which_patient())?;
    Ok(Json(Matched { patient_id: apply(&app, &claims, request_id, id, &request).await? }))
}

/// Take all versions of a report away from their patient. Its release is withdrawn, and whoever saw it is told.
#[utoipa::path(post, path = "/v1/reports/{id}/unmatch", tag = "matching", params(("id" = Uuid, Path, description = "Id of the report")), request_body = UnmatchRequest, security(("bearer" = [])), responses(
    (status = 204, description = "It is nobody's now"),
    (status = 400, description = "The body can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor an admin", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such report", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It has no patient", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn unmatch(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<UnmatchRequest>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let Json(request) = body.map_err(|_| Problem::bad_request("send a JSON object with reason (text)"))?;
    withdraw(&app, &claims, request_id, id, &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Search the practice's patients by name or birth date.
#[utoipa::path(post, path = "/v1/patients/search", tag = "patients", request_body = PatientSearch, security(("bearer" = [])), responses(
    (status = 200, description = "Who was found", body = Found),
    (status = 400, description = "The body can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "A patient", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn search(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    body: Result<Json<PatientSearch>, JsonRejection>,
) -> Result<Json<Found>, Problem> {
    let Json(wanted) = body.map_err(|_| by_what())?;
    Ok(Json(Found { items: find(&app, &claims, request_id, wanted).await? }))
}

/// The same for the API and the pages.
pub(crate) async fn apply(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Uuid,
    request: &MatchRequest,
) -> Result<Uuid, Problem> {
    only_who_decides(claims)?;
    let decision = match (request.patient_id, request.new_patient) {
        (Some(patient), false) => Decision::Patient(patient),
        (None, true) => Decision::NewPatient,
        _ => return Err(which_patient()),
    };
    let comment = request.comment.as_deref().map(|comment| text(comment, "comment")).transpose()?;
    let mut session = app.session(claims, request_id).await?;
    match decide::match_to(&mut session, id, decision, comment).await? {
        Decided::Matched(patient) => Ok(patient),
        Decided::AlreadyMatched => Err(conflict(
            "already-matched",
            "The report has a patient",
            "This report, or another version of it, was matched to a patient meanwhile. If that is wrong, un-match it first. Nothing was changed.",
        )),
        Decided::NoSuchPatient => Err(Problem::bad_request("patient_id must be the id of a patient of this practice")),
        Decided::Nameless => Err(Problem::bad_request(
            "The report does not even say a family name, so no patient can be made of it; match it to a patient who is known",
        )),
        Decided::NotFound | Decided::NotMatched | Decided::Unmatched => Err(Problem::not_found()),
    }
}

/// The same for the API and the pages.
pub(crate) async fn withdraw(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Uuid,
    request: &UnmatchRequest,
) -> Result<(), Problem> {
    only_who_decides(claims)?;
    let reason = text(&request.reason, "reason")?;
    let mut session = app.session(claims, request_id).await?;
    match decide::unmatch(&mut session, id, reason).await? {
        Decided::Unmatched => Ok(()),
        Decided::NotMatched => Err(conflict(
            "not-matched",
            "The report has no patient",
            "No version of this report is matched to a patient. Nothing was changed.",
        )),
        _ => Err(Problem::not_found()),
    }
}

/// The same for the API and the pages.
pub(crate) async fn find(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    wanted: PatientSearch,
) -> Result<Vec<Known>, Problem> {
    only_staff(claims)?;
    let said = |name: Option<String>| name.filter(|name| !name.trim().is_empty());
    let wanted = Search {
        family_name: said(wanted.family_name),
        given_name: said(wanted.given_name),
        birth_date: wanted.birth_date,
    };
    let unfit = |name: &String| name.chars().count() > LONGEST_NAME || name.contains('\0');
    if !wanted.is_enough() || [&wanted.family_name, &wanted.given_name].into_iter().flatten().any(unfit) {
        return Err(by_what());
    }
    let mut session = app.session(claims, request_id).await?;
    Ok(matching::search(&mut session, &wanted).await?)
}

fn which_patient() -> Problem {
    Problem::bad_request(
        "send a JSON object with either patient_id (a patient's id) or new_patient (true), and with comment (text) if you like",
    )
}

fn by_what() -> Problem {
    Problem::bad_request(
        "send a JSON object with family_name (its beginning) or birth_date (YYYY-MM-DD) or both, and with given_name if you like; names have at most 200 characters",
    )
}

fn text<'a>(text: &'a str, what: &str) -> Result<&'a str, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LONGEST_COMMENT || text.contains('\0') {
        return Err(Problem::bad_request(format!("{what} must have 1 to 1,000 characters")));
    }
    Ok(text)
}

fn conflict(name: &str, title: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, name, title, detail)
}

/// Whether this role matches and un-matches.
pub(crate) fn decides(role: ClaimRole) -> bool {
    matches!(role, ClaimRole::Doctor | ClaimRole::Admin)
}

fn only_who_decides(claims: &Claims) -> Result<(), Problem> {
    if decides(claims.role()) {
        return Ok(());
    }
    let detail = "Only doctors and administrators of the practice decide who a report is about. Ask one of them.";
    Err(Problem::new(StatusCode::FORBIDDEN, "only-doctors-and-admins", "Not allowed", detail))
}

/// Whoever is no patient.
pub(crate) fn only_staff(claims: &Claims) -> Result<(), Problem> {
    if claims.role() != ClaimRole::Patient {
        return Ok(());
    }
    let detail = "Only the practice's staff looks for patients.";
    Err(Problem::new(StatusCode::FORBIDDEN, "only-staff", "Not allowed", detail))
}

//! Who a report is about: who could be meant and why, a search for somebody else, and the decision.
//! Must stay true: the form names a patient by id; what is searched for stands in the form's body, never in an address.
use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use chrono::NaiveDate;
use labor_db::Claims;
use labor_db::matching::{self, Candidate, Candidates, Known, Match, Reason};
use serde::Deserialize;
use uuid::Uuid;

use super::alerts::Banner;
use super::dates::{self, Moment};
use super::error::{PageError, page_with};
use super::session::SignedIn;
use super::{assets, wording};
use crate::App;
use crate::api::matching as api;
use crate::problem::Problem;
use crate::request::RequestId;

#[derive(Template)]
#[template(path = "match.html")]
struct MatchPage {
    practice: String,
    waiting: Option<Banner>,
    id: Uuid,
    /// Whom the laboratory named.
    sent: Person,
    /// Whether it has a patient already.
    matched: bool,
    /// Whether the reader may decide.
    decides: bool,
    can_be_new: bool,
    candidates: Vec<CandidateRow>,
    /// What was searched for, and who was found.
    wanted: SearchForm,
    found: Option<Vec<Person>>,
    /// Why the search found nobody, if it could not be made.
    fault: Option<String>,
}

/// A person as a table shows them.
struct Person {
    id: Uuid,
    name: String,
    born: Option<Moment>,
    sex: &'static str,
    insurance_number: Option<String>,
    patient_number: Option<String>,
}

impl From<Known> for Person {
    fn from(known: Known) -> Self {
        Self {
            id: known.id,
            name: wording::patient(Some(&known.family_name), known.given_name.as_deref()),
            born: dates::born(known.birth_date, known.birth_date_text.as_deref()),
            sex: wording::sex(Some(&known.sex)),
            insurance_number: known.insurance_number,
            patient_number: known.patient_number,
        }
    }
}

struct CandidateRow {
    person: Person,
    score: u8,
    excluded: bool,
    reasons: Vec<ReasonRow>,
}

struct ReasonRow {
    words: &'static str,
    contradicts: bool,
}

impl From<Candidate> for CandidateRow {
    fn from(candidate: Candidate) -> Self {
        let row = |reason: Reason| ReasonRow { words: wording::reason(reason), contradicts: reason.contradicts() };
        Self {
            person: candidate.patient.into(),
            score: candidate.score,
            excluded: candidate.excluded,
            reasons: candidate.reasons.into_iter().map(row).collect(),
        }
    }
}

/// One step of the history on a report's page.
pub(super) struct MatchRow {
    pub(super) at: Moment,
    pub(super) words: &'static str,
    pub(super) patient: String,
    pub(super) by: String,
    pub(super) score: Option<i32>,
    pub(super) reasons: String,
    pub(super) comment: Option<String>,
}

impl From<Match> for MatchRow {
    fn from(step: Match) -> Self {
        let by = match (step.role.as_str(), step.name) {
            ("worker", _) => "automatically".to_owned(),
            (_, Some(name)) => format!("by {name}"),
            (_, None) => "by somebody who is no user any more".to_owned(),
        };
        let words: Vec<_> = step.reasons.into_iter().map(wording::reason).collect();
        Self {
            at: dates::instant(step.at),
            words: if step.kind == "matched" { "matched to" } else { "taken away from" },
            patient: wording::patient(Some(&step.family_name), step.given_name.as_deref()),
            by,
            score: step.score,
            reasons: words.join(", "),
            comment: step.comment,
        }
    }
}

/// What the search sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct SearchForm {
    #[serde(default)]
    family_name: String,
    #[serde(default)]
    given_name: String,
    #[serde(default)]
    birth_date: String,
}

/// What a decision sends: a patient's id, or `new`.
#[derive(Deserialize)]
pub(crate) struct DecisionForm {
    patient: String,
    comment: Option<String>,
}

/// Why it is not this patient's.
#[derive(Deserialize)]
pub(crate) struct UnmatchForm {
    reason: String,
}

/// Who could be meant.
pub(crate) async fn show(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    page(&app, &claims, request_id, id, SearchForm::default(), Ok(None)).await
}

/// The same with who was searched for.
pub(crate) async fn search(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    form: Result<Form<SearchForm>, FormRejection>,
) -> Result<Response, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let Form(wanted) = form.map_err(|_| PageError::bad_link())?;
    let date = wanted.birth_date.trim();
    let birth_date = if date.is_empty() { Ok(None) } else { read_date(date).map(Some).ok_or(()) };
    let found = match birth_date {
        Err(()) => Err("The birth date must be a day, such as 24.10.1966.".to_owned()),
        Ok(None) if wanted.family_name.trim().is_empty() => {
            Err("Enter the beginning of the family name, or the birth date.".to_owned())
        }
        Ok(birth_date) => {
            let search = api::PatientSearch {
                family_name: Some(wanted.family_name.clone()),
                given_name: Some(wanted.given_name.clone()),
                birth_date,
            };
            Ok(Some(api::find(&app, &claims, request_id, search).await?))
        }
    };
    page(&app, &claims, request_id, id, wanted, found).await
}

/// Somebody decided who it is.
pub(crate) async fn decide(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    form: Result<Form<DecisionForm>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let Form(form) = form.map_err(|_| PageError::bad_link())?;
    let request = api::MatchRequest {
        new_patient: form.patient == "new",
        patient_id: match form.patient.as_str() {
            "new" => None,
            patient => Some(patient.parse().map_err(|_| PageError::bad_link())?),
        },
        comment: form.comment.filter(|comment| !comment.trim().is_empty()),
    };
    api::apply(&app, &claims, request_id, id, &request).await?;
    Ok(Redirect::to(&format!("/inbox/{id}")))
}

/// Somebody said that it is not this patient's.
pub(crate) async fn unmatch(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    form: Result<Form<UnmatchForm>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let Form(UnmatchForm { reason }) = form.map_err(|_| PageError::bad_link())?;
    api::withdraw(&app, &claims, request_id, id, &api::UnmatchRequest { reason }).await?;
    Ok(Redirect::to(&format!("/inbox/{id}")))
}

async fn page(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Uuid,
    wanted: SearchForm,
    found: Result<Option<Vec<Known>>, String>,
) -> Result<Response, PageError> {
    api::only_staff(claims)?;
    let read = async {
        let mut session = app.session(claims, request_id).await?;
        let candidates = matching::candidates(&mut session, id).await?;
        Ok((candidates, Banner::read(&mut session).await))
    };
    let (practice, (candidates, waiting)) = tokio::try_join!(app.control.display_name(claims.tenant()), read)?;
    let Candidates { patient_id, subject, can_be_new, items } = candidates.ok_or_else(Problem::not_found)?;
    let (found, fault) = match found {
        Ok(found) => (found, None),
        Err(fault) => (None, Some(fault)),
    };
    let page = MatchPage {
        practice: practice.unwrap_or_default(),
        waiting,
        id,
        sent: Person {
            id,
            name: wording::patient(subject.family_name.as_deref(), subject.given_name.as_deref()),
            born: dates::born(subject.birth_date, subject.birth_date_text.as_deref()),
            sex: wording::sex(subject.sex),
            insurance_number: subject.insurance_number,
            patient_number: subject.patient_number,
        },
        matched: patient_id.is_some(),
        decides: api::decides(claims.role()),
        can_be_new,
        candidates: items.into_iter().map(CandidateRow::from).collect(),
        wanted,
        found: found.map(|found| found.into_iter().map(Person::from).collect()),
        fault,
    };
    Ok(page_with(StatusCode::OK, &page))
}

/// As people here write it, or as date fields of browsers send it.
fn read_date(text: &str) -> Option<NaiveDate> {
    ["%d.%m.%Y", "%Y-%m-%d"].into_iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_date_is_read_as_people_and_as_browsers_write_it() {
        let day = NaiveDate::from_ymd_opt(1966, 10, 24);
        assert_eq!(read_date("24.10.1966"), day);
        assert_eq!(read_date("1966-10-24"), day);
        assert_eq!(read_date("1966"), None);
    }
}

//! Critical values that somebody has to be told of.
//! Must stay true: who confirms one repeats its value; what ended is not ended again, and whoever comes later learns by whom.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use chrono::{Days, NaiveDate, Utc};
use labor_db::Claims;
use labor_db::alerts::outcome::{self, Noted, Outcome, Said};
use labor_db::alerts::read::{self, Alert, Waiting};
use labor_db::alerts::summary::{self, AlertReport};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::App;
use crate::api::staff;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Which alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// true, or absent: those that are open. false: the latest, also those that ended.
    open: Option<bool>,
}

/// Alerts of the practice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alerts {
    /// Open ones: those whose turn is the reader's first, the gravest first. Else the latest first. At most 200.
    items: Vec<Alert>,
}

/// Alerts.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts", params(Which), security(("bearer" = [])), responses(
    (status = 200, description = "Alerts", body = Alerts),
    (status = 400, description = "open is neither true nor false", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<Alerts>, Problem> {
    let Query(which) = which.map_err(|_| Problem::bad_request("open must be true or false"))?;
    staff::required(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(Alerts { items: read::list(&mut session, which.open.unwrap_or(true)).await? }))
}

/// How many alerts are open.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WaitingAlerts {
    /// Absent: none is open.
    waiting: Option<Waiting>,
}

/// How many alerts are open: for a program that asks often and shows nobody a value, so that nothing is noted as seen.
#[utoipa::path(get, path = "/v1/alerts/waiting", tag = "alerts", security(("bearer" = [])), responses(
    (status = 200, description = "How many, and since when", body = WaitingAlerts),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn waiting(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
) -> Result<Json<WaitingAlerts>, Problem> {
    staff::required(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(WaitingAlerts { waiting: read::waiting(&mut session).await? }))
}

/// One alert with what became of it.
#[utoipa::path(get, path = "/v1/alerts/{id}", tag = "alerts", params(("id" = Uuid, Path, description = "Id of the alert")), security(("bearer" = [])), responses(
    (status = 200, description = "The alert", body = Alert),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such alert", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Json<Alert>, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    staff::required(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(read::get(&mut session, id).await?.ok_or_else(Problem::not_found)?))
}

/// What came of telling somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhatCame {
    /// Somebody was reached and repeated the value.
    Confirmed,
    /// Somebody was reached and did not repeat it; the alert stays open.
    ReachedWithoutReadBack,
    /// Nobody was reached; the alert stays open.
    Unreachable,
    /// An unlikely change (tier check) was looked at.
    Dismissed,
}

/// What came of an alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertOutcome {
    /// What came of it.
    pub(crate) outcome: WhatCame,
    /// Who was reached, or should have been: 1 to 200 characters. Not with dismissed.
    #[schema(max_length = 200)]
    pub(crate) reached: Option<String>,
    /// With confirmed: what they repeated, 1 to 200 characters. The value itself is in it, with a comma or a point.
    #[schema(max_length = 200)]
    pub(crate) read_back: Option<String>,
    /// Up to 1,000 characters; required with dismissed.
    #[schema(max_length = 1000)]
    pub(crate) comment: Option<String>,
}

/// Notes what came of an alert. Confirmed and dismissed end it.
#[utoipa::path(post, path = "/v1/alerts/{id}/outcome", tag = "alerts", params(("id" = Uuid, Path, description = "Id of the alert")), request_body = AlertOutcome, security(("bearer" = [])), responses(
    (status = 204, description = "Noted"),
    (status = 400, description = "Something is missing, or the value was not repeated", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor a laboratory technician", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such alert", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "It has ended, or can't be dismissed", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn note(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    body: Result<Json<AlertOutcome>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    let Json(said) = body.map_err(|_| {
        Problem::bad_request(
            "send a JSON object with outcome (confirmed, reached_without_read_back, unreachable or dismissed), reached, read_back and comment",
        )
    })?;
    apply(&app, &claims, request_id, id, &said).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text that was sent, without white space around it; too long or empty ones are refused.
fn text<'a>(name: &str, sent: Option<&'a str>, longest: usize) -> Result<Option<&'a str>, Problem> {
    let Some(text) = sent.map(str::trim) else { return Ok(None) };
    if text.is_empty() || text.chars().count() > longest || text.contains('\0') {
        return Err(Problem::bad_request(format!("{name} must have 1 to {longest} characters")));
    }
    Ok(Some(text))
}

/// What must be said with each outcome, and what can't be.
fn said(sent: &AlertOutcome) -> Result<Said<'_>, Problem> {
    let reached = text("reached", sent.reached.as_deref(), 200)?;
    let read_back = text("read_back", sent.read_back.as_deref(), 200)?;
    let comment = text("comment", sent.comment.as_deref(), 1000)?;
    let outcome = match sent.outcome {
        WhatCame::Confirmed => Outcome::Confirmed,
        WhatCame::ReachedWithoutReadBack => Outcome::ReachedWithoutReadBack,
        WhatCame::Unreachable => Outcome::Unreachable,
        WhatCame::Dismissed => Outcome::Dismissed,
    };
    let missing = match (outcome, reached, read_back, comment) {
        (Outcome::Dismissed, _, _, None) => Some("comment says why it is dismissed"),
        (Outcome::Dismissed, Some(_), ..) => Some("reached is not said when something is dismissed"),
        (Outcome::Dismissed, ..) => None,
        (_, None, ..) => Some("reached says who was reached, or should have been"),
        (Outcome::Confirmed, _, None, _) => Some("read_back says what they repeated: the value itself"),
        _ => None,
    };
    let surplus = read_back.is_some() && outcome != Outcome::Confirmed;
    match missing.or(surplus.then_some("read_back is only said when it is confirmed")) {
        Some(missing) => Err(Problem::bad_request(missing)),
        None => Ok(Said { outcome, reached, read_back, comment }),
    }
}

/// The same for the API and the pages.
pub(crate) async fn apply(
    app: &App,
    claims: &Claims,
    request_id: Uuid,
    id: Uuid,
    sent: &AlertOutcome,
) -> Result<(), Problem> {
    staff::doctor_or_technician(claims)?;
    let said = said(sent)?;
    let mut session = app.session(claims, request_id).await?;
    let conflict = |name, title, detail: String| Problem::new(StatusCode::CONFLICT, name, title, detail);
    match outcome::note(&mut session, id, &said).await? {
        Noted::Done => {
            if said.outcome == Outcome::Confirmed {
                app.alerts.confirmed.inc();
            }
            Ok(())
        }
        Noted::NotFound => Err(Problem::not_found()),
        Noted::NotTheValue => Err(Problem::bad_request(
            "read_back does not hold the value as the laboratory sent it. Compare again, and write down what they repeated; a comma is as good as a point.",
        )),
        Noted::NotDismissible => Err(conflict(
            "not-dismissible",
            "It can't be dismissed",
            "Only an unlikely change against the value before is dismissed. Reach somebody, and note what they repeated.".to_owned(),
        )),
        Noted::Ended { how, at, by } => {
            let by = by.map_or_else(|| "by Labor, because the value counts no more".to_owned(), |name| format!("by {name}"));
            let at = at.format("%Y-%m-%d %H:%M UTC");
            let detail = format!("It was {how} {by} on {at}. Nothing was changed.");
            Err(conflict("ended", "It has ended", detail))
        }
    }
}

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// First day (UTC), such as 2026-10-01; absent: 30 days before the last.
    from: Option<NaiveDate>,
    /// Last day (UTC); absent: today.
    to: Option<NaiveDate>,
}

/// How well alerts were seen to.
#[utoipa::path(get, path = "/v1/alerts/report", tag = "alerts", params(Period), security(("bearer" = [])), responses(
    (status = 200, description = "The figures", body = AlertReport),
    (status = 400, description = "The days can't be read", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn report(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    period: Result<Query<Period>, QueryRejection>,
) -> Result<Json<AlertReport>, Problem> {
    let unreadable = || Problem::bad_request("from and to must be days such as 2026-10-01, from not after to");
    let Query(period) = period.map_err(|_| unreadable())?;
    staff::required(&claims)?;
    let to = period.to.unwrap_or_else(|| Utc::now().date_naive());
    let from = period.from.or_else(|| to.checked_sub_days(Days::new(30))).ok_or_else(unreadable)?;
    let known = NaiveDate::from_ymd_opt(2000, 1, 1)..NaiveDate::from_ymd_opt(3000, 1, 1);
    if from > to || !known.contains(&Some(from)) || !known.contains(&Some(to)) {
        return Err(unreadable());
    }
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(summary::figures(&mut session, from, to).await?))
}

//! The practice's own limits, and the ladder of who is asked to see to an alert.
//! Must stay true: a limit is never changed; what does not fit together is refused with words.
use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use labor_db::alerts::Tier;
use labor_db::alerts::ladder::{self, AlertLadder};
use labor_db::alerts::limits::{self, CriticalLimit, NewLimit, Number};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::App;
use crate::api::staff;
use crate::problem::Problem;
use crate::request::{Bearer, RequestId};

/// Which limits.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// true: also those that ended.
    ended: Option<bool>,
}

/// Limits of the practice.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CriticalLimits {
    /// By test.
    items: Vec<CriticalLimit>,
}

/// Limits beyond which somebody is alerted, besides what laboratories say themselves.
#[utoipa::path(get, path = "/v1/critical-limits", tag = "alerts", params(Which), security(("bearer" = [])), responses(
    (status = 200, description = "The limits", body = CriticalLimits),
    (status = 400, description = "ended is neither true nor false", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    which: Result<Query<Which>, QueryRejection>,
) -> Result<Json<CriticalLimits>, Problem> {
    let Query(which) = which.map_err(|_| Problem::bad_request("ended must be true or false"))?;
    staff::required(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(CriticalLimits { items: limits::list(&mut session, which.ended.unwrap_or(false)).await? }))
}

/// A limit to be set: low or high or both with tier emergency or phone; delta_percent and delta_days with tier check.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitToSet {
    /// For whose values: BSNR of the laboratory, else its name as it sends it; absent: any laboratory's.
    laboratory: Option<String>,
    /// The laboratory's code of the test.
    test_code: String,
    /// Only values in exactly this unit are judged; empty: the laboratory sends none.
    unit: String,
    /// male, female or other; absent: everybody. Whose sex is not known is meant too.
    sex: Option<String>,
    /// From this age on, in completed years at collection. Whose age is not known is meant too.
    age_from_years: Option<i32>,
    /// Up to and including this age.
    age_to_years: Option<i32>,
    /// emergency: at once; phone: the same day; check: an unlikely change.
    tier: Tier,
    /// Critical at or below it: a decimal number as text.
    low: Option<String>,
    /// Critical at or above it: a decimal number as text.
    high: Option<String>,
    /// Changed by at least so many percent: a decimal number as text.
    delta_percent: Option<String>,
    /// How old the value before may be, in days: 1 to 3,650.
    delta_days: Option<i32>,
}

/// A limit's key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitSet {
    /// Id of the limit.
    id: Uuid,
}

/// A blank that was typed besides would let the limit mean no value at all.
fn trimmed(sent: LimitToSet) -> LimitToSet {
    let trim = |text: String| text.trim().to_owned();
    LimitToSet { laboratory: sent.laboratory.map(trim), test_code: trim(sent.test_code), unit: trim(sent.unit), ..sent }
}

fn checked(sent: LimitToSet) -> Result<NewLimit, Problem> {
    let sent = trimmed(sent);
    let refused = |detail: &str| Err(Problem::bad_request(detail));
    let fits = |text: &str, shortest: usize, longest: usize| {
        (shortest..=longest).contains(&text.chars().count()) && !text.contains('\0')
    };
    let number = |text: Option<String>| {
        let unreadable =
            || Problem::bad_request("low, high and delta_percent are decimal numbers as text, such as \"2.8\"");
        text.map(|text| Number::parse(&text).ok_or_else(unreadable)).transpose()
    };
    if !fits(&sent.test_code, 1, 100) || !fits(&sent.unit, 0, 60) {
        return refused("test_code has 1 to 100 characters, unit at most 60");
    }
    if sent.laboratory.as_deref().is_some_and(|name| !fits(name, 1, 250)) {
        return refused("laboratory has 1 to 250 characters; leave it out for any");
    }
    if sent.sex.as_deref().is_some_and(|sex| !matches!(sex, "male" | "female" | "other")) {
        return refused("sex is male, female or other; leave it out for everybody");
    }
    if [sent.age_from_years, sent.age_to_years].into_iter().flatten().any(|age| !(0..=150).contains(&age)) {
        return refused("an age is 0 to 150 years");
    }
    if sent.delta_days.is_some_and(|days| !(1..=3650).contains(&days)) {
        return refused("delta_days is 1 to 3,650");
    }
    let (value, change) = (sent.low.is_some() || sent.high.is_some(), (&sent.delta_percent, sent.delta_days));
    match (sent.tier, value, change) {
        (Tier::Check, false, (Some(_), Some(_))) | (Tier::Emergency | Tier::Phone, true, (None, None)) => {}
        (Tier::Check, ..) => return refused("tier check takes delta_percent and delta_days, and neither low nor high"),
        _ => return refused("tier emergency and phone take low, high or both, and no delta"),
    }
    Ok(NewLimit {
        laboratory: sent.laboratory,
        test_code: sent.test_code,
        unit: sent.unit,
        sex: sent.sex,
        age_from_years: sent.age_from_years,
        age_to_years: sent.age_to_years,
        tier: sent.tier,
        low: number(sent.low)?,
        high: number(sent.high)?,
        delta_percent: number(sent.delta_percent)?,
        delta_days: sent.delta_days,
    })
}

/// Sets a limit; it holds for what arrives from now on.
#[utoipa::path(post, path = "/v1/critical-limits", tag = "alerts", request_body = LimitToSet, security(("bearer" = [])), responses(
    (status = 201, description = "Set", body = LimitSet),
    (status = 400, description = "The parts don't fit together", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor an administrator", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn add(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    body: Result<Json<LimitToSet>, JsonRejection>,
) -> Result<(StatusCode, Json<LimitSet>), Problem> {
    let Json(sent) = body.map_err(|_| {
        Problem::bad_request("send a JSON object with test_code, unit (empty if there is none), tier, and low, high or delta_percent with delta_days")
    })?;
    staff::doctor_or_admin(&claims)?;
    let limit = checked(sent)?;
    let mut session = app.session(&claims, request_id).await?;
    match limits::add(&mut session, &limit).await {
        Ok(id) => Ok((StatusCode::CREATED, Json(LimitSet { id }))),
        // What the checks of the table compare: low with high, the ages, a percentage with nought.
        Err(error) if error.is_about_the_data() => Err(Problem::bad_request(
            "low must be less than high, age_from_years at most age_to_years, and delta_percent more than 0",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Ends a limit. Alerts that it raised stay.
#[utoipa::path(post, path = "/v1/critical-limits/{id}/end", tag = "alerts", params(("id" = Uuid, Path, description = "Id of the limit")), security(("bearer" = [])), responses(
    (status = 204, description = "Ended"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor an administrator", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "This practice has no such limit that is valid", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn end(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = id.map_err(|_| Problem::not_found())?;
    staff::doctor_or_admin(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    if limits::end(&mut session, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

/// Who is asked to see to an alert, one after the other.
#[utoipa::path(get, path = "/v1/alert-ladder", tag = "alerts", security(("bearer" = [])), responses(
    (status = 200, description = "The ladder", body = AlertLadder),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Not for patients", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn ladder(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
) -> Result<Json<AlertLadder>, Problem> {
    staff::required(&claims)?;
    let mut session = app.session(&claims, request_id).await?;
    Ok(Json(ladder::get(&mut session).await?))
}

/// Replaces the ladder as a whole. Whose turn it is already keeps it.
#[utoipa::path(put, path = "/v1/alert-ladder", tag = "alerts", request_body = AlertLadder, security(("bearer" = [])), responses(
    (status = 204, description = "Replaced"),
    (status = 400, description = "Somebody on it can't see to alerts, or a time limit is out of range", body = Problem, content_type = "application/problem+json"),
    (status = 401, description = "Not signed in", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "Neither a doctor nor an administrator", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available right now; try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn replace_ladder(
    State(app): State<App>,
    Bearer(claims): Bearer,
    RequestId(request_id): RequestId,
    body: Result<Json<AlertLadder>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(sent) = body.map_err(|_| {
        Problem::bad_request(
            "send a JSON object with emergency, phone and check, each a list of {user_id, deputy_id, seconds}",
        )
    })?;
    staff::doctor_or_admin(&claims)?;
    let tiers = [&sent.emergency, &sent.phone, &sent.check];
    if tiers.iter().any(|steps| steps.len() > ladder::LONGEST)
        || tiers.into_iter().flatten().any(|step| !(1..=604_800).contains(&step.seconds))
    {
        return Err(Problem::bad_request("a ladder has up to 20 steps of 1 to 604,800 seconds"));
    }
    let mut session = app.session(&claims, request_id).await?;
    if ladder::replace(&mut session, &sent).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::bad_request(
        "user_id and deputy_id must be doctors or laboratory technicians of this practice who can sign in. Nothing was changed.",
    ))
}

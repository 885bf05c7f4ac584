//! Critical values that somebody has to be told of: the banner of every page, and the page where they are seen to.
//! Must stay true: the banner names nobody; what was said is noted as typed; one form notes one outcome.
use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use chrono::Utc;
use labor_db::alerts::read::{self, Alert, AlertEvent, Waiting};
use labor_db::{ClaimRole, TenantSession};
use serde::Deserialize;
use uuid::Uuid;

use super::dates::{self, Moment};
use super::error::{PageError, page_with};
use super::session::SignedIn;
use super::{assets, wording};
use crate::App;
use crate::api::alerts::{self as api, AlertOutcome, WhatCame};
use crate::api::staff;
use crate::request::RequestId;

/// What every page of the staff says while alerts are open.
pub(crate) struct Banner {
    pub(crate) words: String,
    pub(crate) since: Moment,
}

impl Banner {
    /// Nothing for patients, and while nothing is open. A page is shown also when it can't be told; then it says so.
    pub(crate) async fn read(session: &mut TenantSession) -> Option<Self> {
        if session.claims().role() == ClaimRole::Patient {
            return None;
        }
        match read::waiting(session).await {
            Ok(waiting) => waiting.map(Self::from),
            Err(error) => {
                tracing::error!(%error, "open alerts can't be counted; the page is shown without their number");
                let words = "It can’t be told right now whether critical values wait".to_owned();
                Some(Self { words, since: dates::instant(Utc::now()) })
            }
        }
    }
}

impl From<Waiting> for Banner {
    fn from(waiting: Waiting) -> Self {
        let values =
            |count: i64| if count == 1 { "1 critical value".to_owned() } else { format!("{count} critical values") };
        let verb = |count: i64, one: &'static str, more: &'static str| if count == 1 { one } else { more };
        let words = match waiting.mine {
            0 => format!("{} {} with colleagues", values(waiting.open), verb(waiting.open, "waits", "wait")),
            mine => format!("{} {} for you", values(mine), verb(mine, "waits", "wait")),
        };
        Self { words, since: dates::instant(waiting.since) }
    }
}

/// An alert as a page shows it.
pub(crate) struct AlertRow {
    pub(crate) id: Uuid,
    pub(crate) report: Uuid,
    pub(crate) urgent: bool,
    pub(crate) tier: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) name: String,
    pub(crate) specimen: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) former: Option<(String, Moment)>,
    pub(crate) patient: String,
    pub(crate) born: Option<Moment>,
    pub(crate) laboratory: String,
    pub(crate) raised: Moment,
    pub(crate) due: Option<Moment>,
    pub(crate) with: String,
    pub(crate) mine: bool,
    pub(crate) ended: Option<&'static str>,
    pub(crate) dismissible: bool,
    pub(crate) events: Vec<EventRow>,
}

pub(crate) struct EventRow {
    pub(crate) at: Moment,
    pub(crate) words: String,
    pub(crate) comment: Option<String>,
}

impl From<AlertEvent> for EventRow {
    fn from(event: AlertEvent) -> Self {
        let by = event.name.map(|name| format!(" by {name}")).unwrap_or_default();
        let turn = event.with.unwrap_or_else(|| "everybody".to_owned());
        let reached = event.reached.map(|who| format!(": {who}")).unwrap_or_default();
        let repeated = event.read_back.map(|said| format!(", who repeated “{said}”")).unwrap_or_default();
        let words = match event.kind.as_str() {
            "raised" => format!("raised, {turn} asked"),
            "escalated" => format!("passed on to {turn}, nobody had seen to it in time"),
            "unanswered" => "nobody is asked again; it stays open".to_owned(),
            "superseded" => "the value counts no more".to_owned(),
            kind => format!("{}{by}{reached}{repeated}", wording::outcome(kind)),
        };
        Self { at: dates::instant(event.at), words, comment: event.comment }
    }
}

impl From<Alert> for AlertRow {
    fn from(a: Alert) -> Self {
        Self {
            id: a.id,
            report: a.report_id,
            urgent: a.tier == "emergency",
            tier: wording::tier(&a.tier),
            cause: wording::cause(&a.cause),
            name: a.test_name.or(a.test_code).unwrap_or_else(|| "The report as a whole".to_owned()),
            specimen: a.specimen,
            value: a.value,
            unit: a.unit,
            former: a.former_value.zip(a.former_at.map(dates::instant)),
            patient: wording::patient(a.family_name.as_deref(), a.given_name.as_deref()),
            born: dates::born(a.birth_date, a.birth_date_text.as_deref()),
            laboratory: a.laboratory_name,
            raised: dates::instant(a.raised_at),
            due: a.due_at.filter(|_| a.ended.is_none()).map(dates::instant),
            with: a.with.unwrap_or_else(|| "everybody".to_owned()),
            mine: a.mine,
            ended: a.ended.as_deref().map(wording::outcome),
            dismissible: a.tier == "check",
            events: a.events.into_iter().map(EventRow::from).collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    practice: String,
    waiting: Option<Banner>,
    alerts: Vec<AlertRow>,
    /// Whether the reader may note outcomes.
    may_note: bool,
}

/// The open alerts.
pub(crate) async fn show(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
) -> Result<Response, PageError> {
    staff::required(&claims)?;
    let read = async {
        let mut session = app.session(&claims, request_id).await?;
        let alerts = read::list(&mut session, true).await?;
        Ok((alerts, Banner::read(&mut session).await))
    };
    let (practice, (alerts, waiting)) = tokio::try_join!(app.control.display_name(claims.tenant()), read)?;
    let page = AlertsPage {
        practice: practice.unwrap_or_default(),
        waiting,
        alerts: alerts.into_iter().map(AlertRow::from).collect(),
        may_note: staff::doctor_or_technician(&claims).is_ok(),
    };
    Ok(page_with(StatusCode::OK, &page))
}

/// What the form of an alert sends. A field that was left empty says nothing.
#[derive(Deserialize)]
pub(crate) struct OutcomeForm {
    outcome: WhatCame,
    reached: Option<String>,
    read_back: Option<String>,
    comment: Option<String>,
}

/// Somebody was told, or was not reached.
pub(crate) async fn note(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    form: Result<Form<OutcomeForm>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let Form(form) = form.map_err(|_| PageError::bad_link())?;
    let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let outcome = AlertOutcome {
        outcome: form.outcome,
        reached: said(form.reached),
        read_back: said(form.read_back),
        comment: said(form.comment),
    };
    api::apply(&app, &claims, request_id, id, &outcome).await?;
    Ok(Redirect::to("/alerts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_counts_the_readers_own_first() {
        let words = |open, mine| Banner::from(Waiting { open, mine, since: chrono::DateTime::UNIX_EPOCH }).words;
        assert_eq!(words(3, 2), "2 critical values wait for you");
        assert_eq!(words(3, 1), "1 critical value waits for you");
        assert_eq!(words(1, 0), "1 critical value waits with colleagues");
        assert_eq!(words(2, 0), "2 critical values wait with colleagues");
    }
}

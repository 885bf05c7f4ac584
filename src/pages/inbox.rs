//! The inbox: current reports, newest first.
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use labor_db::ClaimRole;
use labor_db::claims::Cursor;
use labor_db::reports::{self, ReportSummary};
use serde::Deserialize;
use uuid::Uuid;

use super::dates::{self, Moment};
use super::error::{PageError, page_with};
use super::session::SignedIn;
use super::{assets, wording};
use crate::App;
use crate::request::RequestId;

/// Rows on a page.
const ROWS: u16 = 50;

/// Which page.
#[derive(Deserialize)]
pub(crate) struct Older {
    /// Where it starts; the newest reports without it.
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    practice: String,
    rows: Vec<Row>,
    /// Cursor of the next page.
    older: Option<String>,
    /// Whether this page shows the newest reports.
    newest: bool,
    /// Whether it is a patient who reads.
    patient: bool,
}

struct Row {
    id: Uuid,
    received: Moment,
    patient: String,
    born: Option<Moment>,
    laboratory: String,
    order: Option<String>,
    lab_order: Option<String>,
    status: String,
    status_words: String,
    version: i32,
    abnormal: bool,
    outside: String,
    critical: bool,
    genetic: bool,
}

impl From<ReportSummary> for Row {
    fn from(r: ReportSummary) -> Self {
        Self {
            id: r.id,
            received: dates::instant(r.received_at),
            patient: wording::patient(r.family_name.as_deref(), r.given_name.as_deref()),
            born: r.birth_date.map(dates::day),
            laboratory: r.laboratory_name,
            order: r.order_number,
            lab_order: r.lab_order_number,
            status_words: wording::status(&r.status).to_owned(),
            status: r.status,
            version: r.version,
            abnormal: r.abnormal > 0,
            outside: wording::outside(r.abnormal, r.observations),
            critical: r.critical,
            genetic: r.genetic,
        }
    }
}

/// One page of the inbox.
pub(crate) async fn show(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    older: Result<Query<Older>, QueryRejection>,
) -> Result<Response, PageError> {
    let Query(Older { after }) = older.map_err(|_| PageError::bad_link())?;
    let after = after.map(|text| Cursor::decode(&text).ok_or_else(PageError::bad_link)).transpose()?;
    let page = async { reports::list(&mut app.session(&claims, request_id).await?, after, ROWS).await };
    let (practice, page) = tokio::try_join!(app.control.display_name(claims.tenant()), page)?;
    let page = InboxPage {
        practice: practice.unwrap_or_default(),
        rows: page.items.into_iter().map(Row::from).collect(),
        older: page.next,
        newest: after.is_none(),
        patient: claims.role() == ClaimRole::Patient,
    };
    Ok(page_with(StatusCode::OK, &page))
}

//! The inbox: current reports, newest first.
use askama::Template;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use labor_db::ClaimRole;
use labor_db::claims::Cursor;
use labor_db::matching;
use labor_db::notices::{self, Notice};
use labor_db::reports::{self, ReportSummary};
use serde::Deserialize;
use uuid::Uuid;

use super::alerts::Banner;
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
    /// false: only reports without a patient.
    matched: Option<bool>,
}

#[derive(Template)]
#[template(path = "inbox.html")]
struct InboxPage {
    practice: String,
    waiting: Option<Banner>,
    rows: Vec<Row>,
    notices: Vec<NoticeRow>,
    /// Cursor of the next page.
    older: Option<String>,
    /// Whether this page shows the newest reports.
    newest: bool,
    /// Whether it is a patient who reads.
    patient: bool,
    /// Whether only reports without a patient are shown.
    unmatched: bool,
    /// How many of those there are, for staff, if there are any.
    nobodys: Option<String>,
}

struct NoticeRow {
    id: Uuid,
    /// What to open now: the version that counts, or the report that was taken from the patient; a patient opens neither of those.
    open: Option<Uuid>,
    open_words: &'static str,
    /// Whose and from where, if the reader may know.
    about: Option<String>,
    words: &'static str,
}

impl From<Notice> for NoticeRow {
    fn from(notice: Notice) -> Self {
        let patient = wording::patient(notice.family_name.as_deref(), notice.given_name.as_deref());
        let visible = notice.laboratory_name.is_some();
        Self {
            id: notice.id,
            open: notice.replaced_by.or_else(|| visible.then_some(notice.report_id)),
            open_words: match (notice.kind.as_str(), notice.replaced_by) {
                ("renamed", _) => "open the other report",
                (_, Some(_)) => "open what counts now",
                (_, None) => "open the report",
            },
            about: notice.laboratory_name.map(|laboratory| format!("{patient}, {laboratory}")),
            words: wording::notice(&notice.kind),
        }
    }
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
    /// Staff is told which values were held against no limit.
    not_judged: i32,
    /// Staff is told which reports nobody has acknowledged yet.
    open: bool,
}

impl Row {
    fn new(r: ReportSummary, patient: bool) -> Self {
        Self {
            open: !patient && r.acknowledged_at.is_none(),
            id: r.id,
            received: dates::instant(r.received_at),
            patient: wording::patient(r.family_name.as_deref(), r.given_name.as_deref()),
            born: dates::born(r.birth_date, r.birth_date_text.as_deref()),
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
            not_judged: if patient { 0 } else { r.not_judged },
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
    let Query(Older { after, matched }) = older.map_err(|_| PageError::bad_link())?;
    let after = after.map(|text| Cursor::decode(&text).ok_or_else(PageError::bad_link)).transpose()?;
    let patient = claims.role() == ClaimRole::Patient;
    let unmatched = matched == Some(false);
    let read = async {
        let mut session = app.session(&claims, request_id).await?;
        let page = match unmatched {
            true => matching::unmatched(&mut session, after, ROWS).await?,
            false => reports::list(&mut session, after, ROWS).await?,
        };
        let nobodys = if patient { 0 } else { matching::count_unmatched(&mut session).await? };
        let notices = notices::unread(&mut session).await?;
        Ok((page, notices, nobodys, Banner::read(&mut session).await))
    };
    let (practice, (page, notices, nobodys, waiting)) =
        tokio::try_join!(app.control.display_name(claims.tenant()), read)?;
    let page = InboxPage {
        practice: practice.unwrap_or_default(),
        waiting,
        rows: page.items.into_iter().map(|report| Row::new(report, patient)).collect(),
        notices: notices.into_iter().map(NoticeRow::from).collect(),
        older: page.next,
        newest: after.is_none(),
        patient,
        unmatched,
        nobodys: (nobodys > 0).then(|| wording::many(nobodys)),
    };
    Ok(page_with(StatusCode::OK, &page))
}

/// The reader has read a notice.
pub(crate) async fn notice_read(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    // Said twice, as by going back in the browser, it is no error.
    notices::mark_read(&mut app.session(&claims, request_id).await?, id).await?;
    Ok(Redirect::to("/inbox"))
}

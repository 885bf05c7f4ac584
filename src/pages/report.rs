//! One report with everything in it.
//! Must stay true: values, units, ranges and notes are shown as sent; what has no place of its own is still shown.
use askama::Template;
use axum::Form;
use axum::extract::rejection::{FormRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use labor_db::ClaimRole;
use labor_db::alerts::read::{self, Alert};
use labor_db::events::ReportEvent;
use labor_db::reports::{self, Document, Observation, Report};
use serde::Deserialize;
use serde_json::Value as Json;
use uuid::Uuid;

use super::alerts::{AlertRow, Banner};
use super::assets;
use super::dates::{self, Moment};
use super::error::{PageError, page_with};
use super::matching::MatchRow;
use super::session::SignedIn;
use super::wording::{self, Flag};
use crate::App;
use crate::api::acknowledgements::{self, Acknowledgement};
use crate::api::matching::decides;
use crate::api::releases;
use crate::request::RequestId;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    practice: String,
    waiting: Option<Banner>,
    /// Of all versions.
    alerts: Vec<AlertRow>,
    released: Option<Moment>,
    /// Whether the reader is asked to release it, or may take that back, and under which address.
    to_release: Option<Uuid>,
    to_withdraw: Option<Uuid>,
    patient: String,
    born: Option<Moment>,
    /// Staff is told when no patient of the practice was found, and finds one under this id.
    unmatched: Option<Uuid>,
    /// Whether the reader may say that it is another's, and under which address.
    to_unmatch: Option<Uuid>,
    matches: Vec<MatchRow>,
    laboratory: String,
    order: Option<String>,
    lab_order: Option<String>,
    reported: Option<Moment>,
    received: Moment,
    status: String,
    status_words: String,
    version: i32,
    newer: Option<Uuid>,
    earlier: Vec<Uuid>,
    /// A later version that corrects single values of this one.
    corrected: Option<Uuid>,
    /// The same order under another name or birth date.
    renamed: Option<Uuid>,
    /// When and with what the message was read again, if that made this version.
    read_again: Option<(Moment, String)>,
    /// Whether the reader is asked to acknowledge it, and under which address.
    to_acknowledge: Option<Uuid>,
    events: Vec<EventRow>,
    seen_before: Vec<EventRow>,
    critical: bool,
    genetic: bool,
    not_judged: i32,
    outside: String,
    values: Vec<ValueRow>,
    notes: Vec<String>,
    documents: Vec<DocumentRow>,
    unmapped: Vec<UnmappedRow>,
}

struct ValueRow {
    name: String,
    /// The code, unless it is all the name there is.
    code: Option<String>,
    loinc: Option<String>,
    specimen: Option<String>,
    value: Option<String>,
    unit: Option<String>,
    flag: Option<Flag>,
    sent_flag: Option<String>,
    range: Option<String>,
    status: String,
    status_words: String,
    collected: Option<Moment>,
    notes: Vec<String>,
    /// Whether a value is still to come.
    pending: bool,
    /// Where what the laboratory says of it by now is.
    corrected_by: Option<Uuid>,
}

struct DocumentRow {
    media_type: String,
    size: String,
    state: &'static str,
}

struct EventRow {
    words: &'static str,
    name: String,
    on_behalf_of: Option<String>,
    comment: Option<String>,
    at: Moment,
}

impl From<ReportEvent> for EventRow {
    fn from(event: ReportEvent) -> Self {
        Self {
            words: wording::event(&event.kind),
            name: event.name.unwrap_or_else(|| "somebody who is no user any more".to_owned()),
            on_behalf_of: event.on_behalf_of,
            comment: event.comment,
            at: dates::instant(event.at),
        }
    }
}

struct UnmappedRow {
    field: String,
    text: String,
}

impl From<Observation> for ValueRow {
    fn from(o: Observation) -> Self {
        let flag = wording::flag(o.interpretation.as_deref(), o.flag.as_deref(), o.critical);
        // Where our words are the laboratory's flag itself, it need not stand there twice.
        let sent_flag = o.flag.filter(|sent| flag.as_ref().is_some_and(|f| !f.words.ends_with(sent.as_str())));
        let range =
            wording::range(o.reference_text.as_deref(), o.reference_low.as_deref(), o.reference_high.as_deref());
        // Limits in another unit than the value's must say so.
        let other_unit = o.reference_unit.filter(|unit| o.unit.as_ref() != Some(unit));
        Self {
            code: o.test_name.is_some().then(|| o.test_code.clone()),
            name: o.test_name.unwrap_or(o.test_code),
            loinc: o.loinc,
            specimen: o.specimen,
            value: o.value,
            flag,
            sent_flag,
            range: range.map(|range| match other_unit {
                Some(unit) => format!("{range} {unit}"),
                None => range,
            }),
            unit: o.unit,
            status_words: wording::status(&o.status).to_owned(),
            pending: matches!(o.status.as_str(), "registered" | "preliminary"),
            status: o.status,
            collected: o.collected_at.as_deref().map(dates::as_sent),
            notes: o.notes,
            corrected_by: o.corrected_by,
        }
    }
}

impl From<Document> for DocumentRow {
    fn from(d: Document) -> Self {
        Self { size: wording::size(d.size_bytes), state: wording::scan_state(&d.scan_state), media_type: d.media_type }
    }
}

/// A list of fields, each with its number and text; anything else is shown as it is.
fn unmapped(fields: Json) -> Vec<UnmappedRow> {
    let whole = |value: &Json| UnmappedRow { field: "–".to_owned(), text: value.to_string() };
    match fields {
        Json::Null => Vec::new(),
        Json::Array(fields) => fields
            .iter()
            .map(|field| match (field["field"].as_str(), field["text"].as_str()) {
                (Some(id), Some(text)) => UnmappedRow { field: id.to_owned(), text: text.to_owned() },
                _ => whole(field),
            })
            .collect(),
        other => vec![whole(&other)],
    }
}

impl ReportPage {
    fn new(practice: String, reader: ClaimRole, report: Report, alerts: Vec<Alert>, waiting: Option<Banner>) -> Self {
        let s = report.summary;
        let counts = report.superseded_by.is_none() && s.acknowledged_at.is_none();
        let doctor = reader == ClaimRole::Doctor;
        let counts_for_somebody = report.superseded_by.is_none() && s.patient_id.is_some();
        Self {
            waiting,
            alerts: alerts.into_iter().map(AlertRow::from).collect(),
            to_release: (doctor && counts_for_somebody && report.released_at.is_none()).then_some(s.id),
            to_withdraw: (doctor && report.released_at.is_some()).then_some(s.id),
            released: report.released_at.map(dates::instant),
            to_acknowledge: (counts && reader == ClaimRole::Doctor).then_some(s.id),
            events: report.events.into_iter().map(EventRow::from).collect(),
            seen_before: report.seen_before.into_iter().map(EventRow::from).collect(),
            practice,
            patient: wording::patient(s.family_name.as_deref(), s.given_name.as_deref()),
            born: dates::born(s.birth_date, s.birth_date_text.as_deref()),
            unmatched: (s.patient_id.is_none() && reader != ClaimRole::Patient).then_some(s.id),
            to_unmatch: (s.patient_id.is_some() && decides(reader)).then_some(s.id),
            matches: report.matches.into_iter().map(MatchRow::from).collect(),
            laboratory: s.laboratory_name,
            order: s.order_number,
            lab_order: s.lab_order_number,
            reported: s.reported_on.map(dates::day),
            received: dates::instant(s.received_at),
            status_words: wording::status(&s.status).to_owned(),
            status: s.status,
            version: s.version,
            newer: report.superseded_by,
            earlier: report.replaces,
            corrected: report
                .values
                .iter()
                .filter(|_| report.superseded_by.is_none())
                .find_map(|value| value.corrected_by),
            renamed: report.renamed,
            read_again: report.read_again.map(|again| (dates::instant(again.at), again.with)),
            critical: s.critical,
            genetic: s.genetic,
            not_judged: if reader == ClaimRole::Patient { 0 } else { s.not_judged },
            outside: wording::outside(s.abnormal, s.observations),
            values: report.values.into_iter().map(ValueRow::from).collect(),
            notes: report.notes,
            documents: report.documents.into_iter().map(DocumentRow::from).collect(),
            unmapped: unmapped(report.unmapped),
        }
    }
}

/// One report. An id that is no id, one that does not exist and one of another practice give the same page.
pub(crate) async fn show(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let read = async {
        let mut session = app.session(&claims, request_id).await?;
        let report = reports::get(&mut session, id).await?;
        let alerts = match &report {
            Some(report) if claims.role() != ClaimRole::Patient => {
                read::of_report(&mut session, &report.summary).await?
            }
            _ => Vec::new(),
        };
        Ok((report, alerts, Banner::read(&mut session).await))
    };
    let (practice, (report, alerts, waiting)) = tokio::try_join!(app.control.display_name(claims.tenant()), read)?;
    let report = report.ok_or_else(PageError::not_found)?;
    let page = ReportPage::new(practice.unwrap_or_default(), claims.role(), report, alerts, waiting);
    Ok(page_with(StatusCode::OK, &page))
}

/// What the form of a report sends.
#[derive(Deserialize)]
pub(crate) struct AcknowledgementForm {
    comment: Option<String>,
}

/// A doctor has taken note.
pub(crate) async fn acknowledge(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
    form: Result<Form<AcknowledgementForm>, FormRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    let Form(form) = form.map_err(|_| PageError::bad_link())?;
    acknowledgements::apply(&app, &claims, request_id, id, &Acknowledgement::with_comment(form.comment)).await?;
    Ok(Redirect::to("/inbox"))
}

/// A doctor releases the report to its patient.
pub(crate) async fn release(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    releases::apply_release(&app, &claims, request_id, id).await?;
    Ok(Redirect::to(&format!("/inbox/{id}")))
}

/// A doctor takes that back.
pub(crate) async fn withdraw(
    State(app): State<App>,
    SignedIn(claims): SignedIn,
    RequestId(request_id): RequestId,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Redirect, PageError> {
    let Path(id) = id.map_err(|_| PageError::not_found())?;
    releases::apply_withdrawal(&app, &claims, request_id, id).await?;
    Ok(Redirect::to(&format!("/inbox/{id}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_without_a_place_are_shown_whatever_their_form() {
        let rows = unmapped(json!([{ "line": 3, "field": "8615", "text": "Dr. Auftrag" }, "odd"]));
        assert_eq!((rows[0].field.as_str(), rows[0].text.as_str()), ("8615", "Dr. Auftrag"));
        assert_eq!(rows[1].text, "\"odd\"");
        assert_eq!(unmapped(json!({ "a": 1 }))[0].text, r#"{"a":1}"#);
        assert!(unmapped(json!([])).is_empty());
    }
}

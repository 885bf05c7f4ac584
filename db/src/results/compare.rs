//! What the records of a message say today beside what is stored of them.
//! Must stay true: nothing is written. What would vanish, be another report's or another person's, or was replaced by a later message is
//! told and left as it is: a person decides. A difference names a field; its values leave this module only where they are asked for.
mod differences;
mod pairs;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};
use uuid::Uuid;

use self::differences::{differences, vanishes};
use self::pairs::pair;
use super::score::{self, Reason};
use super::{NewObservation, NewReport, ReadMessage, Unmapped, chain, order, patient};
use crate::messages::arrived::READ_ONLY;
use crate::session::{Query, Unit};
use crate::statements::statements;
use crate::{DbError, TenantSession};

/// A value as both sides of a comparison have it; `o` is observations, or what would be inserted there.
macro_rules! value {
    () => {
        "jsonb_build_object('test_code', o.test_code, 'test_name', o.test_name, 'loinc', o.loinc, 'specimen', o.specimen, 'status', o.status,
                'status_code', o.status_code, 'value_text', o.value_text, 'value_comparator', o.value_comparator,
                'value_number', o.value_number::text, 'unit', o.unit, 'reference_text', o.reference_text, 'reference_low', o.reference_low,
                'reference_high', o.reference_high, 'reference_unit', o.reference_unit, 'flag', o.flag, 'interpretation', o.interpretation,
                'critical', o.critical, 'collected_at', o.collected_at, 'effective_at', o.effective_at AT TIME ZONE 'UTC', 'notes', o.notes)"
    };
}

statements! { Compare {
    /// What is stored of the message: of a record that was read again the last reading.
    STORED_RECORDS = concat!(
        "SELECT r.id, r.record_index, r.report_key, r.superseded_by IS NULL, r.patient_id,
                jsonb_build_object('report.kind', r.kind, 'report.status', r.status, 'report.laboratory', r.laboratory,
                  'report.laboratory_name', r.laboratory_name, 'report.order_number', r.order_number,
                  'report.lab_order_number', r.lab_order_number, 'report.reported_on', r.reported_on, 'report.critical', r.critical,
                  'report.genetic', r.genetic, 'report.notes', r.notes, 'patient.family_name', r.subject_family_name,
                  'patient.given_name', r.subject_given_name, 'patient.birth_date', r.subject_birth_date,
                  'patient.birth_date_text', r.subject_birth_text, 'patient.sex', r.subject_sex,
                  'patient.insurance_number', r.subject_insurance_number, 'patient.patient_number', r.subject_patient_number),
                r.unmapped,
                (SELECT coalesce(jsonb_agg(", value!(), " ORDER BY o.position), '[]') FROM observations o WHERE o.report_id = r.id),
                (SELECT coalesce(jsonb_agg(jsonb_build_object('media_type', d.media_type, 'sha256', encode(d.sha256, 'hex'),
                                                              'size_bytes', d.size_bytes) ORDER BY d.position), '[]')
                   FROM documents d WHERE d.report_id = r.id),
                r.invalidates_earlier, r.confirmed_at > r.received_at
           FROM reports r
          WHERE r.raw_message_id = $1 AND NOT EXISTS (SELECT FROM reports n WHERE n.id = r.superseded_by AND n.raw_message_id = $1)
          ORDER BY r.record_index, r.reading"
    );
    /// Values as they would read once stored: numbers and times have one form only there.
    AS_STORED = concat!(
        "SELECT (SELECT coalesce(jsonb_agg(", value!(), " ORDER BY o.position), '[]')
                   FROM jsonb_to_recordset(n.list) AS o (position integer, test_code text, test_name text, loinc text, specimen text,
                        status text, status_code text, value_text text, value_comparator text, value_number numeric, unit text,
                        reference_text text, reference_low text, reference_high text, reference_unit text, flag text, interpretation text,
                        critical boolean, collected_at text, effective_at timestamptz, notes text[]))
           FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS n (list, record) ORDER BY n.record"
    );
    /// Other messages that told of the same report, or of the same order: names may have been read otherwise. Numbers are used again.
    MESSAGES_OF_ORDER = "SELECT DISTINCT r.raw_message_id FROM reports r
          WHERE r.raw_message_id <> $2
            AND (r.report_key = $1
                 OR ((r.order_number = $3
                      OR r.order_id = (SELECT o.id FROM orders o WHERE o.laboratory = $4 AND o.lab_order_number = $5))
                     AND r.received_at >= (SELECT m.received_at FROM raw_messages m WHERE m.id = $2) - interval '90 days'
                     AND r.received_at <= (SELECT m.received_at FROM raw_messages m WHERE m.id = $2) + interval '90 days'))";
} }

/// Fields with their values.
type Fields = BTreeMap<String, Value>;

/// All that is stored of one record, but for what the practice makes of it.
#[derive(PartialEq, Serialize)]
struct Facts {
    report: Fields,
    values: Vec<Fields>,
    documents: Vec<Fields>,
}

/// What comes of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing would change.
    Same,
    /// A new version would be stored.
    Changed,
    /// No reader found this record before, or it only repeats what another message said.
    Added,
    /// It would read otherwise, and is left as it is.
    Left(Why),
}

/// Why a record is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The report, or a value or an attachment of it, would be gone.
    WouldVanish,
    /// Its numbers or its patient's names read otherwise, so it would be another report's version.
    OtherReport,
    /// It would not be matched to whom it is matched now.
    OtherPatient,
    /// A message that arrived later has replaced it.
    Replaced,
    /// It is new beside others that would vanish or be another report: it may be one of them. Or it is new in a message that only repeated
    /// others.
    Unclear,
}

/// One field that reads otherwise. It holds patient data, so it can't be printed.
pub struct Difference {
    /// `report.status`, `patient.sex`, `value.unit`, `document.added` …
    pub field: String,
    /// What is stored; null: nothing.
    pub stored: Value,
    /// What it would be; null: nothing.
    pub now: Value,
}

/// One record.
pub struct Compared {
    /// Which record of the message as it reads now; of what would vanish, as it was stored.
    pub record: usize,
    /// The version that is stored of it.
    pub report: Option<Uuid>,
    /// Whom that one is matched to.
    pub patient: Option<Uuid>,
    /// Digest of what is stored of it.
    pub stored: Option<String>,
    /// Digest of what it says now.
    pub now: Option<String>,
    /// What comes of it.
    pub outcome: Outcome,
    /// What differs.
    pub differences: Vec<Difference>,
    /// Of what is not stored: other messages, of which it may only repeat one.
    pub others: Vec<Uuid>,
}

/// A record and where it stands.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// Who sent it.
    pub source: Uuid,
    /// In which message.
    pub message: Uuid,
    /// At which place.
    pub record: usize,
    /// What it says.
    pub report: &'a NewReport,
}

/// Compares a message in a transaction that can't write. `source`: who sent it.
///
/// # Errors
/// When the database can't be asked.
pub async fn compare(session: &mut TenantSession, source: Uuid, read: &ReadMessage) -> Result<Vec<Compared>, DbError> {
    let (unit, _) = session.begin(Query { sql: READ_ONLY, params: &[] }).await?;
    let compared = records(&unit, source, read).await?;
    unit.commit(Query { sql: super::END_UNCHANGED, params: &[] }).await?;
    Ok(compared)
}

/// Whether two records are of one report and say the same, so that the later one is a resend.
///
/// # Errors
/// When one can't be digested.
pub fn repeats(one: Said<'_>, other: Said<'_>) -> Result<bool, DbError> {
    let key = |said: Said<'_>| chain::report_key(said.source, said.message, said.record, said.report);
    Ok(key(one) == key(other) && chain::content_digest(one.report)? == chain::content_digest(other.report)?)
}

/// The same within a transaction.
pub(super) async fn records(unit: &Unit<'_>, source: Uuid, read: &ReadMessage) -> Result<Vec<Compared>, DbError> {
    let rows = unit.query(STORED_RECORDS, &[&read.id]).await?;
    let stored: Vec<Stored> = rows.iter().map(Stored::from_row).collect();
    let values: Json<Vec<&Vec<NewObservation>>> =
        Json(read.reports.iter().map(|report| &report.observations).collect());
    let values = unit.query(AS_STORED, &[&values]).await?;
    let mut now = Vec::new();
    for (record, (report, row)) in read.reports.iter().zip(&values).enumerate() {
        let Json(values) = row.get(0);
        let key = chain::report_key(source, read.id, record, report);
        now.push(Now { record, key, facts: facts(report, values)?, report });
    }
    let mut compared = Vec::new();
    for (before, now) in same_records(&stored, &now) {
        compared.push(match (before, now) {
            (Some(before), Some(now)) => of_both(unit, before, now).await?,
            (Some(before), None) => before.gone()?,
            (None, Some(now)) => {
                let NewReport { order_number, laboratory, lab_order_number, .. } = now.report;
                let order: [&(dyn ToSql + Sync); 5] = [&now.key, &read.id, order_number, laboratory, lab_order_number];
                let others = unit.query(MESSAGES_OF_ORDER, &order).await?;
                now.added(others.iter().map(|row| row.get(0)).collect())?
            }
            (None, None) => continue,
        });
    }
    leave_what_is_unclear(&mut compared, stored.is_empty());
    Ok(compared)
}

struct Stored {
    id: Uuid,
    record: usize,
    key: String,
    stands: bool,
    patient: Option<Uuid>,
    facts: Facts,
    invalidates_earlier: bool,
    /// A later message was taken for the same: it may read otherwise today, and be the last word.
    confirmed: bool,
}

impl Stored {
    fn from_row(row: &Row) -> Self {
        let (Json(mut report), Json(unmapped)): (Json<Fields>, Json<Vec<Unmapped>>) = (row.get(5), row.get(6));
        report.insert("report.unmapped".to_owned(), said(&unmapped));
        let (Json(values), Json(documents)) = (row.get(7), row.get(8));
        Self {
            id: row.get(0),
            record: usize::try_from(row.get::<_, i32>(1)).unwrap_or_default(),
            key: row.get(2),
            stands: row.get(3),
            patient: row.get(4),
            facts: Facts { report, values, documents },
            invalidates_earlier: row.get(9),
            confirmed: row.get(10),
        }
    }

    fn gone(&self) -> Result<Compared, DbError> {
        Ok(Compared {
            record: self.record,
            report: Some(self.id),
            patient: self.patient,
            stored: Some(digest(&self.facts)?),
            now: None,
            outcome: Outcome::Left(if self.stands { Why::WouldVanish } else { Why::Replaced }),
            differences: vec![Difference { field: "report.gone".to_owned(), stored: json!(self.id), now: Value::Null }],
            others: Vec::new(),
        })
    }
}

struct Now<'a> {
    record: usize,
    key: String,
    facts: Facts,
    report: &'a NewReport,
}

impl Now<'_> {
    fn added(&self, others: Vec<Uuid>) -> Result<Compared, DbError> {
        Ok(Compared {
            record: self.record,
            report: None,
            patient: None,
            stored: None,
            now: Some(digest(&self.facts)?),
            outcome: Outcome::Added,
            differences: vec![Difference {
                field: "report.added".to_owned(),
                stored: Value::Null,
                now: json!(self.record),
            }],
            others,
        })
    }
}

/// Which stored record is which of those that were read: of the same report at the same place, of the same report, at the same place.
fn same_records<'a>(stored: &'a [Stored], now: &'a [Now<'a>]) -> Vec<(Option<&'a Stored>, Option<&'a Now<'a>>)> {
    let found = pair(
        stored,
        now,
        &[
            (&|s: &Stored| format!("{} {}", s.key, s.record), &|n: &Now<'_>| format!("{} {}", n.key, n.record)),
            (&|s: &Stored| s.key.clone(), &|n: &Now<'_>| n.key.clone()),
            (&|s: &Stored| s.record.to_string(), &|n: &Now<'_>| n.record.to_string()),
        ],
    );
    found.into_iter().map(|(s, n)| (s.and_then(|at| stored.get(at)), n.and_then(|at| now.get(at)))).collect()
}

async fn of_both(unit: &Unit<'_>, before: &Stored, now: &Now<'_>) -> Result<Compared, DbError> {
    let mut differences = differences(&before.facts, &now.facts);
    // That it was said may also come from a resend, so only that it is said now tells something.
    if now.report.invalidates_earlier && !before.invalidates_earlier {
        let field = "report.invalidates_earlier".to_owned();
        differences.push(Difference { field, stored: json!(false), now: json!(true) });
    }
    let outcome = if differences.is_empty() {
        Outcome::Same
    } else if !before.stands {
        Outcome::Left(Why::Replaced)
    } else if before.key != now.key {
        Outcome::Left(Why::OtherReport)
    } else if vanishes(&differences) {
        Outcome::Left(Why::WouldVanish)
    } else if is_another_patient(unit, before, now, &differences).await? {
        Outcome::Left(Why::OtherPatient)
    } else if before.confirmed {
        Outcome::Left(Why::Unclear)
    } else {
        Outcome::Changed
    };
    Ok(Compared {
        record: now.record,
        report: Some(before.id),
        patient: before.patient,
        stored: Some(digest(&before.facts)?),
        now: Some(digest(&now.facts)?),
        outcome,
        differences,
        others: Vec::new(),
    })
}

/// Whether what is said of the person now is none of the patient's. Of a report that waits for its patient anything new may decide.
async fn is_another_patient(
    unit: &Unit<'_>,
    before: &Stored,
    now: &Now<'_>,
    differences: &[Difference],
) -> Result<bool, DbError> {
    if !differences.iter().any(|difference| difference.field.starts_with("patient.")) {
        return Ok(false);
    }
    let Some(patient) = before.patient else { return Ok(true) };
    let rows = unit.query(order::KNOWN_PERSON, &[&patient]).await?;
    let Some(known) = rows.first().map(|row| patient::known(row, 0)) else { return Ok(true) };
    Ok(score::score(&now.report.subject.identifying(), &known).with(Reason::SameReport).excluded())
}

/// What is new beside others that are left may be of those, as when a record is read as two now. A message of which nothing is stored only repeated others.
fn leave_what_is_unclear(compared: &mut [Compared], nothing_stored: bool) {
    let odd = |one: &Compared| matches!(one.outcome, Outcome::Left(_));
    let adds = |one: &Compared| {
        one.outcome == Outcome::Added
            || (one.outcome == Outcome::Changed && one.differences.iter().any(|it| it.field.ends_with(".added")))
    };
    if nothing_stored || compared.iter().any(odd) {
        for one in compared.iter_mut().filter(|one| adds(one)) {
            one.outcome = Outcome::Left(Why::Unclear);
        }
    }
}

fn facts(report: &NewReport, values: Vec<Fields>) -> Result<Facts, DbError> {
    let subject = &report.subject;
    let fields = json!({
        "report.kind": report.kind, "report.status": report.status, "report.laboratory": report.laboratory,
        "report.laboratory_name": report.laboratory_name, "report.order_number": report.order_number,
        "report.lab_order_number": report.lab_order_number, "report.reported_on": report.reported_on,
        "report.critical": report.critical, "report.genetic": report.genetic, "report.notes": report.notes,
        "report.unmapped": said(&report.unmapped),
        "patient.family_name": subject.family_name, "patient.given_name": subject.given_name,
        "patient.birth_date": subject.birth_date, "patient.birth_date_text": subject.birth_date_text,
        "patient.sex": subject.sex, "patient.insurance_number": subject.insurance_number,
        "patient.patient_number": subject.patient_number,
    });
    let document = |document: &super::NewDocument| {
        let fields = json!({
            "media_type": document.media_type, "sha256": hex::encode(document.sha256), "size_bytes": document.size_bytes,
        });
        self::fields(fields)
    };
    let documents = report.documents.iter().map(document).collect::<Result<_, _>>()?;
    Ok(Facts { report: self::fields(fields)?, values, documents })
}

fn fields(object: Value) -> Result<Fields, DbError> {
    serde_json::from_value(object).map_err(|_| DbError::Data("a record can't be compared"))
}

fn said(unmapped: &[Unmapped]) -> Value {
    unmapped.iter().map(|field| json!([field.field, field.text])).collect()
}

fn digest(facts: &Facts) -> Result<String, DbError> {
    let text = serde_json::to_vec(facts).map_err(|_| DbError::Data("a record can't be digested"))?;
    Ok(hex::encode(crate::messages::sha256(&text)))
}

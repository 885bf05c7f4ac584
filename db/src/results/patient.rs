//! Which patient of the practice a record is about.
//! Must stay true: two people never become one. Nobody is chosen when two could be meant, when birth date or numbers contradict, or against
//! what a person decided; then a person decides. How well somebody fits is `score`'s.
use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use tokio_postgres::Row;
use uuid::Uuid;

use super::score::{self, Born, Choice, Known, Reason, Scored};
use super::{Subject, chain, name, order};
use crate::DbError;
use crate::session::Unit;
use crate::statements::statements;

/// Columns of a [`Known`], in the order that [`known`] reads them; `p` is patients.
macro_rules! known_columns {
    () => {
        "p.id, p.family_name, p.given_name, p.birth_date, p.birth_date_text, p.sex, p.insurance_number, p.patient_number"
    };
}
pub(crate) use known_columns;

/// Columns of a [`Subject`], in the order that [`subject`] reads them; `r` is reports.
macro_rules! subject_columns {
    () => {
        "r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.subject_birth_text, r.subject_sex,
         r.subject_insurance_number, r.subject_patient_number"
    };
}
pub(crate) use subject_columns;

/// More than this many who could be meant are too many to choose from.
const MOST: usize = 500;

statements! { Patient {
    /// Each arm has an index, and operators that row rules let use it. $4: the family name and its parts; $5, $6: first and last day that
    /// the birth date can be.
    FIND_CANDIDATES = concat!(
        "SELECT ",
        known_columns!(),
        " FROM patients p
          WHERE p.insurance_number = $1 OR p.patient_number = $2 OR p.birth_date = $3
             OR (p.name_key = ANY ($4) AND p.birth_date >= $5 AND p.birth_date <= $6)
             OR (p.name_key = ANY ($4) AND p.birth_date IS NULL)
             OR p.id = ANY ($7)
          LIMIT 501"
    );
    /// What people and the rules said last of each patient to whom a version of this report belonged.
    CHAIN_HISTORY = "SELECT DISTINCT ON (m.patient_id) m.patient_id, m.kind
          FROM reports r JOIN matches m ON m.report_id = r.id
         WHERE r.report_key = $1 ORDER BY m.patient_id, m.at DESC, m.id DESC";
    CHAIN_PATIENTS = concat!(
        "SELECT r.patient_id, ",
        subject_columns!(),
        " FROM reports r
          WHERE r.report_key = $1 AND r.patient_id IS NOT NULL
            AND ($2::timestamptz IS NULL OR r.received_at BETWEEN $2 - interval '90 days' AND $2 + interval '90 days')"
    );
    /// Whether a person matched the very same data of this source to the patient, and nobody ever took a report of these data from them.
    DECIDED_BEFORE =
        "SELECT FROM matches m
           JOIN reports r ON r.id = m.report_id AND r.patient_id = m.patient_id
           JOIN raw_messages w ON w.id = r.raw_message_id
          WHERE m.patient_id = $1 AND m.kind = 'matched' AND m.reasons = '{}' AND w.source_id = $2
            AND (r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.subject_birth_text, r.subject_sex,
                 r.subject_insurance_number, r.subject_patient_number)
                IS NOT DISTINCT FROM ($3::text, $4::text, $5::date, $6::text, $7::text, $8::text, $9::text)
            AND NOT EXISTS (
              SELECT FROM matches u JOIN reports o ON o.id = u.report_id
               WHERE u.patient_id = $1 AND u.kind = 'unmatched'
                 AND (o.subject_family_name, o.subject_given_name, o.subject_birth_date, o.subject_birth_text)
                     IS NOT DISTINCT FROM (r.subject_family_name, r.subject_given_name, r.subject_birth_date, r.subject_birth_text))
          LIMIT 1";
    /// Notes numbers that were not known. No row when one contradicts, also one that was noted a moment ago.
    NOTE_NUMBERS = "UPDATE patients
            SET patient_number   = coalesce(patient_number, $2),
                insurance_number = coalesce(insurance_number, $3)
          WHERE id = $1
            AND ($4 OR coalesce(patient_number = $2, true))
            AND coalesce(insurance_number = $3, true)
         RETURNING id";
    /// Two who make the same patient at once get one.
    MAKE_PATIENT =
        "INSERT INTO patients (id, identity_key, patient_number, family_name, given_name, birth_date, sex, insurance_number, name_key,
                birth_date_text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (identity_key) DO UPDATE
            SET patient_number   = coalesce(patients.patient_number, EXCLUDED.patient_number),
                insurance_number = coalesce(patients.insurance_number, EXCLUDED.insurance_number)
          WHERE coalesce(patients.patient_number = EXCLUDED.patient_number, true)
            AND coalesce(patients.insurance_number = EXCLUDED.insurance_number, true)
         RETURNING id";
} }

/// Who was chosen, and why.
#[derive(Debug, Clone)]
pub(super) struct Meant {
    pub(super) patient: Uuid,
    /// None for a patient who was made.
    pub(super) score: Option<i32>,
    pub(super) reasons: Vec<&'static str>,
}

impl Meant {
    pub(super) fn new(patient: Uuid, scored: &Scored) -> Self {
        let reasons = scored.reasons().iter().map(|reason| reason.code()).collect();
        Self { patient, score: Some(i32::from(scored.points())), reasons }
    }
}

/// Where a record stands.
pub(crate) struct Place<'a> {
    /// Of its chain.
    pub(crate) key: &'a str,
    /// Whether the chain begins with it.
    pub(crate) first: bool,
    /// Who sent it.
    pub(crate) source: Uuid,
    pub(crate) arrived_at: DateTime<Utc>,
    pub(crate) order: Option<Uuid>,
    pub(crate) order_number: Option<&'a str>,
}

/// The patient, made when nobody could be meant and all is known that is needed. `None`: a person has to decide.
pub(super) async fn find(unit: &Unit<'_>, subject: &Subject, place: &Place<'_>) -> Result<Option<Meant>, DbError> {
    // Numbers are used again: what names nobody wholly belongs to what came lately.
    let lately = (!subject.is_complete()).then_some(place.arrived_at);
    let chain = if place.first { ChainSays::default() } else { chain_says(unit, place.key, lately).await? };
    let of_order = match subject.is_complete() {
        true => Vec::new(),
        false => order::patients(unit, place.order, place.order_number, place.arrived_at).await?,
    };
    let mut asked: Vec<Uuid> = of_order.clone();
    asked.extend(chain.patients.iter().map(|(patient, _)| *patient));
    let known = possible(unit, subject, &asked).await?;
    if known.len() > MOST {
        return Ok(None);
    }
    let scored = |patient: &Known| {
        let scored = score::score(subject, patient);
        if chain.rejected.contains(&patient.id) { scored.with(Reason::UnmatchedBefore) } else { scored }
    };
    let of = |id: Uuid| known.iter().find(|patient| patient.id == id).map(&scored);
    let chain_patients: HashSet<Uuid> = chain.patients.iter().map(|(patient, _)| *patient).collect();
    let another = |patient: &Uuid| of_order.iter().any(|other| other != patient);
    if lately.is_some() && chain_patients.iter().any(another) {
        return Ok(None);
    }
    if !chain_patients.is_empty() {
        return same_report(unit, subject, &chain, &chain_patients, of).await;
    }
    let leads = if let [patient] = of_order[..] { Some(patient) } else { None };
    if leads.and_then(&of).is_some_and(|scored| scored.contradicted()) {
        return Ok(None);
    }
    let of_all = known.iter().map(|patient| {
        let scored = scored(patient);
        (patient.id, if leads == Some(patient.id) { scored.with(Reason::OrderNumber) } else { scored })
    });
    let mut found: Vec<(Uuid, Scored)> = of_all.collect();
    for (patient, scored) in &mut found {
        if scored.may_be_decided() && decided_before(unit, *patient, place.source, subject).await? {
            *scored = scored.clone().with(Reason::DecidedBefore);
        }
    }
    match score::choose(found) {
        Choice::Patient(patient, scored) => confirmed(unit, patient, scored, subject).await,
        Choice::Nobody => make(unit, subject, &chain.rejected).await,
        Choice::Unsure => Ok(None),
    }
}

/// What is known of a report from its other versions.
#[derive(Default)]
pub(crate) struct ChainSays {
    /// From whom a person took it away.
    pub(crate) rejected: HashSet<Uuid>,
    /// Whose a version is, and as whom it was sent.
    pub(crate) patients: Vec<(Uuid, Subject)>,
}

/// `lately`: whose it was counts only of versions that came within 90 days of that moment.
pub(crate) async fn chain_says(
    unit: &Unit<'_>,
    key: &str,
    lately: Option<DateTime<Utc>>,
) -> Result<ChainSays, DbError> {
    let history = unit.query(CHAIN_HISTORY, &[&key]).await?;
    let taken = history.iter().filter(|row| row.get::<_, &str>(1) == "unmatched");
    let patients = unit.query(CHAIN_PATIENTS, &[&key, &lately]).await?;
    Ok(ChainSays {
        rejected: taken.map(|row| row.get(0)).collect(),
        patients: patients.iter().map(|row| (row.get(0), self::subject(row, 1))).collect(),
    })
}

/// A later version is the same patient's, also against contradictions if a version said just the same.
async fn same_report(
    unit: &Unit<'_>,
    subject: &Subject,
    chain: &ChainSays,
    patients: &HashSet<Uuid>,
    of: impl Fn(Uuid) -> Option<Scored>,
) -> Result<Option<Meant>, DbError> {
    let mut patients = patients.iter();
    let (Some(patient), None) = (patients.next(), patients.next()) else { return Ok(None) };
    let Some(scored) = of(*patient).filter(|scored| !scored.has(Reason::UnmatchedBefore)) else { return Ok(None) };
    let said_before = chain.patients.iter().any(|(_, sent)| sent == subject);
    let scored = scored.with(Reason::SameReport);
    if said_before {
        return Ok(Some(Meant::new(*patient, &scored)));
    }
    if scored.excluded() {
        return Ok(None);
    }
    confirmed(unit, *patient, scored, subject).await
}

/// The patient, unless a number contradicts one that was noted since they were read.
async fn confirmed(
    unit: &Unit<'_>,
    patient: Uuid,
    scored: Scored,
    subject: &Subject,
) -> Result<Option<Meant>, DbError> {
    let other_number = scored.has(Reason::PatientNumberDiffers);
    let noted = unit
        .query(NOTE_NUMBERS, &[&patient, &subject.patient_number, &subject.insurance_number, &other_number])
        .await?;
    Ok(noted.first().map(|_| Meant::new(patient, &scored)))
}

async fn decided_before(unit: &Unit<'_>, patient: Uuid, source: Uuid, subject: &Subject) -> Result<bool, DbError> {
    let rows = unit
        .query(
            DECIDED_BEFORE,
            &[
                &patient,
                &source,
                &subject.family_name,
                &subject.given_name,
                &subject.birth_date,
                &subject.birth_date_text,
                &subject.sex,
                &subject.insurance_number,
                &subject.patient_number,
            ],
        )
        .await?;
    Ok(!rows.is_empty())
}

/// Makes a patient of a complete subject. `None` also when somebody just like that turns up now who was taken away from this report, or whose
/// numbers contradict.
async fn make(unit: &Unit<'_>, subject: &Subject, rejected: &HashSet<Uuid>) -> Result<Option<Meant>, DbError> {
    let (Some(family), Some(given), Some(birth)) = (&subject.family_name, &subject.given_name, subject.birth_date)
    else {
        return Ok(None);
    };
    let sex = subject.sex.unwrap_or("unknown");
    let identity = chain::hex_digest(&[&name::key(family), &name::key(given), &birth.to_string(), sex]);
    let id = Uuid::now_v7();
    let made = insert(unit, id, &identity, subject).await?.filter(|patient| !rejected.contains(patient));
    Ok(made.map(|patient| {
        if patient == id {
            return Meant { patient, score: None, reasons: vec![Reason::NewPatient.code()] };
        }
        let sex = if sex == "unknown" { Reason::SexNotKnown } else { Reason::Sex };
        let same = [Reason::FamilyName, Reason::GivenName, Reason::BirthDate, sex];
        let score = i32::from(score::ENOUGH);
        Meant { patient, score: Some(score), reasons: same.map(Reason::code).to_vec() }
    }))
}

/// The patient with this identity key: this one, or one that was there.
pub(crate) async fn insert(
    unit: &Unit<'_>,
    id: Uuid,
    identity: &str,
    subject: &Subject,
) -> Result<Option<Uuid>, DbError> {
    let family = subject.family_name.as_deref().unwrap_or_default();
    let rows = unit
        .query(
            MAKE_PATIENT,
            &[
                &id,
                &identity,
                &subject.patient_number,
                &family,
                &subject.given_name,
                &subject.birth_date,
                &subject.sex.unwrap_or("unknown"),
                &subject.insurance_number,
                &name::key(family),
                &subject.birth_date_text,
            ],
        )
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Who could be meant, with these ones in any case if there are not more than [`MOST`].
pub(crate) async fn possible(unit: &Unit<'_>, subject: &Subject, asked: &[Uuid]) -> Result<Vec<Known>, DbError> {
    let names = subject.family_name.as_deref().map(name::keys).unwrap_or_default();
    let born = Born::of(subject.birth_date, subject.birth_date_text.as_deref()).and_then(|born| born.range());
    if names.is_empty()
        && subject.birth_date.is_none()
        && subject.insurance_number.is_none()
        && subject.patient_number.is_none()
        && asked.is_empty()
    {
        return Ok(Vec::new());
    }
    // No birth date: any.
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    let (first, last) = born.unwrap_or((day(1, 1, 1), day(9999, 12, 31)));
    let rows = unit
        .query(
            FIND_CANDIDATES,
            &[&subject.insurance_number, &subject.patient_number, &subject.birth_date, &names, &first, &last, &asked],
        )
        .await?;
    Ok(rows.iter().map(|row| known(row, 0)).collect())
}

/// From the columns of `known_columns!`, the first at this place.
pub(crate) fn known(row: &Row, at: usize) -> Known {
    Known {
        id: row.get(at),
        family_name: row.get(at + 1),
        given_name: row.get(at + 2),
        birth_date: row.get(at + 3),
        birth_date_text: row.get(at + 4),
        sex: row.get(at + 5),
        insurance_number: row.get(at + 6),
        patient_number: row.get(at + 7),
    }
}

/// From the columns of `subject_columns!`, the first at this place: what of it says who it is.
pub(crate) fn subject(row: &Row, at: usize) -> Subject {
    let sex: Option<&str> = row.get(at + 4);
    let sent = Subject {
        family_name: row.get(at),
        given_name: row.get(at + 1),
        birth_date: row.get(at + 2),
        birth_date_text: row.get(at + 3),
        sex: sex.map(|sex| match sex {
            "male" => "male",
            "female" => "female",
            "other" => "other",
            _ => "unknown",
        }),
        insurance_number: row.get(at + 5),
        patient_number: row.get(at + 6),
    };
    sent.identifying()
}

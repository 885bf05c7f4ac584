//! The versions of one report: which are the same, which replace which.
//! Must stay true: a version that a doctor can see is superseded only by one of the same source, report and person that arrived
//! later in another message, and that either holds every value of it or of which the laboratory says that it invalidates what came
//! before. The order in which messages *arrived* decides, not the order of the work.
use std::collections::HashMap;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{NewReport, name, withdrawn};
use crate::DbError;
use crate::notices::{TELL_READERS, TELL_READERS_OF_SOME};
use crate::session::Unit;
use crate::statements::statements;

statements! { Chain {
    /// The first version's row is the lock of the chain.
    LOCK_CHAIN = "SELECT FROM reports WHERE report_key = $1 AND version = 1 FOR NO KEY UPDATE";
    LIST_VERSIONS =
        "SELECT r.id, r.raw_message_id, r.content_sha256, r.confirmed_at, r.invalidates_earlier, r.notes,
                (SELECT coalesce(jsonb_agg(jsonb_build_object('test', o.test_code, 'specimen', o.specimen,
                        'collected_at', o.collected_at, 'unit', o.unit, 'valued', o.value_text IS NOT NULL,
                        'part_of', (SELECT coalesce(jsonb_agg(n), '[]') FROM unnest(o.notes) AS n WHERE n LIKE 'Sub-ID %' OR n LIKE 'Belongs to:%'),
                        'withdrawn', o.status = 'cancelled' AND o.value_text IS NULL AND coalesce(o.status_code IN ('D', 'W'), false))), '[]')
                   FROM observations o WHERE o.report_id = r.id),
                ARRAY(SELECT d.sha256 FROM documents d WHERE d.report_id = r.id), r.superseded_by IS NULL, r.version,
                r.released_at IS NOT NULL OR EXISTS (SELECT FROM report_events e WHERE e.report_id = r.id AND e.kind = 'released')
           FROM reports r WHERE r.report_key = $1 ORDER BY r.version";
    CONFIRM_VERSION = "UPDATE reports SET confirmed_at = $2, invalidates_earlier = $3 WHERE id = $1";
    /// Whoever reads this version for the first time has done so before, or reads that it was replaced (`events::MARK_SEEN`).
    LOCK_VERSION = "SELECT FROM reports WHERE id = $1 FOR UPDATE";
    STANDING_VERSION = "SELECT r.version, r.patient_id, r.confirmed_at, r.invalidates_earlier FROM reports r WHERE r.id = $1 AND r.superseded_by IS NULL";
    SUPERSEDE_VERSION = "UPDATE reports SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL";
} }

/// What makes a value one of its own: the same test of urine, of another time or in another unit is another value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct Shown {
    test: String,
    specimen: Option<String>,
    collected_at: Option<String>,
    unit: Option<String>,
    /// To which germ or series it belongs, as its notes say it (`hl7::SUB_ID_NOTE`, `hl7::PARENT_NOTE`): another germ's antibiogram has the
    /// same tests.
    part_of: Vec<String>,
    valued: bool,
    /// The laboratory took the value back as wrong (HL7 OBX-11 = D or W; no LDT status has these codes).
    withdrawn: bool,
}

impl Shown {
    /// Whether this takes back the other, which has a value. A withdrawal need not repeat what the value was told apart by.
    fn takes_back(&self, other: &Self) -> bool {
        let same = |ours: &Option<String>, theirs: &Option<String>| ours.is_none() || ours == theirs;
        self.withdrawn
            && self.test == other.test
            && same(&self.specimen, &other.specimen)
            && same(&self.collected_at, &other.collected_at)
            && same(&self.unit, &other.unit)
            && (self.part_of.is_empty() || self.part_of == other.part_of)
    }
}

/// A version that is current, or is about to be.
#[derive(Debug)]
pub(super) struct Version {
    id: Uuid,
    message_id: Uuid,
    content: Vec<u8>,
    arrived_at: DateTime<Utc>,
    /// Decides between those that arrived at the same moment: the order of storing.
    stored: i32,
    invalidates_earlier: bool,
    shown: Vec<Shown>,
    notes: Vec<String>,
    /// SHA-256 of each.
    documents: Vec<Vec<u8>>,
}

impl Version {
    /// The version that a record makes.
    pub(super) fn of(
        id: Uuid,
        message_id: Uuid,
        report: &NewReport,
        content: [u8; 32],
        arrived_at: DateTime<Utc>,
    ) -> Self {
        let shown = report.observations.iter().map(|o| Shown {
            test: o.test_code.clone(),
            specimen: o.specimen.clone(),
            collected_at: o.collected_at.clone(),
            unit: o.unit.clone(),
            part_of: o.part_of().map(str::to_owned).collect(),
            valued: o.value_text.is_some(),
            withdrawn: o.status == "cancelled"
                && o.value_text.is_none()
                && matches!(o.status_code.as_deref(), Some("D" | "W")),
        });
        Self {
            id,
            message_id,
            content: content.to_vec(),
            arrived_at,
            stored: i32::MAX,
            invalidates_earlier: report.invalidates_earlier,
            shown: shown.collect(),
            notes: report.notes.clone(),
            documents: report.documents.iter().map(|document| document.sha256.to_vec()).collect(),
        }
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// What its message says when it is read again takes this one's place in the order of arrival.
    pub(super) fn in_place_of(self, before: &Stands) -> Self {
        Self {
            arrived_at: before.confirmed_at,
            stored: before.version,
            invalidates_earlier: self.invalidates_earlier || before.invalidates_earlier,
            ..self
        }
    }

    fn comes_before(&self, other: &Self) -> bool {
        (self.arrived_at, self.stored) <= (other.arrived_at, other.stored)
    }

    /// Whether nothing of an earlier version is missing here, or the laboratory says that it does not count any more.
    fn replaces(&self, earlier: &Self) -> bool {
        if self.message_id == earlier.message_id {
            return false;
        }
        self.invalidates_earlier
            || (self.covers_values(earlier)
                && self.covers_documents(earlier)
                && (!earlier.shown.is_empty() || earlier.notes.iter().all(|note| self.notes.contains(note))))
    }

    /// Beside values a document is their printed form, which is another each time. Alone it is the result itself.
    fn covers_documents(&self, earlier: &Self) -> bool {
        if earlier.shown.is_empty() {
            return earlier.documents.iter().all(|document| self.documents.contains(document));
        }
        self.documents.len() >= earlier.documents.len()
    }

    fn covers_values(&self, earlier: &Self) -> bool {
        let mut here: HashMap<&Shown, usize> = HashMap::new();
        for shown in &self.shown {
            *here.entry(shown).or_default() += 1;
        }
        let mut withdrawals: Vec<&Shown> = self.shown.iter().filter(|shown| shown.withdrawn).collect();
        earlier.shown.iter().all(|wanted| {
            if !wanted.valued {
                return self.shown.iter().any(|shown| shown.test == wanted.test);
            }
            match here.get_mut(wanted) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                // What was wrong must not stay; each withdrawal takes back one value.
                _ => match withdrawals.iter().position(|withdrawal| withdrawal.takes_back(wanted)) {
                    Some(at) => {
                        withdrawals.swap_remove(at);
                        true
                    }
                    None => false,
                },
            }
        })
    }
}

/// The current versions of one report, locked.
pub(super) struct Chain {
    current: Vec<Version>,
    /// Number of the next version.
    pub(super) next: i32,
}

/// A version that counts, and whose message is read again.
pub(super) struct Stands {
    id: Uuid,
    version: i32,
    pub(super) patient: Option<Uuid>,
    confirmed_at: DateTime<Utc>,
    invalidates_earlier: bool,
}

/// For so long a number is one order's, as in `order`.
const ONE_ORDER: TimeDelta = TimeDelta::days(90);

impl Chain {
    /// Messages about one report take turns: the first version's row is the lock, and only the statement after it sees what the
    /// turn before has written. Two who both find no version take the same number, so one is refused and tried again.
    /// `lately`: only versions that came within [`ONE_ORDER`] of that moment count as the same report's.
    pub(super) async fn lock(unit: &Unit<'_>, key: &str, lately: Option<DateTime<Utc>>) -> Result<Self, DbError> {
        unit.execute(LOCK_CHAIN, &[&key]).await?;
        let rows = unit.query(LIST_VERSIONS, &[&key]).await?;
        // Rarely: hardly anything is corrected once a patient sees it.
        if rows.iter().any(|row| row.get(10)) {
            withdrawn::unsure(unit, key).await?;
        }
        let next = rows.last().map_or(1, |row| row.get::<_, i32>(9) + 1);
        let near = |row: &&Row| lately.is_none_or(|at| (at - row.get::<_, DateTime<Utc>>(3)).abs() <= ONE_ORDER);
        let current = rows.iter().filter(|row| row.get(8)).filter(near).map(|row| {
            let Json(shown) = row.get(6);
            Version {
                id: row.get(0),
                message_id: row.get(1),
                content: row.get(2),
                arrived_at: row.get(3),
                stored: row.get(9),
                invalidates_earlier: row.get(4),
                notes: row.get(5),
                shown,
                documents: row.get(7),
            }
        });
        Ok(Self { current: current.collect(), next })
    }

    /// The current version with this content.
    pub(super) fn current_with(&self, content: &[u8; 32]) -> Option<&Version> {
        self.current.iter().find(|version| version.content == content)
    }

    /// An unchanged resend is no new version, but it is the laboratory's last word again: it takes its place in the order of
    /// arrival, and what it invalidates goes. Whether it counts.
    pub(super) async fn confirm(
        &self,
        unit: &Unit<'_>,
        same: &Version,
        report: &NewReport,
        arrived_at: DateTime<Utc>,
    ) -> Result<bool, DbError> {
        let confirmed = Version {
            arrived_at: same.arrived_at.max(arrived_at),
            stored: i32::MAX,
            invalidates_earlier: same.invalidates_earlier || report.invalidates_earlier,
            content: same.content.clone(),
            shown: same.shown.clone(),
            notes: same.notes.clone(),
            documents: same.documents.clone(),
            ..*same
        };
        unit.execute(CONFIRM_VERSION, &[&confirmed.id, &confirmed.arrived_at, &confirmed.invalidates_earlier]).await?;
        self.add(unit, &confirmed).await
    }

    /// The version with this id if no other has replaced it. Asked under the chain's lock, so it stays so.
    pub(super) async fn standing(&self, unit: &Unit<'_>, id: Uuid) -> Result<Option<Stands>, DbError> {
        let rows = unit.query(STANDING_VERSION, &[&id]).await?;
        Ok(rows.first().map(|row| Stands {
            id,
            version: row.get(0),
            patient: row.get(1),
            confirmed_at: row.get(2),
            invalidates_earlier: row.get(3),
        }))
    }

    /// Puts what the message says now in the place of what was read of it before. Messages that arrived later replace it as they would have
    /// replaced that. Whether it counts.
    pub(super) async fn put(&self, unit: &Unit<'_>, before: &Stands, version: &Version) -> Result<bool, DbError> {
        unit.execute(CONFIRM_VERSION, &[&version.id, &version.arrived_at, &version.invalidates_earlier]).await?;
        unit.execute(LOCK_VERSION, &[&before.id]).await?;
        unit.execute(SUPERSEDE_VERSION, &[&before.id, &version.id]).await?;
        // That the laboratory invalidates what came before is said of other messages, not of this one.
        unit.execute(TELL_READERS, &[&before.id, &version.id, &false]).await?;
        self.add(unit, version).await
    }

    /// Supersedes what the version replaces, and the version itself if a current one that arrived later replaces it. Whether it counts.
    pub(super) async fn add(&self, unit: &Unit<'_>, version: &Version) -> Result<bool, DbError> {
        let mut counts = true;
        for other in self.current.iter().filter(|other| other.id != version.id) {
            let (earlier, later) = if other.comes_before(version) { (other, version) } else { (version, other) };
            if later.replaces(earlier) {
                counts &= earlier.id != version.id;
                unit.execute(LOCK_VERSION, &[&earlier.id]).await?;
                unit.execute(SUPERSEDE_VERSION, &[&earlier.id, &later.id]).await?;
                unit.execute(TELL_READERS, &[&earlier.id, &later.id, &later.invalidates_earlier]).await?;
            } else if later.message_id != earlier.message_id {
                unit.execute(LOCK_VERSION, &[&earlier.id]).await?;
                unit.execute(TELL_READERS_OF_SOME, &[&earlier.id, &later.id]).await?;
            }
        }
        Ok(counts)
    }
}

/// The same for all versions of a report: the source that sent it, laboratory, its order number (else the practice's, else the report's),
/// record type and the person it is about. Who the laboratory is says the message; the source alone is certain. Numbers are used again, and
/// one person's report must never hide another's. A record without any number is a chain of its own.
pub(super) fn report_key(source: Uuid, message_id: Uuid, index: usize, report: &NewReport) -> String {
    let numbers =
        [("lab order", &report.lab_order_number), ("order", &report.order_number), ("report", &report.report_number)];
    let Some((kind, value)) = numbers.into_iter().find_map(|(kind, value)| value.as_ref().map(|value| (kind, value)))
    else {
        return hex_digest(&["message", &message_id.to_string(), &index.to_string()]);
    };
    let subject = &report.subject;
    let name = |name: &Option<String>| name.as_deref().map(name::key).unwrap_or_default();
    // Of two who have all else in common a part of the birth date tells that they are two.
    let birth = subject.birth_date.map(|date| date.to_string()).or_else(|| subject.birth_date_text.clone());
    let birth = birth.unwrap_or_default();
    let (family, given) = (name(&subject.family_name), name(&subject.given_name));
    hex_digest(&[&source.to_string(), &report.laboratory, &report.kind, kind, value, &family, &given, &birth])
}

/// Digest of what a doctor reads. Repetition marks, report numbers and arrival times are not in it, so an unchanged resend is
/// recognised.
pub(super) fn content_digest(report: &NewReport) -> Result<[u8; 32], DbError> {
    let values: Vec<_> = report
        .observations
        .iter()
        .map(|o| {
            (
                (&o.test_code, &o.test_name, &o.loinc, &o.specimen, settled(o.status), &o.value_text, &o.unit),
                (&o.reference_text, &o.reference_low, &o.reference_high, &o.reference_unit),
                (&o.flag, o.critical, &o.collected_at, &o.notes),
            )
        })
        .collect();
    let documents: Vec<_> = report.documents.iter().map(|d| &d.sha256).collect();
    let said: Vec<_> = report.unmapped.iter().map(|field| (&field.field, &field.text)).collect();
    let subject = (&report.subject, settled(report.status), report.critical, report.critical_whole, report.genetic);
    let whole = (subject, &report.notes, values, documents, said);
    let text = serde_json::to_vec(&whole).map_err(|_| DbError::Data("a report can't be digested"))?;
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, &text).as_ref());
    Ok(out)
}

/// A corrected value that is sent again is marked as sent before, no longer as corrected: the mark alone is no news.
fn settled(status: &'static str) -> &'static str {
    if status == "corrected" { "final" } else { status }
}

/// SHA-256 in hex over parts that can't run into each other.
pub(crate) fn hex_digest(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    hex::encode(context.finish())
}

#[cfg(test)]
mod tests;

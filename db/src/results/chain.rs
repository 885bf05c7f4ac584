//! The versions of one report: which are the same, which replace which.
//! Must stay true: a version that a doctor can see is superseded only by one of the same source, report and person that arrived
//! later in another message, and that holds every value of it, or another one of which the laboratory says that earlier ones of its test do not
//! count any more: what a message does not mention stays. What is corrected in a version that stays is shown there (`corrected`). The order in which messages *arrived* decides, not the order of the work.
mod shown;

use std::collections::HashMap;

use aws_lc_rs::digest;
use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use self::shown::Shown;
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
                        'told', CASE WHEN o.value_text IS NULL AND o.status NOT IN ('registered', 'cancelled') THEN o.notes ELSE '{}' END,
                        'so_far', o.value_text IS NULL AND o.status = 'preliminary',
                        'part_of', (SELECT coalesce(jsonb_agg(n), '[]') FROM unnest(o.notes) AS n WHERE n LIKE 'Sub-ID %' OR n LIKE 'Belongs to:%'),
                        'invalidates', coalesce(o.status_code = '08', false),
                        'withdrawn', o.status = 'cancelled' AND o.value_text IS NULL AND coalesce(o.status_code IN ('D', 'W'), false))), '[]')
                   FROM observations o WHERE o.report_id = r.id),
                ARRAY(SELECT d.sha256 FROM documents d WHERE d.report_id = r.id), r.superseded_by, r.version,
                r.released_at IS NOT NULL OR EXISTS (SELECT FROM report_events e WHERE e.report_id = r.id AND e.kind = 'released')
           FROM reports r WHERE r.report_key = $1 ORDER BY r.version";
    CONFIRM_VERSION = "UPDATE reports SET confirmed_at = $2, invalidates_earlier = $3 WHERE id = $1";
    /// Whoever reads this version for the first time has done so before, or reads that it was replaced (`events::MARK_SEEN`).
    LOCK_VERSION = "SELECT FROM reports WHERE id = $1 FOR UPDATE";
    STANDING_VERSION = "SELECT r.version, r.patient_id, r.confirmed_at, r.invalidates_earlier FROM reports r WHERE r.id = $1 AND r.superseded_by IS NULL";
    SUPERSEDE_VERSION = "UPDATE reports SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL";
} }

/// A version that is current, or is about to be.
#[derive(Debug)]
pub(super) struct Version {
    id: Uuid,
    message_id: Uuid,
    content: Vec<u8>,
    arrived_at: DateTime<Utc>,
    /// No other has replaced it.
    current: bool,
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
        let shown = report.observations.iter().map(Shown::of);
        Self {
            id,
            message_id,
            content: content.to_vec(),
            arrived_at,
            current: true,
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

    /// Whether nothing of an earlier version is missing here. `all`: what the laboratory said of the order.
    fn replaces(&self, earlier: &Self, all: &[Self]) -> bool {
        self.message_id != earlier.message_id
            && self.covers_values(earlier, all)
            && self.covers_documents(earlier)
            && (!earlier.shown.is_empty() || earlier.notes.iter().all(|note| self.notes.contains(note)))
    }

    /// Beside values a document is their printed form, which is another each time. Alone it is the result itself.
    fn covers_documents(&self, earlier: &Self) -> bool {
        if earlier.shown.is_empty() {
            return earlier.documents.iter().all(|document| self.documents.contains(document));
        }
        self.documents.len() >= earlier.documents.len()
    }

    /// Whether the laboratory says here of the test that earlier results do not count any more. When nothing that it said before fits what it is
    /// told apart by, because just that was wrong, all of the test is meant.
    fn invalidates(&self, wanted: &Shown, all: &[Self]) -> bool {
        let instead = |shown: &&Shown| shown.invalidates && shown.says_something() && shown.test == wanted.test;
        let before = || all.iter().filter(|other| other.message_id != self.message_id && other.comes_before(self));
        let meant = |shown: &Shown, other: &Shown| other.says_something() && shown.fits(other);
        self.invalidates_earlier
            && self.shown.iter().filter(instead).any(|shown| {
                shown.fits(wanted) || !before().flat_map(|other| &other.shown).any(|other| meant(shown, other))
            })
    }

    /// Whether nothing at all that an earlier version says counts any more.
    fn invalidates_all(&self, earlier: &Self, all: &[Self]) -> bool {
        earlier.shown.iter().filter(|shown| shown.says_something()).all(|shown| self.invalidates(shown, all))
    }

    fn covers_values(&self, earlier: &Self, all: &[Self]) -> bool {
        let mut here: HashMap<Shown, usize> = HashMap::new();
        for shown in &self.shown {
            *here.entry(shown.key()).or_default() += 1;
        }
        let mut withdrawals: Vec<&Shown> = self.shown.iter().filter(|shown| shown.withdrawn).collect();
        earlier.shown.iter().all(|wanted| {
            // What waited for a value.
            if !wanted.valued && wanted.told.is_empty() {
                return self.shown.iter().any(|shown| shown.test == wanted.test);
            }
            match here.get_mut(&wanted.key()) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                _ if wanted.so_far && self.shown.iter().any(|shown| shown.is_the_last_word_on(wanted)) => true,
                _ if self.invalidates(wanted, all) => true,
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

/// The versions of one report, locked; without those that were replaced because their message was read again: nobody said that.
pub(super) struct Chain {
    versions: Vec<Version>,
    /// Current ones of another order, under the same number.
    others: Vec<Version>,
    /// Number of the next version.
    pub(super) next: i32,
}

/// A version that counts, and whose message is read again.
pub(super) struct Stands {
    id: Uuid,
    version: i32,
    pub(super) patient: Option<Uuid>,
    pub(super) confirmed_at: DateTime<Utc>,
    invalidates_earlier: bool,
}

/// For so long a number is one order's, as in `order`.
const ONE_ORDER: TimeDelta = TimeDelta::days(90);

impl Chain {
    /// Messages about one report take turns: the first version's row is the lock, and only the statement after it sees what the
    /// turn before has written. Two who both find no version take the same number, so one is refused and tried again.
    pub(super) async fn lock(unit: &Unit<'_>, key: &str) -> Result<Self, DbError> {
        unit.execute(LOCK_CHAIN, &[&key]).await?;
        let rows = unit.query(LIST_VERSIONS, &[&key]).await?;
        // Rarely: hardly anything is corrected once a patient sees it.
        if rows.iter().any(|row| row.get(10)) {
            withdrawn::unsure(unit, key).await?;
        }
        let next = rows.last().map_or(1, |row| row.get::<_, i32>(9) + 1);
        let message = |row: &Row| row.get::<_, Uuid>(1);
        let read_again = |row: &Row| {
            let by: Option<Uuid> = row.get(8);
            by.is_some_and(|by| {
                rows.iter().any(|other| other.get::<_, Uuid>(0) == by && message(other) == message(row))
            })
        };
        let versions = rows.iter().filter(|row| !read_again(row)).map(|row| {
            let Json(shown) = row.get(6);
            Version {
                id: row.get(0),
                message_id: message(row),
                content: row.get(2),
                arrived_at: row.get(3),
                current: row.get::<_, Option<Uuid>>(8).is_none(),
                stored: row.get(9),
                invalidates_earlier: row.get(4),
                notes: row.get(5),
                shown,
                documents: row.get(7),
            }
        });
        Ok(Self { versions: versions.collect(), others: Vec::new(), next })
    }

    /// Only versions that came within [`ONE_ORDER`] of that moment count as the same order's.
    pub(super) fn around(self, at: DateTime<Utc>) -> Self {
        let near = |version: &Version| (at - version.arrived_at).abs() <= ONE_ORDER;
        let (versions, others): (Vec<_>, Vec<_>) = self.versions.into_iter().partition(near);
        Self { versions, others: others.into_iter().filter(|version| version.current).collect(), next: self.next }
    }

    /// The current version with this content.
    pub(super) fn current_with(&self, content: &[u8; 32]) -> Option<&Version> {
        self.versions.iter().find(|version| version.current && version.content == content)
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
        for other in self.versions.iter().filter(|other| other.current && other.id != version.id) {
            let (earlier, later) = if other.comes_before(version) { (other, version) } else { (version, other) };
            if later.replaces(earlier, &self.versions) {
                counts &= earlier.id != version.id;
                let all = later.invalidates_all(earlier, &self.versions);
                unit.execute(LOCK_VERSION, &[&earlier.id]).await?;
                unit.execute(SUPERSEDE_VERSION, &[&earlier.id, &later.id]).await?;
                unit.execute(TELL_READERS, &[&earlier.id, &later.id, &all]).await?;
            } else if later.message_id != earlier.message_id {
                unit.execute(LOCK_VERSION, &[&earlier.id]).await?;
                unit.execute(TELL_READERS_OF_SOME, &[&earlier.id, &later.id]).await?;
            }
        }
        // It replaces none of these. What it corrects there is marked all the same, and told.
        for other in self.others.iter().filter(|other| other.comes_before(version)) {
            unit.execute(LOCK_VERSION, &[&other.id]).await?;
            unit.execute(TELL_READERS_OF_SOME, &[&other.id, &version.id]).await?;
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

/// Digest of what a doctor reads. Repetition marks, report numbers, arrival times and what is the message's are not in it, so an unchanged resend is
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
    let said: Vec<_> =
        report.unmapped.iter().filter(|field| !field.of_message).map(|field| (&field.field, &field.text)).collect();
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

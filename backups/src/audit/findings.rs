//! Whether a practice's audit is what was sealed: its rows, wherever they are read, held against its seals.
//!
//! Must stay true: what was altered, is missing or was added is named, the first first; nothing of a row but its id and time is told.
use std::fmt;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::WINDOW;
use super::chain::{AuditHead, Chain, Entry};
use super::seal::content;
use crate::BackupError;
use crate::clock::CLOCKS_DIFFER;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum AuditFault {
    /// A seal that is missing or not what was signed.
    Seal {
        /// Which.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A row is not what it was when it was sealed.
    Altered {
        /// The seal that it is in.
        seal: u64,
        /// Its place in it, from 1.
        place: u32,
        /// The row's id.
        id: Uuid,
    },
    /// A row was sealed and is not there.
    Missing {
        /// The seal that it is in.
        seal: u64,
        /// Its place in it, from 1.
        place: u32,
        /// The row's id.
        id: Uuid,
    },
    /// No seal that was made in its time has a row: it was added afterwards, or committed long after its time.
    Added {
        /// The row's id.
        id: Uuid,
        /// When it says that it was written; none: it says nothing that is a time.
        at: Option<DateTime<Utc>>,
    },
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal { number, reason } => write!(f, "seal {number}: {reason}"),
            Self::Altered { seal, place, id } => {
                write!(f, "audit row {id} (row {place} of seal {seal}) was altered since it was sealed")
            }
            Self::Missing { seal, place, id } => {
                write!(f, "audit row {id} (row {place} of seal {seal}) was removed since it was sealed")
            }
            Self::Added { id, at } => {
                let at = at.map_or_else(|| "no time".to_owned(), |at| at.to_string());
                write!(
                    f,
                    "audit row {id} says {at} and is in no seal of that time: it was added later, or committed over a quarter of an hour late"
                )
            }
        }
    }
}

impl AuditFault {
    /// In the order of the seals; what is in none comes last.
    const fn order(&self) -> (u64, u32) {
        match self {
            Self::Seal { number, .. } => (*number, 0),
            Self::Altered { seal, place, .. } | Self::Missing { seal, place, .. } => (*seal, *place),
            Self::Added { .. } => (u64::MAX, 0),
        }
    }
}

/// What came of holding a practice's audit against its seals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditFindings {
    /// Opaque name of the practice.
    pub tenant: TenantName,
    /// Seals that hold.
    pub seals: u64,
    /// The newest of them, which stands for all: keep it elsewhere, and `--head` asks for it later. None: there is none, or it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<AuditHead>,
    /// When the newest of them was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_at: Option<DateTime<Utc>>,
    /// Rows that are what they were when they were sealed.
    pub rows_proven: u64,
    /// Rows that came since.
    pub rows_not_sealed_yet: u64,
    /// When the first of them says that it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_sealed_since: Option<DateTime<Utc>>,
    /// Rows that no seal has of those that can be believed; others can't. They may be in those, or added.
    pub rows_not_judged: u64,
    /// Whether the seals' signatures were checked.
    pub signatures_checked: bool,
    /// How much does not hold.
    pub faults_found: u64,
    /// All of it, in the order of the seals.
    pub faults: Vec<AuditFault>,
}

/// Holds rows against seals, one after the other, in any order.
pub(crate) struct Judge<'a> {
    tenant: &'a TenantName,
    chain: &'a Chain,
    /// By whose clock a time has come.
    now: DateTime<Utc>,
    seen: Vec<bool>,
    proven: u64,
    not_judged: u64,
    faults: Vec<AuditFault>,
    not_sealed: u64,
    not_sealed_since: Option<DateTime<Utc>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(tenant: &'a TenantName, chain: &'a Chain, now: DateTime<Utc>) -> Self {
        Self {
            tenant,
            chain,
            now,
            seen: vec![false; chain.entries.len()],
            proven: 0,
            not_judged: 0,
            faults: Vec::new(),
            not_sealed: 0,
            not_sealed_since: None,
        }
    }

    /// A row as `to_jsonb` writes it.
    pub(crate) fn row(&mut self, line: &str) -> Result<(), BackupError> {
        let (id, row) = parse(line)?;
        let at = row.get("at").and_then(Value::as_str).and_then(|at| at.parse::<DateTime<Utc>>().ok());
        let places = self.chain.places(id);
        if places.is_empty() {
            self.not_sealed(id, at);
            return Ok(());
        }
        let first = places.start;
        // A second row with the same id, where somebody took the primary key away.
        let mut as_sealed = !self.seen[first];
        if !as_sealed {
            self.faults.push(AuditFault::Added { id, at });
        }
        for index in places {
            let Entry { hash, seal, place, columns, .. } = self.chain.entries[index];
            let columns = self.chain.columns.get(columns as usize).map_or(&[][..], Vec::as_slice);
            if as_sealed && content(columns, &row) != hash {
                self.faults.push(AuditFault::Altered { seal, place, id });
                as_sealed = false;
            }
            self.seen[index] = true;
        }
        // Whatever a sealer was made to believe: what was sealed had been sealed in its time.
        if as_sealed && is_older(at, self.chain.complete_before(self.chain.entries[first].seal)) {
            self.faults.push(AuditFault::Added { id, at });
            as_sealed = false;
        }
        self.proven += u64::from(as_sealed);
        Ok(())
    }

    fn not_sealed(&mut self, id: Uuid, at: Option<DateTime<Utc>>) {
        let to_come = at.is_some_and(|at| at > self.now + CLOCKS_DIFFER);
        if !self.chain.faults.is_empty() {
            self.not_judged += 1;
        } else if to_come || is_older(at, self.chain.complete_until()) {
            self.faults.push(AuditFault::Added { id, at });
        } else {
            self.not_sealed += 1;
            self.not_sealed_since = self.not_sealed_since.into_iter().chain(at).min();
        }
    }

    /// There are no more.
    pub(crate) fn finish(mut self, signatures_checked: bool) -> AuditFindings {
        let gone = self.chain.entries.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
        let mut last = None;
        for (Entry { id, seal, place, .. }, _) in gone {
            // Sealed twice, it is missing once.
            if last.replace(*id) != Some(*id) {
                self.faults.push(AuditFault::Missing { seal: *seal, place: *place, id: *id });
            }
        }
        let mut faults = self.chain.faults.clone();
        faults.append(&mut self.faults);
        faults.sort_by_key(AuditFault::order);
        let faults_found = faults.len() as u64;
        AuditFindings {
            tenant: self.tenant.clone(),
            seals: self.chain.seals,
            head: self.chain.head(),
            sealed_at: self.chain.sealed_at,
            rows_proven: self.proven,
            rows_not_sealed_yet: self.not_sealed,
            not_sealed_since: self.not_sealed_since,
            rows_not_judged: self.not_judged,
            signatures_checked,
            faults_found,
            faults,
        }
    }
}

/// Whether a row should have been sealed when all was sealed until then. One that says no time says an old one.
fn is_older(at: Option<DateTime<Utc>>, complete_until: Option<DateTime<Utc>>) -> bool {
    let since = complete_until.and_then(|until| until.checked_sub_signed(WINDOW));
    since.is_some_and(|since| at.is_none_or(|at| at < since))
}

/// A row's id, and the row. No row is quoted: an audit names people.
pub(crate) fn parse(line: &str) -> Result<(Uuid, Map<String, Value>), BackupError> {
    let row = serde_json::from_str::<Map<String, Value>>(line).ok();
    let with_id = row.and_then(|row| Some((row.get("id")?.as_str()?.parse().ok()?, row)));
    with_id.ok_or_else(|| BackupError::Invalid("a row of the audit is not one: it has no id".to_owned()))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::super::seal::{Link, New, Seal, SealedRow};
    use super::*;
    use crate::signing::tests::key;

    fn row(id: u128, at: DateTime<Utc>) -> String {
        serde_json::json!({"id": Uuid::from_u128(id), "at": at}).to_string()
    }

    /// A seal of one row.
    fn seal(tenant: &TenantName, after: &Link, sealed_at: DateTime<Utc>, row: &str) -> (Link, Vec<u8>) {
        let columns = vec!["at".to_owned(), "id".to_owned()];
        let (id, values) = parse(row).unwrap();
        let rows = vec![SealedRow { id, hash: content(&columns, &values) }];
        let new = New { begun: sealed_at, sealed_at, columns, rows, times: Vec::new(), reached: None };
        let (seal, document) = Seal::make(tenant, after, new, &key()).unwrap();
        (seal.link(), document)
    }

    #[test]
    fn a_row_of_before_that_a_sealer_was_made_to_seal_was_added_and_time_never_goes_back() {
        let (tenant, now) = (TenantName::random().unwrap(), Utc::now());
        let judged = |second_row: &str, sealed_at| {
            let first_row = row(1, now);
            let (link, first) = seal(&tenant, &Link::default(), now, &first_row);
            let (_, second) = seal(&tenant, &link, sealed_at, second_row);
            let mut chain = Chain::new(&tenant, None, None);
            for (number, document) in [(1, first), (2, second)] {
                assert!(chain.add(number, &document, None));
            }
            chain.end();
            let mut judge = Judge::new(&tenant, &chain, now);
            judge.row(&first_row).unwrap();
            judge.row(second_row).unwrap();
            judge.finish(false)
        };
        let (minutes, id) = (TimeDelta::minutes, Uuid::from_u128(2));
        let late = judged(&row(2, now - minutes(14)), now + minutes(5));
        assert_eq!((late.faults_found, late.rows_proven), (0, 2), "committed late");
        let at = now - minutes(16);
        let added = judged(&row(2, at), now + minutes(5));
        assert_eq!((added.faults, added.rows_proven), (vec![AuditFault::Added { id, at: Some(at) }], 1));
        let back = judged(&row(2, now), now - minutes(5));
        assert!(matches!(&back.faults[..], [AuditFault::Seal { number: 2, .. }]), "{back:?}");
    }
}

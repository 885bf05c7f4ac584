//! All seals of one practice, in their order, and what of them does not hold.
//!
//! Must stay true: a seal that is missing, is not signed, does not follow the one before it, or has other rows than it was signed for is a
//! fault, and nothing that it says is believed.
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use uuid::Uuid;

use super::findings::AuditFault;
use super::seal::{Hash, Link, Seal};
use crate::PublicKey;

/// A seal that stands for all before it: what to keep elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct AuditHead {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its first line, in hex.
    pub sha256: String,
}

/// A row that was sealed, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    pub(crate) hash: Hash,
    /// The seal's number, and the row's place in it, from 1.
    pub(crate) seal: u64,
    pub(crate) place: u32,
    /// Index in [`Chain::columns`].
    pub(crate) columns: u32,
}

/// What is known of a practice's seals.
#[derive(Debug)]
pub(crate) struct Chain {
    tenant: TenantName,
    pub(crate) entries: Vec<Entry>,
    /// Every list of columns that a seal was made of.
    pub(crate) columns: Vec<Vec<String>>,
    pub(crate) seals: u64,
    pub(crate) sealed_at: Option<DateTime<Utc>>,
    pub(crate) faults: Vec<AuditFault>,
    /// Of each seal: until when all was sealed before it.
    before: BTreeMap<u64, Option<DateTime<Utc>>>,
    /// Later ones are not looked at.
    until: Option<DateTime<Utc>>,
    ended: bool,
    link: Link,
    /// Whether the seal before this one is known.
    known: bool,
    /// A head that was kept elsewhere, until it is found.
    expected: Option<AuditHead>,
}

impl Chain {
    /// None yet. `expected` is a head that was kept elsewhere and has to be among them; what was sealed after `until` is not looked at.
    pub(crate) fn new(tenant: &TenantName, expected: Option<AuditHead>, until: Option<DateTime<Utc>>) -> Self {
        Self {
            tenant: tenant.clone(),
            entries: Vec::new(),
            columns: Vec::new(),
            seals: 0,
            sealed_at: None,
            faults: Vec::new(),
            before: BTreeMap::new(),
            until,
            ended: false,
            link: Link::default(),
            known: true,
            expected,
        }
    }

    /// Takes in the next one; `number` is what its name says. Whether it was looked at.
    pub(crate) fn add(&mut self, number: u64, document: &[u8], keys: Option<&[PublicKey]>) -> bool {
        let seal = Seal::read(document, &self.tenant, keys).and_then(|seal| seal.numbered(number));
        let late = |seal: &Seal| self.until.is_some_and(|until| seal.header.sealed_at > until);
        self.ended |= seal.as_ref().is_ok_and(late);
        if self.ended {
            return false;
        }
        let next = self.link.number + 1;
        if number != next {
            let reason = match number.checked_sub(next) {
                Some(1) => "it is missing".to_owned(),
                Some(gap) => format!("it and {} after it are missing", gap - 1),
                None => "there are two of them".to_owned(),
            };
            self.fault(next, reason);
            self.known = false;
        }
        self.link.number = number;
        match seal {
            Ok(seal) => self.take(number, &seal),
            Err(reason) => {
                self.fault(number, reason);
                self.known = false;
            }
        }
        true
    }

    fn take(&mut self, number: u64, seal: &Seal) {
        let header = &seal.header;
        let before = self.link.complete_until;
        if self.known && (header.previous != self.link.head || header.total != self.link.total + header.rows) {
            self.fault(number, "it does not follow the one before it".to_owned());
            self.known = false;
            return;
        }
        if header.complete_until < before || header.complete_until > Some(header.sealed_at) {
            self.fault(number, "its time does not follow that of the one before it".to_owned());
            self.known = false;
            return;
        }
        self.before.insert(number, before);
        if let Some(expected) = self.expected.take_if(|expected| expected.number == number)
            && expected.sha256 != seal.head
        {
            self.fault(number, format!("it is not the one that was kept: {}", expected.sha256));
        }
        let columns = self.columns.iter().position(|known| *known == header.columns).unwrap_or_else(|| {
            self.columns.push(header.columns.clone());
            self.columns.len() - 1
        });
        let columns = u32::try_from(columns).unwrap_or(u32::MAX);
        self.entries.extend((1..).zip(&seal.rows).map(|(place, row)| Entry {
            id: row.id,
            hash: row.hash,
            seal: number,
            place,
            columns,
        }));
        self.seals += 1;
        self.sealed_at = self.sealed_at.max(Some(header.sealed_at));
        self.link = Link { complete_until: header.complete_until.max(before), ..seal.link() };
        self.known = true;
    }

    fn fault(&mut self, number: u64, reason: String) {
        self.faults.push(AuditFault::Seal { number, reason });
    }

    /// One that somebody deleted or wrote over, whatever is there now.
    pub(crate) fn disturbed(&mut self, number: u64) {
        self.fault(number, "somebody deleted it or wrote over it: the bucket keeps other versions of it".to_owned());
    }

    /// There are no more. Rows by their ids from here on.
    pub(crate) fn end(&mut self) {
        if let Some(expected) = self.expected.take() {
            self.fault(expected.number, "it is missing, and was kept elsewhere".to_owned());
        }
        self.entries.sort_unstable_by_key(|entry| (entry.id, entry.seal, entry.place));
    }

    /// The newest seal, when it is known to be one.
    pub(crate) fn head(&self) -> Option<AuditHead> {
        let sha256 = self.link.head.clone().filter(|_| self.known)?;
        Some(AuditHead { number: self.link.number, sha256 })
    }

    /// Until when all is sealed.
    pub(crate) const fn complete_until(&self) -> Option<DateTime<Utc>> {
        self.link.complete_until
    }

    /// Until when all was sealed before this seal was made.
    pub(crate) fn complete_before(&self, seal: u64) -> Option<DateTime<Utc>> {
        self.before.get(&seal).copied().flatten()
    }

    /// Where a row was sealed: once, or, when a sealer did not know that it was, more than once.
    pub(crate) fn places(&self, id: Uuid) -> std::ops::Range<usize> {
        let from = self.entries.partition_point(|entry| entry.id < id);
        let count = self.entries[from..].partition_point(|entry| entry.id == id);
        from..from + count
    }
}

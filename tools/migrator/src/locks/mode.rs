//! PostgreSQL's table locks (15, chapter 13.3.1), from the weakest to the strongest.
//! Must stay true: a later one conflicts with at least all that an earlier one does, but SHARE and SHARE UPDATE EXCLUSIVE, of which
//! neither covers the other.
use std::fmt;

use serde::{Serialize, Serializer};

/// A lock on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// Reads.
    AccessShare,
    /// Reads and locks rows.
    RowShare,
    /// Writes rows.
    RowExclusive,
    /// Lets rows be read and written, but not a second one like itself.
    ShareUpdateExclusive,
    /// Lets rows be read only.
    Share,
    /// Lets rows be read only, and no second one like itself.
    ShareRowExclusive,
    /// Lets rows be read only.
    Exclusive,
    /// Lets nobody in, not even readers.
    AccessExclusive,
}

const ALL: [(LockMode, &str, &str); 8] = [
    (LockMode::AccessShare, "ACCESS SHARE", "AccessShareLock"),
    (LockMode::RowShare, "ROW SHARE", "RowShareLock"),
    (LockMode::RowExclusive, "ROW EXCLUSIVE", "RowExclusiveLock"),
    (LockMode::ShareUpdateExclusive, "SHARE UPDATE EXCLUSIVE", "ShareUpdateExclusiveLock"),
    (LockMode::Share, "SHARE", "ShareLock"),
    (LockMode::ShareRowExclusive, "SHARE ROW EXCLUSIVE", "ShareRowExclusiveLock"),
    (LockMode::Exclusive, "EXCLUSIVE", "ExclusiveLock"),
    (LockMode::AccessExclusive, "ACCESS EXCLUSIVE", "AccessExclusiveLock"),
];

impl LockMode {
    /// As LOCK TABLE names it.
    #[must_use]
    pub fn words(self) -> &'static str {
        ALL.iter().find(|(mode, ..)| *mode == self).map_or("ACCESS EXCLUSIVE", |(_, words, _)| words)
    }

    /// From the words of LOCK TABLE.
    #[must_use]
    pub fn from_words(text: &str) -> Option<Self> {
        ALL.iter().find(|(_, words, _)| words.eq_ignore_ascii_case(text)).map(|(mode, ..)| *mode)
    }

    /// From the name in pg_locks.
    #[must_use]
    pub fn from_pg_locks(text: &str) -> Option<Self> {
        ALL.iter().find(|(.., name)| *name == text).map(|(mode, ..)| *mode)
    }

    /// What holds both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let pair = (self.min(other), self.max(other));
        if pair == (Self::ShareUpdateExclusive, Self::Share) { Self::ShareRowExclusive } else { pair.1 }
    }

    /// Whether writers have to wait.
    #[must_use]
    pub fn stops_writers(self) -> bool {
        self >= Self::Share
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

impl Serialize for LockMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.words())
    }
}

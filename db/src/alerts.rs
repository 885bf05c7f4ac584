//! Critical values that somebody has to be told of, and to repeat: what is raised, whose turn it is, what came of it.
//! Must stay true: an alert is raised in the transaction that stores its report, with the timer of its time limit; it stays open until
//! somebody confirmed it with a read-back, dismissed an unlikely change with a comment, or its value counts no more. What it was raised
//! for, and who did what, is never changed.
pub(crate) mod decimal;
pub mod ladder;
pub mod limits;
pub mod outcome;
pub mod read;
mod read_back;
pub mod summary;
pub(crate) mod timer;

pub(crate) mod judge;
pub(crate) mod raise;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use timer::{Woken, wake, wake_again, wake_all};

/// How urgent an alert is; the greater the graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// An unlikely change against the value before: somebody looks at it.
    Check,
    /// Telefongrenze: told the same day.
    Phone,
    /// Notfallgrenze: told at once, also at night.
    Emergency,
}

impl Tier {
    /// All of them, the gravest first.
    pub const ALL: [Self; 3] = [Self::Emergency, Self::Phone, Self::Check];

    /// As the tables have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Phone => "phone",
            Self::Emergency => "emergency",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == text)
    }

    /// The time limit where the practice has set up no ladder: laboratories and practices agree on half an hour for what threatens life
    /// and on half a working day for a call the same day.
    pub(crate) fn time_limit(self) -> Duration {
        match self {
            Self::Emergency => Duration::from_secs(30 * 60),
            Self::Phone => Duration::from_secs(240 * 60),
            Self::Check => Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Why an alert was raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The laboratory said so itself.
    Laboratory,
    /// Beyond a limit of the practice.
    Limit,
    /// Changed much against the value before.
    Delta,
}

impl Cause {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Laboratory => "laboratory",
            Self::Limit => "limit",
            Self::Delta => "delta",
        }
    }
}

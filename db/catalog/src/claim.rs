//! The signed claim: the second key that opens a tenant (verified by `guard.claim()` in db/rls/guard.sql).
//! Form: `key id . tenant . subject . role . expiry . HMAC-SHA256 in hex over everything before the last dot`.
//! No part can contain a dot: tenant names, UUIDs, service names and hex have none.
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::{ClaimKey, TenantName};

/// How long a request's claim is good: longer than its transaction may last.
pub const CLAIM_LIFE: Duration = Duration::from_secs(60);
/// The same for a worker's transaction, which may store thousands of values. No claim is good for longer.
pub const WORKER_CLAIM_LIFE: Duration = Duration::from_secs(600);
/// How long an access token is good.
pub const TOKEN_LIFE: Duration = Duration::from_secs(15 * 60);

/// In which role a claim acts. Row policies (db/rls/tenant.sql) say what each may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimRole {
    /// Administrator of the practice.
    Admin,
    /// Doctor.
    Doctor,
    /// Laboratory technician.
    LabTechnician,
    /// Patient: own released results only.
    Patient,
    /// Background worker: stores results.
    Worker,
    /// Webhook: stores raw messages.
    Receiver,
    /// Before sign-in: may look up the one user whose name was typed.
    SignIn,
}

impl ClaimRole {
    /// The role as policies spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Doctor => "doctor",
            Self::LabTechnician => "lab_technician",
            Self::Patient => "patient",
            Self::Worker => "worker",
            Self::Receiver => "receiver",
            Self::SignIn => "sign_in",
        }
    }

    /// A role that a person can have (column `users.role`).
    #[must_use]
    pub fn of_user(text: &str) -> Option<Self> {
        [Self::Admin, Self::Doctor, Self::LabTechnician, Self::Patient].into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for ClaimRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A claim's text, ready to be bound as `labor.claim`. It opens data: not printed, not logged.
#[derive(Clone)]
pub struct SignedClaim(String);

impl SignedClaim {
    /// Signs a claim.
    #[must_use]
    pub fn sign(key: &ClaimKey, tenant: &TenantName, subject: &str, role: ClaimRole, life: Duration) -> Self {
        let expiry = (SystemTime::now() + life).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self::sign_until(key, tenant, subject, role, expiry)
    }

    /// Signs a claim that expires at `expiry` (Unix seconds).
    #[must_use]
    pub fn sign_until(key: &ClaimKey, tenant: &TenantName, subject: &str, role: ClaimRole, expiry: u64) -> Self {
        debug_assert!(!subject.contains('.'), "a subject has no dot");
        let body = format!("{}.{tenant}.{subject}.{role}.{expiry}", key.id());
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let tag = hex::encode(hmac::sign(&key, body.as_bytes()));
        Self(format!("{body}.{tag}"))
    }

    /// The text for `set_config('labor.claim', …, true)`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedClaim(…)")
    }
}

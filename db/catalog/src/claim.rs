//! The signed claim: the second key that opens a tenant (verified by `guard.claim()` in db/rls/guard.sql).
//! Form: `key id . tenant . subject . role . expiry . HMAC-SHA256 in hex over everything before the last dot`.
//! No part can contain a dot: tenant names, UUIDs, service names and hex have none.
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use crate::{MasterSecret, TenantName};

/// The claim key in use. A rotation adds the next one to `guard.claim_keys` before it raises this.
pub const CLAIM_KEY_ID: u32 = 1;

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
    /// Signs a claim with the master secret's current claim key.
    #[must_use]
    pub fn sign(master: &MasterSecret, tenant: &TenantName, subject: &str, role: ClaimRole, life: Duration) -> Self {
        let expiry = (SystemTime::now() + life).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self::sign_until(master, tenant, subject, role, expiry)
    }

    /// Signs a claim that expires at `expiry` (Unix seconds).
    #[must_use]
    pub fn sign_until(master: &MasterSecret, tenant: &TenantName, subject: &str, role: ClaimRole, expiry: u64) -> Self {
        debug_assert!(!subject.contains('.'), "a subject has no dot");
        let body = format!("{CLAIM_KEY_ID}.{tenant}.{subject}.{role}.{expiry}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, &master.claim_key(CLAIM_KEY_ID));
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

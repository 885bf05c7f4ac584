//! An error for machines: its kind, the sentence that people read, and what else is known by name.
//! Must stay true: a kind keeps its word (docs/migrator.md lists them); nothing is in it that the sentence must not tell.
use serde::Serialize;
use serde_json::{Value, json};

use super::MigratorError;
use crate::holders::Holder;

/// Why a tenant failed, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// As of an error.
    pub kind: &'static str,
    /// What the server called it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// Name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Who held the tenant's tables when a lock was not to be had.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held_by: Vec<Holder>,
}

impl MigratorError {
    /// A word that scripts may rely on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Database { .. } | Self::Statement { .. } => "database",
            Self::OnEmptySchema(inner) => inner.kind(),
            Self::Migration { .. } => "migration",
            Self::Queue(_) => "queue",
            Self::Isolation(_) => "isolation",
            Self::Weak(_) => "weak_database",
            Self::Unhardened(_) => "unhardened",
            Self::NoSuperuser(_) => "no_superuser",
            Self::Unsound { .. } => "unsound",
            Self::Edited { .. } => "edited",
            Self::Drift { .. } => "drift",
            Self::NoReference { .. } => "no_reference",
            Self::Held { .. } => "held",
            Self::Ahead { .. } => "ahead",
            Self::Changed(_) => "changed",
            Self::Interrupted { .. } => "interrupted",
            Self::ControlLocked(_) => "control_locked",
            Self::Lint(_) | Self::Unrunnable(_) => "lint",
            Self::Older { .. } => "older_program",
            Self::Superseded { .. } => "older_rules",
            Self::Opposed { .. } => "other_direction",
            Self::SchemaGone(_) => "schema_gone",
            Self::NotYet { .. } => "not_yet",
            Self::Busy(_) => "busy",
            Self::UnknownTenant(_) => "unknown_tenant",
            Self::NotInitialised => "not_initialised",
            Self::NotBootstrapped => "not_bootstrapped",
            Self::WrongSecret => "wrong_secret",
            Self::LackingSecret { .. } => "lacking_secret",
            Self::OlderControl => "older_control",
            Self::WrongLogin(_) => "wrong_login",
            Self::Missing(_) => "missing",
            Self::Invalid(_) => "invalid",
            Self::Unreadable { .. } => "unreadable",
            Self::Unwritten { .. } => "unwritten",
            Self::File { .. } => "file",
            Self::Random(_) => "random",
        }
    }

    /// What a tenant's report says by name: its kind, and where in which file.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let details = self.details();
        let text = |key: &str| details[key].as_str().map(str::to_owned);
        Cause {
            kind: self.kind(),
            sqlstate: self.code().map(|code| code.code().to_owned()),
            file: text("file"),
            line: details["line"].as_u64(),
            held_by: Vec::new(),
        }
    }

    /// `{"error": {"kind": …, "message": …, …}}`.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let mut error = json!({ "kind": self.kind(), "message": self.told() });
        if let (Value::Object(error), Value::Object(details)) = (&mut error, self.details()) {
            error.extend(details);
        }
        json!({ "error": error })
    }

    fn details(&self) -> Value {
        match self {
            Self::Database { action, .. } => {
                json!({ "action": action, "sqlstate": self.code().map(|code| code.code()) })
            }
            Self::Statement { file, line, .. } => {
                json!({ "file": file, "line": line, "sqlstate": self.code().map(|code| code.code()) })
            }
            Self::Migration { file, line, .. } => {
                json!({ "file": file, "line": line, "sqlstate": self.code().map(|code| code.code()) })
            }
            Self::OnEmptySchema(inner) => inner.details(),
            Self::Unrunnable(finding) => json!({ "file": finding.file, "line": finding.line, "findings": [finding] }),
            Self::Isolation(findings) | Self::Weak(findings) | Self::Unhardened(findings) => {
                json!({ "findings": findings })
            }
            Self::Unsound { version, findings } => json!({ "version": version, "findings": findings }),
            Self::Edited { file, difference } => json!({ "file": file, "difference": difference }),
            Self::Drift { tenant, version, .. } | Self::NoReference { tenant, version } => {
                json!({ "tenant": tenant, "version": version })
            }
            Self::NotYet { tenant, waits, unconfirmed } => {
                json!({ "tenant": tenant, "waits": waits, "unconfirmed": unconfirmed })
            }
            Self::Held { tenant, reason } => json!({ "tenant": tenant, "reason": reason }),
            Self::Ahead { tenant, version, target } => {
                json!({ "tenant": tenant, "version": version, "target": target })
            }
            Self::Lint(findings) => json!({ "findings": findings }),
            Self::Older { newest, tenants, .. } => json!({ "newest": newest, "tenants": tenants }),
            Self::Opposed { under_way } => json!({ "under_way": under_way }),
            Self::Changed(tenant) | Self::SchemaGone(tenant) | Self::Busy(tenant) => json!({ "tenant": tenant }),
            Self::LackingSecret { number, .. } => json!({ "number": number }),
            Self::UnknownTenant(name) => json!({ "tenant": name }),
            Self::WrongLogin(login) => json!({ "login": login }),
            Self::Unreadable { path, .. } | Self::Unwritten { path, .. } => json!({ "path": path }),
            Self::File { file, line, .. } => json!({ "file": file, "line": line }),
            _ => json!({}),
        }
    }
}

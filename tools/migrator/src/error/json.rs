//! An error for machines: its kind, the sentence that people read, and what else is known by name.
//! Must stay true: a kind keeps its word (docs/migrator.md lists them); nothing is in it that the sentence must not tell.
use serde_json::{Value, json};

use super::MigratorError;

impl MigratorError {
    /// A word that scripts may rely on.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Database { .. } => "database",
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
            Self::Interrupted => "interrupted",
            Self::ControlLocked(_) => "control_locked",
            Self::Lint(_) => "lint",
            Self::Older { .. } => "older_program",
            Self::Opposed { .. } => "other_direction",
            Self::SchemaGone(_) => "schema_gone",
            Self::Busy(_) => "busy",
            Self::UnknownTenant(_) => "unknown_tenant",
            Self::NotInitialised => "not_initialised",
            Self::NotBootstrapped => "not_bootstrapped",
            Self::WrongSecret => "wrong_secret",
            Self::LackingSecret { .. } => "lacking_secret",
            Self::OlderControl => "older_control",
            Self::WrongLogin(_) => "wrong_login",
            Self::Invalid(_) => "invalid",
            Self::Unreadable { .. } => "unreadable",
            Self::Unwritten { .. } => "unwritten",
            Self::File { .. } => "file",
            Self::Random(_) => "random",
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
            Self::Migration { line, .. } => json!({ "line": line, "sqlstate": self.code().map(|code| code.code()) }),
            Self::Isolation(findings) | Self::Weak(findings) | Self::Unhardened(findings) => {
                json!({ "findings": findings })
            }
            Self::Unsound { version, findings } => json!({ "version": version, "findings": findings }),
            Self::Edited { file, difference } => json!({ "file": file, "difference": difference }),
            Self::Drift { tenant, version, .. } | Self::NoReference { tenant, version } => {
                json!({ "tenant": tenant, "version": version })
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

//! What compliance asks to be done with one tenant. Written here as rows; the tools that have the privilege carry them out.
//! Must stay true: whoever asks can't approve; the database enforces it too.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use crate::{Control, DbError};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// A copy of everything, for the practice.
    Export,
    /// A copy of one patient's data, for the patient (GDPR, Article 15).
    Copy(Uuid),
    /// Deletion of everything, after so many days in which the practice is shut and kept.
    Deletion {
        /// 0 to 365.
        grace_days: i32,
        /// Why the practice need not get first what it has to keep; `None`: it has to.
        no_receipt: Option<String>,
    },
}

/// A practice's word that it has an export: which one, by its manifest.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// SHA-256 of the manifest's file, in hex.
    pub manifest_sha256: String,
    /// The time for which the export stands.
    pub exported_at: DateTime<Utc>,
    /// Who confirmed it, and how; no health data.
    pub from: String,
}

/// A request as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct RequestSummary {
    /// Its id.
    pub id: Uuid,
    /// export, copy or deletion.
    pub kind: String,
    /// Which tenant.
    pub tenant: String,
    /// Its sign-in name; of a deleted one nobody knows it any more.
    pub practice: String,
    /// Legal basis or contract.
    pub reason: String,
    /// The patient whose data is asked for, of a copy.
    pub patient_id: Option<Uuid>,
    /// requested, approved, running, done or withdrawn.
    pub state: String,
    /// Of a deletion: for so many days the practice is shut and kept before anything is dropped.
    pub grace_days: Option<i32>,
    /// Of a deletion: why the practice need not get its records first.
    pub no_receipt: Option<String>,
    /// Of an export: when the practice confirmed that it has it.
    pub received_at: Option<DateTime<Utc>>,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Who agreed.
    pub approved_by: Option<String>,
}

/// An operator.
#[derive(Debug, Clone, Serialize)]
pub struct Operator {
    /// Id, as in certificates.
    pub id: Uuid,
    /// Name used in requests and approvals.
    pub username: String,
    /// Name as shown.
    pub display_name: String,
}

/// A hold as operators see it.
#[derive(Debug, Clone, Serialize)]
pub struct Hold {
    /// Its id.
    pub id: Uuid,
    /// Which tenant.
    pub tenant: String,
    /// Who holds.
    pub holder: String,
    /// Why.
    pub reason: String,
    /// Last day; `None`: until removed.
    pub until: Option<chrono::NaiveDate>,
}

/// How an approval ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Approved now.
    Approved,
    /// The one who asked can't approve.
    SamePerson,
    /// There is no open request with this id.
    NotOpen,
}

impl Control {
    /// Registers an operator; `None` when the name is taken.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn add_operator(&self, username: &str, display_name: &str) -> Result<Option<Uuid>, DbError> {
        let added = sqlx::query_scalar!(
            "INSERT INTO control.operators (id, username, display_name) VALUES ($1, $2, $3) ON CONFLICT (username) DO NOTHING RETURNING id",
            Uuid::now_v7(),
            username,
            display_name
        );
        Ok(added.fetch_optional(self.pool()).await?)
    }

    /// The operator with this name.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn operator(&self, username: &str) -> Result<Option<Uuid>, DbError> {
        let found = sqlx::query_scalar!("SELECT id FROM control.operators WHERE username = $1", username);
        Ok(found.fetch_optional(self.pool()).await?)
    }

    /// The practice with this sign-in name, also one that is shut: what it wants done with its data it may want then.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn kept_practice(&self, slug: &str) -> Result<Option<String>, DbError> {
        let found = sqlx::query_scalar!(
            "SELECT name FROM control.tenants WHERE slug = $1 AND kind = 'practice' AND state IN ('active', 'frozen')",
            slug
        );
        Ok(found.fetch_optional(self.pool()).await?)
    }

    /// Asks for an export, a copy or a deletion.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn request(
        &self,
        kind: RequestKind,
        tenant: &TenantName,
        reason: &str,
        by: Uuid,
    ) -> Result<Uuid, DbError> {
        let (kind, patient, grace_days, no_receipt) = match kind {
            RequestKind::Export => ("export", None, None, None),
            RequestKind::Copy(patient) => ("copy", Some(patient), None, None),
            RequestKind::Deletion { grace_days, no_receipt } => ("deletion", None, Some(grace_days), no_receipt),
        };
        let id = Uuid::now_v7();
        sqlx::query!(
            "INSERT INTO control.requests (id, kind, tenant, patient_id, reason, requested_by, grace_days, no_receipt)
             VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, 14), $8)",
            id,
            kind,
            tenant.as_str(),
            patient,
            reason,
            by,
            grace_days,
            no_receipt
        )
        .execute(self.pool())
        .await?;
        Ok(id)
    }

    /// The second pair of eyes.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn approve(&self, request: Uuid, by: Uuid) -> Result<Approval, DbError> {
        let requested_by = sqlx::query_scalar!(
            "SELECT requested_by FROM control.requests WHERE id = $1 AND state = 'requested'",
            request
        )
        .fetch_optional(self.pool())
        .await?;
        match requested_by {
            None => return Ok(Approval::NotOpen),
            Some(asker) if asker == by => return Ok(Approval::SamePerson),
            Some(_) => {}
        }
        let done = sqlx::query!(
            "UPDATE control.requests SET approved_by = $2, approved_at = now(), state = 'approved' WHERE id = $1 AND state = 'requested'",
            request,
            by
        )
        .execute(self.pool())
        .await?;
        Ok(if done.rows_affected() == 1 { Approval::Approved } else { Approval::NotOpen })
    }

    /// Takes a request back, as long as nothing was dropped for it; false: there is none that could be. One person is enough: nothing happens.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn withdraw(&self, request: Uuid, by: Uuid) -> Result<bool, DbError> {
        let done = sqlx::query!(
            r#"UPDATE control.requests SET state = 'withdrawn', withdrawn_by = $2, withdrawn_at = now()
                WHERE id = $1 AND state IN ('requested', 'approved', 'running') AND NOT steps @> '[{"step": "drop"}]'"#,
            request,
            by
        );
        Ok(done.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// Which tenant an approved export is of; `None`: there is no such export.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn exported_tenant(&self, request: Uuid) -> Result<Option<String>, DbError> {
        let found = sqlx::query_scalar!(
            "SELECT tenant FROM control.requests WHERE id = $1 AND kind = 'export' AND approved_by IS NOT NULL AND state <> 'withdrawn'",
            request
        );
        Ok(found.fetch_optional(self.pool()).await?)
    }

    /// Notes that the practice has an export; a later one takes the place of an earlier one. False: the export was taken back, or is of a time
    /// at which it was not approved yet, or that has not come.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn receive(&self, request: Uuid, receipt: &Receipt, by: Uuid) -> Result<bool, DbError> {
        let Receipt { manifest_sha256, exported_at, from } = receipt;
        let receipt = json!({
            "manifest_sha256": manifest_sha256, "exported_at": exported_at, "from": from, "noted_by": by, "at": Utc::now(),
        });
        let noted = sqlx::query!(
            "UPDATE control.requests SET receipt = $2
              WHERE id = $1 AND kind = 'export' AND state <> 'withdrawn' AND approved_at <= $3 AND $3 <= clock_timestamp()",
            request,
            receipt,
            exported_at
        );
        Ok(noted.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// All requests, newest first, at most 200.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn requests(&self) -> Result<Vec<RequestSummary>, DbError> {
        let rows = sqlx::query_as!(
            RequestSummary,
            r#"SELECT r.id, r.kind, r.tenant, t.slug AS practice, r.reason, r.patient_id, r.state, a.username AS requested_by, r.requested_at,
                      b.username AS "approved_by?", CASE WHEN r.kind = 'deletion' THEN r.grace_days END AS grace_days, r.no_receipt, (r.receipt ->> 'at')::timestamptz AS received_at
                 FROM control.requests r
                 JOIN control.tenants t ON t.name = r.tenant
                 JOIN control.operators a ON a.id = r.requested_by
                 LEFT JOIN control.operators b ON b.id = r.approved_by
                ORDER BY r.requested_at DESC LIMIT 200"#
        );
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// Forbids the deletion of a tenant until a day, or until the hold is removed.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn hold(
        &self,
        tenant: &TenantName,
        holder: &str,
        reason: &str,
        until: Option<chrono::NaiveDate>,
    ) -> Result<Uuid, DbError> {
        let id = Uuid::now_v7();
        sqlx::query!(
            "INSERT INTO control.holds (id, tenant, holder, reason, until) VALUES ($1, $2, $3, $4, $5)",
            id,
            tenant.as_str(),
            holder,
            reason,
            until
        )
        .execute(self.pool())
        .await?;
        Ok(id)
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn operators(&self) -> Result<Vec<Operator>, DbError> {
        let rows =
            sqlx::query_as!(Operator, "SELECT id, username, display_name FROM control.operators ORDER BY username");
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// All holds, oldest first.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn holds(&self) -> Result<Vec<Hold>, DbError> {
        let rows = sqlx::query_as!(
            Hold,
            "SELECT id, tenant, holder, reason, until FROM control.holds ORDER BY created_at, id"
        );
        Ok(rows.fetch_all(self.pool()).await?)
    }

    /// Removes a hold; false when there is none with this id.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn release(&self, hold: Uuid) -> Result<bool, DbError> {
        Ok(sqlx::query!("DELETE FROM control.holds WHERE id = $1", hold).execute(self.pool()).await?.rows_affected()
            == 1)
    }
}

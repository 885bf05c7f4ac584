//! The approved request that an export or an erasure carries out. Read only: this package's login can't change it.
use labor_catalog::TenantName;
use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::BackupError;

/// What two people agreed to.
pub(crate) struct Request {
    pub(crate) id: Uuid,
    pub(crate) tenant: TenantName,
    /// The patient whose data is to be exported; none: everything.
    pub(crate) patient: Option<Uuid>,
    pub(crate) requested_by: Uuid,
    pub(crate) approved_by: Uuid,
    pub(crate) state: String,
    pub(crate) certificate: Option<Value>,
}

impl Request {
    /// The request for a deletion, which must have been approved.
    pub(crate) async fn for_deletion(client: &Client, id: Uuid) -> Result<Self, BackupError> {
        Self::approved(client, id, &["deletion"]).await
    }

    /// The request for an export of a practice or a copy for a patient, which must have been approved.
    pub(crate) async fn for_export(client: &Client, id: Uuid) -> Result<Self, BackupError> {
        Self::approved(client, id, &["export", "copy"]).await
    }

    async fn approved(client: &Client, id: Uuid, kinds: &[&str]) -> Result<Self, BackupError> {
        // Through JSON, because before version 6 the control schema has no such column, and no copies.
        let statement =
            "SELECT tenant, requested_by, approved_by, state, certificate, (to_jsonb(r) ->> 'patient_id')::uuid
                           FROM control.requests r WHERE id = $1 AND kind = ANY ($2)";
        let row = client
            .query_opt(statement, &[&id, &kinds])
            .await
            .map_err(BackupError::during("read the request"))?
            .ok_or_else(|| {
            BackupError::NotFound(format!("there is no request {id} for a {}", kinds.join(" or a ")))
        })?;
        if row.get::<_, &str>(3) == "withdrawn" {
            return Err(BackupError::Refused(format!("request {id} was taken back; nothing is done for it")));
        }
        let Some(approved_by) = row.get(2) else {
            return Err(BackupError::Refused(format!(
                "request {id} is not approved; a second operator does that with `labor request approve`"
            )));
        };
        let tenant = TenantName::parse(row.get(0)).map_err(|error| BackupError::Invalid(error.to_string()))?;
        Ok(Self {
            id,
            tenant,
            patient: row.get(5),
            requested_by: row.get(1),
            approved_by,
            state: row.get(3),
            certificate: row.get(4),
        })
    }
}

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
    pub(crate) requested_by: Uuid,
    pub(crate) approved_by: Uuid,
    pub(crate) state: String,
    pub(crate) certificate: Option<Value>,
}

impl Request {
    /// The request of this kind, which must have been approved.
    pub(crate) async fn approved(client: &Client, id: Uuid, kind: &str) -> Result<Self, BackupError> {
        let row = client
            .query_opt(
                "SELECT tenant, requested_by, approved_by, state, certificate FROM control.requests WHERE id = $1 AND kind = $2",
                &[&id, &kind],
            )
            .await
            .map_err(BackupError::during("read the request"))?
            .ok_or_else(|| BackupError::NotFound(format!("there is no request {id} for a {kind}")))?;
        let Some(approved_by) = row.get(2) else {
            return Err(BackupError::Refused(format!(
                "request {id} is not approved; a second operator does that with `labor request approve`"
            )));
        };
        let tenant = TenantName::parse(row.get(0)).map_err(|error| BackupError::Invalid(error.to_string()))?;
        Ok(Self { id, tenant, requested_by: row.get(1), approved_by, state: row.get(3), certificate: row.get(4) })
    }
}

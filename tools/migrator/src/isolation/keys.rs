//! Keys that claims are verified with, against those that come out of the master secret.
//! Must stay true: a key that is not ours lets whoever wrote it sign claims of every practice, and no right or definition shows it.
use tokio_postgres::GenericClient;

use super::Finding;
use crate::{Migrator, MigratorError};

impl Migrator {
    /// Keys in use that this master secret does not give.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn claim_keys(&self, client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
        let rows = client
            .query(
                "SELECT key_id, inner_pad, outer_pad FROM guard.claim_keys WHERE not_after IS NULL OR not_after > now() ORDER BY key_id",
                &[],
            )
            .await
            .map_err(MigratorError::during("read the claim keys"))?;
        let foreign = rows.iter().filter(|row| {
            let number: i32 = row.get(0);
            let ours = u32::try_from(number).map(|number| self.master.claim_key_pads(number));
            !ours.is_ok_and(|pads| {
                pads.inner[..] == *row.get::<_, &[u8]>(1) && pads.outer[..] == *row.get::<_, &[u8]>(2)
            })
        });
        Ok(foreign.map(|row| finding(row.get(0))).collect())
    }
}

fn finding(number: i32) -> Finding {
    Finding {
        kind: "claim_key".to_owned(),
        object: format!("guard.claim_keys {number}"),
        detail: "does not come out of this master secret: whoever wrote it can sign claims of every practice. Find out who, then DELETE it"
            .to_owned(),
    }
}

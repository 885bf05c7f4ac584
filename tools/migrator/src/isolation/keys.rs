//! Keys that claims are verified with, against those that the fleet uses and that come out of the master secrets.
//! Must stay true: a key that is not ours lets whoever wrote it sign claims of every practice, and no right or definition shows it.
use labor_catalog::{ClaimKey, ClaimKeyId};
use tokio_postgres::{GenericClient, Row};

use super::Finding;
use crate::{Migrator, MigratorError};

impl Migrator {
    /// Keys that the guard accepts although the fleet does not use them, or that our master secrets do not give.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn claim_keys(&self, client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
        // The fleet's row is read through JSON: of before there were other keys it says nothing, and uses number 1.
        let rows = client
            .query(
                "SELECT k.key_id, k.inner_pad, k.outer_pad,
                        EXISTS (SELECT FROM control.fleet f CROSS JOIN LATERAL to_jsonb(f) AS f_row (said)
                                 WHERE k.key_id = coalesce((f_row.said ->> 'claim_key')::integer, 1)
                                    OR (k.key_id = (f_row.said ->> 'former_claim_key')::integer
                                        AND k.not_after IS NOT DISTINCT FROM (f_row.said ->> 'former_ends_at')::timestamptz))
                   FROM guard.claim_keys k
                  WHERE k.not_after IS NULL OR k.not_after > now() ORDER BY k.key_id",
                &[],
            )
            .await
            .map_err(MigratorError::during("read the claim keys"))?;
        Ok(rows.iter().filter_map(|row| self.claim_key(row)).collect())
    }

    fn claim_key(&self, row: &Row) -> Option<Finding> {
        let (number, in_use): (i32, bool) = (row.get(0), row.get(3));
        let id = ClaimKeyId::new(number);
        let detail = if !in_use {
            "is accepted by the guard and not used by the fleet: whoever wrote it can sign claims of every practice. Find out who, then \
             DELETE it"
        } else if id.is_some_and(|id| self.differs(id, row.get(1), row.get(2))) {
            "does not come out of the master secret: whoever wrote it can sign claims of every practice. Find out who, then change the key \
             (`labor-migrator rotate claim-key`)"
        } else {
            return None;
        };
        let object = format!("guard.claim_keys {number}");
        Some(Finding { kind: "claim_key".to_owned(), object, detail: detail.to_owned() })
    }

    /// Of a secret that our file does not hold any more nothing can be said.
    fn differs(&self, id: ClaimKeyId, inner: &[u8], outer: &[u8]) -> bool {
        self.ring.get(id.secret()).is_some_and(|secret| {
            let ours = ClaimKey::new(id, secret).pads();
            ours.inner[..] != *inner || ours.outer[..] != *outer
        })
    }
}

//! Keys that claims are verified with, against those that the fleet uses and that come out of the master secrets.
//! Must stay true: a key that is not ours lets whoever wrote it sign claims of every practice, and no right or definition shows it.
use labor_catalog::{ClaimKey, ClaimKeyId};
use tokio_postgres::{GenericClient, Row};

use super::Finding;
use crate::{Migrator, MigratorError};

impl Migrator {
    /// Keys that the guard accepts although the fleet does not use them, or that our master secrets do not give; and the key in use, when
    /// the guard is to forget it.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn claim_keys(&self, client: &impl GenericClient) -> Result<Vec<Finding>, MigratorError> {
        // The fleet's row is read through JSON: of before there were other keys it says nothing, and uses number 1.
        let rows = client
            .query(
                "WITH used AS (
                   SELECT coalesce((said ->> 'claim_key')::integer, 1) AS key_id, NULL::timestamptz AS ends_at
                     FROM control.fleet f CROSS JOIN LATERAL to_jsonb(f) AS f_row (said)
                   UNION ALL
                   SELECT (said ->> 'former_claim_key')::integer, (said ->> 'former_ends_at')::timestamptz
                     FROM control.fleet f CROSS JOIN LATERAL to_jsonb(f) AS f_row (said) WHERE said ->> 'former_claim_key' IS NOT NULL)
                 SELECT key_id, k.inner_pad, k.outer_pad, u.key_id IS NOT NULL, k.not_after IS NOT DISTINCT FROM u.ends_at
                   FROM used u FULL JOIN guard.claim_keys k USING (key_id)
                  WHERE (u.key_id IS NOT NULL AND coalesce(u.ends_at, 'infinity') > now())
                     OR (k.key_id IS NOT NULL AND coalesce(k.not_after, 'infinity') > now())
                  ORDER BY key_id",
                &[],
            )
            .await
            .map_err(MigratorError::during("read the claim keys"))?;
        Ok(rows.iter().filter_map(|row| self.claim_key(row)).collect())
    }

    fn claim_key(&self, row: &Row) -> Option<Finding> {
        let (number, in_use, same_end): (i32, bool, bool) = (row.get(0), row.get(3), row.get(4));
        let pads: Option<(&[u8], &[u8])> = row.get::<_, Option<_>>(1).zip(row.get(2));
        let id = ClaimKeyId::new(number);
        let detail = match pads {
            None => {
                "is used by the fleet and unknown to the guard: what is signed with it is refused. Find out who took it away; \
                     `labor-migrator up` writes the one in use again"
            }
            Some(_) if !in_use => {
                "is accepted by the guard and not used by the fleet: whoever wrote it can sign claims of every practice. Find out \
                                   who, then DELETE it"
            }
            Some((inner, outer)) if id.is_some_and(|id| self.differs(id, inner, outer)) => {
                "does not come out of the master secret: whoever wrote it can sign claims of every practice. Find out who, DELETE it, \
                 and let `labor-migrator up` write the right one"
            }
            Some(_) if !same_end => {
                "ends for the guard at another time than control.fleet says: claims are refused too early, or accepted for too \
                                     long. Find out who changed it, then set not_after to what control.fleet says"
            }
            Some(_) => return None,
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

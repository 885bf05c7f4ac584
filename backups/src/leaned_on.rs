//! What a removal leans on: the backups that are left when the others are gone.
//!
//! A listing can be of before: it shows what somebody removed since, and what is removed for its sake would have been the last one.
//!
//! Must stay true: nothing is decided here out of a listing.
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;

use crate::list::Found;
use crate::retention::Decision;
use crate::standing::Standing;
use crate::{Backup, BackupError, BackupId, manifest};

impl Backup {
    /// Asks for what stays by its name: the two newest good ones, and the newest that was verified. Which of them is not there, or not good.
    pub(crate) async fn is_there(
        &self,
        tenant: &TenantName,
        decided: &[Decision],
        now: DateTime<Utc>,
    ) -> Result<Option<BackupId>, BackupError> {
        let mac_key = self.keys.sealing(tenant.as_str()).await?.mac;
        let good = || decided.iter().filter(|one| one.stays && matches!(one.standing, Standing::Good { .. }));
        let verified = good().skip(2).find(|one| one.standing == Standing::Good { verified: true });
        for one in good().take(2).chain(verified) {
            let found = self.ask_for(tenant, &one.backup).await?;
            let judged = self.judge(tenant, one.backup.clone(), &found, &mac_key, now).await?;
            // One that was verified meanwhile is as good.
            let as_good = judged.standing == one.standing || judged.standing == Standing::Good { verified: true };
            if !as_good {
                return Ok(Some(one.backup.clone()));
            }
        }
        Ok(None)
    }

    async fn ask_for(&self, tenant: &TenantName, backup: &BackupId) -> Result<Found, BackupError> {
        let mut found = Found::default();
        let keys = [
            manifest::manifest_key(tenant, backup),
            manifest::verified_key(tenant, backup),
            manifest::unchanged_key(tenant, backup),
            manifest::dump_key(tenant, backup),
        ];
        for key in keys {
            if let Some(object) = self.store.ask_for(&key).await? {
                found.take(key.rsplit('/').next().unwrap_or_default(), &object);
            }
        }
        Ok(found)
    }
}

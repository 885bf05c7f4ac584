//! `control prune`: removes the backups of the control schema that have no place any more (`retention`). They hold the names and BSNRs of
//! practices that were deleted since, so they are not to be kept for ever.
//!
//! Must stay true: nothing is removed unless it was asked for; what its key can't open is neither counted nor removed, and it is said;
//! the two newest that it opens stay.
use chrono::{DateTime, Utc};

use crate::pruned::{ControlPruned, Fate, PruneOptions, Pruned};
use crate::standing::{Judged, Standing};
use crate::{Backup, BackupError, BackupId, clock, control, prune, retention};

const DOUBT: &str = "it is not of the control schema's key, of a later version, or not to be read: look at it";

impl Backup {
    /// Removes what has no place among the backups of the control schema.
    ///
    /// # Errors
    /// When nothing could be begun: database, store or key can't be read, the time zone is unknown. What happens after that is in the result.
    pub async fn control_prune(&self, options: &PruneOptions) -> Result<ControlPruned, BackupError> {
        let deciding = async {
            let client = labor_connect::connect(&self.source).await?;
            clock::agrees_with_database(&client).await?;
            prune::known_zone(&client, &options.time_zone).await?;
            let mut judged = Vec::new();
            for backup in self.control_backups(options.now).await? {
                judged.extend(self.judge_control(backup, options.now).await?);
            }
            prune::candidates(&client, &options.time_zone, judged).await
        };
        let candidates = Box::pin(self.unless_stopped(deciding)).await?;
        let mut pruned = ControlPruned { applied: options.apply, backups: Vec::new(), stopped: false };
        for decision in retention::decide(options.retention, &candidates) {
            if self.stop.is_cancelled() {
                pruned.stopped = true;
                break;
            }
            let fate = match (decision.stays, options.apply) {
                (true, _) => Fate::Stays,
                (false, false) => Fate::ToBeRemoved,
                (false, true) => self.remove_control(&decision.backup, options.now).await,
            };
            let doubt = decision.doubt.map(str::to_owned);
            pruned.backups.push(Pruned { backup: decision.backup, fate, reasons: decision.reasons, doubt });
        }
        Ok(pruned)
    }

    /// None: it is gone since it was listed.
    async fn judge_control(&self, backup: BackupId, now: DateTime<Utc>) -> Result<Option<Judged>, BackupError> {
        let (standing, doubt, made) = match self.control_made_at(&backup).await {
            Ok(made) => (Standing::Good { verified: false }, None, made),
            Err(BackupError::NotFound(_)) => return Ok(None),
            Err(BackupError::Damaged(_) | BackupError::Refused(_)) => (Standing::Unknown, Some(DOUBT), now),
            Err(error) => return Err(error),
        };
        Ok(Some(Judged { backup, standing, doubt, made, until: made, verified_at: None }))
    }

    async fn remove_control(&self, backup: &BackupId, now: DateTime<Utc>) -> Fate {
        let key = control::key(backup);
        self.delete_in_order(&key, std::slice::from_ref(&key), now).await
    }
}

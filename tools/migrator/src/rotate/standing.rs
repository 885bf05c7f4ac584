//! `rotate status`: which keys are in use, what still depends on which master secret, and what to do next.
//! Must stay true: it also answers whoever's file lacks the fleet's secret, for that is when it is asked.
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use labor_catalog::{ClaimKeyId, SecretNumber};
use serde::Serialize;
use tokio_postgres::Client;

use super::{SourceLeft, listed, sources_left, told};
use crate::keys::{self, Lock};
use crate::{Migrator, MigratorError};

/// A claim key.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Its number in the guard.
    pub claim_key: i32,
    /// Number of the master secret that it comes out of.
    pub secret_number: SecretNumber,
    /// Until when it is accepted; `None`: no end was set.
    pub until: Option<DateTime<Utc>>,
    /// Whether it is accepted now.
    pub accepted: bool,
}

/// Where a rotation stands.
#[derive(Debug, Clone, Serialize)]
pub struct RotationStatus {
    /// Numbers that this machine's file holds.
    pub file: Vec<SecretNumber>,
    /// Signs claims.
    pub current: Key,
    /// The key before.
    pub former: Option<Key>,
    /// How many logins there are by number of the master secret.
    pub logins: BTreeMap<i32, i64>,
    /// How many sources in service there are by number of the master secret.
    pub sources: BTreeMap<i32, i64>,
    /// Sources in service that are still to be changed over.
    pub sources_left: Vec<SourceLeft>,
}

impl Migrator {
    /// Where a rotation stands.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn rotate_status(&self) -> Result<RotationStatus, MigratorError> {
        let client = self.connect().await?;
        self.require_control(&client).await?;
        let keys = keys::read(&client, Lock::None).await?;
        let key =
            |id: ClaimKeyId| Key { claim_key: id.into(), secret_number: id.secret(), until: None, accepted: true };
        let mut file: Vec<_> = self.ring.iter().map(|(number, _)| number).collect();
        file.reverse();
        Ok(RotationStatus {
            file,
            current: key(keys.current),
            former: keys.former.map(|former| Key { until: former.until, accepted: former.alive, ..key(former.id) }),
            logins: counts(&client, "control.tenants WHERE state <> 'deleted'").await?,
            sources: counts(&client, "control.sources WHERE state = 'active'").await?,
            sources_left: sources_left(&client, keys.current.secret()).await?,
        })
    }
}

async fn counts(client: &Client, of: &str) -> Result<BTreeMap<i32, i64>, MigratorError> {
    let rows = client.query(&format!("SELECT secret_number, count(*) FROM {of} GROUP BY 1"), &[]).await;
    let rows = rows.map_err(MigratorError::during("count what depends on which master secret"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl RotationStatus {
    /// What to do next, in a sentence.
    #[must_use]
    pub fn next(&self) -> String {
        let number = self.current.secret_number;
        if !self.file.contains(&number) {
            return format!("this machine's file lacks number {number}, which the fleet uses: append that line");
        }
        let Some(former) = &self.former else { return "nothing is under way".to_owned() };
        let (old, other) = (former.secret_number, former.secret_number != number);
        match former.until {
            None if self.logins.keys().any(|login| *login != i32::from(number)) => {
                "logins are left: `labor-migrator rotate master` goes on with them".to_owned()
            }
            None if !self.sources_left.is_empty() => format!(
                "`labor source rotate ID` for each of these, and its laboratory gets the new secret: {}. Then `labor-migrator rotate finish`",
                listed(&self.sources_left)
            ),
            None => "`labor-migrator rotate finish`".to_owned(),
            Some(until) if former.accepted && other => {
                format!("after {} remove the line of number {old} from every file", told(until))
            }
            Some(until) if former.accepted => format!("claim key {} ends at {}", former.claim_key, told(until)),
            Some(_) if other && self.file.contains(&old) => format!("remove the line of number {old} from every file"),
            Some(_) => "nothing is under way".to_owned(),
        }
    }
}

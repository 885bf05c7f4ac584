//! What the bucket does for what is in it: versions, Object Lock, lifecycle rules. And the lock that a run asks for.
//!
//! Must stay true: nothing is said to be locked that is not; a bucket that can't lock is refused before anything is written.
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime as StoreTime;
use aws_sdk_s3::types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule, ObjectLockEnabled, ObjectLockMode};
use chrono::{DateTime, Days, Utc};
use serde::Serialize;

use crate::store::Store;
use crate::{Backup, BackupError, audit, manifest};

/// For how long, and against whom, a backup can't be removed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectLock {
    /// Days from its making.
    pub days: u16,
    /// Also whoever the store permits to lift locks can't lift this one, nor shorten it.
    pub compliance: bool,
}

impl ObjectLock {
    pub(crate) const fn mode(self) -> ObjectLockMode {
        if self.compliance { ObjectLockMode::Compliance } else { ObjectLockMode::Governance }
    }

    pub(crate) fn until(self, now: DateTime<Utc>) -> StoreTime {
        StoreTime::from_secs((now + Days::new(self.days.into())).timestamp())
    }
}

/// What the bucket does.
#[derive(Clone, Debug, Serialize)]
pub struct BucketFindings {
    /// Whether what is overwritten or deleted stays as an older version.
    pub versioning: bool,
    /// Whether objects can be locked.
    pub object_lock: bool,
    /// Lifecycle rules that are switched on.
    pub lifecycle_rules: usize,
    /// What somebody has to look at.
    pub faults: Vec<String>,
}

impl Backup {
    /// Locks what `run` stores.
    #[must_use]
    pub const fn with_object_lock(mut self, lock: Option<ObjectLock>) -> Self {
        self.store.lock = lock;
        self
    }

    /// Looks at the bucket, writes nothing.
    ///
    /// # Errors
    /// When the store refuses to tell.
    pub async fn check_bucket(&self) -> Result<BucketFindings, BackupError> {
        let store = &self.store;
        let looking = async { tokio::try_join!(store.keeps_versions(), store.can_lock(), store.lifecycle()) };
        let (versioning, object_lock, rules) = Box::pin(self.unless_stopped(looking)).await?;
        let faults = faults(versioning, object_lock, &rules);
        Ok(BucketFindings { versioning, object_lock, lifecycle_rules: rules.len(), faults })
    }

    /// Asked before anything is written.
    pub(crate) async fn may_lock(&self) -> Result<(), BackupError> {
        if self.store.lock.is_none() || self.store.can_lock().await? {
            return Ok(());
        }
        Err(BackupError::Refused(format!(
            "the bucket {} has no Object Lock, so nothing in it can be locked; a bucket is given it when it is made. Without --object-lock-days backups are stored unlocked",
            self.store.bucket
        )))
    }
}

impl Store {
    async fn versioning(&self) -> Result<Option<BucketVersioningStatus>, BackupError> {
        let asked = self.client.get_bucket_versioning().bucket(&self.bucket).send().await;
        Ok(asked.map_err(self.failed("ask whether versions are kept"))?.status().cloned())
    }

    async fn keeps_versions(&self) -> Result<bool, BackupError> {
        Ok(self.versioning().await? == Some(BucketVersioningStatus::Enabled))
    }

    /// Also if it keeps none any more: those of before are there still.
    pub(crate) async fn ever_kept_versions(&self) -> Result<bool, BackupError> {
        Ok(self.versioning().await?.is_some())
    }

    async fn can_lock(&self) -> Result<bool, BackupError> {
        let asked = self.client.get_object_lock_configuration().bucket(&self.bucket).send().await;
        let told = unless(asked, "ObjectLockConfigurationNotFoundError").map_err(self.failed("ask for Object Lock"))?;
        let configuration = told.as_ref().and_then(|told| told.object_lock_configuration());
        Ok(configuration.and_then(|lock| lock.object_lock_enabled()) == Some(&ObjectLockEnabled::Enabled))
    }

    async fn lifecycle(&self) -> Result<Vec<LifecycleRule>, BackupError> {
        let asked = self.client.get_bucket_lifecycle_configuration().bucket(&self.bucket).send().await;
        let told = unless(asked, "NoSuchLifecycleConfiguration").map_err(self.failed("ask for lifecycle rules"))?;
        let rules = told.map(|told| told.rules().to_vec()).unwrap_or_default();
        Ok(rules.into_iter().filter(|rule| rule.status() == &ExpirationStatus::Enabled).collect())
    }

    /// Until when the store keeps an object, whatever is deleted.
    pub(crate) async fn locked_until(&self, key: &str) -> Result<Option<DateTime<Utc>>, BackupError> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => Ok(head.object_lock_retain_until_date().and_then(|at| DateTime::from_timestamp(at.secs(), 0))),
            Err(SdkError::ServiceError(e)) if e.err().is_not_found() => Ok(None),
            Err(error) => Err(self.failed(format!("look for a lock of {key}"))(error)),
        }
    }
}

/// None for the answer that there is no such thing.
fn unless<T, E: ProvideErrorMetadata, R>(
    asked: Result<T, SdkError<E, R>>,
    code: &str,
) -> Result<Option<T>, SdkError<E, R>> {
    match asked {
        Ok(told) => Ok(Some(told)),
        Err(SdkError::ServiceError(e)) if e.err().code() == Some(code) => Ok(None),
        Err(error) => Err(error),
    }
}

fn faults(versioning: bool, object_lock: bool, rules: &[LifecycleRule]) -> Vec<String> {
    let mut faults = Vec::new();
    if !versioning {
        faults
            .push("it keeps no versions: what is overwritten or deleted, also by mistake, is gone at once".to_owned());
    }
    if !object_lock {
        faults.push("it has no Object Lock: whoever has its keys can delete every backup".to_owned());
    }
    let ours = || rules.iter().filter(|rule| concerns(rule, manifest::ALL));
    if versioning && !ours().any(|rule| rule.noncurrent_version_expiration().is_some()) {
        faults.push("no rule ends noncurrent versions below tenants/: what is pruned takes room for ever".to_owned());
    }
    if !ours().any(|rule| rule.abort_incomplete_multipart_upload().is_some()) {
        faults.push("no rule aborts unfinished uploads below tenants/".to_owned());
    }
    let expires =
        |rule: &&LifecycleRule| rule.expiration().is_some_and(|end| end.days().is_some() || end.date().is_some());
    for rule in rules.iter().filter(expires) {
        let name = rule.id().unwrap_or("without a name");
        if concerns(rule, audit::ALL) {
            faults.push(format!(
                "the rule {name:?} ends seals of the audits by their age: the others prove nothing without them"
            ));
        }
        if concerns(rule, manifest::ALL) {
            faults.push(format!(
                "the rule {name:?} ends current versions by their age: it takes the only backup of a practice that does not change"
            ));
        }
    }
    faults
}

/// Whether a rule touches what is in a folder. Of rules for single sizes or tags nobody can tell; they are taken to.
fn concerns(rule: &LifecycleRule, folder: &str) -> bool {
    #[expect(deprecated, reason = "rules of before filters have their prefix there")]
    let outside = rule.prefix();
    let filter = rule.filter();
    let within = filter.and_then(|filter| filter.prefix().or_else(|| filter.and()?.prefix()));
    let prefix = within.or(outside).unwrap_or_default();
    prefix.starts_with(folder) || folder.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter, NoncurrentVersionExpiration,
    };

    use super::*;

    #[test]
    fn a_rule_that_takes_the_newest_backup_is_found_and_good_ones_are_not() {
        let rule = |prefix: &str| {
            let filter = LifecycleRuleFilter::builder().prefix(prefix).build();
            LifecycleRule::builder().id(prefix).filter(filter).status(ExpirationStatus::Enabled)
        };
        let good = rule("tenants/")
            .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(30).build())
            .abort_incomplete_multipart_upload(
                AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build(),
            )
            .expiration(LifecycleExpiration::builder().expired_object_delete_marker(true).build())
            .build()
            .unwrap();
        let by_age =
            |prefix: &str| rule(prefix).expiration(LifecycleExpiration::builder().days(30).build()).build().unwrap();
        assert_eq!(faults(true, true, &[good.clone(), by_age("logs/")]), Vec::<String>::new());
        for (prefix, count) in [("", 2), ("ten", 1), ("tenants/", 1), ("tenants/t_abc", 1)] {
            let found = faults(true, true, &[good.clone(), by_age(prefix)]);
            assert!(found.len() == count && found[count - 1].contains("only backup"), "{prefix}: {found:?}");
        }
        let found = faults(true, true, &[good.clone(), by_age("audit/t_abc")]);
        assert!(found.len() == 1 && found[0].contains("seals"), "{found:?}");
        assert_eq!(faults(true, true, &[]).len(), 2);
        assert_eq!(faults(false, false, &[good]).len(), 2);
    }
}

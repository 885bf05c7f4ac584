//! `erase`: after a tenant was deleted from the database, its objects and its key go too.
//! Must stay true: nothing is erased before the database's own certificate exists; versions, delete markers and unfinished uploads
//! are erased as well; the key goes first, so that what a lock still keeps can't be read; then it is searched for; the certificate
//! says "destroyed" of a key only when it was there.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use chrono::{DateTime, Utc};
use labor_catalog::TenantName;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::request::Request;
use crate::store::Store;
use crate::{Backup, BackupError, KeyFate, KeyReceipt, SigningKey, audit, manifest, over};

/// Proof of a deletion: the database's certificate and what became of the objects.
#[derive(Debug, Clone, Serialize)]
pub struct ErasureCertificate {
    /// The request that was carried out.
    pub request: Uuid,
    /// Opaque name of the tenant.
    pub tenant: TenantName,
    /// What `labor-migrator delete` certified.
    pub database: Value,
    /// The object store and the bucket that were searched.
    pub store: String,
    /// What became of the key in the folder that was named, and in the service that had wrapped it.
    pub key: KeyFate,
    /// Which key, when it was destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_receipt: Option<KeyReceipt>,
    /// Objects, versions and delete markers that were deleted.
    pub objects_deleted: usize,
    /// Unfinished uploads that were aborted.
    pub uploads_aborted: usize,
    /// Objects, versions, delete markers and unfinished uploads that a search found afterwards: 0.
    pub found_afterwards: usize,
    /// When the search was made.
    pub certified_at: DateTime<Utc>,
    /// Version of this program.
    pub software: &'static str,
}

impl Backup {
    /// Erases what the object store holds of a deleted tenant, destroys its key, and certifies it as an object, with its signature as
    /// another one unless no key is given. `without_key` goes on when there is no key although there are sealed objects: somebody else destroyed it.
    ///
    /// # Errors
    /// When the deletion was not completed in the database, the key's service or the store refuses, or something is left;
    /// [`BackupError::Refused`] when the key is not there and nobody said that this is right.
    pub async fn erase(
        &self,
        request: Uuid,
        without_key: bool,
        signing: Option<&SigningKey>,
    ) -> Result<ErasureCertificate, BackupError> {
        let client = labor_connect::connect(&self.source).await?;
        let request = Request::for_deletion(&client, request).await?;
        let Some(database) = request.certificate.filter(|_| request.state == "done") else {
            return Err(BackupError::Refused(format!(
                "{} is not deleted from the database yet; run `labor-migrator delete --request {}` first",
                request.tenant, request.id
            )));
        };
        let tenant = request.tenant;
        over::refuse_held(&client, &tenant).await?;
        self.holds_something_of_labor().await?;
        let prefixes = [format!("{}{tenant}/", manifest::ALL), audit::folder(&tenant)];
        // Whether all that comes after the key may be done is tried before it: a right that is missing costs nothing yet.
        for prefix in &prefixes {
            self.store.count(prefix).await?;
        }
        self.store.ask_for(&format!("certificates/{}.json", request.id)).await?;
        self.has_the_key(&tenant, request.id, without_key, &prefixes[0]).await?;
        self.begin(request.id).await?;
        let key_receipt = self.destroy_key(&tenant, request.id, without_key).await?;
        let (objects_deleted, uploads_aborted) = self.delete_objects(&tenant, &prefixes).await?;
        let certificate = ErasureCertificate {
            request: request.id,
            tenant,
            database,
            store: self.store.place(),
            key: KeyFate::of(key_receipt.as_ref()),
            key_receipt,
            objects_deleted,
            uploads_aborted,
            found_afterwards: 0,
            certified_at: Utc::now(),
            software: concat!("labor-backup ", env!("CARGO_PKG_VERSION")),
        };
        self.certify(&certificate, signing).await?;
        Ok(certificate)
    }

    /// A bucket in which there never was anything is another one: what was searched for there is somewhere else.
    async fn holds_something_of_labor(&self) -> Result<(), BackupError> {
        for prefix in [manifest::ALL, "control/", "audit/", "certificates/"] {
            if self.store.count(prefix).await? > 0 {
                return Ok(());
            }
        }
        Err(BackupError::Refused(format!(
            "there is nothing of Labor in {}; nothing was erased. Is LABOR_S3_BUCKET (--bucket) the right one? Where nothing was ever backed up \
             there is nothing to erase, and the certificate of `labor-migrator delete` is all there is",
            self.store.place()
        )))
    }

    /// Says in the bucket that something was there to be erased. Who is stopped after the last object went, and begins anew, finds this, where
    /// there was nobody else.
    async fn begin(&self, request: Uuid) -> Result<(), BackupError> {
        let mark = format!("certificates/{request}.begun");
        if self.store.ask_for(&mark).await?.is_some() {
            return Ok(());
        }
        self.store.put(&mark, Utc::now().to_rfc3339().into_bytes(), false).await
    }

    /// Refuses when the key is not there and nobody said that this is right.
    async fn has_the_key(
        &self,
        tenant: &TenantName,
        request: Uuid,
        without_key: bool,
        backups: &str,
    ) -> Result<(), BackupError> {
        let known = self.keys.holds(tenant.as_str())? || self.keys.receipt(tenant.as_str(), request)?.is_some();
        if without_key || known || !self.store.has_sealed(backups).await? {
            return Ok(());
        }
        Err(BackupError::Refused(format!(
            "the key {} is not there, but backups of {tenant} are; nothing was erased. Is LABOR_BACKUP_KEYS (--keys) the right folder? If the key was destroyed before, say so with --key-already-destroyed",
            self.keys.file(tenant.as_str()).display()
        )))
    }

    /// Destroys the key, so that what a lock still keeps can't be read, and says what became of it.
    async fn destroy_key(
        &self,
        tenant: &TenantName,
        request: Uuid,
        without_key: bool,
    ) -> Result<Option<KeyReceipt>, BackupError> {
        let receipt = self.keys.destroy(tenant.as_str(), request, without_key).await?;
        self.say(&match KeyFate::of(receipt.as_ref()) {
            KeyFate::Destroyed => format!("{tenant}: key destroyed"),
            KeyFate::WasNotThere => format!("{tenant}: there was no key to destroy"),
            KeyFate::NotKnown => format!("{tenant}: the wrapped file is destroyed; the service did not know its key"),
        });
        let service = receipt.as_ref().and_then(|receipt| receipt.service.as_ref());
        if let Some(service) = service.filter(|service| service.shared) {
            let key = &service.key;
            self.say(&format!(
                "{tenant}: {key} is the fleet's and stays; destroy the copies that there are of the wrapped file"
            ));
        }
        Ok(receipt)
    }

    /// Deletes everything in the tenant's folders and searches for it: how many objects went, and how many uploads.
    async fn delete_objects(&self, tenant: &TenantName, prefixes: &[String]) -> Result<(usize, usize), BackupError> {
        let (mut objects_deleted, mut uploads_aborted, mut left, mut refused) = (0, 0, 0, None);
        for prefix in prefixes {
            uploads_aborted += self.store.abort_all(prefix).await?;
            let (deleted, why) = self.store.delete_all(prefix).await?;
            objects_deleted += deleted;
            refused = refused.or(why);
        }
        self.say(&format!("{tenant}: {objects_deleted} objects deleted"));
        for prefix in prefixes {
            left += self.store.count(prefix).await?;
        }
        if left == 0 {
            return Ok((objects_deleted, uploads_aborted));
        }
        Err(BackupError::Refused(format!(
            "{left} objects of {tenant} are still there (the store said: {}); without the key nobody can read its backups. Does a lock or \
             retention rule keep them? Then run it again when that has ended. Else these credentials may lack the right to delete versions \
             (s3:DeleteObjectVersion)",
            refused.as_deref().unwrap_or("nothing")
        )))
    }

    /// Writes the certificate, and before it its signature: one without is one that was not signed.
    async fn certify(&self, certificate: &ErasureCertificate, signing: Option<&SigningKey>) -> Result<(), BackupError> {
        let document =
            serde_json::to_vec_pretty(certificate).map_err(|error| BackupError::Invalid(error.to_string()))?;
        // A run that is repeated finds less: its certificate does not take the place of the one that saw the key destroyed.
        let earlier = self.store.list(&format!("certificates/{}", certificate.request)).await?;
        let earlier = earlier.iter().filter(|object| object.key.ends_with(".json")).count();
        let mut number = earlier + 1;
        let key = loop {
            let name = if number == 1 { String::new() } else { format!("-{number}") };
            let key = format!("certificates/{}{name}.json", certificate.request);
            // The listing can be of before; and a signature without a certificate is of a run that was killed, or is at it now.
            if self.store.ask_for(&key).await?.is_none() && self.store.ask_for(&format!("{key}.sig")).await?.is_none() {
                break key;
            }
            number += 1;
        };
        if let Some(signing) = signing {
            self.store.put(&format!("{key}.sig"), signing.sign(&document), true).await?;
            self.say(&format!("{key}: signed with the key {}", signing.public().fingerprint));
        }
        self.store.put(&key, document, true).await
    }
}

impl Store {
    /// Every version and delete marker under a prefix; empty when the store keeps no versions.
    pub(crate) async fn versions(&self, prefix: &str) -> Result<Vec<ObjectIdentifier>, BackupError> {
        let mut found = Vec::new();
        let (mut key, mut version) = (None, None);
        loop {
            let listing = self.client.list_object_versions().bucket(&self.bucket).prefix(prefix);
            let page = listing.set_key_marker(key).set_version_id_marker(version).send().await;
            let page = page.map_err(self.failed(format!("list the versions of {prefix}")))?;
            let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
            for (key, version) in versions.chain(markers) {
                let Some(key) = key else { continue };
                let id = ObjectIdentifier::builder().key(key).set_version_id(version.map(str::to_owned)).build();
                found.push(id.map_err(|error| BackupError::Invalid(error.to_string()))?);
            }
            if page.is_truncated() != Some(true) {
                return Ok(found);
            }
            (key, version) =
                (page.next_key_marker().map(str::to_owned), page.next_version_id_marker().map(str::to_owned));
        }
    }

    /// How many it was told to delete, and what it said of the first that it did not.
    pub(crate) async fn delete_all(&self, prefix: &str) -> Result<(usize, Option<String>), BackupError> {
        let mut ids = self.versions(prefix).await?;
        for object in self.list(prefix).await? {
            if !ids.iter().any(|id| id.key() == object.key) {
                let id = ObjectIdentifier::builder().key(object.key).build();
                ids.push(id.map_err(|error| BackupError::Invalid(error.to_string()))?);
            }
        }
        let mut refused = None;
        // The store takes at most a thousand at once.
        for batch in ids.chunks(1000) {
            let delete = Delete::builder().set_objects(Some(batch.to_vec())).quiet(true).build();
            let delete = delete.map_err(|error| BackupError::Invalid(error.to_string()))?;
            let many = self.client.delete_objects().bucket(&self.bucket).delete(delete).customize();
            let deleted = many.config_override(self.limits.of_joining()).send().await;
            let deleted = deleted.map_err(self.failed(format!("delete {prefix}")))?;
            // A lock and a missing right are answered for each object, in an answer that is well.
            refused = refused.or_else(|| {
                let error = deleted.errors().first()?;
                Some(format!("{}: {}", error.code().unwrap_or("refused"), error.message().unwrap_or_default()))
            });
        }
        Ok((ids.len(), refused))
    }

    async fn abort_all(&self, prefix: &str) -> Result<usize, BackupError> {
        let mut aborted = 0;
        // Again, because an upload that begins while they are listed can be missed; a store that keeps them is not asked for ever.
        for _ in 0..10 {
            let found = self.unfinished(prefix).await?;
            if found.is_empty() {
                break;
            }
            for upload in &found {
                self.abort(upload).await?;
                aborted += 1;
            }
        }
        Ok(aborted)
    }

    /// Whether anything sealed with the tenant's key is there, whole or in parts.
    async fn has_sealed(&self, prefix: &str) -> Result<bool, BackupError> {
        let versions = self.versions(prefix).await?.into_iter().any(|id| is_sealed(id.key()));
        Ok(versions
            || self.list(prefix).await?.iter().any(|object| is_sealed(&object.key))
            || !self.unfinished(prefix).await?.is_empty())
    }
}

fn is_sealed(key: &str) -> bool {
    key.ends_with(".age")
}

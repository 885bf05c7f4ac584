//! `export`: everything of one practice in open formats, or a copy of one patient's data for the patient (GDPR, Article 15): tables as
//! NDJSON and CSV, messages as they were sent, the documents inside of them, the results as FHIR R4, and a manifest with the SHA-256 of
//! each file, which is signed. With a practice's audit go the seals that prove it ([`crate::audit`]).
//!
//! Must stay true: all files are of one snapshot; every table of the schema is exported; no credential is; what is left out is named;
//! a patient's copy has no row of another patient; the folder is new, readable by its owner only, and gets its manifest last.
mod audit;
mod check;
mod fhir;
mod files;
mod folder;
mod scope;
mod tables;

use std::path::Path;

use aws_lc_rs::digest;
use chrono::{DateTime, SecondsFormat, Utc};
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use tokio_postgres::Transaction;
use uuid::Uuid;

use self::folder::Folder;
use self::scope::Scope;
use crate::request::Request;
use crate::snapshot::Snapshot;
use crate::{AuditFindings, Backup, BackupError, PublicKey, SigningKey, proof};

pub use self::check::{Checked, Signature, check_export};

/// The manifest's file, and that of its signature (64 bytes, Ed25519).
pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SIGNATURE: &str = "manifest.json.sig";

const WHAT: &str = "labor export";
const FORMAT: u32 = 2;

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedFile {
    /// Path within the export.
    pub name: String,
    /// The table's rows in it; absent for what is of no table.
    pub rows: Option<u64>,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// What an export holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportManifest {
    /// What was signed: `labor export`.
    pub what: String,
    /// Version of this manifest's form: 2.
    pub format: u32,
    /// Opaque name of the tenant.
    pub tenant: TenantName,
    /// The patient whose data it is; absent: the whole practice's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<Uuid>,
    /// The request that asked for it.
    pub request: Uuid,
    /// Operator who asked.
    pub requested_by: Uuid,
    /// The other operator, who agreed.
    pub approved_by: Uuid,
    /// The time for which it stands, by the database's clock: whatever was committed by then is in it.
    pub exported_at: DateTime<Utc>,
    /// Version of the schema.
    pub schema_version: i32,
    /// Version of this program.
    pub software: String,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Whether the practice's audit was what its seals say when it was exported; absent in a patient's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditFindings>,
    /// Every other file but the signature.
    pub files: Vec<ExportedFile>,
}

/// A manifest and what to keep elsewhere.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// What the manifest says.
    #[serde(flatten)]
    pub manifest: ExportManifest,
    /// SHA-256 of the manifest's file, in hex.
    pub manifest_sha256: String,
    /// SHA-256 of the key (DER) that its signature is checked with, in hex; none: it is not signed.
    pub signed_by: Option<String>,
}

impl Backup {
    /// Carries out an approved export into a new folder, and signs it unless no key is given. The audit's seals may be of this key or of `former` ones.
    ///
    /// # Errors
    /// When the request is not an approved export, its patient is not there, the folder exists, or the database or disk refuses. The
    /// folder is removed then; one without a manifest is not an export.
    pub async fn export(
        &self,
        request: Uuid,
        into: &Path,
        key: Option<&SigningKey>,
        former: &[PublicKey],
    ) -> Result<Exported, BackupError> {
        let mut client = labor_connect::connect(&self.source).await?;
        let request = Request::for_export(&client, request).await?;
        let work = async {
            let snapshot = Snapshot::open(&mut client, &request.tenant).await?;
            let keys: Vec<_> = key.map(|key| key.public().clone()).into_iter().chain(former.iter().cloned()).collect();
            self.write(&snapshot, &request, into, (!keys.is_empty()).then_some(&keys[..])).await
        };
        let (manifest, mut folder) = Box::pin(self.unless_stopped(work)).await?;
        let document = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Invalid(error.to_string()))?;
        if let Some(key) = key {
            folder.put(SIGNATURE, &key.sign(&document))?;
        }
        folder.put(MANIFEST, &document)?;
        folder.finish()?;
        let manifest_sha256 = hex::encode(digest::digest(&digest::SHA256, &document));
        Ok(Exported { manifest, manifest_sha256, signed_by: key.map(|key| key.public().fingerprint.clone()) })
    }

    /// Everything but the manifest's files.
    async fn write(
        &self,
        snapshot: &Snapshot<'_>,
        request: &Request,
        into: &Path,
        keys: Option<&[PublicKey]>,
    ) -> Result<(ExportManifest, Folder), BackupError> {
        let (tenant, transaction) = (&request.tenant, &snapshot.transaction);
        let scope = request.patient.map_or(Scope::Practice, Scope::Patient);
        let mut left_out = prepare(transaction, tenant, scope).await?;
        let mut folder = Folder::create(into)?;
        folder.section(tables::FOLDER)?;
        for table in proof::tables(transaction, tenant).await? {
            left_out.extend(tables::export(transaction, &table, scope, &mut folder).await?);
            self.say(&format!("{tenant}: {}", table.name));
        }
        let mut audit = None;
        if scope == Scope::Practice {
            files::messages(transaction, &mut folder).await?;
            self.say(&format!("{tenant}: messages"));
            audit = Some(self.audit(snapshot, tenant, keys, &mut folder).await?);
            self.say(&format!("{tenant}: seals of the audit"));
        }
        let (documents, missing) = files::documents(transaction, scope, &mut folder).await?;
        left_out.extend(missing);
        let timestamp = snapshot.begun.to_rfc3339_opts(SecondsFormat::Millis, true);
        let bundles = fhir::export(transaction, scope, &documents, &timestamp, &mut folder).await?;
        self.say(&format!("{tenant}: {bundles} FHIR Bundles"));
        let version = transaction.query_one("SELECT version FROM schema_stamp", &[]).await;
        let manifest = ExportManifest {
            what: WHAT.to_owned(),
            format: FORMAT,
            tenant: tenant.clone(),
            patient: request.patient,
            request: request.id,
            requested_by: request.requested_by,
            approved_by: request.approved_by,
            exported_at: snapshot.of_database,
            schema_version: version.map_err(BackupError::during("read the stamp"))?.get(0),
            software: concat!("labor-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
            left_out,
            audit,
            files: std::mem::take(&mut folder.files),
        };
        Ok((manifest, folder))
    }
}

/// Reads from this tenant's schema only, everything alike, and plans each statement for its own parameters. Gives what is not in a
/// patient's copy though one would look for it there.
async fn prepare(transaction: &Transaction<'_>, tenant: &TenantName, scope: Scope) -> Result<Vec<String>, BackupError> {
    let settings = format!(
        "{}; SET LOCAL search_path = {tenant}; SET LOCAL plan_cache_mode = force_custom_plan",
        proof::READ_ALIKE
    );
    transaction.batch_execute(&settings).await.map_err(BackupError::during(format!("{tenant}: prepare reading")))?;
    let Scope::Patient(patient) = scope else { return Ok(Vec::new()) };
    let during = || BackupError::during(format!("{tenant}: look for the patient"));
    if transaction.query_opt("SELECT FROM patients WHERE id = $1", &[&patient]).await.map_err(during())?.is_none() {
        return Err(BackupError::NotFound(format!(
            "{tenant} has no patient with the id that the request names; ask again with `labor request create copy --patient`"
        )));
    }
    let held =
        format!("SELECT r.id FROM reports r WHERE r.patient_id = $1 AND NOT ({}) ORDER BY r.id", scope.reports());
    let held = transaction.query(&held, &[&patient]).await.map_err(during())?;
    let mut left_out: Vec<_> = held
        .iter()
        .map(|row| format!("report {}: genetic, and not released by its responsible doctor", row.get::<_, Uuid>(0)))
        .collect();
    left_out.push(
        "reports that were never matched to this patient, also where name or number are theirs: match them first"
            .to_owned(),
    );
    Ok(left_out)
}

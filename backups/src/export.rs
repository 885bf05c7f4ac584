//! `export`: everything of one tenant in open formats, for the practice itself: one NDJSON file per table, the original messages,
//! and a manifest with the SHA-256 of each file.
//!
//! What `check_export` proves offline: the files are those of the manifest in the same folder. The manifest is not signed: whoever
//! changes files can write a manifest that fits. Only its own SHA-256, printed at the export and kept elsewhere, proves that it is
//! the one that was exported; so `check_export` gives it too, to be compared.
//!
//! Must stay true: all files are of one snapshot; every table of the schema is exported; password hashes are not; the folder is
//! new, readable by its owner only, and has its manifest last.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::digest;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use labor_catalog::TenantName;
use serde::{Deserialize, Serialize};
use tokio_postgres::{IsolationLevel, Transaction};
use uuid::Uuid;

use crate::request::Request;
use crate::{Backup, BackupError, proof};

const MANIFEST: &str = "manifest.json";
const MESSAGES: &str = "messages";

/// One file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedFile {
    /// Path within the export.
    pub name: String,
    /// Lines of an NDJSON file; absent for messages.
    pub rows: Option<u64>,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// What an export holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportManifest {
    /// Version of this manifest's form: 1.
    pub format: u32,
    /// Opaque name of the tenant.
    pub tenant: TenantName,
    /// The request that asked for it.
    pub request: Uuid,
    /// Operator who asked.
    pub requested_by: Uuid,
    /// The other operator, who agreed.
    pub approved_by: Uuid,
    /// When.
    pub exported_at: DateTime<Utc>,
    /// Version of the schema.
    pub schema_version: i32,
    /// Version of this program.
    pub software: String,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Every other file.
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
}

/// Counts and hashes what is written.
struct Counted {
    file: BufWriter<File>,
    hash: digest::Context,
    bytes: u64,
}

impl Counted {
    fn create(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Self { file: BufWriter::new(file), hash: digest::Context::new(&digest::SHA256), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    fn finish(self, name: String, rows: Option<u64>) -> std::io::Result<ExportedFile> {
        self.file.into_inner()?.sync_all()?;
        Ok(ExportedFile { name, rows, bytes: self.bytes, sha256: hex::encode(self.hash.finish()) })
    }
}

impl Backup {
    /// Carries out an approved export into a new folder.
    ///
    /// # Errors
    /// When the request is not an approved export, the folder exists, or the database or disk refuses. A folder without a
    /// manifest is not an export.
    pub async fn export(&self, request: Uuid, into: &Path) -> Result<Exported, BackupError> {
        let mut client = labor_connect::connect(&self.source).await?;
        let request = Request::approved(&client, request, "export").await?;
        let tenant = &request.tenant;
        DirBuilder::new().mode(0o700).create(into).map_err(BackupError::io(format!("make {}", into.display())))?;
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(BackupError::during("begin"))?;
        let mut files = Vec::new();
        for table in proof::tables(&transaction, tenant).await? {
            let file = export_table(&transaction, &table, into).await?;
            self.say(&format!("{tenant}: {} rows of {}", file.rows.unwrap_or_default(), table.name));
            files.push(file);
        }
        files.extend(export_messages(&transaction, tenant, into).await?);
        let version = transaction.query_one(&format!("SELECT version FROM {tenant}.schema_stamp"), &[]).await;
        let manifest = ExportManifest {
            format: 1,
            tenant: tenant.clone(),
            request: request.id,
            requested_by: request.requested_by,
            approved_by: request.approved_by,
            exported_at: Utc::now(),
            schema_version: version.map_err(BackupError::during("read the stamp"))?.get(0),
            software: concat!("labor-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
            left_out: vec!["users.password_hash: a credential, not data of the practice".to_owned()],
            files,
        };
        let document = serde_json::to_vec_pretty(&manifest).map_err(|error| BackupError::Invalid(error.to_string()))?;
        let write = || Counted::create(&into.join(MANIFEST)).and_then(|mut file| file.write(&document).map(|()| file));
        let written = write()
            .and_then(|file| file.finish(MANIFEST.to_owned(), None))
            .map_err(BackupError::io("write the manifest"))?;
        Ok(Exported { manifest, manifest_sha256: written.sha256 })
    }
}

/// One line of JSON per row.
async fn export_table(
    transaction: &Transaction<'_>,
    table: &proof::Table,
    into: &Path,
) -> Result<ExportedFile, BackupError> {
    let name = format!("{}.ndjson", table.name);
    let failed = || BackupError::io(format!("write {name}"));
    let mut file = Counted::create(&into.join(&name)).map_err(failed())?;
    let statement =
        format!("SELECT (to_jsonb(labor_row) - 'password_hash')::text FROM ONLY {} AS labor_row", table.quoted);
    let during = || BackupError::during(format!("read {}", table.quoted));
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
    let rows = transaction.query_raw(&statement, parameters).await.map_err(during())?;
    let mut rows = std::pin::pin!(rows);
    let mut count = 0;
    while let Some(row) = rows.try_next().await.map_err(during())? {
        let line: &str = row.get(0);
        file.write(line.as_bytes()).and_then(|()| file.write(b"\n")).map_err(failed())?;
        count += 1;
    }
    let done = file.finish(name.clone(), Some(count));
    done.map_err(failed())
}

/// The messages as laboratories sent them, byte for byte.
async fn export_messages(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    into: &Path,
) -> Result<Vec<ExportedFile>, BackupError> {
    let failed = || BackupError::io("write a message");
    let during = || BackupError::during(format!("{tenant}: read the messages"));
    DirBuilder::new().mode(0o700).create(into.join(MESSAGES)).map_err(failed())?;
    let statement = format!("SELECT id, body FROM {tenant}.raw_messages ORDER BY id");
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 0] = [];
    let rows = transaction.query_raw(&statement, parameters).await.map_err(during())?;
    let mut rows = std::pin::pin!(rows);
    let mut files = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(during())? {
        let name = format!("{MESSAGES}/{}.ldt", row.get::<_, Uuid>(0));
        let mut file = Counted::create(&into.join(&name)).map_err(failed())?;
        file.write(row.get(1)).map_err(failed())?;
        files.push(file.finish(name, None).map_err(failed())?);
    }
    Ok(files)
}

/// Proves offline that an export's files equal its manifest: each is there with its length and hash, and no other file is.
/// Whether the manifest is the one that was exported only its SHA-256 tells: compare it with what [`Backup::export`] gave.
///
/// # Errors
/// [`BackupError::NotProven`] with what differs; or when the folder can't be read.
pub fn check_export(folder: &Path) -> Result<Exported, BackupError> {
    let document = fs::read(folder.join(MANIFEST))
        .map_err(BackupError::io(format!("read {}", folder.join(MANIFEST).display())))?;
    let manifest: ExportManifest = serde_json::from_slice(&document)
        .map_err(|error| BackupError::Damaged(format!("the manifest can't be read: {error}")))?;
    let mut faults = Vec::new();
    for file in &manifest.files {
        match sum(&folder.join(&file.name)) {
            Err(error) => faults.push(format!("{}: {error}", file.name)),
            Ok((bytes, sha256)) if bytes != file.bytes || sha256 != file.sha256 => {
                faults.push(format!("{} is not what was exported", file.name));
            }
            Ok(_) => {}
        }
    }
    for place in [folder.to_owned(), folder.join(MESSAGES)] {
        for entry in fs::read_dir(&place).map_err(BackupError::io(format!("list {}", place.display())))? {
            let path = entry.map_err(BackupError::io("list the export"))?.path();
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if name != MANIFEST && name != MESSAGES && !manifest.files.iter().any(|file| file.name == name) {
                faults.push(format!("{name} does not belong to the export"));
            }
        }
    }
    if !faults.is_empty() {
        return Err(BackupError::NotProven(faults));
    }
    let manifest_sha256 = hex::encode(digest::digest(&digest::SHA256, &document));
    Ok(Exported { manifest, manifest_sha256 })
}

fn sum(path: &Path) -> std::io::Result<(u64, String)> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut hash, mut bytes, mut buffer) = (digest::Context::new(&digest::SHA256), 0, vec![0; 64 << 10]);
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((bytes, hex::encode(hash.finish())));
        }
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
}

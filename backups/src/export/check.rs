//! `check-export`: proves offline that a folder is the export that was made.
//!
//! What proves what: the signature, or the manifest's SHA-256 where it was kept elsewhere, proves the manifest; the manifest proves every
//! file. Without either of the two, files and manifest only fit each other. Must stay true: nothing outside of the folder is read,
//! whatever the manifest says; a file more is a fault as is a file less.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::Serialize;

use super::{ExportManifest, ExportedFile, FORMAT, MANIFEST, SIGNATURE, WHAT, audit};
use crate::{AuditFindings, BackupError, PublicKey};

/// What is known of who made the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// It is the given key's.
    Valid,
    /// There is one, but no key was given to check it with.
    NotChecked,
    /// There is none.
    None,
}

/// An export whose files are those of its manifest.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// What the manifest says.
    #[serde(flatten)]
    pub manifest: ExportManifest,
    /// SHA-256 of the manifest's file, in hex.
    pub manifest_sha256: String,
    /// Whether the manifest is proven.
    pub signature: Signature,
    /// What the seals in it say of the audit in it; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_now: Option<AuditFindings>,
}

/// Proves offline that an export's files equal its manifest: each is there with its length and hash, and no other file is; with keys,
/// that the manifest is what the owner of one of them signed. What the seals of the audit say is in the answer: an audit that somebody altered before it
/// was exported is exported as it is.
///
/// # Errors
/// [`BackupError::NotTheExport`] with what differs, or when the signature is missing or another's; or when the folder can't be read.
pub fn check_export(folder: &Path, keys: &[PublicKey]) -> Result<Checked, BackupError> {
    let document = read(&folder.join(MANIFEST))?
        .ok_or_else(|| BackupError::NotTheExport(vec![format!("{MANIFEST} is missing")]))?;
    let keys = Some(keys).filter(|keys| !keys.is_empty());
    let signature = match (keys, read(&folder.join(SIGNATURE))?) {
        (None, Some(_)) => Signature::NotChecked,
        (None, None) => Signature::None,
        (Some(keys), Some(signature)) if keys.iter().any(|key| key.proves(&document, &signature)) => Signature::Valid,
        (Some(_), Some(_)) => {
            return Err(BackupError::NotTheExport(vec![
                "the manifest is not what the owner of this key signed".to_owned(),
            ]));
        }
        (Some(_), None) => return Err(BackupError::NotTheExport(vec!["the manifest is not signed".to_owned()])),
    };
    let manifest: ExportManifest = serde_json::from_slice(&document)
        .map_err(|error| BackupError::NotTheExport(vec![format!("the manifest can't be read: {error}")]))?;
    if manifest.what != WHAT || manifest.format != FORMAT {
        let why = format!(
            "the manifest is {:?} of form {}, which this version does not know",
            manifest.what, manifest.format
        );
        return Err(BackupError::NotTheExport(vec![why]));
    }
    let faults = faults(folder, &manifest.files)?;
    if !faults.is_empty() {
        return Err(BackupError::NotTheExport(faults));
    }
    let manifest_sha256 = hex::encode(digest::digest(&digest::SHA256, &document));
    let audit_now = manifest.audit.is_some().then(|| audit::check(folder, &manifest, keys)).transpose()?;
    Ok(Checked { manifest, manifest_sha256, signature, audit_now })
}

/// A plain file of a length that a manifest has, or none: nothing else is opened, since a pipe waits for ever.
fn read(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    const LONGEST: u64 = 1 << 30;
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() <= LONGEST => {
            fs::read(path).map(Some).map_err(BackupError::io(format!("read {}", path.display())))
        }
        Ok(_) => Err(BackupError::NotTheExport(vec![format!("{} is no plain file, or too long", path.display())])),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BackupError::io(format!("read {}", path.display()))(error)),
    }
}

fn faults(folder: &Path, files: &[ExportedFile]) -> Result<Vec<String>, BackupError> {
    let (mut there, mut faults) = (BTreeMap::new(), Vec::new());
    list(folder, folder, &mut there, &mut faults)?;
    for file in files {
        // What was not listed is not opened: a name can lead out of the folder.
        let Some(path) = there.remove(&file.name) else {
            faults.push(format!("{} is missing", file.name));
            continue;
        };
        match sum(&path) {
            Err(error) => faults.push(format!("{}: {error}", file.name)),
            Ok((bytes, sha256)) if bytes != file.bytes || sha256 != file.sha256 => {
                faults.push(format!("{} is not what was exported", file.name));
            }
            Ok(_) => {}
        }
    }
    there.retain(|name, _| name != MANIFEST && name != SIGNATURE);
    faults.extend(there.into_keys().map(|name| format!("{name} does not belong to the export")));
    Ok(faults)
}

/// Every plain file below a folder by its path in the export; what is neither that nor a folder (a link, a pipe) is a fault.
fn list(
    root: &Path,
    folder: &Path,
    there: &mut BTreeMap<String, PathBuf>,
    faults: &mut Vec<String>,
) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(BackupError::io(format!("list {}", folder.display())))? {
        let entry = entry.map_err(BackupError::io("list the export"))?;
        let kind = entry.file_type().map_err(BackupError::io("list the export"))?;
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        if kind.is_dir() {
            list(root, &path, there, faults)?;
        } else if kind.is_file() {
            there.insert(name, path);
        } else {
            faults.push(format!("{name} is no plain file"));
        }
    }
    Ok(())
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

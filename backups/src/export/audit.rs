//! The seals of a practice's audit in its export, and whether they prove the rows that are in it.
//!
//! Must stay true: the seals are exported as the store has them, those that do not hold as well; whether they prove the exported table can
//! be told from the export alone.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use labor_catalog::TenantName;

use super::folder::Folder;
use super::{ExportManifest, tables};
use crate::audit::{self, Chain, Judge};
use crate::snapshot::Snapshot;
use crate::{AuditFindings, Backup, BackupError, PublicKey};

/// The folder of the seals.
const FOLDER: &str = "audit";

impl Backup {
    /// Writes a practice's seals, and holds the rows of the export's snapshot against them.
    pub(super) async fn audit(
        &self,
        snapshot: &Snapshot<'_>,
        tenant: &TenantName,
        keys: Option<&[PublicKey]>,
        folder: &mut Folder,
    ) -> Result<AuditFindings, BackupError> {
        folder.section(FOLDER)?;
        let write = |number, document: &[u8]| folder.put(format!("{FOLDER}/{}", audit::name(number)), document);
        // What was sealed later can have rows that are not in the snapshot.
        let mut chain = Chain::new(tenant, None, Some(snapshot.of_database));
        self.read_chain(&mut chain, tenant, keys, write).await?;
        let mut judge = Judge::new(tenant, &chain, snapshot.of_database);
        audit::rows(&snapshot.transaction, tenant, |line| judge.row(line)).await?;
        Ok(judge.finish(keys.is_some()))
    }
}

/// Holds the audit in an export's folder against the seals in it. Its files are those of the manifest: that was checked before.
pub(super) fn check(
    root: &Path,
    of: &ExportManifest,
    keys: Option<&[PublicKey]>,
) -> Result<AuditFindings, BackupError> {
    let (tenant, failed) = (&of.tenant, |what: &str| BackupError::io(format!("read {what} of the export")));
    let mut seals = BTreeMap::new();
    // Without a seal the folder is empty, and not everybody who hands files on keeps those.
    let entries =
        if root.join(FOLDER).exists() { Some(fs::read_dir(root.join(FOLDER)).map_err(failed(FOLDER))?) } else { None };
    for entry in entries.into_iter().flatten() {
        let path = entry.map_err(failed(FOLDER))?.path();
        if let Some(number) = path.file_name().and_then(|name| audit::number(name.to_str()?)) {
            seals.insert(number, path);
        }
    }
    let mut chain = Chain::new(tenant, None, None);
    for (number, path) in seals {
        chain.add(number, &fs::read(&path).map_err(failed("a seal"))?, keys);
    }
    chain.end();
    let mut judge = Judge::new(tenant, &chain, of.exported_at);
    let file = File::open(root.join(tables::FOLDER).join("audit.ndjson")).map_err(failed("the audit"))?;
    for line in BufReader::new(file).lines() {
        judge.row(&line.map_err(failed("the audit"))?)?;
    }
    Ok(judge.finish(keys.is_some()))
}

//! The folder of an export: files that are counted and hashed while they are written.
//!
//! Must stay true: the folder is new, it and its files are readable by their owner only, no file is written twice, each is on disk
//! before the manifest names it, and of an export that does not come to its end nothing stays.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use super::ExportedFile;
use crate::BackupError;

/// The folder, and what was written into it so far.
pub(super) struct Folder {
    root: PathBuf,
    pub(super) files: Vec<ExportedFile>,
    sections: Vec<String>,
    finished: bool,
}

/// A file that is being written.
pub(super) struct Writing {
    name: String,
    file: BufWriter<File>,
    hash: digest::Context,
    bytes: u64,
}

impl Folder {
    /// Makes the folder. One that exists is refused: what is in it would be taken for part of the export.
    pub(super) fn create(root: &Path) -> Result<Self, BackupError> {
        make(root)?;
        Ok(Self { root: root.to_owned(), files: Vec::new(), sections: Vec::new(), finished: false })
    }

    /// It is whole, and stays. Its folders' entries are on disk, too.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        for path in self.sections.iter().map(|name| self.root.join(name)).chain([self.root.clone()]) {
            let synced = File::open(&path).and_then(|folder| folder.sync_all());
            synced.map_err(BackupError::io(format!("write {}", path.display())))?;
        }
        self.finished = true;
        Ok(())
    }

    /// Makes a folder in it.
    pub(super) fn section(&mut self, name: &str) -> Result<(), BackupError> {
        make(&self.root.join(name))?;
        self.sections.push(name.to_owned());
        Ok(())
    }

    /// Begins a file; `name` is its path in the folder.
    pub(super) fn begin(&self, name: impl Into<String>) -> Result<Writing, BackupError> {
        let name = name.into();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.root.join(&name));
        let file = BufWriter::new(file.map_err(BackupError::io(format!("make {name}")))?);
        Ok(Writing { name, file, hash: digest::Context::new(&digest::SHA256), bytes: 0 })
    }

    /// Ends a file; `rows` are the table's rows in it, if it is of a table.
    pub(super) fn end(&mut self, written: Writing, rows: Option<u64>) -> Result<(), BackupError> {
        let Writing { name, file, hash, bytes } = written;
        let on_disk = file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        on_disk.map_err(BackupError::io(format!("write {name}")))?;
        self.files.push(ExportedFile { name, rows, bytes, sha256: hex::encode(hash.finish()) });
        Ok(())
    }

    /// A whole file at once.
    pub(super) fn put(&mut self, name: impl Into<String>, content: &[u8]) -> Result<(), BackupError> {
        let mut file = self.begin(name)?;
        file.write(content)?;
        self.end(file, None)
    }
}

impl Drop for Folder {
    /// Patients' data that is no export does not stay about.
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_dir_all(&self.root)
        {
            tracing::error!(folder = %self.root.display(), %error, "an unfinished export could not be removed: remove it");
        }
    }
}

fn make(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).create(path).map_err(BackupError::io(format!("make {}", path.display())))
}

impl Writing {
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(BackupError::io(format!("write {}", self.name)))
    }
}

//! The folder of keys: which files there are, and how one is written.
//!
//! Must stay true: a file is whole or not there; only the owner can read any of them; what a killed run left of a key is found again
//! (`.<of>.…`).
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::BackupError;

/// The folder that holds the tenants' keys; it is made when the first key is.
#[derive(Clone, Debug)]
pub(super) struct KeyFolder(PathBuf);

/// A file that has no name yet by which it would be found as a key's. It goes with this value unless it was given one.
pub(super) struct Staged(PathBuf);

impl Staged {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl KeyFolder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where a key lies plainly. Deleting this file shreds its backups.
    pub(super) fn plain(&self, of: &str) -> PathBuf {
        self.0.join(format!("{of}.age-identity"))
    }

    /// Where a wrapped key lies.
    pub(super) fn wrapped(&self, of: &str) -> PathBuf {
        self.0.join(format!("{of}.age-identity.wrapped"))
    }

    /// Where what making backups takes lies beside a wrapped key.
    pub(super) fn sealing(&self, of: &str) -> PathBuf {
        self.0.join(format!("{of}.manifest-key"))
    }

    /// Where it is written down that a key was destroyed.
    pub(super) fn receipt(&self, of: &str, request: Uuid) -> PathBuf {
        self.0.join(format!("{of}.{request}.destroyed"))
    }

    pub(super) fn has(&self, path: &Path) -> Result<bool, BackupError> {
        path.try_exists().map_err(self.failed("look into"))
    }

    /// A file of the folder that only its owner can read, like the folder.
    pub(super) fn read(&self, path: &Path) -> Result<Option<String>, BackupError> {
        match fs::read_to_string(path) {
            Ok(text) => {
                only_owner(&self.0)?;
                only_owner(path)?;
                Ok(Some(text))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackupError::Key { path: path.to_owned(), reason: error.to_string() }),
        }
    }

    /// Makes the folder, unless it is there.
    pub(super) fn ready(&self) -> Result<(), BackupError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(self.failed("make"))?;
        only_owner(&self.0)
    }

    /// Writes a text where nobody looks for it yet.
    pub(super) fn stage(&self, of: &str, text: &str) -> Result<Staged, BackupError> {
        let staged = Staged(self.0.join(format!(".{of}.{}", Uuid::now_v7())));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged.0);
        let written = written.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
        written.map(|()| staged).map_err(self.failed("write into"))
    }

    /// Gives it its name unless there is such a file: whoever was faster made the one that counts.
    pub(super) fn add(&self, staged: Staged, path: &Path) -> Result<(), BackupError> {
        let added = match fs::hard_link(&staged.0, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        };
        drop(staged);
        added.and_then(|()| self.flush()).map_err(self.failed("make a key in"))
    }

    /// Gives it its name in the place of what is there.
    pub(super) fn replace(&self, staged: &Staged, path: &Path) -> Result<(), BackupError> {
        let replaced = fs::rename(&staged.0, path).and_then(|()| self.flush());
        replaced.map_err(BackupError::io(format!("write {}", path.display())))
    }

    /// Removes files for good.
    pub(super) fn remove(&self, paths: &[PathBuf]) -> Result<(), BackupError> {
        for path in paths {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(BackupError::io(format!("destroy {}", path.display()))(error));
                }
                _ => {}
            }
        }
        if paths.is_empty() { Ok(()) } else { self.flush().map_err(self.failed("write")) }
    }

    /// The key's files, and files of the same content under temporary names.
    pub(super) fn traces(&self, of: &str) -> Result<Vec<PathBuf>, BackupError> {
        let (known, temporary) = ([self.plain(of), self.wrapped(of), self.sealing(of)], format!(".{of}."));
        let ours = |path: &PathBuf| known.contains(path) || name(path).starts_with(&temporary);
        Ok(self.entries()?.into_iter().filter(ours).collect())
    }

    /// Everything in it.
    pub(super) fn entries(&self) -> Result<Vec<PathBuf>, BackupError> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(self.failed("search"))?,
        };
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(self.failed("search"))
    }

    /// Held while keys are destroyed or wrapped anew: the one would bring back what the other destroys. None: there is no folder.
    pub(super) fn lock(&self) -> Result<Option<File>, BackupError> {
        let folder = match File::open(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(self.failed("open"))?,
        };
        match folder.try_lock() {
            Ok(()) => Ok(Some(folder)),
            Err(TryLockError::WouldBlock) => Err(BackupError::Refused(format!(
                "another labor-backup is changing the keys in {}; run this again when it has ended",
                self.0.display()
            ))),
            Err(TryLockError::Error(error)) => Err(self.failed("lock")(error)),
        }
    }

    fn flush(&self) -> std::io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn failed(&self, action: &str) -> impl Fn(std::io::Error) -> BackupError {
        let action = format!("{action} the key folder {}", self.0.display());
        move |error| BackupError::io(action.clone())(error)
    }
}

/// A file's name without its folder.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Refuses a secret's file that others can open.
pub(crate) fn only_owner(path: &Path) -> Result<(), BackupError> {
    let found = fs::metadata(path).map_err(BackupError::io(format!("look at {}", path.display())))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let reason = format!("can be opened by others (mode {mode:o}); chmod go= it, and think about who has seen it");
    Err(BackupError::Key { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_make_a_key_at_once_end_with_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(place.path().join("keys"));
        folder.ready().unwrap();
        let file = folder.plain("t_x");
        let read: Vec<_> = std::thread::scope(|scope| {
            let make = |number: usize| {
                folder.add(folder.stage("t_x", &number.to_string()).unwrap(), &file).unwrap();
                folder.read(&file).unwrap().unwrap()
            };
            let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || make(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(read.iter().all(|text| *text == read[0]));
        assert_eq!(folder.entries().unwrap(), [file], "a temporary file was left");
    }

    #[test]
    fn keys_are_changed_by_one_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(place.path().join("keys"));
        assert!(folder.lock().unwrap().is_none(), "there is no folder");
        folder.ready().unwrap();
        let held = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(BackupError::Refused(_))));
        drop(held);
        assert!(folder.lock().unwrap().is_some());
    }
}

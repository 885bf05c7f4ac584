//! Data folders of running demos and tests: `<checkout>/.labor/<name>-<n>` (or in /var/tmp, see `base`), each held by a lock on a file beside it.
//!
//! What must stay true: two runs side by side get different folders; the folder of a dead run is free at once (the kernel drops its lock)
//! and is taken over with its servers stopped; a lock file is never removed, or two could hold "the same" lock.

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, Result, error::Doing, identity::Identity, left_over, secret, wait::until};

const MOST: usize = 100;
const EMPTY_LIMIT: Duration = Duration::from_secs(20);

/// A folder that is this process's for as long as this value lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Takes the first free folder of this name, with what an earlier run left in it. Servers that a crashed run left are stopped.
    ///
    /// # Errors
    /// When none can be had; the message says why.
    pub async fn claim(name: &str) -> Result<Self> {
        Self::claim_in(&base()?, name).await
    }

    /// The same, emptied; and the folders of this name that dead runs left are removed.
    ///
    /// # Errors
    /// As [`DataFolder::claim`].
    pub async fn claim_empty(name: &str) -> Result<Self> {
        let base = base()?;
        let folder = Self::claim_in(&base, name).await?;
        until(&format!("the emptying of {}", folder.path.display()), EMPTY_LIMIT, async || {
            match empty(&folder.path) {
                // Something that was just being started by the run before writes into it: it can be seen and ended by now.
                Err(Error::Os { source, .. }) if source.kind() == ErrorKind::DirectoryNotEmpty => {
                    left_over::stop(&folder.path).await?;
                    Ok(Err(source.to_string()))
                }
                other => other.map(Ok),
            }
        })
        .await?;
        for n in 1..=MOST {
            let other = base.join(format!("{name}-{n}"));
            if other.is_dir()
                && let Ok(Some(_lock)) = lock(&other)
            {
                left_over::stop(&other).await?;
                // Somebody else's leftovers are not worth failing for.
                let _ = fs::remove_dir_all(&other);
            }
        }
        Ok(folder)
    }

    async fn claim_in(base: &Path, name: &str) -> Result<Self> {
        let mut reason = format!("{MOST} are in use");
        for n in 1..=MOST {
            let path = base.join(format!("{name}-{n}"));
            match lock(&path) {
                Ok(Some(lock)) => {
                    left_over::stop(&path).await?;
                    make(&path)?;
                    return Ok(Self { path, _lock: lock });
                }
                Ok(None) => {}
                // Another user's run in the same checkout.
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Error::NoFolder { path: base.to_owned(), reason })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// `LABOR_DATA`, else `.labor` in the checkout, else a place in /var/tmp: for root in a checkout that the user who runs Postgres cannot
/// enter, and for somebody in a checkout that belongs to another.
fn base() -> Result<PathBuf> {
    if let Some(named) = env::var_os("LABOR_DATA").filter(|value| !value.is_empty()) {
        return own_folder(Path::new(&named));
    }
    let checkout = checkout();
    if Identity::of_servers()?.reaches(&checkout)
        && let Ok(beside) = own_folder(&checkout.join(".labor"))
    {
        return Ok(beside);
    }
    let user = rustix::process::geteuid().as_raw();
    let elsewhere = format!("/var/tmp/labor-{user}-{}", secret::short_hash(&checkout));
    own_folder(Path::new(&elsewhere))
}

/// The workspace that we are run in, else the one that we were built in.
fn checkout() -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    let is_workspace =
        |folder: &&Path| folder.join("Cargo.toml").is_file() && folder.join("tests/support/Cargo.toml").is_file();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let found = here.ancestors().find(is_workspace).map_or(built_in, Path::to_owned);
    found.canonicalize().unwrap_or(found)
}

/// Makes a base folder. One that exists has to be ours and closed to others' writing: its name can be guessed.
fn own_folder(path: &Path) -> Result<PathBuf> {
    let no = |reason: String| Error::NoFolder { path: path.to_owned(), reason };
    make(path).map_err(|error| no(format!("{error}{}", source_of(&error))))?;
    let path = path.canonicalize().map_err(|error| no(error.to_string()))?;
    let meta = fs::metadata(&path).map_err(|error| no(error.to_string()))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(no("it belongs to another user".into()));
    }
    if meta.permissions().mode() & 0o022 != 0 {
        return Err(no("others may write into it".into()));
    }
    Ok(path)
}

fn source_of(error: &Error) -> String {
    std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default()
}

/// Others may pass through (the user that runs Postgres has to) but not look around.
fn make(path: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o711).create(path);
    made.doing(|| format!("create {}", path.display()))
}

/// The lock of a folder, or nothing when another process holds it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.with_added_extension("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .doing(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(Error::Os { doing: format!("lock {}", path.display()), source }),
    }
}

fn empty(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).doing(|| format!("empty {}", folder.display())),
        _ => make(folder),
    }
}

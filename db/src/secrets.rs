//! The file with the master secrets, as a process that runs for long holds it.
//! Must stay true: a secret that was appended to the file is there when it is first asked for, without a signal or a restart;
//! a file that can't be read at the moment, or is half written, takes no secret away that is held already.
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use labor_catalog::{ClaimKeyId, InvalidKeyring, Keyring, MasterSecret, SecretNumber, may_hold_secrets};

use crate::DbError;
use crate::keys::KeysInUse;

/// Who runs the process is warned again after this long.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// The secrets can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file can't be read.
    #[error("the master secret file {} can't be read", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Everybody on the machine can read or write it.
    #[error("the master secret file {} is open to everybody on this machine; close it with: chmod o= {}", path.display(), path.display())]
    Open {
        /// Which file.
        path: PathBuf,
    },
    /// Its content is no keyring.
    #[error("the master secret file {}: {source}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: InvalidKeyring,
    },
}

/// Master secrets from a file. Cheap to clone.
#[derive(Clone)]
pub struct Secrets(Arc<File>);

struct File {
    /// `None`: what is held is all there is.
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

struct Held {
    ring: Arc<Keyring>,
    /// The file as it was when it was read.
    stamp: Option<Stamp>,
    warned: Option<Instant>,
}

/// Changes whenever the file does: an append makes it longer, a new file has another number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// What has no file never changes.
impl From<Keyring> for Secrets {
    fn from(ring: Keyring) -> Self {
        Self::holding(ring, None, None)
    }
}

impl From<MasterSecret> for Secrets {
    fn from(secret: MasterSecret) -> Self {
        Keyring::from(secret).into()
    }
}

impl Secrets {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read or is no keyring.
    pub fn from_file(path: PathBuf) -> Result<Self, SecretsError> {
        let (ring, stamp) = read(&path)?;
        Ok(Self::holding(ring, stamp, Some(path)))
    }

    fn holding(ring: Keyring, stamp: Option<Stamp>, path: Option<PathBuf>) -> Self {
        let held = Held { ring: Arc::new(ring), stamp, warned: None };
        Self(Arc::new(File { path, held: Mutex::new(held) }))
    }

    /// A panic while it was held leaves it whole: it is replaced as a whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds now. Asks for the file's size and time, and reads it again only when they changed.
    #[must_use]
    pub fn latest(&self) -> Arc<Keyring> {
        let mut held = self.held();
        if let Some(path) = &self.0.path
            && stamp_of(path) != held.stamp
        {
            match read(path) {
                Ok((ring, stamp)) => {
                    tracing::info!(numbers = ring.numbers(), "read the master secret file again");
                    (held.ring, held.stamp) = (Arc::new(ring), stamp);
                }
                Err(error) => held.warn(&format!("{error}: going on with what was read before")),
            }
        }
        held.ring.clone()
    }

    /// The secret of this number: what is held, else what the file holds now.
    #[must_use]
    pub fn get(&self, number: SecretNumber) -> Option<MasterSecret> {
        let held = self.held().ring.get(number).cloned();
        held.or_else(|| self.latest().get(number).cloned())
    }

    /// The claim key to sign with, and its master secret: the fleet's, or while the file lacks its secret the one before, as long as
    /// that is accepted.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when the file holds neither.
    pub(crate) fn signing(&self, in_use: KeysInUse) -> Result<(ClaimKeyId, MasterSecret), DbError> {
        if let Some(secret) = self.get(in_use.current.secret()) {
            return Ok((in_use.current, secret));
        }
        let lacking = self.lacking(in_use.number());
        self.held().warn(&lacking.to_string());
        let former = in_use.former.and_then(|id| Some((id, self.get(id.secret())?)));
        former.ok_or(lacking)
    }

    /// That the file lacks the secret of this number, in words.
    pub(crate) fn lacking(&self, number: SecretNumber) -> DbError {
        let file = self.0.path.as_ref().map_or_else(|| "(none)".to_owned(), |path| path.display().to_string());
        DbError::Unavailable(format!(
            "the master secret file {file} lacks number {number}, which the fleet uses now; append that line, as it stands in the file \
             of the machine that ran `labor-migrator rotate`"
        ))
    }
}

impl Held {
    fn warn(&mut self, text: &str) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_AGAIN) {
            self.warned = Some(Instant::now());
            tracing::warn!("{text}");
        }
    }
}

fn stamp_of(path: &PathBuf) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: file.ino(), length: file.size(), modified: (file.mtime(), file.mtime_nsec()) })
}

/// The stamp is taken before: a change in between is noticed the next time.
fn read(path: &PathBuf) -> Result<(Keyring, Option<Stamp>), SecretsError> {
    let stamp = stamp_of(path);
    let unreadable = |source| SecretsError::File { path: path.clone(), source };
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    if !may_hold_secrets(file.metadata().map_err(unreadable)?.mode()) {
        return Err(SecretsError::Open { path: path.clone() });
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    let ring = Keyring::parse(&text).map_err(|source| SecretsError::Invalid { path: path.clone(), source })?;
    Ok((ring, stamp))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("labor-secrets-{}-{name}", std::process::id()));
        std::fs::write(&path, format!("{}\n", "01".repeat(32))).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        path
    }

    #[test]
    fn a_file_that_everybody_can_read_is_refused_and_one_that_becomes_so_changes_nothing() {
        let path = file("open");
        let secrets = Secrets::from_file(path.clone()).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        append(&path, &format!("2:{}\n", "02".repeat(32)));
        assert!(secrets.get(second()).is_none() && secrets.get(SecretNumber::FIRST).is_some());
        let refused = Secrets::from_file(path.clone()).err().unwrap().to_string();
        assert!(refused.contains("chmod o= "), "{refused}");
        std::fs::remove_file(&path).unwrap();
    }

    fn append(path: &PathBuf, text: &str) {
        std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn second() -> SecretNumber {
        SecretNumber::new(2).unwrap()
    }

    fn keys(current: i32, former: Option<i32>) -> KeysInUse {
        KeysInUse { current: ClaimKeyId::new(current).unwrap(), former: former.and_then(ClaimKeyId::new) }
    }

    #[test]
    fn what_is_appended_is_there_when_it_is_asked_for() {
        let path = file("append");
        let secrets = Secrets::from_file(path.clone()).unwrap();
        assert!(secrets.get(second()).is_none());
        append(&path, "2:02");
        assert!(secrets.get(second()).is_none(), "half written");
        assert!(secrets.get(SecretNumber::FIRST).is_some(), "what is held stays");
        append(&path, &format!("{}\n", "02".repeat(31)));
        assert!(secrets.get(second()).is_some());
        std::fs::write(&path, format!("2:{}\n", "02".repeat(32))).unwrap();
        assert_eq!(secrets.latest().numbers(), "2");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secrets.latest().numbers(), "2");
    }

    #[test]
    fn whose_file_lacks_the_new_secret_signs_with_the_one_before_as_long_as_that_is_accepted() {
        let path = file("lacking");
        let secrets = Secrets::from_file(path.clone()).unwrap();
        assert_eq!(secrets.signing(keys(1001, Some(1))).unwrap().0, ClaimKeyId::FIRST);
        let refused = secrets.signing(keys(1001, None)).unwrap_err().to_string();
        assert!(refused.contains("lacks number 2") && refused.contains("labor-secrets"), "{refused}");
        append(&path, &format!("2:{}\n", "02".repeat(32)));
        assert_eq!(i32::from(secrets.signing(keys(1001, Some(1))).unwrap().0), 1001);
        std::fs::remove_file(&path).unwrap();
    }
}

//! Under which user Postgres runs: our own, or, since Postgres refuses root, an unprivileged one when we are root.

use std::{
    env, fs,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::{Error, Result, error::Doing};

/// The user that runs Postgres.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Identity {
    /// The one we are.
    Ours,
    /// Another one; we are root.
    Other {
        /// Its user id.
        uid: u32,
        /// Its main group.
        gid: u32,
    },
}

impl Identity {
    /// Root gets `LABOR_POSTGRES_USER`, else `postgres`, else `nobody`; everybody else is who they are.
    pub(crate) fn of_servers() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let names = match env::var("LABOR_POSTGRES_USER") {
            Ok(name) => vec![name],
            Err(_) => vec!["postgres".to_owned(), "nobody".to_owned()],
        };
        let accounts = fs::read_to_string("/etc/passwd").doing(|| "read /etc/passwd".into())?;
        names
            .iter()
            .find_map(|name| account(&accounts, name))
            .ok_or_else(|| Error::NoServerUser { names: names.join(" or ") })
    }

    /// Makes a command run as this user. The standard library also drops root's supplementary groups.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).doing(|| format!("hand {} over", path.display()))
            }
        }
    }

    /// Whether this user can work in a folder: tried, not computed, so that mounts and ACLs count.
    pub(crate) fn reaches(self, folder: &Path) -> bool {
        let mut command = Command::new("true");
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}

fn account(accounts: &str, name: &str) -> Option<Identity> {
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2).map(str::parse);
    match (fields.next(), fields.next()) {
        (Some(Ok(uid)), Some(Ok(gid))) if uid != 0 => Some(Identity::Other { uid, gid }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_exact_name_and_is_never_root() {
        let accounts = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9::/:/bin/sh\npostgres:x:101:104::/:/bin/sh\n";
        assert!(matches!(account(accounts, "postgres"), Some(Identity::Other { uid: 101, gid: 104 })));
        assert!(account(accounts, "root").is_none());
        assert!(account(accounts, "post").is_none());
    }
}

//! Finds the `pg_dump` that fits the server.
//! Must stay true: a `pg_dump` of another major version than the server's is never used.
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::BackupError;

/// A `pg_dump` that fits.
#[derive(Debug, Clone)]
pub(crate) struct PgDump {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
    pub(crate) major: u32,
}

impl PgDump {
    /// The one in `folder` if given; else the first on `PATH` or of the system's installations whose major version is the server's.
    pub(crate) async fn find(folder: Option<&Path>, server_major: u32) -> Result<Self, BackupError> {
        let candidates = match folder {
            Some(folder) => vec![folder.join("pg_dump")],
            None => candidates(),
        };
        let mut seen = Vec::new();
        for path in candidates.into_iter().filter(|path| path.is_file()) {
            match version(&path).await {
                Some((version, major)) if major == server_major => return Ok(Self { path, version, major }),
                Some((version, _)) => seen.push(format!("{} is {version}", path.display())),
                None => seen.push(format!("{} does not run", path.display())),
            }
        }
        let seen = if seen.is_empty() { "none was found".to_owned() } else { seen.join(", ") };
        Err(BackupError::Dump(format!(
            "one of major version {server_major} is needed, as the server has; {seen}. Set LABOR_PG_BIN to the folder of the right one"
        )))
    }
}

fn candidates() -> Vec<PathBuf> {
    let on_path: Vec<_> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut installed: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect())
        .unwrap_or_default();
    installed.sort();
    on_path.into_iter().chain(installed.into_iter().rev()).map(|folder| folder.join("pg_dump")).collect()
}

/// `pg_dump (PostgreSQL) 15.18 (Debian …)` → `15.18` and 15.
async fn version(path: &Path) -> Option<(String, u32)> {
    let mut command = Command::new(path);
    let output = command.arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(line: &str) -> Option<(String, u32)> {
    let version = line.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((version.to_owned(), major.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_every_distribution_writes_them() {
        assert_eq!(
            parse_version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(("15.18".to_owned(), 15))
        );
        assert_eq!(parse_version("pg_dump (PostgreSQL) 19beta1\n"), Some(("19beta1".to_owned(), 19)));
        assert_eq!(parse_version("something else"), None);
    }

    #[tokio::test]
    async fn a_folder_without_a_fitting_program_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = PgDump::find(Some(folder.path()), 15).await.unwrap_err();
        assert!(error.to_string().contains("none was found"), "{error}");
    }
}

//! pgbench as a floor: what Postgres can do without Labor.
use std::path::{Path, PathBuf};
use std::time::Duration;

use labor_testing::Postgres;

use crate::Failure;
use crate::psql::{self, Login};

/// Something that pgbench runs.
pub struct Floor {
    login: Login,
    script: PathBuf,
    /// `name=value`: bound as parameters.
    variables: Vec<String>,
}

impl Floor {
    /// Writes the script into the folder; only its owner may read the claim in it.
    ///
    /// # Errors
    /// When it can't be written, or is there already.
    pub fn new(folder: &Path, name: &str, login: Login, script: &str, variables: &[String]) -> Result<Self, Failure> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = folder.join(format!("{name}.pgbench"));
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(script.as_bytes())?;
        Ok(Self { login, script: path, variables: variables.to_vec() })
    }

    /// Runs for whole seconds. How many transactions there were, and how many a second without the time to connect.
    ///
    /// # Errors
    /// When pgbench fails.
    pub async fn run(&self, postgres: &Postgres, connections: u16, length: Duration) -> Result<(u64, f64), Failure> {
        let threads = std::thread::available_parallelism()?.get().min(usize::from(connections));
        let pgbench = psql::client(postgres, "pgbench", &self.login)?
            .args(["--no-vacuum", "--protocol=prepared"])
            .args([format!("--client={connections}"), format!("--jobs={threads}")])
            .args([format!("--time={}", length.as_secs().max(1))])
            .args(self.variables.iter().map(|variable| format!("--define={variable}")))
            .args(["--file".as_ref(), self.script.as_os_str()]);
        let said = pgbench.output().await?;
        Ok((said_after(&said, "transactions actually processed:")?, said_after(&said, "tps =")?))
    }
}

/// The word behind a phrase.
fn said_after<T: std::str::FromStr>(said: &str, phrase: &str) -> Result<T, Failure> {
    let word = said.split_once(phrase).and_then(|(_, rest)| rest.split_whitespace().next());
    let found = word.and_then(|word| word.trim_end_matches('/').parse().ok());
    found.ok_or_else(|| format!("pgbench did not say {phrase:?}:\n{said}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_read() {
        let said = "number of transactions actually processed: 120\ntps = 30.5 (without initial connection time)\n";
        assert_eq!(said_after::<u64>(said, "transactions actually processed:").unwrap(), 120);
        assert!((said_after::<f64>(said, "tps =").unwrap() - 30.5).abs() < 1e-9);
        assert!(said_after::<u64>("pgbench: error", "tps =").is_err());
    }
}

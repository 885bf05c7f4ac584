//! The source of a backup: the plain SQL text of one tenant, out of one snapshot.
//!
//! A [`Dump`] is a stream of bytes and, after its end, a verdict. Among thousands of tenants `pg_dump` takes seconds for each, because it
//! reads the whole catalog; `run --all` therefore has another source of the same text, [`crate::layout`].
//!
//! Must stay true: the end of the stream means nothing before [`Dump::verdict`] was asked; a password is never an argument.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

use labor_catalog::TenantName;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::BackupError;
use crate::pipe::{CHUNK, Chunk};
use crate::program::PgDump;

/// What of `pg_dump`'s complaints is kept.
const LONGEST_COMPLAINT: u64 = 64 << 10;

/// A running dump.
pub(crate) struct Dump {
    child: Child,
    stdout: ChildStdout,
    complaints: JoinHandle<Vec<u8>>,
}

impl Dump {
    /// Starts `pg_dump` on the exported snapshot of a transaction that must stay open until the verdict.
    pub(crate) fn start(
        program: &PgDump,
        server: &Config,
        tenant: &TenantName,
        snapshot: &str,
    ) -> Result<Self, BackupError> {
        let mut child = command(program, server, tenant, snapshot)?
            .spawn()
            .map_err(BackupError::io(format!("start {}", program.path.display())))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(BackupError::Dump("its output can't be read".to_owned()));
        };
        let complaints = tokio::spawn(async move {
            let (mut kept, mut rest) = (Vec::new(), stderr.take(LONGEST_COMPLAINT));
            // A program that complains without end must still be able to end.
            if rest.read_to_end(&mut kept).await.is_ok() {
                let _ = tokio::io::copy(&mut rest.into_inner(), &mut tokio::io::sink()).await;
            }
            kept
        });
        Ok(Self { child, stdout, complaints })
    }

    /// Passes the text on until it ends. An error is passed on as such: it must not look like the end.
    pub(crate) async fn pass_on(&mut self, to: mpsc::Sender<Chunk>) -> Result<(), BackupError> {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            match self.stdout.read_buf(&mut chunk).await {
                Ok(0) => return Ok(()),
                // Nobody reads any more: the reason is the other side's to tell.
                Ok(_) if to.send(Ok(chunk)).await.is_err() => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    let copy = std::io::Error::from(error.kind());
                    let _ = to.send(Err(error)).await;
                    return Err(BackupError::io("read from pg_dump")(copy));
                }
            }
        }
    }

    /// Whether the text is whole: the exit status, and no complaint of its own. What the server remarks (a collation's version,
    /// say) is no complaint: rather a backup with a remark than none.
    pub(crate) async fn verdict(mut self) -> Result<(), BackupError> {
        let status = self.child.wait().await.map_err(BackupError::io("wait for pg_dump"))?;
        let stderr = self.complaints.await.unwrap_or_default();
        let complaint = first_complaint(&stderr);
        if status.success() && complaint.is_none() {
            if !stderr.is_empty() {
                tracing::warn!(bytes = stderr.len(), "the server had remarks while it was dumped; its log has them");
            }
            return Ok(());
        }
        let complaint = complaint.unwrap_or_else(|| "it did not say why".to_owned());
        Err(BackupError::Dump(format!("{status}: {complaint}")))
    }
}

/// The line that says what failed, never the lines that can quote rows.
fn first_complaint(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let mut own = text.lines().filter_map(|line| line.strip_prefix("pg_dump: "));
    own.find(|line| line.starts_with("error: ") || line.starts_with("warning: "))
        .map(|line| line.chars().take(300).collect())
}

fn command(program: &PgDump, server: &Config, tenant: &TenantName, snapshot: &str) -> Result<Command, BackupError> {
    let mut command = Command::new(&program.path);
    command
        .args(["--format=plain", "--encoding=UTF8", "--no-password", "--lock-wait-timeout=60s"])
        .arg(format!("--schema={tenant}"))
        .arg(format!("--snapshot={snapshot}"))
        .env_clear()
        .envs(["PATH", "LD_LIBRARY_PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .envs([("LC_ALL", "C"), ("PGAPPNAME", "labor-backup")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let [host] = server.get_hosts() else {
        return Err(BackupError::Invalid(
            "the database URL must name exactly one host: a snapshot belongs to one server".to_owned(),
        ));
    };
    match host {
        Host::Tcp(name) => command.arg(format!("--host={name}")),
        Host::Unix(path) => command.arg("--host").arg(path),
    };
    command.arg(format!("--port={}", server.get_ports().first().copied().unwrap_or(5432)));
    command.args(server.get_user().map(|user| format!("--username={user}")));
    command.args(server.get_dbname().map(|name| format!("--dbname={name}")));
    if let Some(password) = server.get_password() {
        command.env("PGPASSWORD", OsStr::from_bytes(password));
    }
    command.envs(encryption(server.get_ssl_mode(), program.major));
    Ok(command)
}

/// As strict as our own connection, which verifies certificates against the system's store whenever it uses TLS by demand.
fn encryption(mode: SslMode, major: u32) -> Vec<(&'static str, String)> {
    let mode = match mode {
        SslMode::Disable => "disable",
        SslMode::Require => "verify-full",
        _ => "prefer",
    };
    let mut variables = vec![("PGSSLMODE", mode.to_owned())];
    if mode == "verify-full" {
        let system = if major >= 16 { "system" } else { "/etc/ssl/certs/ca-certificates.crt" };
        variables.push(("PGSSLROOTCERT", std::env::var("PGSSLROOTCERT").unwrap_or_else(|_| system.to_owned())));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_in_the_environment_and_in_no_argument() {
        let program = PgDump { path: "pg_dump".into(), version: "15.1".to_owned(), major: 15 };
        let server: Config = "postgres://login:s3cret@db.example:6000/labor?sslmode=require".parse().unwrap();
        let tenant = TenantName::random().unwrap();
        let command = command(&program, &server, &tenant, "0-1").unwrap();
        let arguments: Vec<_> = command.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        assert!(!arguments.iter().any(|argument| argument.contains("s3cret")), "{arguments:?}");
        for expected in
            ["--host=db.example", "--port=6000", "--username=login", "--dbname=labor", &format!("--schema={tenant}")]
        {
            assert!(arguments.iter().any(|argument| argument == expected), "{expected} is missing in {arguments:?}");
        }
        let variables: Vec<_> = command.as_std().get_envs().collect();
        assert!(variables.contains(&("PGPASSWORD".as_ref(), Some("s3cret".as_ref()))));
        assert!(variables.contains(&("PGSSLMODE".as_ref(), Some("verify-full".as_ref()))));
    }

    #[test]
    fn a_complaint_shows_its_first_line_only() {
        let stderr =
            b"pg_dump: error: Dumping the contents of table \"patients\" failed\npg_dump: detail: Mustermann\n";
        assert_eq!(first_complaint(stderr).unwrap(), "error: Dumping the contents of table \"patients\" failed");
        assert_eq!(first_complaint(b"WARNING:  database has a collation version mismatch\n"), None);
    }
}

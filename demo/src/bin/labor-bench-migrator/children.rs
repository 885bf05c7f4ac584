//! A child process that is timed and watched: how long it takes, and how much memory it and Postgres's largest backend took at most.
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use labor_demo::Failure;
use labor_demo::memory::mebibytes;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const LOOK: Duration = Duration::from_millis(20);

/// A child that ended well.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) milliseconds: f64,
    /// Most memory that was its own and resident, in MiB.
    pub(crate) peak: f64,
    /// The same of the largest process of Postgres, without what all of them share.
    pub(crate) backend: f64,
}

/// Runs it to its end; with a postmaster, watches memory meanwhile. It ends with this process.
pub(crate) async fn run(
    mut command: Command,
    input: &str,
    limit: Duration,
    postmaster: Option<u32>,
) -> Result<Ended, Failure> {
    let what = format!("{:?}", command.as_std().get_program());
    command.kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let pid = child.id().unwrap_or_default();
    let mut memory = (0.0_f64, 0.0_f64);
    let mut ended = std::pin::pin!(tokio::time::timeout(limit, child.wait_with_output()));
    let output: Output = loop {
        tokio::select! {
            output = &mut ended => break output.map_err(|_| format!("{what} takes longer than {limit:?}"))??,
            () = tokio::time::sleep(LOOK), if postmaster.is_some() => {
                memory.0 = memory.0.max(mebibytes(&pid.to_string(), "VmHWM"));
                memory.1 = memory.1.max(largest_backend(postmaster.unwrap_or_default()));
            }
        }
    };
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let tail: Vec<&str> = said.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return Err(format!("{what}: {}\n{}", output.status, tail.join("\n")).into());
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Ended { stdout, milliseconds, peak: memory.0, backend: memory.1 })
}

fn largest_backend(postmaster: u32) -> f64 {
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
    children.unwrap_or_default().split_whitespace().map(|pid| mebibytes(pid, "RssAnon")).fold(0.0, f64::max)
}

//! What a reader has to know about the machine.
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::Failure;

/// The machine, and how busy it was before we began.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// What they are called.
    pub model: String,
    /// Main memory.
    pub memory_gib: f64,
    /// Release of Linux.
    pub kernel: String,
    /// Share of the processors that others used in the second before the first figure.
    pub busy_percent: f64,
    /// Milliseconds that 8 kB take to reach the disk: what a commit waits for.
    pub flush_milliseconds: f64,
}

impl Machine {
    /// In one line, with the server's version.
    #[must_use]
    pub fn line(&self, postgres: &str, debug_build: bool) -> String {
        let build = if debug_build { "a debug build" } else { "a release build" };
        format!(
            "{} ({} cores), {:.0} GiB, Linux {}; PostgreSQL {postgres}; {build} of Labor; a flush of 8 kB to disk takes {:.2} ms; \
             {:.0} % of the processors busy before the start",
            self.model, self.cores, self.memory_gib, self.kernel, self.flush_milliseconds, self.busy_percent
        )
    }

    /// Looks, and writes a small file into the folder that Postgres will use.
    ///
    /// # Errors
    /// When the file can't be written.
    pub async fn look(folder: &Path) -> Result<Self, Failure> {
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kilobytes: f64 =
            memory.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN);
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            model: field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            memory_gib: kilobytes / 1024.0 / 1024.0,
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            busy_percent: busy_percent().await.unwrap_or(f64::NAN),
            flush_milliseconds: flush(&folder.join("flush"))?,
        })
    }

    /// Others use the processors: figures are not worth keeping.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.busy_percent > 10.0
    }
}

/// proc(5): of the first line's ticks the fourth and fifth number are idle and waiting for a disk.
async fn busy_percent() -> Option<f64> {
    let ticks = || -> Option<(f64, f64)> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let numbers: Vec<f64> = text.lines().next()?.split_whitespace().skip(1).flat_map(str::parse).collect();
        Some((numbers.get(3..5)?.iter().sum(), numbers.get(..8)?.iter().sum()))
    };
    let before = ticks()?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = ticks()?;
    Some(100.0 * (1.0 - (after.0 - before.0) / (after.1 - before.1)))
}

/// Median of a hundred.
fn flush(path: &Path) -> Result<f64, Failure> {
    let mut file = std::fs::File::create(path)?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        file.write_all(&[b'x'; 8192])?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(path)?;
    times.sort_by(f64::total_cmp);
    Ok(times.get(50).copied().unwrap_or(f64::NAN))
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

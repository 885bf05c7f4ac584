//! `status` as people, machines and Prometheus see it.
//! Must stay true: the file for Prometheus is whole whenever somebody reads it, and is written also when tenants are late; who is late
//! is told also when the file can't be written.
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{Backup, BackupError, Patience, RecoveryPoints};

use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    patience: PatienceArguments,
    /// Write figures for Prometheus' textfile collector into this file. The collector reads what ends in .prom.
    #[arg(long, value_parser = prom)]
    metrics: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct PatienceArguments {
    /// From which age on the newest proof of a tenant without a schedule is too old, such as 90m, 26h or 3d.
    #[arg(long, default_value = "26h", value_parser = duration)]
    late: Duration,
    /// How long after a due time a tenant with a schedule has to be backed up.
    #[arg(long, default_value = "4h", value_parser = duration)]
    allowance: Duration,
}

impl From<PatienceArguments> for Patience {
    fn from(arguments: PatienceArguments) -> Self {
        Self { late: arguments.late, allowance: arguments.allowance }
    }
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    let points = Box::pin(backup.recovery_points(Patience::from(arguments.patience), Utc::now())).await?;
    let late = points.late();
    if !json {
        output::line(table(&points));
        for kept in &points.kept {
            output::line(format_args!(
                "{}: what was in its place until {} is kept as {}: `restore confirm` drops it, `restore back` puts it back",
                kept.tenant,
                kept.since.format("%Y-%m-%d %H:%M"),
                kept.schema
            ));
        }
    }
    for tenant in points.not_erased.iter().filter(|_| !json) {
        output::line(format_args!(
            "{tenant} was deleted from the database, and has backups in the bucket: `labor-backup erase` (after a lock has ended)"
        ));
    }
    output::say(json, &points, &summary(&points));
    let written = arguments.metrics.as_deref().map_or(Ok(()), |file| {
        let failed = |source| BackupError::Io { action: format!("write {}", file.display()), source };
        replace(file, &points.metrics()).map_err(failed)
    });
    match (late.is_empty(), written) {
        (true, written) => written,
        (false, Ok(())) => Err(BackupError::Late(late)),
        // Both are told; the exit code is the one of who is late.
        (false, Err(error)) => Err(BackupError::Late(late.into_iter().chain([error.to_string()]).collect())),
    }
}

/// Beside it first, then in its place: a reader finds the old text or the new one, also after a power cut. Whoever collects it may be
/// another user.
pub(crate) fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let name = file.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let prefix = format!(".{name}.");
    remove_leftovers(file, &prefix);
    // The collector reads what ends in .prom only.
    let beside = file.with_file_name(format!("{prefix}{}", std::process::id()));
    let write = || {
        let mut open = File::create(&beside)?;
        open.write_all(text.as_bytes())?;
        open.set_permissions(Permissions::from_mode(0o644))?;
        open.sync_all()?;
        std::fs::rename(&beside, file)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// What was killed an hour ago or longer does not write any more. Best effort: it is in nobody's way.
fn remove_leftovers(file: &Path, prefix: &str) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        let age = entry.metadata().and_then(|found| found.modified()).map(|written| written.elapsed());
        if ours && matches!(age, Ok(Ok(age)) if age > Duration::from_secs(3600)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub(crate) fn prom(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    if file.extension().is_some_and(|extension| extension == "prom") {
        Ok(file)
    } else {
        Err("the collector reads only files whose name ends in .prom".to_owned())
    }
}

fn summary(points: &RecoveryPoints) -> String {
    let late = points.tenants.values().filter(|point| point.late).count();
    let unknown = match points.unknown.len() {
        0 => String::new(),
        count => format!("; {count} have backups and are not in the database"),
    };
    let control = if points.control.late { "; the control schema is late" } else { "" };
    format!("{} tenants, {late} late{unknown}{control}", points.tenants.len())
}

fn table(points: &RecoveryPoints) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "tenant",
        "newest good backup",
        "backed up until",
        "verified",
        "was due",
        "",
    ]);
    for (tenant, point) in &points.tenants {
        let time = |time: Option<chrono::DateTime<Utc>>| {
            time.map_or_else(|| "never".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
        };
        table.add_row([
            tenant.to_string(),
            point.backup.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
            time(point.proven_until),
            time(point.verified_at),
            point.due_at.map_or_else(String::new, |_| time(point.due_at)),
            if point.late { "LATE".to_owned() } else { String::new() },
        ]);
    }
    for tenant in &points.unknown {
        let dash = || "-".to_owned();
        table.add_row([tenant.to_string(), dash(), dash(), dash(), dash(), "NOT IN THE DATABASE".to_owned()]);
    }
    table
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write 90m, 26h or 3d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_the_collector_can_be_read_by_it_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, killed) = (folder.path().join("labor.prom"), folder.path().join(".labor.prom.1"));
        let (young, other) = (folder.path().join(".labor.prom.2"), folder.path().join(".other.prom.1"));
        for path in [&killed, &young, &other] {
            std::fs::write(path, "").unwrap();
        }
        for path in [&killed, &other] {
            let hours_ago = std::time::SystemTime::now() - Duration::from_secs(2 * 3600);
            File::open(path).unwrap().set_modified(hours_ago).unwrap();
        }
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        replace(&file, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        assert!(!killed.exists() && young.exists() && other.exists());
        assert!(prom("a/labor.prom").is_ok() && prom("labor.txt").is_err() && prom(".prom").is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, hours) in [("120m", 2), ("26h", 26), ("3d", 72)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(hours * 3600)));
        }
        for wrong in ["", "h", "26", "26 h", "-1h", "1ä", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}

//! `audit` on the command line: seal what is new, now or again and again; and hold an audit against its seals.
//! Must stay true: nothing is sealed without a signature, and nothing is said to hold whose signature was not checked.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use labor_backup::{
    AuditFindings, AuditHead, Audits, Backup, BackupError, PublicKey, SealRun, Sealed, Sealer, SigningKey, TenantName,
};

use crate::{bucketing, output};

/// So many faults of one audit are told to people.
const TOLD: usize = 100;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Seal the new rows of every practice's audit: their hashes, chained and signed, go to the bucket.
    Seal(Seal),
    /// Hold an audit against its seals: name the first row that was altered, removed or added since. Exit code 4 when something does not
    /// hold, 6 when nothing was sealed for too long.
    Verify(Verify),
}

#[derive(Args)]
struct Seal {
    /// Name of the tenant in the database; all without it.
    #[arg(long)]
    tenant: Option<TenantName>,
    /// Go on, with a pass each so many seconds, until it is told to end. Several may run; of two that seal the same, one gives way.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Practices that are looked into at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Ed25519 private key in PEM to sign with (`openssl genpkey -algorithm ed25519 -out FILE`).
    #[arg(long, env = "LABOR_SIGNING_KEY", value_name = "FILE")]
    signing_key: PathBuf,
    /// Public key of a signing key that was in use before.
    #[arg(long, value_name = "FILE")]
    former_public_key: Vec<PathBuf>,
    #[command(flatten)]
    locked: bucketing::Locked,
}

#[derive(Args)]
struct Verify {
    /// Name of the tenant in the database.
    #[arg(long, required_unless_present = "all")]
    tenant: Option<TenantName>,
    /// Every practice.
    #[arg(long, conflicts_with = "tenant")]
    all: bool,
    /// Ed25519 public key in PEM that seals are signed with; more than one when it was changed. Not from the bucket itself.
    #[arg(long, value_name = "FILE", required = true)]
    public_key: Vec<PathBuf>,
    /// A head that was kept elsewhere, as NUMBER:SHA256: the seals have to lead through it. So nobody can have taken seals away.
    #[arg(long, value_name = "NUMBER:SHA256", value_parser = head, conflicts_with = "all")]
    head: Option<AuditHead>,
    /// The same for every practice: what `audit verify --json` printed before, and was kept elsewhere.
    #[arg(long, value_name = "FILE", conflicts_with = "head")]
    heads: Option<PathBuf>,
    /// Nothing that was sealed after this time (RFC 3339): for a database that was restored as of then, the time in the backup's manifest.
    #[arg(long, value_name = "TIME")]
    until: Option<DateTime<Utc>>,
    /// So many minutes may go by before a new row is in a seal.
    #[arg(long, default_value_t = 60, value_name = "MINUTES")]
    patience_minutes: u32,
}

fn head(text: &str) -> Result<AuditHead, String> {
    let parsed = text.split_once(':').and_then(|(number, sha256)| Some((number.parse().ok()?, sha256)));
    match parsed {
        Some((number, sha256)) if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(AuditHead { number, sha256: sha256.to_ascii_lowercase() })
        }
        _ => Err("a head is a seal's number, a colon and 64 hexadecimal digits, as `audit seal` prints it".to_owned()),
    }
}

pub(crate) fn public_keys(paths: &[PathBuf]) -> Result<Vec<PublicKey>, BackupError> {
    paths.iter().map(|path| PublicKey::open(path)).collect()
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    match arguments.command {
        Command::Seal(arguments) => Box::pin(seal(backup, arguments, json)).await,
        Command::Verify(arguments) => Box::pin(verify(backup, arguments, json)).await,
    }
}

async fn seal(backup: &Backup, arguments: Seal, json: bool) -> Result<(), BackupError> {
    let Seal { tenant, every, jobs, signing_key, former_public_key, locked } = arguments;
    let (key, former) = (SigningKey::open(&signing_key)?, public_keys(&former_public_key)?);
    let mut sealer = Sealer::new(backup.clone().with_object_lock(locked.lock()), key, former, jobs.into());
    let Some(every) = every else {
        let run = sealer.pass(tenant.as_ref()).await?;
        tell(&run, json);
        let faults = run.faults();
        return if faults.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(faults)) };
    };
    let (stop, mut turns) = (backup.stop_token(), tokio::time::interval(Duration::from_secs(every.into())));
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! { () = stop.cancelled() => return Ok(()), _ = turns.tick() => {} }
        match sealer.pass(tenant.as_ref()).await {
            Ok(run) => {
                tell(&run, json);
                run.faults().into_iter().for_each(|fault| output::note(format_args!("labor-backup: {fault}")));
            }
            Err(BackupError::Stopped) => return Ok(()),
            // What ails the database or the store now may be over at the next turn; what is missing or forbidden will not.
            Err(error @ (BackupError::Refused(_) | BackupError::NotFound(_))) => return Err(error),
            Err(error) => output::note(format_args!("labor-backup: {error}; trying again in {every} s")),
        }
    }
}

/// The practices that have a new seal.
fn tell(run: &SealRun, json: bool) {
    if json {
        output::line(serde_json::json!(run));
        return;
    }
    for (tenant, sealed) in &run.tenants {
        if let Sealed::Sealed { rows, head } = sealed {
            output::line(format_args!("{tenant}: {rows} rows sealed; head {}:{}", head.number, head.sha256));
        }
    }
    output::line(format_args!("{} practices, {} rows sealed", run.tenants.len(), run.rows()));
}

async fn verify(backup: &Backup, arguments: Verify, json: bool) -> Result<(), BackupError> {
    let Verify { tenant, all, public_key, head, heads, until, patience_minutes } = arguments;
    let keys = public_keys(&public_key)?;
    let mut expected = heads.as_deref().map(kept_heads).transpose()?.unwrap_or_default();
    expected.extend(tenant.clone().zip(head));
    let Audits { tenants, deleted, mut faults } = backup.audits(tenant.as_ref()).await?;
    let (mut late, mut untold) = (Vec::new(), Vec::new());
    for tenant in tenants {
        // One that can't be looked at hides none of the others' faults, and is none.
        let findings = match backup.verify_audit(&tenant, &keys, expected.remove(&tenant), until).await {
            Ok(findings) => findings,
            Err(BackupError::Stopped) => return Err(BackupError::Stopped),
            Err(error) => {
                untold.push(format!("the audit of {tenant} can't be looked at: {error}"));
                continue;
            }
        };
        output::say(json, &findings, &told(&findings));
        if let Err(error) = judged(Some(&findings)) {
            faults.push(error.to_string());
        } else if until.is_none() && is_late(&findings, TimeDelta::minutes(patience_minutes.into())) {
            late.push(format!("the audit of {tenant} waits for a seal; does `labor-backup audit seal --every` run?"));
        }
    }
    if all {
        let gone = expected.keys().filter(|tenant| !deleted.contains(tenant));
        faults.extend(gone.map(|tenant| format!("{tenant} had seals, and is not there any more")));
    }
    match (faults.is_empty(), untold.is_empty(), late.is_empty()) {
        (true, true, true) => Ok(()),
        (true, true, false) => Err(BackupError::Late(late)),
        (true, false, _) => Err(BackupError::Incomplete(untold)),
        (false, ..) => {
            faults.extend(untold);
            Err(BackupError::Bad(faults))
        }
    }
}

/// A row waits for too long; or the sealer, which makes a seal a day of a practice in which nothing happens, made none.
fn is_late(findings: &AuditFindings, patience: TimeDelta) -> bool {
    let now = Utc::now();
    findings.not_sealed_since.is_some_and(|since| now - since > patience)
        || findings.sealed_at.is_some_and(|sealed_at| now - sealed_at > TimeDelta::hours(24) + patience)
}

fn kept_heads(file: &Path) -> Result<BTreeMap<TenantName, AuditHead>, BackupError> {
    let failed = |why: String| BackupError::Invalid(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let findings = text.lines().map(serde_json::from_str::<AuditFindings>).collect::<Result<Vec<_>, _>>();
    let findings =
        findings.map_err(|error| failed(format!("it is not what `audit verify --json` printed: {error}")))?;
    if findings.is_empty() {
        return Err(failed("there is no head in it".to_owned()));
    }
    Ok(findings.into_iter().filter_map(|one| Some((one.tenant, one.head?))).collect())
}

/// Exit code 4 for an audit that does not hold.
pub(crate) fn judged(findings: Option<&AuditFindings>) -> Result<(), BackupError> {
    match findings.filter(|findings| findings.faults_found > 0) {
        None => Ok(()),
        Some(found) => {
            Err(BackupError::Bad(vec![format!("the audit of {}: {} fault(s)", found.tenant, found.faults_found)]))
        }
    }
}

/// What came of it, for people; also of an export's audit.
pub(crate) fn told(findings: &AuditFindings) -> String {
    let AuditFindings { tenant, seals, rows_proven, rows_not_sealed_yet, .. } = findings;
    let proven = if findings.signatures_checked {
        "are what they were"
    } else {
        "fit their seals, whose signatures were not checked"
    };
    let mut text = format!(
        "{tenant}: {rows_proven} audit rows {proven} when {seals} seals were made, {rows_not_sealed_yet} are not sealed yet"
    );
    if findings.rows_not_judged > 0 {
        text.push_str(&format!(", {} can't be judged without the seals that do not hold", findings.rows_not_judged));
    }
    if let Some(head) = &findings.head {
        text.push_str(&format!("; head {}:{}", head.number, head.sha256));
    }
    for fault in findings.faults.iter().take(TOLD) {
        text.push_str(&format!("\n  FAULT: {fault}"));
    }
    if findings.faults.len() > TOLD {
        text.push_str(&format!("\n  and {} more: --json has all", findings.faults.len() - TOLD));
    }
    text
}

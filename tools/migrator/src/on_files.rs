//! The commands that need nothing but files: `lint` and `new`.
//! Must stay true: no database URL and no master secret is asked for, so that they run in CI and on any developer's machine.
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use labor_migrator::MigratorError;
use labor_migrator::files::Sources;
use labor_migrator::lint::{Finding, Severity, lint};
use labor_migrator::migration::{Kind, Migration, Phase};
use labor_migrator::new;

use crate::arguments::{Command, NewArguments};
use crate::{LINT, output};

/// Where `new` writes when nobody says it.
const DB: &str = "db";

/// Runs the command if it is one of these.
pub(crate) fn run(
    json: bool,
    db: Option<&Path>,
    sources: &Sources,
    command: &Command,
) -> Result<Option<ExitCode>, MigratorError> {
    match command {
        Command::Lint { files } => judge(json, db, sources, files).map(Some),
        Command::New(arguments) => create(json, db, arguments).map(Some),
        _ => Ok(None),
    }
}

fn judge(json: bool, db: Option<&Path>, sources: &Sources, files: &[PathBuf]) -> Result<ExitCode, MigratorError> {
    let migrations = sources.tenant_migrations()?;
    let wanted = files.iter().map(|file| wanted(&migrations, file)).collect::<Result<Vec<_>, _>>()?;
    let mut findings = lint(&migrations, sources.tenant_rules());
    findings.retain(|finding| wanted.is_empty() || wanted.contains(&finding.file));
    let all = migrations.iter().map(|migration| 1 + usize::from(migration.undo.is_some())).sum();
    output::lint::findings(json, &findings);
    if !json {
        let judged = judged(db, if wanted.is_empty() { all } else { wanted.len() });
        output::line(format_args!("{judged}: {}", output::lint::summary(&findings)));
    }
    Ok(exit_code(&findings))
}

/// What was judged: who forgot `--db` sees it here.
fn judged(db: Option<&Path>, count: usize) -> String {
    let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
    match db {
        Some(db) => format!("{files} in {}", db.join("migrations/tenant").display()),
        None => format!("{files} built into this program"),
    }
}

/// 6 when there is an error; warnings alone are none.
pub(crate) fn exit_code(findings: &[Finding]) -> ExitCode {
    let error = findings.iter().any(|finding| finding.severity == Severity::Error);
    if error { ExitCode::from(LINT) } else { ExitCode::SUCCESS }
}

/// The name of a file of the chain; whoever names one that is not in it is told so, and not that nothing was found.
fn wanted(migrations: &[Migration], file: &Path) -> Result<String, MigratorError> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if migrations.iter().any(|m| name == m.file_name() || (m.undo.is_some() && name == m.undo_file_name())) {
        return Ok(name.to_owned());
    }
    Err(MigratorError::Invalid(format!(
        "{} is none of the migrations at hand; give --db the folder it is in (laid out like the repository's db)",
        file.display()
    )))
}

fn create(json: bool, db: Option<&Path>, arguments: &NewArguments) -> Result<ExitCode, MigratorError> {
    let db = match db {
        Some(db) => db,
        None if Path::new(DB).join("migrations/tenant").is_dir() => Path::new(DB),
        None => {
            return Err(MigratorError::Invalid(
                "there is no folder db/migrations/tenant here; say with --db where the repository's db is".to_owned(),
            ));
        }
    };
    let kind = match arguments.kind.as_str() {
        "concurrent" => Kind::Concurrent,
        "backfill" => Kind::Backfill { batch: Kind::DEFAULT_BATCH, pause: Kind::DEFAULT_PAUSE },
        _ => Kind::Transaction,
    };
    let phase = if arguments.phase == "contract" { Phase::Contract } else { Phase::Expand };
    let begun = new::create(db, &arguments.name, kind, phase)?;
    let mut text = begun.file.display().to_string();
    if let Some(undo) = &begun.undo {
        text += &format!("\n{}", undo.display());
    }
    text += "\nnext: fill in the headers and the statements, then labor-migrator lint";
    // Without it the files in the program would be judged.
    text += &format!(" --db {}", db.display());
    output::say(json, &serde_json::json!(begun), &text);
    Ok(ExitCode::SUCCESS)
}

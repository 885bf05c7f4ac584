//! `labor-ldt`: checks, shows, converts and anonymises LDT files.
//!
//! What must stay true: exit code 0 means that every file was read completely, 1 that one was refused, 2 that the program
//! could not do its work (usage, files that cannot be read or written). A reader that closes the pipe is no error.

mod anonymise;
mod check;
mod input;
mod json;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, shows, converts and anonymises LDT 2 and LDT 3 files.
///
/// Exit codes: 0 every file was read completely (warnings are allowed), 1 a file was refused, 2 wrong usage or a file that
/// cannot be read or written.
#[derive(Parser)]
#[command(name = "labor-ldt", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say of each file whether it can be used, and what is odd in it. Contents are not printed.
    Check {
        /// Files; - is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// One JSON object for each file.
        #[arg(long)]
        json: bool,
        /// Exit with 1 for warnings, too.
        #[arg(long)]
        deny_warnings: bool,
    },
    /// Print files for people. Shows patient data.
    Show {
        /// Files; - is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Every line with the name of its field, as a tree.
        #[arg(long)]
        tree: bool,
    },
    /// Print each file as one line of JSON. Shows patient data.
    Json {
        /// Files; - is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Attachments with their content (Base64), not only their size.
        #[arg(long)]
        attachments: bool,
    },
    /// Replace what identifies people and institutions; lengths and checksums are computed anew.
    ///
    /// The same person gets the same names within a file, and in all files that are anonymised with the same key.
    #[command(visible_alias = "anonymize")]
    Anonymise {
        /// A file; - is standard input.
        file: PathBuf,
        /// Where to write; standard output if missing.
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// Secret of at least 16 characters. Without it a random one is used and forgotten.
        #[arg(long, env = "LABOR_LDT_KEY", hide_env_values = true)]
        key: Option<String>,
    },
}

/// How it ended: worse ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Fine,
    Refused,
    Failed,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Ok(Outcome::Failed) => ExitCode::from(2),
        // `labor-ldt show FILE | head` is no fault.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(2),
    }
}

/// Errors are those of the output itself.
fn run(command: Command, out: &mut impl Write, err: &mut impl Write) -> io::Result<Outcome> {
    let outcome = match command {
        Command::Check { files, json, deny_warnings } => {
            input::each(&files, err, |file, bytes, _| check::file(out, file, bytes, json, deny_warnings))
        }
        Command::Show { files, tree } => input::each(&files, err, |file, bytes, err| {
            if tree { show::tree(out, err, file, bytes) } else { show::file(out, err, file, bytes) }
        }),
        Command::Json { files, attachments } => {
            input::each(&files, err, |file, bytes, err| json::file(out, err, file, bytes, attachments))
        }
        Command::Anonymise { file, output, key } => anonymise::command(out, err, &file, output.as_deref(), key),
    }?;
    out.flush()?;
    Ok(outcome)
}

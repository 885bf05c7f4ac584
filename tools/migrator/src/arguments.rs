//! The command line.
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use labor_migrator::isolation::weaker::Weaker;
pub(crate) use runs::{NewArguments, PlanArguments, RehearseArguments, UndoArguments, UpArguments};
use uuid::Uuid;

mod runs;

/// What the program is asked.
#[derive(Parser)]
#[command(name = "labor-migrator", version, about = "Migrates, provisions and checks every tenant's schema", after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// URL of the login labor_migrator.
    #[arg(long, env = "LABOR_MIGRATOR_URL", hide_env_values = true, global = true)]
    pub(crate) database_url: Option<String>,
    /// File with the master secret (64 hexadecimal digits); while it is being changed one a line, NUMBER:SECRET.
    #[arg(long, env = "LABOR_MASTER_SECRET_FILE", global = true)]
    pub(crate) master_secret_file: Option<PathBuf>,
    /// Folder with migrations and row rules, laid out like the repository's db, instead of those in this program.
    #[arg(long, env = "LABOR_DB", value_name = "DIR", global = true)]
    pub(crate) db: Option<PathBuf>,
    /// Run on a server that gives no superuser, so that it could not be hardened: `managed` (docs/isolation.md says what stays open).
    #[arg(long, env = "LABOR_ACCEPT_WEAKER_ISOLATION", value_enum, value_name = "WHY", global = true)]
    pub(crate) accept_weaker_isolation: Option<WeakerIsolation>,
    /// Print JSON for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Why weaker isolation is accepted.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum WeakerIsolation {
    /// It is a managed server.
    Managed,
}

impl Arguments {
    /// Whether it was agreed to.
    pub(crate) fn weaker(&self) -> Weaker {
        self.accept_weaker_isolation.map_or(Weaker::Refused, |WeakerIsolation::Managed| Weaker::Accepted)
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, see the message
  2  wrong command line, or a URL or file is missing that it needs
  3  tenants failed, are behind or ahead, were not tried, are held although they
     were named, or could not be verified; a deletion has to wait; `undo` was not
     agreed to; or refused: another command goes the other way or by other files,
     or a newer program was here
  4  the isolation check found something, also in a rehearsal, or the server was
     not hardened and nobody agreed to that
  5  schemas, ledger and files do not agree; a file was edited after it was applied
  6  lint found an error
  130  interrupted twice";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prepare a database once, as a superuser: roles, hardening, passwords of the service logins.
    Bootstrap {
        /// URL of a superuser; where none can be had, of the owner of the database.
        #[arg(long, env = "LABOR_ADMIN_URL", hide_env_values = true)]
        admin_url: String,
        /// URL of the login labor_control, for its password.
        #[arg(long, env = "LABOR_CONTROL_URL", hide_env_values = true)]
        control_url: String,
        /// URL of the login labor_backup, for its password.
        #[arg(long, env = "LABOR_BACKUP_URL", hide_env_values = true)]
        backup_url: String,
    },
    /// Bring the control schema and all tenants to the newest version. Running it again goes on where it stopped.
    Up(UpArguments),
    /// Take expand migrations back with their .undo.sql, while no tenant has contracted.
    Undo(UndoArguments),
    /// Where the fleet stands: a few queries, as many for a large one.
    Status {
        /// List every tenant, not only those that are behind, held, failed or suspended.
        #[arg(long)]
        all: bool,
    },
    /// Create a tenant, from a spare schema if there is one.
    Provision {
        /// What people type at sign-in: lower-case letters, digits, hyphens.
        slug: String,
        /// Name of the practice as shown.
        #[arg(long)]
        name: String,
        /// (N)BSNR, nine digits; may be repeated.
        #[arg(long = "bsnr")]
        bsnrs: Vec<String>,
        /// The one tenant that holds messages nobody could be found for.
        #[arg(long, conflicts_with = "bsnrs")]
        intake: bool,
    },
    /// Adopt a schema that is called like a tenant's and registered as none's: restored by psql, or made by refinery alone.
    Baseline {
        /// Name of the schema: t_ and 12 lower-case letters or digits.
        schema: String,
        /// What people type at sign-in: lower-case letters, digits, hyphens.
        #[arg(long)]
        slug: String,
        /// Name of the practice as shown.
        #[arg(long)]
        name: String,
        /// (N)BSNR, nine digits; may be repeated.
        #[arg(long = "bsnr")]
        bsnrs: Vec<String>,
        /// Version of the schema, when neither its stamp nor its history tells.
        #[arg(long = "version", id = "schema_version", value_name = "VERSION")]
        version: Option<i32>,
    },
    /// Keep so many empty schemas ready, so that provisioning only assigns one.
    Pool {
        /// How many.
        #[arg(long)]
        keep: u64,
    },
    /// Register a (N)BSNR of an existing practice.
    Identify {
        /// Sign-in name, or name in the database.
        tenant: String,
        /// (N)BSNR, nine digits; may be repeated.
        #[arg(long = "bsnr", required = true)]
        bsnrs: Vec<String>,
    },
    /// Carry out an approved deletion of one tenant; prints the certificate. Running it again continues or repeats the certificate.
    Delete {
        /// Id of the request (`labor request list`).
        #[arg(long)]
        request: Uuid,
    },
    /// Which runs there were, or what became of tenants in a run.
    History {
        /// What became of each tenant in this run.
        #[arg(long)]
        run: Option<Uuid>,
        /// What became of this tenant in all runs (sign-in name, or name in the database).
        #[arg(long)]
        tenant: Option<String>,
        /// Only tenants that failed.
        #[arg(long)]
        failed: bool,
        /// How many lines at most, newest first; without it 20, with --run or --json all.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// Let migrations pass a tenant by.
    Hold {
        /// Sign-in name, or name in the database.
        tenant: String,
        /// Why; no health data.
        #[arg(long)]
        reason: String,
    },
    /// Let migrations take a held tenant along again.
    Release {
        /// Sign-in name, or name in the database.
        tenant: String,
    },
    /// Close a practice: nobody is served, its data stays.
    Suspend {
        /// Sign-in name, or name in the database.
        tenant: String,
        /// Why; no health data.
        #[arg(long)]
        reason: String,
    },
    /// Open a suspended practice again.
    Resume {
        /// Sign-in name, or name in the database.
        tenant: String,
    },
    /// Serve a practice although `check --enforce` found its isolation weakened, as long as it finds just the same.
    ServeDespite {
        /// Sign-in name, or name in the database.
        tenant: String,
        /// Why; no health data.
        #[arg(long)]
        reason: String,
    },
    /// Give a practice another displayed name.
    Rename {
        /// Sign-in name, or name in the database.
        tenant: String,
        /// The new name as shown.
        #[arg(long)]
        name: String,
    },
    /// Change keys while everybody is served (docs/operations.md, "Changing keys").
    Rotate {
        /// What to do.
        #[command(subcommand)]
        command: RotateCommand,
    },
    /// Compare every schema with what the migrator left.
    Drift {
        /// Sign-in names, or names in the database; all without one.
        tenants: Vec<String>,
        /// Show the lines that differ from what the files make.
        #[arg(long)]
        diff: bool,
    },
    /// Judge migrations before any practice meets them; needs no database.
    Lint {
        /// Only what concerns these files (path or name); all of the chain without one.
        files: Vec<PathBuf>,
    },
    /// Begin a migration: the next number, a header to be filled in, and its undo; needs no database.
    New(NewArguments),
    /// What `up` would do, which locks it would take, how long about; changes nothing.
    Plan(PlanArguments),
    /// Run the pending migrations on a clone of each class of tenants, and take it away again.
    Rehearse(RehearseArguments),
    /// Isolation check of one tenant or of all.
    Check(CheckArguments),
    /// Whether everything agrees: schemas, stamps, histories, ledger, registry, logins, control schema and files.
    Verify {
        /// Sign-in names, or names in the database; without one all, and what belongs to no tenant.
        tenants: Vec<String>,
    },
}

/// What is to be checked, and what follows.
#[derive(Args)]
pub(crate) struct CheckArguments {
    /// Sign-in name, or name in the database; all without it.
    pub(crate) tenant: Option<String>,
    /// Practices with a finding are not served until a check finds none.
    #[arg(long)]
    pub(crate) enforce: bool,
    /// Again and again, so many seconds after each other, until it is stopped.
    #[arg(long, value_name = "SECONDS", requires = "enforce", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: Option<u32>,
}

/// What is to be changed.
#[derive(Subcommand)]
pub(crate) enum RotateCommand {
    /// Sign claims with the next key of the same master secret; the key before ends by itself.
    ClaimKey,
    /// Change over to the newest master secret of the file. Running it again goes on where it stopped.
    Master,
    /// Let the master secret before come to its end, once nothing depends on it.
    Finish {
        /// End tokens and browser sessions that were signed with it at once, because somebody else may know it.
        #[arg(long)]
        now: bool,
    },
    /// Which keys are in use, what depends on which master secret, and what to do next.
    Status,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::runs::RunArguments;
    use super::*;

    #[test]
    fn who_says_nothing_of_locks_gets_half_a_second_by_program_and_library() {
        for command in [&["up"][..], &["undo", "--to", "1"]] {
            let read = Arguments::try_parse_from([&["labor-migrator"], command].concat()).unwrap();
            let (Command::Up(UpArguments { run, .. }) | Command::Undo(UndoArguments { run, .. })) = read.command else {
                panic!("another command was read");
            };
            assert_eq!(run.lock_timeout, Duration::from_millis(500));
        }
        assert_eq!(labor_migrator::up::UpOptions::default().lock_timeout, Duration::from_millis(500));
    }

    #[test]
    fn up_and_undo_share_the_options_of_a_run() {
        let program = Arguments::command();
        program.clone().debug_assert();
        let options = |command: &str| {
            let options = program.find_subcommand(command).unwrap().get_arguments();
            options
                .map(|option| {
                    format!("{:?} {:?} {:?}", option.get_long(), option.get_default_values(), option.get_help())
                })
                .collect::<Vec<_>>()
        };
        let (up, run) = (options("up"), RunArguments::augment_args(clap::Command::new("run")));
        let undo = options("undo");
        assert_eq!(run.get_arguments().count(), 5);
        for shared in run.get_arguments().map(|option| option.get_long()) {
            let of = |list: &[String]| list.iter().find(|option| option.starts_with(&format!("{shared:?} "))).cloned();
            assert!(of(&up).is_some() && of(&up) == of(&undo), "{shared:?}: {up:?} and {undo:?}");
        }
    }
}

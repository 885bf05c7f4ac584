//! Runs a command with a throw-away Postgres at hand: `with_postgres COMMAND [ARGUMENT...]`. The command finds the database `labor`, still
//! empty, under the names that Labor's own programs read, as `DATABASE_URL` and for libpq (both the superuser's); `PG_DUMP` is the
//! `pg_dump` that fits. Nothing is left running afterwards.
#![expect(clippy::print_stderr, reason = "a command-line program talks on its standard streams")]

use std::{
    env,
    error::Error,
    fs,
    os::unix::fs::OpenOptionsExt,
    process::{Command, ExitCode},
};

use labor_testing::{DataFolder, Durability, Postgres, random_hex};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_postgres COMMAND [ARGUMENT...]");
        return Ok(ExitCode::from(2));
    };
    let folder = DataFolder::claim_empty("with-postgres").await?;
    let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await?;
    postgres.create_database("labor").await?;
    let master = folder.join("master.secret");
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&master)?;
    std::io::Write::write_all(&mut file, random_hex(32)?.as_bytes())?;

    let mut command = Command::new(program);
    command.args(arguments).env("DATABASE_URL", postgres.url("labor")).env("LABOR_ADMIN_URL", postgres.url("labor"));
    for (name, login) in [("MIGRATOR", "labor_migrator"), ("CONTROL", "labor_control"), ("BACKUP", "labor_backup")] {
        command.env(format!("LABOR_{name}_URL"), postgres.url_as(login, &random_hex(24)?, "labor"));
    }
    command.env("LABOR_MASTER_SECRET_FILE", master).env("PG_DUMP", postgres.home().program("pg_dump"));
    command.env("PGHOST", "127.0.0.1").env("PGPORT", postgres.port().to_string()).env("PGDATABASE", "labor");
    command.env("PGUSER", "postgres").env("PGPASSWORD", postgres.password());
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    drop(postgres);
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

//! psql and pgbench as children. Logins go in the environment, where only their owner can read them, never in the arguments.
use labor_testing::{Postgres, Program};

use crate::Failure;

/// Who asks, and which database.
#[derive(Clone)]
pub struct Login {
    /// Role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Which database.
    pub database: String,
    /// Schema that names without one are looked up in; a tenant's role has its own.
    pub schema: Option<String>,
}

/// A client program of the running Postgres with this login.
///
/// # Errors
/// When it is not installed.
pub fn client(postgres: &Postgres, name: &str, login: &Login) -> Result<Program, Failure> {
    let path = postgres.home().program(name);
    if !path.is_file() {
        return Err(format!("{} is missing: install the package of Postgres that has it", path.display()).into());
    }
    let program = Program::at(path)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", postgres.port().to_string())
        .env("PGUSER", &login.user)
        .env("PGPASSWORD", &login.password)
        .env("PGDATABASE", &login.database);
    Ok(match &login.schema {
        Some(schema) => program.env("PGOPTIONS", format!("-c search_path={schema}")),
        None => program,
    })
}

/// Runs SQL and returns its rows, a line each.
///
/// # Errors
/// When psql fails.
pub async fn ask(postgres: &Postgres, login: &Login, sql: &str) -> Result<String, Failure> {
    let psql = client(postgres, "psql", login)?.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
    Ok(psql.input(sql).output().await?.trim().to_owned())
}

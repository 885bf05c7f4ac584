//! `bootstrap`: prepares a database once, as a superuser: roles, hardening, passwords of the three service logins.
//! On a server that gives no superuser the owner of the database does it as far as that goes, if somebody agreed to it.
//! Must stay true: passwords reach the server only as SCRAM verifiers made here, so they are in no statement and no log.
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

use labor_catalog::{Keyring, may_hold_secrets, sql};
use tokio_postgres::config::Host;
use tokio_postgres::{Config, Transaction};

use crate::MigratorError;
use crate::isolation::Finding;
use crate::isolation::weaker::{self, Weaker};

/// URLs of the service logins whose passwords are to be set.
#[derive(Debug, Clone)]
pub struct ServiceUrls<'a> {
    /// `labor_migrator`
    pub migrator: &'a str,
    /// `labor_control`
    pub control: &'a str,
    /// `labor_backup`
    pub backup: &'a str,
}

/// What `bootstrap` has to tell.
#[derive(Debug)]
pub struct Prepared {
    /// What the login could not do: what a server without a superuser leaves open.
    pub left_open: Vec<Finding>,
    /// URLs that name another server than the superuser's, in words: it may be another way to the same one, or a mistake.
    pub elsewhere: Vec<String>,
}

/// Prepares the database that `admin_url` names. Safe to run again; the passwords are then set anew.
///
/// # Errors
/// When a URL names an unexpected login or another database, or has no password, the server refuses, or the login is no superuser and
/// nobody agreed to that.
pub async fn bootstrap(admin_url: &str, urls: &ServiceUrls<'_>, agreed: Weaker) -> Result<Prepared, MigratorError> {
    let admin = labor_connect::parse(admin_url, "labor-migrator bootstrap")?;
    let elsewhere = elsewhere(&admin, urls)?;
    let mut client = labor_connect::connect(&admin).await?;
    let logins = [("labor_migrator", urls.migrator), ("labor_control", urls.control), ("labor_backup", urls.backup)];
    let passwords = logins.map(|(role, url)| verifier_of(role, url));
    let transaction = client.transaction().await.map_err(MigratorError::during("begin"))?;
    if agreed == Weaker::Refused {
        require_superuser(&transaction).await?;
    }
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock(hashtext('labor bootstrap'))")
        .await
        .map_err(MigratorError::during("wait for another bootstrap"))?;
    transaction.batch_execute(sql::DATABASE).await.map_err(MigratorError::during("db/rls/database.sql"))?;
    for password in passwords {
        let (role, verifier) = password?;
        transaction
            .batch_execute(&format!("ALTER ROLE {role} PASSWORD '{verifier}'"))
            .await
            .map_err(MigratorError::during(format!("set the password of {role}")))?;
    }
    transaction
        .batch_execute("SET LOCAL search_path = pg_catalog")
        .await
        .map_err(MigratorError::during("look at what is left open"))?;
    let left_open = weaker::of_the_server(&transaction).await?;
    transaction.commit().await.map_err(MigratorError::during("commit"))?;
    Ok(Prepared { left_open, elsewhere })
}

async fn require_superuser(transaction: &Transaction<'_>) -> Result<(), MigratorError> {
    let row = transaction
        .query_one("SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname = current_user", &[])
        .await
        .map_err(MigratorError::during("look who prepares the database"))?;
    if row.get(1) { Ok(()) } else { Err(MigratorError::NoSuperuser(row.get(0))) }
}

/// URLs with another host or port than the superuser's. Another database is a mistake: one would be prepared, and another one used.
fn elsewhere(admin: &Config, urls: &ServiceUrls<'_>) -> Result<Vec<String>, MigratorError> {
    let mut elsewhere = Vec::new();
    for (role, url) in
        [("labor_migrator", urls.migrator), ("labor_control", urls.control), ("labor_backup", urls.backup)]
    {
        let config = labor_connect::parse(url, "labor-migrator bootstrap")?;
        let (wanted, named) = (database(admin), database(&config));
        if wanted != named {
            return Err(MigratorError::Invalid(format!(
                "the superuser's URL names the database {wanted:?}, and that of {role} the database {named:?}; nothing was changed. All URLs \
                 name the database that is to be prepared"
            )));
        }
        let (wanted, named) = (server(admin), server(&config));
        if wanted != named {
            elsewhere.push(format!("{wanted} was prepared, and the URL of {role} goes to {named}"));
        }
    }
    Ok(elsewhere)
}

/// As the server takes it: without one it is called like the login.
fn database(config: &Config) -> &str {
    config.get_dbname().or_else(|| config.get_user()).unwrap_or_default()
}

/// `host:port`, several with commas.
fn server(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(number, host)| {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    hosts.collect::<Vec<_>>().join(",")
}

fn verifier_of(role: &'static str, url: &str) -> Result<(&'static str, String), MigratorError> {
    let config: Config = labor_connect::parse(url, "labor-migrator bootstrap")?;
    if config.get_user() != Some(role) {
        return Err(MigratorError::Invalid(format!(
            "the URL for {role} names the login {:?}",
            config.get_user().unwrap_or("nobody")
        )));
    }
    let password = config.get_password().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let password = password.ok_or_else(|| MigratorError::Invalid(format!("the URL for {role} has no password")))?;
    // RFC 7677 asks for at least 4096 iterations where a password may have been chosen by a person.
    Ok((role, labor_catalog::secret::scram_verifier_with(password, 4096)?))
}

/// The master secrets: from a file, never from an argument.
///
/// # Errors
/// When the file can't be read or holds no valid secret.
pub fn read_master_secrets(path: &std::path::Path) -> Result<Keyring, MigratorError> {
    let unreadable =
        |error| MigratorError::Invalid(format!("the master secret {} can't be read: {error}", path.display()));
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    if !may_hold_secrets(file.metadata().map_err(unreadable)?.mode()) {
        return Err(MigratorError::Invalid(format!(
            "the master secret file {0} is open to everybody on this machine; close it with: chmod o= {0}",
            path.display()
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unreadable)?;
    Keyring::parse(&text)
        .map_err(|error| MigratorError::Invalid(format!("the master secret file {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_another_database_are_refused_and_of_another_server_named() {
        let of = |admin: &str, control: &str| {
            let admin = labor_connect::parse(admin, "test").unwrap();
            let same = |role: &str| format!("postgres://{role}:x@db/labor");
            let (migrator, backup) = (same("labor_migrator"), same("labor_backup"));
            elsewhere(&admin, &ServiceUrls { migrator: &migrator, control, backup: &backup })
        };
        let control = "postgres://labor_control:x@db:5432/labor";
        assert_eq!(of("postgres://postgres:x@db/labor", control).unwrap(), [""; 0]);
        let pooled = of("postgres://postgres:x@db/labor", "postgres://labor_control:x@db:6432/labor").unwrap();
        assert_eq!(pooled, ["db:5432 was prepared, and the URL of labor_control goes to db:6432"]);
        for (admin, control) in [
            ("postgres://postgres:x@db/postgres", control),
            ("postgres://postgres:x@db", control),
            ("postgres://postgres:x@db/labor", "postgres://labor_control:x@db/other"),
        ] {
            let refused = of(admin, control).unwrap_err().to_string();
            assert!(refused.contains("names the database") && refused.contains("nothing was changed"), "{refused}");
        }
    }
}

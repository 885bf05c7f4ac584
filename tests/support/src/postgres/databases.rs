//! Databases of a cluster: made empty, copied, dropped.
//!
//! What must stay true: a copy is like its original also in what `CREATE DATABASE ... TEMPLATE` leaves out: the owner, who may connect
//! and create, and the settings of the database.

use std::fmt::Write as _;

use tokio_postgres::Client;

use super::{Postgres, SUPERUSER};
use crate::{Error, Result};

/// The statements that give the database $2 the rights of the database $1. None when these are the default.
const RIGHTS: &str = "
  WITH original AS (SELECT datdba, datacl FROM pg_database WHERE datname = $1)
  SELECT format('ALTER DATABASE %I OWNER TO %I', $2::text, pg_get_userbyid(datdba)) FROM original
  UNION ALL
  SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', $2::text, pg_get_userbyid(datdba))
    FROM original WHERE datacl IS NOT NULL
  UNION ALL
  SELECT format('GRANT %s ON DATABASE %I TO %s%s', privilege_type, $2::text,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
                CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM original, aclexplode(datacl)";

/// Settings are copied as they are stored: a list would not survive being written as a statement.
const SETTINGS: &str = "
  INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)
  SELECT copy.oid, setrole, setconfig
    FROM pg_db_role_setting JOIN pg_database original ON original.oid = setdatabase, pg_database copy
   WHERE original.datname = $1 AND copy.datname = $2";

impl Postgres {
    /// Makes an empty database. The name is quoted.
    ///
    /// # Errors
    /// When Postgres refuses it.
    pub async fn create_database(&self, name: &str) -> Result<()> {
        let statement = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
        let client = self.connect(SUPERUSER).await?;
        client.batch_execute(&statement).await.map_err(refused(format!("create database {name}")))
    }

    /// Makes a database that is like another one, with its rights and settings. Nobody may be connected to the original. Postgres's own
    /// choice of strategy (through the WAL) is as fast as copying files and needs no checkpoint, which would hold up everybody else.
    ///
    /// # Errors
    /// When Postgres refuses it.
    pub async fn copy_database(&self, from: &str, to: &str) -> Result<()> {
        let client = self.connect(SUPERUSER).await?;
        let statement = format!("CREATE DATABASE {} TEMPLATE {}", quoted(to), quoted(from));
        let doing = || format!("copy database {from} to {to}");
        client.batch_execute(&statement).await.map_err(refused(doing()))?;
        complete(&client, from, to).await.map_err(refused(doing()))
    }

    /// Removes a database if it is there; whoever is connected to it is cut off.
    ///
    /// # Errors
    /// When Postgres refuses it.
    pub async fn drop_database(&self, name: &str) -> Result<()> {
        let client = self.connect(SUPERUSER).await?;
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        client.batch_execute(&statement).await.map_err(refused(format!("drop database {name}")))
    }
}

async fn complete(client: &Client, from: &str, to: &str) -> Result<(), tokio_postgres::Error> {
    let mut statements = String::new();
    for row in client.query(RIGHTS, &[&from, &to]).await? {
        let _ = write!(statements, "{};", row.get::<_, &str>(0));
    }
    client.batch_execute(&statements).await?;
    client.execute(SETTINGS, &[&from, &to]).await.map(drop)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn refused(doing: String) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |source| Error::Postgres { doing, source }
}

//! Loads a dump into another schema, inside of the caller's transaction.
//!
//! Why not psql: in one transaction of our own nothing is committed before it was proven, and a killed run leaves nothing, because
//! the server itself rolls back what lost its client; psql would take the end of a broken pipe for the end of the dump and commit
//! it. Nothing in a dump can become a psql command, no password is passed on, and errors arrive as codes instead of as text that
//! quotes rows. The dump stays one that psql alone can restore; a test does so.
//!
//! Must stay true: nothing here commits; everything but the role's creation runs as `labor_owner`, which cannot log in and has no
//! right outside of its own schemas.
use std::io::Cursor;
use std::pin::pin;

use futures_util::SinkExt as _;
use labor_catalog::TenantName;
use tokio::sync::mpsc;
use tokio_postgres::Transaction;

use crate::BackupError;
use crate::rewrite::{Piece, Rewriter};

/// The new schema's role: like a tenant's login, but nobody can log in with it, and it is in no group yet. Adding it to
/// `labor_tenants` locks that group until the transaction ends, so it is done last.
pub(crate) async fn create_role(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<(), BackupError> {
    let role = tenant.role();
    let statements = format!(
        "CREATE ROLE {role} NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 50;
         ALTER ROLE {role} SET search_path = {tenant}, pg_catalog, pg_temp"
    );
    transaction.batch_execute(&statements).await.map_err(BackupError::during(format!("create role {role}")))
}

/// Runs the dump of `old` as that of `new`. Afterwards the transaction acts as its login again.
pub(crate) async fn load(
    transaction: &Transaction<'_>,
    plain: &mut mpsc::Receiver<Vec<u8>>,
    old: &TenantName,
    new: &TenantName,
) -> Result<(), BackupError> {
    let during = |what: &str| BackupError::during(format!("{new}: {what}"));
    transaction.batch_execute("SET LOCAL ROLE labor_owner").await.map_err(during("become labor_owner"))?;
    let mut rewriter = Rewriter::new(old.clone(), new.clone());
    let mut pieces = Vec::new().into_iter();
    loop {
        match pieces.next() {
            Some(Piece::Copy(statement)) => {
                copy(transaction, &statement, &mut pieces, &mut rewriter, plain, new).await?
            }
            Some(Piece::Statements(text)) => run(transaction, &text, new).await?,
            Some(Piece::Rows(_) | Piece::CopyEnd) => {
                return Err(BackupError::Damaged("rows without a table".to_owned()));
            }
            None => match plain.recv().await {
                Some(chunk) => pieces = rewriter.feed(&chunk)?.into_iter(),
                None => break,
            },
        }
    }
    if let Some(Piece::Statements(text)) = rewriter.finish()? {
        run(transaction, &text, new).await?;
    }
    transaction
        .batch_execute("SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE")
        .await
        .map_err(during("check the constraints"))
}

async fn run(transaction: &Transaction<'_>, text: &str, new: &TenantName) -> Result<(), BackupError> {
    transaction.batch_execute(text).await.map_err(BackupError::during(format!("{new}: run the dump's statements")))
}

/// One table's rows.
async fn copy(
    transaction: &Transaction<'_>,
    statement: &str,
    pieces: &mut std::vec::IntoIter<Piece>,
    rewriter: &mut Rewriter,
    plain: &mut mpsc::Receiver<Vec<u8>>,
    new: &TenantName,
) -> Result<(), BackupError> {
    let during = || BackupError::during(format!("{new}: load the rows of a table"));
    let mut sink = pin!(transaction.copy_in::<_, Cursor<Vec<u8>>>(statement).await.map_err(during())?);
    loop {
        match pieces.next() {
            Some(Piece::Rows(rows)) => sink.send(Cursor::new(rows)).await.map_err(during())?,
            Some(Piece::CopyEnd) => break,
            Some(_) => return Err(BackupError::Damaged("a statement among rows".to_owned())),
            None => match plain.recv().await {
                Some(chunk) => *pieces = rewriter.feed(&chunk)?.into_iter(),
                None => return Err(BackupError::Damaged("the dump ends among rows".to_owned())),
            },
        }
    }
    sink.finish().await.map(drop).map_err(during())
}

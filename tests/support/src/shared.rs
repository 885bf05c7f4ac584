//! One Postgres, one S3, one OpenBao and one KMS per test process, started when first asked for and ended with the process.
//!
//! Each `#[tokio::test]` has its own runtime, so nothing here belongs to one: children are plain processes, clients are made by the caller.

use std::path::PathBuf;

use tokio::sync::OnceCell;

use crate::{DataFolder, Durability, Kms, OpenBao, Postgres, Result, S3};

static FOLDER: OnceCell<DataFolder> = OnceCell::const_new();
static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static STORE: OnceCell<S3> = OnceCell::const_new();
static KMS: OnceCell<Kms> = OnceCell::const_new();
static OPEN_BAO: OnceCell<OpenBao> = OnceCell::const_new();

/// This test process's Postgres (nothing is flushed to disk).
///
/// # Panics
/// When it cannot be had; the message says what to do. A test cannot go on without it.
pub async fn postgres() -> &'static Postgres {
    let start = async || Postgres::start_with(&scratch().await?.join("postgres"), Durability::Fast).await;
    POSTGRES.get_or_try_init(start).await.unwrap_or_else(|error| give_up(&error))
}

/// This test process's S3 server.
///
/// # Panics
/// When it cannot be had; the message says what to do.
pub async fn s3() -> &'static S3 {
    let start = async || S3::start(&scratch().await?.join("s3")).await;
    STORE.get_or_try_init(start).await.unwrap_or_else(|error| give_up(&error))
}

/// This test process's OpenBao.
///
/// # Panics
/// When it cannot be had; the message says what to do.
pub async fn open_bao() -> &'static OpenBao {
    let start = async || OpenBao::start(&scratch().await?.join("openbao")).await;
    OPEN_BAO.get_or_try_init(start).await.unwrap_or_else(|error| give_up(&error))
}

/// This test process's stand-in for AWS KMS.
///
/// # Panics
/// When it cannot be had; the message says what to do.
pub async fn kms() -> &'static Kms {
    let start = async || Kms::start(&scratch().await?.join("kms")).await;
    KMS.get_or_try_init(start).await.unwrap_or_else(|error| give_up(&error))
}

/// This test process's folder, for logs and files. Those of dead test processes are removed when it is claimed.
///
/// # Errors
/// As [`DataFolder::claim`].
pub async fn scratch() -> Result<PathBuf> {
    let folder = FOLDER.get_or_try_init(async || DataFolder::claim_empty("test").await).await?;
    Ok(folder.path().to_owned())
}

#[expect(clippy::panic, reason = "a test without its server has nothing to test")]
fn give_up(error: &crate::Error) -> ! {
    match std::error::Error::source(error) {
        Some(source) => panic!("{error}: {source}"),
        None => panic!("{error}"),
    }
}

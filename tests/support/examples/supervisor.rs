//! Starts Postgres and S3 in the folders `postgres` and `s3` of a data folder, says their process ids, and waits to be killed. For the
//! tests of the death rule.
#![expect(clippy::print_stdout, reason = "its output is what the test reads")]

use std::error::Error;

use labor_testing::{DataFolder, Durability, Postgres, S3};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = DataFolder::claim("supervised").await?;
    let (postgres, s3) = (folder.join("postgres"), folder.join("s3"));
    let (postgres, s3) = tokio::try_join!(Postgres::start_with(&postgres, Durability::Fast), S3::start(&s3))?;
    let pids = postgres.pid().zip(s3.pid()).ok_or("a server is gone")?;
    println!("up {} {} {}", pids.0, pids.1, folder.path().display());
    std::future::pending::<()>().await;
    Ok(())
}

//! A program on its way to its end: it can be told from outside by its process id, and says how it ended and what it said.
//!
//! What must stay true: a run that is given up does not go on.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use crate::{Result, error::Doing as _, keeper, wait::until};

/// What a program that ran to its end said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A program that was started and runs to its end. Dropping it kills it.
#[derive(Debug)]
pub struct OneShot {
    name: String,
    limit: Duration,
    child: Child,
    out: File,
    err: File,
}

impl OneShot {
    pub(crate) fn start(name: &str, mut command: Command, input: &[u8], limit: Duration) -> Result<Self> {
        let file = || tempfile::tempfile().doing(|| "make a temporary file".into());
        let (mut stdin, out, err) = (file()?, file()?, file()?);
        stdin.write_all(input).and_then(|()| stdin.rewind()).doing(|| "keep the input".into())?;
        let copy = |file: &File| file.try_clone().doing(|| "share a temporary file".into());
        command.stdin(stdin).stdout(copy(&out)?).stderr(copy(&err)?);
        let child = keeper::spawn(command)?;
        Ok(Self { name: name.to_owned(), limit, child, out, err })
    }

    /// Its process id, which stays its own until its end has been awaited.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, whatever that is.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn end(mut self) -> Result<Finished> {
        let what = format!("the end of {}", self.name);
        let status = until(&what, self.limit, async || {
            let ended = self.child.try_wait().doing(|| format!("wait for {}", self.name))?;
            Ok(ended.ok_or_else(|| "still running".into()))
        })
        .await?;
        Ok(Finished { status, stdout: whole(&mut self.out)?, stderr: whole(&mut self.err)? })
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn whole(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).doing(|| "read the output".into())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

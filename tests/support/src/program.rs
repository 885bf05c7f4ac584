//! Runs one of the workspace's programs, either to its end or in the background with its output in a log file.
//!
//! What must stay true: a program sees only the environment it is given (and `PATH`, `HOME`, the locale, Rust's and the coverage tool's
//! variables), so a test behaves alike on every machine; it ends when this process ends.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    Error, Finished, OneShot, Result,
    error::Doing,
    keeper::{self, Kept},
    wait::{last_lines, until},
};

const PASSED_ON: [&str; 4] = ["RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE", "NO_COLOR"];
const ONE_SHOT_LIMIT: Duration = Duration::from_secs(300);

/// A program with its arguments and environment, not yet started. It can be started several times.
#[derive(Debug, Clone)]
pub struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    limit: Duration,
}

impl Program {
    /// A program of this workspace by its name, such as `labor`: beside this executable or in the folder above (tests run in `deps/`).
    ///
    /// # Errors
    /// [`Error::NoProgram`] when it has not been built.
    pub fn named(name: &str) -> Result<Self> {
        let own = env::current_exe().doing(|| "find this executable".into())?;
        let places: Vec<PathBuf> = own.ancestors().skip(1).take(2).map(|folder| folder.join(name)).collect();
        let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        let found = places.into_iter().find(|place| place.is_file());
        let remedy = "build the programs first: cargo build --workspace --bins";
        found.map(Self::at).ok_or_else(|| Error::NoProgram { program: name.into(), looked: looked.join(", "), remedy })
    }

    /// Any program by its path.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, path, arguments: Vec::new(), environment: Vec::new(), input: Vec::new(), limit: ONE_SHOT_LIMIT }
    }

    /// Adds arguments. Secrets do not belong here: everybody on the machine can read them.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Adds one variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Adds variables.
    #[must_use]
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        variables.into_iter().fold(self, |program, (name, value)| program.env(name, value))
    }

    /// Takes a variable away again.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// What a one-shot run reads from its standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// After how long a one-shot run is given up and killed (300 s unless told).
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub async fn run(&self) -> Result<Finished> {
        self.begin()?.end().await
    }

    /// Starts a one-shot run, whose end can be awaited.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(&self) -> Result<OneShot> {
        OneShot::start(&self.name, self.command(), &self.input, self.limit)
    }

    /// Runs it to its end and returns its standard output.
    ///
    /// # Errors
    /// As [`Program::run`]; also when it fails: the error holds the last lines of what it said.
    pub async fn output(&self) -> Result<String> {
        let finished = self.run().await?;
        if finished.status.success() {
            return Ok(finished.stdout);
        }
        let tail = last_lines(&format!("{}{}", finished.stdout, finished.stderr));
        Err(Error::Ended { program: self.name.clone(), status: finished.status.to_string(), tail })
    }

    /// Starts it in the background; its output is appended to `<name>.log` in the folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, folder: &Path) -> Result<Running> {
        self.start_with_log(&folder.join(format!("{}.log", self.name)))
    }

    /// The same with a log file of one's choice, for several of a kind.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with_log(&self, log: &Path) -> Result<Running> {
        Kept::start(&self.name, self.command(), log).map(|kept| Running { kept })
    }

    fn command(&self) -> Command {
        let mut command = keeper::command("KILL", &self.path);
        let passed_on = PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        command.args(&self.arguments).envs(passed_on).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }
}

/// A program in the background. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    kept: Kept,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.kept.pid()
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        self.kept.log()
    }

    /// What this run has said so far.
    #[must_use]
    pub fn said(&self) -> String {
        let bytes = fs::read(self.kept.log()).unwrap_or_default();
        let start = usize::try_from(self.kept.log_start()).unwrap_or_default().min(bytes.len());
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn exited(&self) -> Option<ExitStatus> {
        self.kept.exited()
    }

    /// Waits until this run has written a whole line that contains `text`, and returns it.
    ///
    /// # Errors
    /// When it ends first, or the line does not come in time.
    pub async fn wait_for_line(&self, text: &str, limit: Duration) -> Result<String> {
        until(&format!("the line {text:?}"), limit, async || {
            let exited = self.exited();
            let said = self.said();
            let complete = said.rsplit_once('\n').map_or("", |(lines, _)| lines);
            match (complete.lines().find(|line| line.contains(text)), exited) {
                (Some(line), _) => Ok(Ok(line.to_owned())),
                (None, Some(status)) => Err(self.kept.ended_early(status)),
                (None, None) => Ok(Err(last_lines(&said))),
            }
        })
        .await
    }

    /// Waits until a URL answers with a 2xx status.
    ///
    /// # Errors
    /// When the program ends first, or the answer does not come in time.
    pub async fn wait_for_http(&self, url: &str, limit: Duration) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build();
        let client = client.map_err(|source| Error::Http { url: url.to_owned(), source })?;
        until(&format!("a good answer from {url}"), limit, async || {
            if let Some(status) = self.exited() {
                return Err(self.kept.ended_early(status));
            }
            Ok(match client.get(url).send().await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(format!("{}\n{}", answer.status(), self.kept.tail())),
                Err(error) => Err(format!("{error}\n{}", self.kept.tail())),
            })
        })
        .await
    }

    /// Kills it with signal 9, as a crash would.
    pub fn kill9(&self) {
        self.kept.end_now(Signal::KILL, Duration::ZERO);
    }

    /// Ctrl-C, once.
    pub fn interrupt(&self) {
        self.kept.signal(Signal::INT);
    }

    /// Stops it where it stands (SIGSTOP), as a machine that hangs.
    pub fn freeze(&self) {
        self.kept.signal(Signal::STOP);
    }

    /// Lets it go on after [`Running::freeze`].
    pub fn thaw(&self) {
        self.kept.signal(Signal::CONT);
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn terminate(&self, limit: Duration) -> Result<ExitStatus> {
        self.kept.signal(Signal::TERM);
        self.kept.ended(limit).await
    }
}

//! The death rule: no child outlives this process, not even when this process is killed with signal 9.
//!
//! `setpriv --pdeathsig` asks the kernel to signal the child when its parent dies. "Parent" is the *thread* that spawned it, and tokio's
//! and the test harness's threads come and go: so one thread, the keeper, lives as long as the process and does all the spawning.
//! Children get a process group of their own, so that Ctrl-C reaches them through us and in our order.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use crate::{
    Error, Result,
    error::Doing,
    wait::{tail, until},
};

type Order = (Command, mpsc::Sender<io::Result<Child>>);

static KEEPER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();

/// A command that the kernel ends with `signal` (a name as `setpriv` knows it) when we end. Its environment holds `PATH`, `HOME` and a
/// UTF-8 locale only: nothing of the caller's leaks in.
pub(crate) fn command(signal: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args([OsStr::new("--pdeathsig"), OsStr::new(signal), OsStr::new("--"), program.as_os_str()]);
    command.env_clear().env("LANG", "C.UTF-8").env("TZ", "UTC").process_group(0);
    for name in ["PATH", "HOME"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Spawns from the keeper thread.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    let name = format!("{:?}", command.get_args().nth(3).unwrap_or_default());
    let (answer, answered) = mpsc::channel();
    let keeper = KEEPER.get_or_init(|| Mutex::new(start_keeper()));
    let gone = || io::Error::other("the keeper thread is gone");
    let sent = locked(keeper).send((command, answer));
    let child = sent.map_err(|_| gone()).and_then(|()| answered.recv().map_err(|_| gone())).flatten();
    match child {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoProgram {
            program: "setpriv".into(),
            looked: "PATH".into(),
            remedy: "install util-linux 2.33 or newer",
        }),
        other => other.doing(|| format!("start {name}")),
    }
}

fn start_keeper() -> mpsc::Sender<Order> {
    let (sender, orders) = mpsc::channel::<Order>();
    // Should the thread not start, the orders are dropped and every spawn reports it.
    let _ = thread::Builder::new().name("keeper".into()).spawn(move || {
        for (mut command, answer) in orders {
            let _ = answer.send(command.spawn());
        }
    });
    sender
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running child: it can be asked, signalled and awaited by several at once, and is killed when dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    name: String,
    log: PathBuf,
    log_start: u64,
    pid: u32,
    child: Mutex<Child>,
}

impl Kept {
    /// Starts a command whose output goes to `log`.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(log);
        let (out, err) =
            open().and_then(|file| Ok((file.try_clone()?, file))).doing(|| format!("open {}", log.display()))?;
        let log_start = err.metadata().map(|meta| meta.len()).unwrap_or_default();
        command.stdin(std::process::Stdio::null()).stdout(out).stderr(err);
        let child = spawn(command)?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), log_start, pid: child.id(), child: Mutex::new(child) })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Where this run's lines begin in the log.
    pub(crate) fn log_start(&self) -> u64 {
        self.log_start
    }

    /// How it ended, if it did.
    pub(crate) fn exited(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().ok().flatten()
    }

    /// Signals it unless it has ended: the lock keeps the process id ours while we do.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = locked(&self.child);
        if child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = rustix::process::kill_process(Pid::from_child(&child), signal);
        }
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self, limit: Duration) -> Result<ExitStatus> {
        until(&format!("the end of {}", self.name), limit, async || Ok(self.exited().ok_or_else(|| self.tail()))).await
    }

    /// The last lines of this run.
    pub(crate) fn tail(&self) -> String {
        tail(&self.log, self.log_start)
    }

    /// The error for having ended too early.
    pub(crate) fn ended_early(&self, status: ExitStatus) -> Error {
        Error::Ended { program: self.name.clone(), status: status.to_string(), tail: self.tail() }
    }

    /// For destructors: signals, waits up to `grace` on this thread, then kills.
    pub(crate) fn end_now(&self, signal: Signal, grace: Duration) {
        self.signal(signal);
        let start = Instant::now();
        while self.exited().is_none() && start.elapsed() < grace {
            thread::park_timeout(Duration::from_millis(5));
        }
        let mut child = locked(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end_now(Signal::KILL, Duration::ZERO);
    }
}

//! One supervised Postgres cluster: started, stopped, crashed and started again, on a port that it keeps.
//!
//! What must stay true: it ends when this process ends; it is up only when a real connection has been answered by *it* (another cluster may
//! have taken the port between probing and binding: then ours exits, and starts again elsewhere).

mod cluster;
mod databases;

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio_postgres::{Client, NoTls};
use url::Url;

use self::cluster::Cluster;
use crate::{
    Error, PostgresHome, Result,
    keeper::{Kept, command},
    left_over, ports,
    wait::until,
};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// For how long a restart waits for its old port, which somebody may use for a moment.
const SAME_PORT_LIMIT: Duration = Duration::from_secs(5);
const SUPERUSER: &str = "postgres";

/// Whether commits survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production: what is committed is on disk.
    Safe,
    /// For tests: nothing is flushed. A crash of Postgres alone loses nothing, a crash of the machine everything.
    Fast,
}

/// A running cluster. Dropping it stops it at once.
#[derive(Debug)]
pub struct Postgres {
    // Declared before the cluster: the server is gone before the folder's lock is.
    server: Mutex<Option<Kept>>,
    cluster: Cluster,
    durability: Durability,
    port: AtomicU16,
    /// How large a file may become, when it is not any size.
    files: Mutex<Option<u64>>,
}

/// A cluster that stands still. It goes on when this is dropped.
#[derive(Debug)]
pub struct Frozen<'p>(&'p Postgres);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        left_over::signal_backends(&self.0.cluster.name, Signal::CONT);
        if let Some(server) = self.0.server().as_ref() {
            server.signal(Signal::CONT);
        }
    }
}

enum Attempt {
    Up(Kept),
    PortTaken,
}

impl Postgres {
    /// Starts a cluster in a folder as in production, making it if there is none. A server that a crashed run left there is stopped first.
    ///
    /// # Errors
    /// When no Postgres is installed, the folder cannot be used or is in use, or the server does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, Durability::Safe).await
    }

    /// The same with a chosen durability.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub async fn start_with(folder: &Path, durability: Durability) -> Result<Self> {
        let cluster = Cluster::open(folder, durability).await?;
        let (server, files, port) = (Mutex::new(None), Mutex::new(None), AtomicU16::new(0));
        let postgres = Self { server, cluster, durability, port, files };
        for _ in 0..20 {
            postgres.port.store(ports::free("Postgres")?, Relaxed);
            if let Attempt::Up(server) = postgres.attempt().await? {
                *postgres.server() = Some(server);
                return Ok(postgres);
            }
        }
        Err(Error::NoPort { server: "Postgres" })
    }

    /// Stops it as an orderly operator would: sessions are cut, what is committed is written out.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(&self) -> Result<()> {
        let Some(server) = self.server().take() else {
            return Ok(());
        };
        server.signal(Signal::INT);
        server.ended(STOP_LIMIT).await.map(drop)
    }

    /// Kills the whole cluster with signal 9, postmaster first, as a crash would.
    ///
    /// # Errors
    /// When a process does not go away.
    pub async fn kill(&self) -> Result<()> {
        drop(self.server().take());
        left_over::kill_backends(&self.cluster.name);
        left_over::stop_backends(&self.cluster.name).await
    }

    /// Stops it if it runs and starts it again on the same port.
    ///
    /// # Errors
    /// As [`Postgres::start`]; also when somebody else has taken the port.
    pub async fn restart(&self) -> Result<()> {
        self.stop().await?;
        let start = Instant::now();
        loop {
            let port = self.port();
            until("a free port for Postgres", SAME_PORT_LIMIT, async || {
                Ok(if ports::is_free(port) { Ok(()) } else { Err(format!("{port} is taken")) })
            })
            .await?;
            match self.attempt().await? {
                Attempt::Up(server) => {
                    *self.server() = Some(server);
                    return Ok(());
                }
                Attempt::PortTaken if start.elapsed() < SAME_PORT_LIMIT => {}
                Attempt::PortTaken => return Err(Error::NoPort { server: "Postgres" }),
            }
        }
    }

    /// Stops all its processes where they stand (SIGSTOP), until the result is dropped. `None` when it does not run.
    #[must_use]
    pub fn freeze(&self) -> Option<Frozen<'_>> {
        // First the postmaster, so that no process is born in between.
        self.server().as_ref()?.signal(Signal::STOP);
        left_over::signal_backends(&self.cluster.name, Signal::STOP);
        Some(Frozen(self))
    }

    /// After the next restart no file of the server may grow beyond so many bytes: a write that would is cut short, as a full disk cuts
    /// it. `None`: they may grow again.
    pub fn limit_files(&self, bytes: Option<u64>) {
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    /// The port on 127.0.0.1; the same after a restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.load(Relaxed)
    }

    /// The process id of the postmaster, when it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server().as_ref().map(Kept::pid)
    }

    /// The installation that runs, for its clients.
    #[must_use]
    pub fn home(&self) -> &PostgresHome {
        &self.cluster.home
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> std::path::PathBuf {
        self.cluster.log()
    }

    /// The superuser's password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.cluster.password
    }

    /// A database as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, &self.cluster.password, database)
    }

    /// The database `postgres` as the superuser.
    #[must_use]
    pub fn superuser_url(&self) -> String {
        self.url(SUPERUSER)
    }

    /// A database as somebody else.
    #[must_use]
    pub fn url_as(&self, user: &str, password: &str, database: &str) -> String {
        let mut url = match Url::parse(&format!("postgres://x@127.0.0.1:{}", self.port())) {
            Ok(url) => url,
            Err(error) => unreachable!("a constant URL does not parse: {error}"),
        };
        // These fail for URLs without a host only.
        let _ = url.set_username(user);
        let _ = url.set_password(Some(password));
        url.set_path(database);
        url.into()
    }

    /// A connection as the superuser, driven by the caller's runtime.
    ///
    /// # Errors
    /// When Postgres refuses it.
    pub async fn connect(&self, database: &str) -> Result<Client> {
        let refused = |source| Error::Postgres { doing: format!("open database {database}"), source };
        let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.map_err(refused)?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn attempt(&self) -> Result<Attempt> {
        self.cluster.configure(self.durability, self.port())?;
        // SIGQUIT, not SIGKILL: an immediate shutdown also ends busy backends and gives the shared memory back.
        let program = self.cluster.home.program("postgres");
        let mut postgres = match *self.files.lock().unwrap_or_else(PoisonError::into_inner) {
            None => command("QUIT", &program),
            Some(bytes) => {
                let mut limited = command("QUIT", Path::new("prlimit"));
                limited.arg(format!("--fsize={bytes}:")).arg(&program);
                limited
            }
        };
        postgres.arg("-D").arg(self.cluster.data()).current_dir(&self.cluster.folder);
        self.cluster.identity.apply(&mut postgres);
        let server = Kept::start("Postgres", postgres, &self.cluster.log())?;
        until("the start of Postgres", START_LIMIT, async || {
            let seen = self.answers().await;
            match server.exited() {
                Some(_) if server.tail().contains("could not bind") => Ok(Ok(true)),
                Some(status) => Err(server.ended_early(status)),
                None => Ok(seen.map(|()| false).map_err(|reason| format!("{reason}\n{}", server.tail()))),
            }
        })
        .await
        .map(|taken| if taken { Attempt::PortTaken } else { Attempt::Up(server) })
    }

    /// Whether *this* cluster answers a query. Another one on the port knows neither the password nor the name.
    async fn answers(&self) -> Result<(), String> {
        let ask = async {
            let (client, connection) = tokio_postgres::connect(&self.superuser_url(), NoTls).await?;
            let driver = tokio::spawn(connection);
            let row = client.query_one("SELECT current_setting('cluster_name')", &[]).await;
            driver.abort();
            row?.try_get::<_, String>(0)
        };
        match tokio::time::timeout(Duration::from_secs(5), ask).await {
            Ok(Ok(name)) if name == self.cluster.name => Ok(()),
            Ok(Ok(name)) => Err(format!("another cluster answers: {name}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer within 5 s".into()),
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Kept>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(server) = self.server().take() {
            server.end_now(Signal::QUIT, Duration::from_secs(10));
        }
    }
}

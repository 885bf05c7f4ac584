//! A cluster on disk: made once by initdb, configured anew at each start. Only loopback, only SCRAM; no statement text and no parameter
//! in the log, because both hold patient data.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Durability;
use crate::{
    Error, PostgresHome, Result,
    error::Doing,
    identity::Identity,
    keeper::{Kept, command},
    left_over, secret,
};

const INITDB_LIMIT: Duration = Duration::from_secs(120);

/// Every login has to answer the SCRAM challenge. The tenants' line stands apart so that an operator's file can narrow it.
const HBA: &str = "\
# type  database  user            address       method
host    all       +labor_tenants  127.0.0.1/32  scram-sha-256
host    all       all             127.0.0.1/32  scram-sha-256
";

/// The folder of a cluster, held by a lock for as long as this value lives.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) folder: PathBuf,
    pub(super) home: PostgresHome,
    pub(super) identity: Identity,
    pub(super) password: String,
    /// Stands in the title of every process of the cluster, which is how they are found after a crash.
    pub(super) name: String,
    _lock: File,
}

impl Cluster {
    /// Takes the folder over: locks it, ends what a crashed run left, makes the cluster if there is none.
    pub(super) async fn open(folder: &Path, durability: Durability) -> Result<Self> {
        let home = PostgresHome::find()?;
        let identity = Identity::of_servers()?;
        fs::create_dir_all(folder).doing(|| format!("create {}", folder.display()))?;
        let folder = folder.canonicalize().doing(|| format!("find {}", folder.display()))?;
        identity.own(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .doing(|| format!("close {} to others", folder.display()))?;
        if !identity.reaches(&folder) {
            let reason = "the user that runs Postgres cannot reach it".into();
            return Err(Error::NoFolder { path: folder, reason });
        }
        let lock = lock(&folder)?;
        let name = format!("labor-{}", secret::short_hash(&folder));
        left_over::stop(&folder).await?;
        left_over::stop_backends(&name).await?;
        let password_file = folder.join("superuser.password");
        if folder.join("data").exists() && !password_file.exists() {
            return Err(Error::NoPassword { path: folder });
        }
        let password = secret::kept(&password_file)?;
        identity.own(&password_file)?;
        let cluster = Self { folder, home, identity, password, name, _lock: lock };
        cluster.make(durability).await?;
        Ok(cluster)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// initdb into a folder beside, then renamed: a crash in between leaves nothing that looks finished.
    async fn make(&self, durability: Durability) -> Result<()> {
        if self.data().exists() {
            return Ok(());
        }
        let part = self.folder.join("data.part");
        let mut outcome = Ok(());
        // Not every system has C.UTF-8; the collation is the same, by byte.
        for locale in ["C.UTF-8", "C"] {
            if part.exists() {
                fs::remove_dir_all(&part).doing(|| format!("remove {}", part.display()))?;
            }
            outcome = self.initdb(&part, locale, durability).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
        fs::rename(&part, self.data()).doing(|| format!("rename {}", part.display()))
    }

    async fn initdb(&self, data: &Path, locale: &str, durability: Durability) -> Result<()> {
        let mut initdb = command("KILL", &self.home.program("initdb"));
        initdb.arg("-D").arg(data);
        initdb.args([
            "--username=postgres",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            "--data-checksums",
            "--no-instructions",
        ]);
        initdb
            .arg(format!("--locale={locale}"))
            .arg(format!("--pwfile={}", self.folder.join("superuser.password").display()));
        if durability == Durability::Fast {
            initdb.arg("--no-sync");
        }
        initdb.current_dir(&self.folder);
        self.identity.apply(&mut initdb);
        let running = Kept::start("initdb", initdb, &self.folder.join("initdb.log"))?;
        let status = running.ended(INITDB_LIMIT).await?;
        if status.success() { Ok(()) } else { Err(running.ended_early(status)) }
    }

    /// Writes the whole configuration: what is not here has Postgres's own default.
    pub(super) fn configure(&self, durability: Durability, port: u16) -> Result<()> {
        let text = format!("{}{}", settings(&self.name, port), durability.settings());
        self.write("postgresql.conf", &text)?;
        self.write("pg_hba.conf", HBA)?;
        // No process of this cluster is left (open() saw to it), so the number in this file, if it lives, is a stranger's.
        match fs::remove_file(self.data().join("postmaster.pid")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| "remove a stale postmaster.pid".into())
            }
            _ => Ok(()),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data().join(name);
        secret::write_private(&path, text)?;
        self.identity.own(&path)
    }
}

fn settings(name: &str, port: u16) -> String {
    format!(
        "\
cluster_name = '{name}'
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 300
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
datestyle = 'iso, mdy'
default_text_search_config = 'pg_catalog.simple'
dynamic_shared_memory_type = posix
max_wal_size = '256MB'
# What is logged is as PostgreSQL is shipped: that no patient data reaches the log is for Labor's own settings of its database to see to.
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
"
    )
}

impl Durability {
    fn settings(self) -> &'static str {
        match self {
            Self::Safe => "fsync = on\nsynchronous_commit = on\nshared_buffers = '128MB'\n",
            Self::Fast => "fsync = off\nsynchronous_commit = on\nfull_page_writes = off\nshared_buffers = '64MB'\n",
        }
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).doing(|| format!("create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::Os { doing: format!("lock {}", path.display()), source }),
    }
}

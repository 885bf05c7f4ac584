//! The fleet: a Postgres of its own and as many real practices as are wanted, made by the migrator itself.
//! Must stay true: the server flushes each commit whenever something is measured; before each measurement the catalogs are vacuumed and
//! analyzed and a checkpoint is made, so that all contenders meet the same state.
use std::path::{Path, PathBuf};
use std::time::Duration;

use labor_demo::Failure;
use labor_testing::{DataFolder, Durability, Platform, Postgres};
use serde_json::Value;
use tokio::process::Command;

use crate::children::{self, Ended};

pub(crate) const DATABASE: &str = "labor";
/// Longer than anything that is measured.
pub(crate) const LIMIT: Duration = Duration::from_secs(900);

pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) platform: Platform,
    pub(crate) folder: PathBuf,
    /// The repository's SQL files, and the same with one migration more.
    pub(crate) db: PathBuf,
    pub(crate) next: PathBuf,
    /// Number of that migration.
    pub(crate) version: usize,
    pub(crate) tenants: u64,
}

impl Stage {
    /// An empty fleet; without durability, because it will be filled.
    pub(crate) async fn build(folder: &DataFolder) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Fast).await?;
        let platform = Platform::create(&postgres, folder.path(), DATABASE).await?;
        let db = Path::new(env!("CARGO_MANIFEST_DIR")).join("../db").canonicalize()?;
        let next = folder.join("db");
        let version = crate::files::with_one_more(&db, &next)?;
        Ok(Self { postgres, platform, folder: folder.path().to_owned(), db, next, version, tenants: 1 })
    }

    /// Grows the fleet on a server that flushes nothing, then starts that server again as in production.
    pub(crate) async fn grow(self, tenants: u64) -> Result<Self, Failure> {
        let Self { postgres, platform, folder, db, next, version, .. } = self;
        let postgres = restarted(postgres, &folder, Durability::Fast).await?;
        let mut stage = Self { platform: settings(&postgres, &folder)?, postgres, folder, db, next, version, tenants };
        drop(platform);
        stage.fill().await?;
        let postgres = restarted(stage.postgres, &stage.folder, Durability::Safe).await?;
        stage.platform = settings(&postgres, &stage.folder)?;
        stage.postgres = postgres;
        stage.settle().await?;
        Ok(stage)
    }

    /// Two `pool` at a time; both count before either has made one, so each is told to make half of what is missing.
    async fn fill(&self) -> Result<(), Failure> {
        loop {
            let there = self.number("SELECT count(*) FROM control.ledger").await?;
            let missing = self.tenants.saturating_sub(there);
            if missing == 0 {
                break;
            }
            let keep = ["pool".to_owned(), "--keep".to_owned(), (missing / 2).max(1).to_string()];
            let one = self.migrator(&self.db).args(&keep);
            let other = self.migrator(&self.db).args(&keep);
            let half = async |command: Migrator| children::run(command.0, "", LIMIT, None).await;
            if missing > 1 {
                tokio::try_join!(half(one), half(other))?;
            } else {
                half(one).await?;
            }
            self.sql("UPDATE control.tenants SET state = 'active' WHERE state = 'spare'").await?;
        }
        Ok(())
    }

    /// The same state for everybody.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let client = self.postgres.connect(DATABASE).await?;
        let list = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
                     WHERE relkind = 'r' AND relnamespace IN ('pg_catalog'::regnamespace, 'control'::regnamespace)";
        let catalogs: String = client.query_one(list, &[]).await?.get(0);
        client.batch_execute(&format!("VACUUM (ANALYZE) {catalogs}")).await?;
        Ok(client.batch_execute("CHECKPOINT").await?)
    }

    pub(crate) async fn sql(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.postgres.connect(DATABASE).await?.batch_execute(sql).await?)
    }

    pub(crate) async fn number(&self, sql: &str) -> Result<u64, Failure> {
        let row = self.postgres.connect(DATABASE).await?.query_one(sql, &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }

    pub(crate) async fn text(&self, sql: &str) -> Result<String, Failure> {
        Ok(self.postgres.connect(DATABASE).await?.query_one(sql, &[]).await?.get(0))
    }

    /// The program with the files of a folder.
    pub(crate) fn migrator(&self, db: &Path) -> Migrator {
        Migrator(self.command(&beside("labor-migrator"))).args(["--db".to_owned(), db.display().to_string()])
    }

    /// A contender (tools/migrator/examples/bench_lane); what it says.
    pub(crate) async fn lane(&self, db: &Path, arguments: &[&str], input: &str) -> Result<Value, Failure> {
        let mut command = self.command(&beside("examples/bench_lane"));
        command.arg("--db").arg(db).args(arguments);
        let said = children::run(command, input, LIMIT, None).await?.stdout;
        Ok(serde_json::from_str(&said)?)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for name in ["LABOR_MIGRATOR_URL", "LABOR_MASTER_SECRET_FILE"] {
            command.env(name, self.platform.setting(name));
        }
        command
    }
}

/// `labor-migrator` with arguments.
pub(crate) struct Migrator(Command);

impl Migrator {
    pub(crate) fn args<S: AsRef<std::ffi::OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.0.args(arguments);
        self
    }

    pub(crate) async fn run(self, postmaster: Option<u32>) -> Result<Ended, Failure> {
        children::run(self.0, "", LIMIT, postmaster).await
    }
}

async fn restarted(postgres: Postgres, folder: &Path, durability: Durability) -> Result<Postgres, Failure> {
    postgres.stop().await?;
    drop(postgres);
    Ok(Postgres::start_with(&folder.join("postgres"), durability).await?)
}

fn settings(postgres: &Postgres, folder: &Path) -> Result<Platform, Failure> {
    Ok(Platform::settings_for(postgres, folder, DATABASE)?)
}

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join(name)
}

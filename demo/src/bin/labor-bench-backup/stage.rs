//! The fleet: a Postgres and an S3 server of their own, practices made by the migrator, some of them with rows.
//! Must stay true: the server flushes as in production whenever something is measured.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use labor_catalog::TenantName;
use labor_demo::Failure;
use labor_demo::psql::Login;
use labor_testing::{DataFolder, Durability, Platform, Postgres, Program, S3};

const DATABASE: &str = "labor";
const BUCKET: &str = "labor-bench";
const LIMIT: Duration = Duration::from_secs(3600);

pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    platform: Platform,
    s3: S3,
    pub(crate) folder: PathBuf,
    pub(crate) jobs: u16,
}

impl Stage {
    pub(crate) async fn start(folder: &DataFolder, jobs: u16) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Safe).await?;
        let s3 = Box::pin(S3::start(&folder.join("s3"))).await?;
        let platform = Platform::create(&postgres, folder.path(), DATABASE).await?;
        let platform = platform.with(s3.settings(BUCKET));
        s3.client().create_bucket().bucket(BUCKET).send().await?;
        Ok(Self { postgres, platform, s3, folder: folder.path().to_owned(), jobs })
    }

    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.postgres.stop().await?;
        self.s3.stop();
        Ok(())
    }

    /// Makes practices until there are so many.
    pub(crate) async fn grow(&self, tenants: u32) -> Result<(), Failure> {
        let there = self.tenants().await?.len();
        let missing = usize::try_from(tenants)?.saturating_sub(there).to_string();
        let pool = self.platform.program("labor-migrator")?.args(["pool", "--keep", &missing]).limit(LIMIT);
        pool.output().await?;
        // What a spare gets when a practice takes it, as far as a backup can tell.
        self.batch("UPDATE control.tenants SET state = 'active' WHERE state = 'spare'").await?;
        self.batch("VACUUM (ANALYZE)").await
    }

    /// Practices, by name.
    pub(crate) async fn tenants(&self) -> Result<Vec<TenantName>, Failure> {
        let list = "SELECT name::text FROM control.tenants WHERE kind = 'practice' ORDER BY name";
        let rows = self.postgres.connect(DATABASE).await?.query(list, &[]).await?;
        Ok(rows.iter().map(|row| TenantName::parse(row.get(0))).collect::<Result<_, _>>()?)
    }

    /// Gives the first ones rows: a patient for each fourth report, and five values and a message of 2 KB for each.
    pub(crate) async fn fill_some(&self, tenants: u32, reports: u32) -> Result<(), Failure> {
        let rows = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/volume.sql"));
        for tenant in self.tenants().await?.iter().take(usize::try_from(tenants)?) {
            self.batch(&rows.replace("{tenant}", tenant.as_str()).replace("{reports}", &reports.to_string())).await?;
        }
        self.batch("CHECKPOINT").await
    }

    /// As before that: what grows with the fleet is to be seen alone.
    pub(crate) async fn empty_again(&self) -> Result<(), Failure> {
        for tenant in self.tenants().await? {
            let truncate = format!(
                "DO $$ BEGIN IF EXISTS (SELECT FROM {tenant}.raw_messages) THEN
                   TRUNCATE {tenant}.patients, {tenant}.raw_messages, {tenant}.reports, {tenant}.observations CASCADE; END IF; END $$"
            );
            self.batch(&truncate).await?;
        }
        Ok(())
    }

    /// `labor-backup run --all`; how many it stored, and how long it took in seconds.
    pub(crate) async fn run_all(&self, more: &[&str]) -> Result<(usize, f64), Failure> {
        self.batch("CHECKPOINT").await?;
        let program =
            self.platform.program("labor-backup")?.args(["--json", "run", "--all", "--jobs", &self.jobs.to_string()]);
        let began = Instant::now();
        let said = program.args(more.iter().copied()).limit(LIMIT).output().await?;
        let seconds = began.elapsed().as_secs_f64();
        let run: serde_json::Value = serde_json::from_str(said.trim())?;
        let tenants = run.get("tenants").and_then(serde_json::Value::as_object).ok_or("no tenants in the answer")?;
        let by_class = tenants.values().filter(|one| one.get("by_class").is_some_and(|by| by == true)).count();
        let stored =
            tenants.values().filter(|one| one.get("outcome").is_some_and(|outcome| outcome == "stored")).count();
        if by_class < stored {
            return Err(format!(
                "{} of {stored} were dumped by pg_dump: this is not what is to be measured",
                stored - by_class
            )
            .into());
        }
        Ok((stored, seconds))
    }

    /// `labor-backup run --tenant`.
    pub(crate) async fn run_one(&self, tenant: &TenantName) -> Result<f64, Failure> {
        let program = self.platform.program("labor-backup")?.args(["--json", "run", "--tenant", tenant.as_str()]);
        let began = Instant::now();
        program.limit(LIMIT).output().await?;
        Ok(began.elapsed().as_secs_f64())
    }

    /// A shell, with the login of backups for `pg_dump` in its environment and its programs in its path.
    pub(crate) async fn shell(&self, script: &str) -> Result<f64, Failure> {
        let Login { user, password, database, .. } = self.login()?;
        let path = std::env::var("PATH").unwrap_or_default();
        let bin: PathBuf = self.postgres.home().bin().to_owned();
        let shell = Program::at(PathBuf::from("/bin/bash")).args(["-o", "pipefail", "-e", "-c", script]);
        let shell = shell.env("PATH", format!("{}:{path}", bin.display())).env("PGHOST", "127.0.0.1");
        let shell =
            shell.env("PGPORT", self.postgres.port().to_string()).env("PGUSER", user).env("PGPASSWORD", password);
        let began = Instant::now();
        shell.env("PGDATABASE", database).limit(LIMIT).output().await?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn login(&self) -> Result<Login, Failure> {
        let url = labor_connect::parse(self.platform.setting("LABOR_BACKUP_URL"), "labor-bench")?;
        let password = String::from_utf8(url.get_password().unwrap_or_default().to_vec())?;
        Ok(Login { user: "labor_backup".to_owned(), password, database: DATABASE.to_owned(), schema: None })
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.postgres.connect(DATABASE).await?.batch_execute(sql).await?)
    }

    pub(crate) async fn text(&self, sql: &str) -> Result<String, Failure> {
        Ok(self.postgres.connect(DATABASE).await?.query_one(sql, &[]).await?.get(0))
    }
}

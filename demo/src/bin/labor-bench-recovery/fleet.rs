//! What is going to be lost: practices on a Postgres that flushes as in production, and a bucket.
//! Must stay true: everything is done by the programs that operators use.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use labor_demo::Failure;
use labor_testing::{DataFolder, Durability, Platform, Postgres, S3};
use serde_json::Value;

const DATABASE: &str = "labor";
const BUCKET: &str = "labor-bench";
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// A practice by both of its names.
pub(crate) struct Practice {
    pub(crate) tenant: String,
    pub(crate) displayed: &'static str,
}

pub(crate) struct Fleet {
    pub(crate) small: Practice,
    pub(crate) large: Practice,
    postgres: Postgres,
    platform: Platform,
    s3: S3,
    folder: PathBuf,
}

impl Fleet {
    /// The intake, two practices with names, and others out of the pool.
    pub(crate) async fn start(folder: &DataFolder, tenants: u32, large: u32, reports: u32) -> Result<Self, Failure> {
        let postgres = Postgres::start_with(&folder.join("postgres"), Durability::Safe).await?;
        let s3 = Box::pin(S3::start(&folder.join("s3"))).await?;
        let platform = Platform::create(&postgres, folder.path(), DATABASE).await?.with(s3.settings(BUCKET));
        s3.client().create_bucket().bucket(BUCKET).send().await?;
        let practice = async |slug, displayed, bsnr| {
            Ok::<_, Failure>(Practice { tenant: platform.practice(slug, displayed, bsnr).await?, displayed })
        };
        let small = practice("small", "Praxis Klein", "100000001").await?;
        let with_rows = practice("large", "Praxis Gross", "100000002").await?;
        let fleet = Self { small, large: with_rows, postgres, platform, s3, folder: folder.path().to_owned() };
        let spares = tenants.saturating_sub(2).to_string();
        fleet.done("labor-migrator", &["pool", "--keep", &spares]).await?;
        // What a spare gets when a practice takes it, as far as a backup can tell.
        fleet.batch("UPDATE control.tenants SET state = 'active' WHERE state = 'spare'").await?;
        fleet.fill(&fleet.large.tenant, reports).await?;
        let others = "SELECT coalesce(string_agg(name, ' ' ORDER BY name), '') FROM control.tenants WHERE kind = 'practice' AND slug NOT IN ('small', 'large')";
        for other in fleet.text(others).await?.split_whitespace().take(usize::try_from(large - 1)?) {
            fleet.fill(other, reports).await?;
        }
        // Each by itself: VACUUM is in no transaction.
        fleet.batch("VACUUM (ANALYZE)").await?;
        fleet.batch("CHECKPOINT").await?;
        Ok(fleet)
    }

    /// A patient for each fourth report, and five values and a message of 2 KB for each.
    async fn fill(&self, tenant: &str, reports: u32) -> Result<(), Failure> {
        let rows = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/bench/volume.sql"));
        self.batch(&rows.replace("{tenant}", tenant).replace("{reports}", &reports.to_string())).await
    }

    /// Runs a command to its end; how long it took in seconds.
    pub(crate) async fn done(&self, program: &str, words: &[&str]) -> Result<f64, Failure> {
        let program = self.platform.program(program)?.args(words).limit(LIMIT);
        let began = Instant::now();
        program.output().await?;
        Ok(began.elapsed().as_secs_f64())
    }

    pub(crate) async fn json(&self, program: &str, words: &[&str]) -> Result<Value, Failure> {
        Ok(self.platform.json(program, words, "").await?)
    }

    /// The server is killed, and an empty one takes its place; how long that one took.
    pub(crate) async fn lose_the_server(self) -> Result<(Self, f64), Failure> {
        self.postgres.kill().await?;
        let began = Instant::now();
        let postgres = Postgres::start_with(&self.folder.join("new"), Durability::Safe).await?;
        postgres.create_database(DATABASE).await?;
        let seconds = began.elapsed().as_secs_f64();
        let platform = Platform::settings_for(&postgres, &self.folder, DATABASE)?.with(self.s3.settings(BUCKET));
        Ok((Self { postgres, platform, ..self }, seconds))
    }

    pub(crate) async fn stop(&self) -> Result<(), Failure> {
        self.postgres.stop().await?;
        self.s3.stop();
        Ok(())
    }

    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.postgres.connect(DATABASE).await?.batch_execute(sql).await?)
    }

    pub(crate) async fn text(&self, sql: &str) -> Result<String, Failure> {
        Ok(self.postgres.connect(DATABASE).await?.query_one(sql, &[]).await?.get(0))
    }
}

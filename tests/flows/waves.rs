//! Waves: `up` over a fleet in which not everything goes well. Whoever is not concerned goes on, and who is gets told what to do.
//!
//! What must stay true: each test has a copy of one prepared fleet (intake and practices p1 to p4 with a few patients), with the same
//! names and login roles; what programs say is read with the sign-in names instead of the names in the database.
mod ahead;
mod backfill;
mod births;
mod control;
mod direction;
mod disk;
mod files;
mod frozen;
mod killed;
mod linted;
mod locks;
mod order;
mod server;
mod tenants;
mod unanswered;

use std::time::Duration;

use labor_testing::{Finished, Platform, Program, Running, postgres, scratch, until};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::chain::{self, Chain};

const LIMIT: Duration = Duration::from_secs(60);
const TEMPLATE: &str = "waves";
static PREPARED: OnceCell<Platform> = OnceCell::const_new();

/// A fleet and a superuser in its database.
struct Fleet {
    platform: Platform,
    client: Client,
    /// Name in the database and sign-in name.
    tenants: Vec<(String, String)>,
}

/// What a run of the migrator said, in sign-in names.
struct Ran {
    code: Option<i32>,
    text: String,
    /// Of `--json up`: each tenant, and last the run.
    lines: Vec<Value>,
}

async fn prepare() -> Platform {
    let folder = scratch().await.unwrap().join(TEMPLATE);
    let platform = Platform::create(postgres().await, &folder, TEMPLATE).await.unwrap();
    populate(&platform, &postgres().await.connect(TEMPLATE).await.unwrap(), 4).await;
    platform
}

async fn populate(platform: &Platform, client: &Client, practices: usize) {
    for n in 1..=practices {
        let tenant = platform.practice(&format!("p{n}"), "Praxis", &format!("10000000{n}")).await.unwrap();
        client.batch_execute(&chain::patients(&tenant, 3)).await.unwrap();
    }
}

impl Fleet {
    async fn copy(name: &str) -> Self {
        let prepared = PREPARED.get_or_init(prepare).await;
        postgres().await.copy_database(TEMPLATE, name).await.unwrap();
        let platform = Platform::settings_for(postgres().await, prepared.folder(), name).unwrap();
        Self::of(platform, postgres().await.connect(name).await.unwrap()).await
    }

    async fn of(platform: Platform, client: Client) -> Self {
        let rows = client.query("SELECT name, slug FROM control.tenants ORDER BY slug", &[]).await.unwrap();
        Self { platform, client, tenants: rows.iter().map(|row| (row.get(0), row.get(1))).collect() }
    }

    /// A folder for this fleet's migrations.
    async fn files(&self) -> std::path::PathBuf {
        scratch().await.unwrap().join(format!("{}_db", self.platform.database()))
    }

    async fn whole(&self) -> Chain {
        Chain::whole(&self.files().await)
    }

    fn name(&self, slug: &str) -> &str {
        &self.tenants.iter().find(|(_, known)| known == slug).unwrap().0
    }

    /// SQL with `{p1}` for the schema of p1.
    async fn execute(&self, sql: &str) {
        self.client.batch_execute(&self.sql(sql)).await.unwrap();
    }

    fn sql(&self, sql: &str) -> String {
        self.tenants.iter().fold(sql.to_owned(), |sql, (name, slug)| sql.replace(&format!("{{{slug}}}"), name))
    }

    async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(&self.sql(sql), &[]).await.unwrap().get(0)
    }

    /// `up` with these files, as JSON, whatever the linter says of them.
    fn up(&self, chain: &Chain, arguments: &[&str]) -> Program {
        chain.migrator(&self.platform, &[&["--json", "up", "--allow-lint-errors"], arguments].concat()).limit(LIMIT)
    }

    async fn ran(&self, program: Program) -> Ran {
        let Finished { status, stdout, stderr } = program.run().await.unwrap();
        let slugs = |text: &str| {
            self.tenants.iter().fold(text.to_owned(), |text, (name, slug)| {
                text.replace(&format!("{name} ({slug})"), slug).replace(name, slug)
            })
        };
        let lines = stdout.lines().filter_map(|line| serde_json::from_str(&slugs(line)).ok()).collect();
        Ran { code: status.code(), text: slugs(&format!("{stdout}{stderr}")), lines }
    }

    /// Where everybody is: `intake 2, p1 6`.
    async fn versions(&self) -> String {
        let sql = "SELECT string_agg(slug || ' ' || version, ', ' ORDER BY slug) FROM control.ledger JOIN control.tenants ON name = tenant";
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Everybody is at a version, and looks the same.
    async fn is_whole(&self, version: i32) {
        let at: Vec<i32> = self
            .client
            .query("SELECT DISTINCT version FROM control.ledger", &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(at, [version], "{}", self.versions().await);
        let names: Vec<String> = self
            .client
            .query("SELECT tenant FROM control.ledger", &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        self.client.batch_execute("SET search_path = pg_catalog").await.unwrap();
        let classes = self.client.query(labor_catalog::sql::FLEET_FINGERPRINTS, &[&names]).await.unwrap();
        assert_eq!(classes.len(), names.len());
        assert!(classes.iter().all(|row| row.get::<_, &str>(1) == classes[0].get::<_, &str>(1)), "several classes");
        let open = "SELECT count(*) FROM control.ledger WHERE last_error IS NOT NULL OR progress IS NOT NULL";
        assert_eq!(self.number(open).await, 0, "errors or progress are left in the ledger");
    }

    /// Begins `up` in the background; it prints a line for each wave and each tenant.
    fn begin(&self, chain: &Chain, arguments: &[&str]) -> Running {
        let program = chain.migrator(&self.platform, &[&["up", "--allow-lint-errors"], arguments].concat());
        program.start_with_log(&self.platform.folder().join(format!("{}.log", self.platform.database()))).unwrap()
    }

    /// Awaits a backend of the migrator that waits for a lock while it runs such a statement; its process id.
    async fn blocked(&self, statement: &str) -> i32 {
        let sql = "SELECT pid, query LIKE '%' || $1 || '%', left(query, 200) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'labor-migrator' AND wait_event_type = 'Lock'";
        until(&format!("the migrator to wait for a lock at {statement:?}"), LIMIT, async || {
            let waiting = self.client.query(sql, &[&statement]).await.unwrap();
            let there = waiting.iter().find(|row| row.get(1)).map(|row| row.get(0));
            Ok(there.ok_or_else(|| format!("{:?}", waiting.iter().map(|row| row.get(2)).collect::<Vec<String>>())))
        })
        .await
        .unwrap()
    }

    /// Somebody else in the database.
    async fn other(&self) -> Client {
        postgres().await.connect(self.platform.database()).await.unwrap()
    }
}

/// How it ended, and what it had said.
async fn end_of(running: &Running) -> (Option<i32>, String) {
    let status = until("the end of the migrator", LIMIT, async || Ok(running.exited().ok_or_else(|| running.said())));
    (status.await.unwrap().code(), running.said())
}

impl Ran {
    /// What became of a tenant: outcome and error.
    fn of(&self, slug: &str) -> (&str, &str) {
        let line = self.lines.iter().find(|line| line["tenant"] == slug).unwrap_or(&Value::Null);
        (line["outcome"].as_str().unwrap_or("none"), line["error"].as_str().unwrap_or_default())
    }
}

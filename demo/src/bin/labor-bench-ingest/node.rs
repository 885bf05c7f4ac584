//! The same work in Node: Express, bull on Redis, pg, and a straightforward parser (`demo/bench/node`).
//! Must stay true: the packages are those of the lock file, installed without running any of their scripts; Redis is this benchmark's own.
use std::path::{Path, PathBuf};
use std::time::Duration;

use labor_demo::Failure;
use labor_demo::practice::{Doctor, Door};
use labor_testing::{Program, Running, Sender, random_hex};

use crate::stage::{Stack, Stage};

const DATABASE: &str = "node";
const SOURCE: &str = "00000000-0000-4000-8000-000000000001";
const INSTALL_LIMIT: Duration = Duration::from_secs(180);
const START_LIMIT: Duration = Duration::from_secs(30);

const FILES: [(&str, &str); 6] = [
    ("package.json", include_str!("../../../bench/node/package.json")),
    ("package-lock.json", include_str!("../../../bench/node/package-lock.json")),
    ("server.js", include_str!("../../../bench/node/server.js")),
    ("worker.js", include_str!("../../../bench/node/worker.js")),
    ("parser.js", include_str!("../../../bench/node/parser.js")),
    ("speed.js", include_str!("../../../bench/node/speed.js")),
];
const SCHEMA: &str = include_str!("../../../bench/node/schema.sql");
/// Asks the installed packages what they are.
const VERSIONS: &str =
    "console.log(['express','bull','pg'].map(p => p+' '+require(p+'/package.json').version).join(', '))";

/// The programs, and the packages in the benchmark's folder.
pub(crate) struct Node {
    folder: PathBuf,
    node: PathBuf,
    redis: PathBuf,
    redis_cli: PathBuf,
    /// What it consists of.
    pub(crate) versions: String,
}

/// A Redis of the benchmark's own.
pub(crate) struct Redis {
    pub(crate) running: Running,
    port: u16,
    password: String,
    cli: PathBuf,
}

/// When Redis flushes what it appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Up to a second of jobs is lost when the machine dies.
    EverySecond,
    /// Nothing is lost, as with Labor.
    Always,
}

impl Node {
    /// Finds the programs and installs the packages.
    ///
    /// # Errors
    /// When something is missing; the message says what.
    pub(crate) async fn install(stage: &Stage) -> Result<Self, Failure> {
        let [node, npm, redis, redis_cli] =
            ["node", "npm", "redis-server", "redis-cli"].map(|name| found(name).ok_or_else(|| missing(name)));
        let (node, npm, redis, redis_cli) = (node?, npm?, redis?, redis_cli?);
        let folder = stage.folder.join("node");
        std::fs::create_dir_all(&folder)?;
        for (name, text) in FILES {
            std::fs::write(folder.join(name), text)?;
        }
        let place = folder.display().to_string();
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
        // How its registry is reached, npm may have to know from the environment.
        let npm = Program::at(npm).envs(std::env::vars_os()).limit(INSTALL_LIMIT);
        npm.args(["ci", "--prefix", &place]).args(quiet).output().await?;
        let said = |program: &Path| Program::at(program.to_owned()).args(["--version"]);
        let require = Program::at(node.clone()).args(["-e", VERSIONS]).env("NODE_PATH", folder.join("node_modules"));
        let (itself, packages) = (said(&node).output().await?, require.output().await?);
        let server = said(&redis).output().await?;
        let server = server.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("?").to_owned();
        let versions = format!("Node {}, {}, Redis {server}", itself.trim(), packages.trim());
        Ok(Self { folder, node, redis, redis_cli, versions })
    }

    /// Megabytes a second of its parser on this file.
    pub(crate) async fn speed(&self, file: &Path, length: Duration) -> Result<f64, Failure> {
        let speed = self.script("speed.js")?.args([file.as_os_str()]).args([length.as_millis().to_string()]);
        Ok(speed.output().await?.trim().parse()?)
    }

    /// A web server and a worker with a database and a Redis of their own.
    pub(crate) async fn stack(&self, stage: &Stage) -> Result<Stack, Failure> {
        stage.postgres.create_database(DATABASE).await?;
        stage.postgres.connect(DATABASE).await?.batch_execute(SCHEMA).await?;
        let redis = self.redis().await?;
        let (secret, password) = (random_hex(32)?, random_hex(8)?);
        let settings = [
            ("DATABASE_URL", stage.postgres.url(DATABASE)),
            ("REDIS_URL", format!("redis://:{}@127.0.0.1:{}", redis.password, redis.port)),
            ("SOURCE_ID", SOURCE.to_owned()),
            ("SOURCE_SECRET", secret.clone()),
            ("DOCTOR_PASSWORD", password.clone()),
            ("NODE_ENV", "production".to_owned()),
        ];
        let start = |script: &str, log: &str| -> Result<Running, Failure> {
            Ok(self.script(script)?.envs(settings.clone()).start_with_log(&self.folder.join(log))?)
        };
        let server = start("server.js", "server.log")?;
        let line = server.wait_for_line("listening ", START_LIMIT).await?;
        let base = format!("http://127.0.0.1:{}", line.trim_start_matches("listening "));
        let worker = start("worker.js", "worker.log")?;
        worker.wait_for_line("working", START_LIMIT).await?;
        let sender = Sender::new(&base, SOURCE, secret.as_bytes())?;
        let door = Door { base, source: SOURCE.to_owned(), sender: sender.into() };
        let doctor = Doctor { practice: "bench".to_owned(), username: "dr.bench".to_owned(), password };
        let (database, schema) = (DATABASE.to_owned(), "public".to_owned());
        Ok(Stack { name: "Node", door, doctor, server, worker, database, schema, redis: Some(redis) })
    }

    async fn redis(&self) -> Result<Redis, Failure> {
        let folder = self.folder.join("redis");
        // What an earlier stack left would be worked on again.
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let (port, password) = (free_port()?, random_hex(16)?);
        let settings = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {}\nappendonly yes\nappendfsync everysec\nsave \"\"\n",
            folder.display()
        );
        let file = folder.join("redis.conf");
        write_private(&file, &settings)?;
        let running = Program::at(self.redis.clone()).args([&file]).start_with_log(&self.folder.join("redis.log"))?;
        running.wait_for_line("Ready to accept connections", START_LIMIT).await?;
        Ok(Redis { running, port, password, cli: self.redis_cli.clone() })
    }

    fn script(&self, name: &str) -> Result<Program, Failure> {
        let script = self.folder.join(name);
        Ok(Program::at(self.node.clone()).args([script.as_os_str()]))
    }
}

impl Redis {
    pub(crate) async fn flush(&self, when: Flush) -> Result<(), Failure> {
        let when = match when {
            Flush::EverySecond => "everysec",
            Flush::Always => "always",
        };
        let cli = Program::at(self.cli.clone()).env("REDISCLI_AUTH", &self.password);
        let said = cli.args(["-p", &self.port.to_string(), "CONFIG", "SET", "appendfsync", when]).output().await?;
        if said.trim() == "OK" { Ok(()) } else { Err(format!("redis-cli said {}", said.trim()).into()) }
    }
}

fn found(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn missing(name: &str) -> Failure {
    format!("{name} is not installed (scripts/install.sh bench-ingest)").into()
}

/// One that is free now; Redis takes no 0.
fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

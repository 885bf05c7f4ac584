//! A whole Labor on a Postgres: a database of its own, prepared by the real programs, with settings for all of them.
//!
//! What must stay true: everything is done through the programs that operators use; nothing reaches around them. Logins of services are
//! the cluster's, so platforms on one cluster share their passwords and are prepared one after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::Doing as _;
use crate::{ChannelSettings, Error, Postgres, Program, Result, Running, Sender, random_hex, write_private};

/// `bootstrap` changes roles, which belong to the whole cluster.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
/// Who prepares a managed server.
const MANAGED_ADMIN: &str = "managed_admin";
const START_LIMIT: Duration = Duration::from_secs(30);

/// A prepared database and the settings of the programs.
pub struct Platform {
    folder: PathBuf,
    database: String,
    settings: Vec<(String, String)>,
}

/// A registered laboratory channel.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its signing secret.
    pub secret: String,
}

/// A web server that runs.
pub struct Server {
    /// The program.
    pub running: Running,
    /// Where it listens, as `http://127.0.0.1:port`.
    pub base: String,
}

impl Platform {
    /// Makes and prepares a database on this cluster: roles, control schema, queue, intake.
    ///
    /// # Errors
    /// When a program fails; its last lines are in the message.
    pub async fn create(postgres: &Postgres, folder: &Path, database: &str) -> Result<Self> {
        let platform = Self::settings_for(postgres, folder, database)?;
        postgres.create_database(database).await?;
        platform.prepare().await
    }

    /// The same as on a managed server: `bootstrap` is run by a login that owns the database and is no superuser. The cluster must have been
    /// prepared by nobody else.
    ///
    /// # Errors
    /// As [`Platform::create`].
    pub async fn managed(postgres: &Postgres, folder: &Path, database: &str) -> Result<Self> {
        let platform = Self::settings_for(postgres, folder, database)?.with([
            ("LABOR_ADMIN_URL".to_owned(), postgres.url_as(MANAGED_ADMIN, postgres.password(), database)),
            ("LABOR_ACCEPT_WEAKER_ISOLATION".to_owned(), "managed".to_owned()),
        ]);
        let client = postgres.connect("postgres").await?;
        let admin = format!("CREATE ROLE {MANAGED_ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{}'", postgres.password());
        let refused = |source| Error::Postgres { doing: format!("make {MANAGED_ADMIN}"), source };
        client.batch_execute(&admin).await.map_err(refused)?;
        postgres.create_database(database).await?;
        let owner = format!("ALTER DATABASE \"{database}\" OWNER TO {MANAGED_ADMIN}");
        client.batch_execute(&owner).await.map_err(refused)?;
        platform.prepare().await
    }

    /// Makes a database on this cluster on which `bootstrap` was run, and nothing else.
    ///
    /// # Errors
    /// As [`Platform::create`].
    pub async fn bootstrapped(postgres: &Postgres, folder: &Path, database: &str) -> Result<Self> {
        let platform = Self::settings_for(postgres, folder, database)?;
        postgres.create_database(database).await?;
        let _turn = ONE_AT_A_TIME.lock().await;
        platform.program("labor-migrator")?.args(["bootstrap"]).output().await?;
        Ok(platform)
    }

    async fn prepare(self) -> Result<Self> {
        let platform = self;
        let _turn = ONE_AT_A_TIME.lock().await;
        platform.program("labor-migrator")?.args(["bootstrap"]).output().await?;
        platform.program("labor-migrator")?.args(["up"]).output().await?;
        platform
            .program("labor-migrator")?
            .args(["provision", "intake", "--name", "Intake", "--intake"])
            .output()
            .await?;
        Ok(platform)
    }

    /// The settings alone; the database is the caller's business.
    ///
    /// # Errors
    /// When the master secret can't be written.
    pub fn settings_for(postgres: &Postgres, folder: &Path, database: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
        let secret = folder.join("master-secret");
        if !secret.exists() {
            write_private(&secret, &random_hex(32)?)?;
        }
        let service = |role: &str| postgres.url_as(role, &format!("{role}-{}", postgres.password()), database);
        let settings = [
            ("LABOR_ADMIN_URL", postgres.url(database)),
            ("LABOR_MIGRATOR_URL", service("labor_migrator")),
            ("LABOR_CONTROL_URL", service("labor_control")),
            ("LABOR_BACKUP_URL", service("labor_backup")),
            ("LABOR_RESTORE_URL", service("labor_migrator")),
            ("LABOR_MASTER_SECRET_FILE", secret.display().to_string()),
            ("LABOR_PG_BIN", postgres.home().bin().display().to_string()),
            ("LABOR_BACKUP_KEYS", folder.join("backup-keys").display().to_string()),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self { folder: folder.to_owned(), database: database.to_owned(), settings })
    }

    /// Adds settings, such as where S3 is.
    #[must_use]
    pub fn with(mut self, settings: impl IntoIterator<Item = (String, String)>) -> Self {
        self.settings.extend(settings);
        self
    }

    /// Name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Where logs and secrets are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A setting, such as `LABOR_CONTROL_URL`; empty when there is none.
    #[must_use]
    pub fn setting(&self, name: &str) -> &str {
        self.settings.iter().rev().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// One of the workspace's programs with the settings that are its own: the web process sees no key of the bucket.
    ///
    /// # Errors
    /// When it was not built.
    pub fn program(&self, name: &str) -> Result<Program> {
        let own = self.settings.iter().filter(|(setting, _)| belongs(name, setting));
        Ok(Program::named(name)?.envs(own.map(|(setting, value)| (setting, value))))
    }

    /// Writes all settings, where the programs are, and `BASE` (the server's address) as a file for a shell, readable by its
    /// owner only.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_settings(&self, base: &str) -> Result<PathBuf> {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', "'\\''"));
        let mut text = format!("export BASE={}\n", quoted(base));
        for (name, value) in &self.settings {
            text += &format!("export {name}={}\n", quoted(value));
        }
        let programs = std::env::current_exe().doing(|| "find the programs".into())?;
        if let Some(folder) = programs.parent() {
            text += &format!("export PATH={}:\"$PATH\"\n", quoted(&folder.display().to_string()));
        }
        let file = self.folder.join("settings.sh");
        write_private(&file, &text)?;
        Ok(file)
    }

    /// Runs a program and reads its JSON.
    ///
    /// # Errors
    /// When it fails, or says something else.
    pub async fn json(&self, name: &str, arguments: &[&str], input: &str) -> Result<Value> {
        let text = self.program(name)?.args(arguments).input(input).output().await?;
        serde_json::from_str(&text).map_err(|error| Error::Answer {
            what: format!("{name} {}", arguments.join(" ")),
            reason: error.to_string(),
        })
    }

    /// Provisions a practice; its opaque name.
    ///
    /// # Errors
    /// When the migrator refuses.
    pub async fn practice(&self, slug: &str, name: &str, bsnr: &str) -> Result<String> {
        let made =
            self.json("labor-migrator", &["--json", "provision", slug, "--name", name, "--bsnr", bsnr], "").await?;
        Ok(text(&made, "tenant"))
    }

    /// Registers a laboratory's channel.
    ///
    /// # Errors
    /// When the name is taken.
    pub async fn source(&self, name: &str) -> Result<Source> {
        let made = self.json("labor", &["source", "add", name], "").await?;
        Ok(Source { id: text(&made, "source"), secret: text(&made, "secret") })
    }

    /// Adds a user to a practice; the user's id.
    ///
    /// # Errors
    /// When the practice is unknown or the name is taken.
    pub async fn user(&self, practice: &str, username: &str, name: &str, role: &str, password: &str) -> Result<String> {
        let arguments = ["user", "add", "--practice", practice, "--username", username, "--name", name, "--role", role];
        let made = self.json("labor", &arguments, &format!("{password}\n")).await?;
        Ok(text(&made, "user"))
    }

    /// Starts API and pages on a free port.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn serve(&self) -> Result<Server> {
        self.serve_at("127.0.0.1:0").await
    }

    /// The same at an address of one's choice, such as where one ran before.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn serve_at(&self, address: &str) -> Result<Server> {
        let program = self.program("labor")?.args(["serve", "--listen", address, "--secure-cookies", "false"]);
        let running = program.start_with_log(&self.folder.join("api.log"))?;
        let line = running.wait_for_line("\"listening\"", START_LIMIT).await?;
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        Ok(Server { running, base: format!("http://{}", text(&said, "address")) })
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn work(&self, arguments: &[&str]) -> Result<Running> {
        let program = self.program("labor")?.args(["work"]).args(arguments);
        let running = program.start_with_log(&self.folder.join("worker.log"))?;
        running.wait_for_line("\"working\"", START_LIMIT).await?;
        Ok(running)
    }

    /// A channel of the engine towards a server, with the queue on.
    #[must_use]
    pub fn channel(&self, base: &str, source: &Source) -> ChannelSettings {
        ChannelSettings::new(format!("{base}/v1/messages"), &source.id, &source.secret)
    }

    /// A channel of a source towards a server.
    ///
    /// # Errors
    /// When the HTTP client can't be made.
    pub fn sender(&self, server: &Server, source: &Source) -> Result<Sender> {
        Sender::new(&server.base, &source.id, source.secret.as_bytes())
    }
}

fn belongs(program: &str, setting: &str) -> bool {
    match program {
        "labor" => {
            matches!(
                setting,
                "LABOR_CONTROL_URL"
                    | "LABOR_MASTER_SECRET_FILE"
                    | "LABOR_ACCEPT_WEAKER_ISOLATION"
                    | "LABOR_METRICS_LISTEN"
                    | "LABOR_TENANT_CONNECTIONS"
                    | "LABOR_CONNECTIONS_PER_TENANT"
                    | "LABOR_BODY_MEMORY"
                    | "LABOR_TRUSTED_PROXIES"
                    | "LABOR_HTTPS_ONLY"
            )
        }
        "labor-migrator" => {
            matches!(
                setting,
                "LABOR_ADMIN_URL"
                    | "LABOR_MIGRATOR_URL"
                    | "LABOR_CONTROL_URL"
                    | "LABOR_BACKUP_URL"
                    | "LABOR_MASTER_SECRET_FILE"
                    | "LABOR_ACCEPT_WEAKER_ISOLATION"
            )
        }
        "labor-backup" => !matches!(setting, "LABOR_ADMIN_URL" | "LABOR_MIGRATOR_URL" | "LABOR_CONTROL_URL"),
        _ => !matches!(
            setting,
            "LABOR_ADMIN_URL" | "LABOR_MIGRATOR_URL" | "LABOR_CONTROL_URL" | "LABOR_MASTER_SECRET_FILE"
        ),
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

//! A supervised S3 server: SeaweedFS (master, volume, filer and gateway in one process) on free loopback ports.
//!
//! What must stay true: it ends when this process ends; it is up only when an object has been written, read and removed with our keys;
//! the same folder gives the same keys and objects after a restart or a crash; nothing is reported to anybody. Only the gateway asks for
//! keys: the other ports are open to every user of this machine, so this server is for demo and tests.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::DisplayErrorContext,
    primitives::ByteStream,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    error::Doing,
    keeper::{Kept, command},
    left_over, ports, secret,
    wait::until,
};

const START_LIMIT: Duration = Duration::from_secs(90);
const REGION: &str = "us-east-1";
/// The bucket whose only use is the health check.
const PROBE: &str = "labor-is-it-up";

/// A running S3 server. Dropping it stops it at once.
#[derive(Debug)]
pub struct S3 {
    server: Mutex<Option<Kept>>,
    folder: PathBuf,
    keys: Keys,
    ports: Mutex<Ports>,
}

/// What opens it; kept in the folder.
#[derive(Debug, Serialize, Deserialize)]
struct Keys {
    access: String,
    secret: String,
    /// Encrypts objects of buckets with default encryption (SSE-S3); without one such a write is a 500.
    at_rest: String,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    gateway: u16,
    master: u16,
    volume: u16,
    filer: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        let port = || ports::free_with_grpc("SeaweedFS");
        Ok(Self { gateway: port()?, master: port()?, volume: port()?, filer: port()? })
    }

    fn all_free(self) -> bool {
        self.named().into_iter().all(|(_, port)| ports::is_free(port) && ports::is_free(ports::grpc_of(port)))
    }

    fn named(self) -> [(&'static str, u16); 4] {
        [("s3", self.gateway), ("master", self.master), ("volume", self.volume), ("filer", self.filer)]
    }
}

impl S3 {
    /// Starts it in a folder, with the keys and objects that are there. A server that a crashed run left there is stopped first.
    ///
    /// # Errors
    /// When SeaweedFS is not installed, the folder cannot be used, or the server does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("data")).doing(|| format!("create {}", folder.display()))?;
        let folder = folder.canonicalize().doing(|| format!("find {}", folder.display()))?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .doing(|| format!("close {} to others", folder.display()))?;
        left_over::stop(&folder).await?;
        let keys = Keys::kept(&folder)?;
        let store = Self { server: Mutex::new(None), folder, keys, ports: Mutex::new(Ports::free()?) };
        for _ in 0..10 {
            if store.attempt().await? {
                return Ok(store);
            }
            *store.ports() = Ports::free()?;
        }
        Err(Error::NoPort { server: "SeaweedFS" })
    }

    /// Stops it at once, with signal 9. Asked politely it waits fifteen seconds for streams to itself, and it has no need to: what it has
    /// acknowledged is with the kernel.
    pub fn stop(&self) {
        drop(self.server().take());
        left_over::remove_sockets(&self.folder);
    }

    /// Stops it if it runs and starts it again on the same ports.
    ///
    /// # Errors
    /// As [`S3::start`]; also when somebody else has taken a port.
    pub async fn restart(&self) -> Result<()> {
        self.stop();
        let ports = *self.ports();
        until("free ports for SeaweedFS", Duration::from_secs(5), async || {
            Ok(if ports.all_free() { Ok(()) } else { Err(format!("one of {ports:?} is taken")) })
        })
        .await?;
        if self.attempt().await? { Ok(()) } else { Err(Error::NoPort { server: "SeaweedFS" }) }
    }

    /// Its address, for path-style requests.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports().gateway)
    }

    /// The settings by which Labor's programs find a bucket here.
    #[must_use]
    pub fn settings(&self, bucket: &str) -> [(String, String); 5] {
        let settings = [
            ("LABOR_S3_ENDPOINT", self.endpoint()),
            ("LABOR_S3_REGION", self.region().to_owned()),
            ("LABOR_S3_BUCKET", bucket.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.access_key().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key().to_owned()),
        ];
        settings.map(|(name, value)| (name.to_owned(), value))
    }

    /// The access key.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.keys.access
    }

    /// The secret key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.keys.secret
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(&self) -> &'static str {
        REGION
    }

    /// The process id, when it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server().as_ref().map(Kept::pid)
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("weed.log")
    }

    /// How programs find it: the variables that every AWS SDK reads. Requests must be path-style.
    #[must_use]
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL_S3", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", self.keys.access.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.keys.secret.clone()),
            ("AWS_REGION", REGION.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A new client. It keeps connections of the runtime it is used on: make one per test.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client_with(RetryConfig::standard())
    }

    fn client_with(&self, retries: RetryConfig) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30));
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(self.endpoint())
            .credentials_provider(Credentials::new(&self.keys.access, &self.keys.secret, None, None, "labor-testing"))
            .force_path_style(true)
            .retry_config(retries)
            .timeout_config(timeouts.build());
        Client::from_conf(config.build())
    }

    /// Starts it on the ports we have; false when another server took one of them first.
    async fn attempt(&self) -> Result<bool> {
        self.note_sockets()?;
        let server = Kept::start("SeaweedFS", self.server_command()?, &self.log())?;
        let client = self.client_with(RetryConfig::disabled());
        let up = until("the start of SeaweedFS", START_LIMIT, async || {
            let seen = answers(&client).await;
            match server.exited() {
                Some(_) if server.tail().contains("address already in use") => Ok(Ok(false)),
                Some(status) => Err(server.ended_early(status)),
                None => Ok(seen.map(|()| true).map_err(|reason| format!("{reason}\n{}", server.tail()))),
            }
        })
        .await?;
        if up {
            *self.server() = Some(server);
        }
        Ok(up)
    }

    fn server_command(&self) -> Result<std::process::Command> {
        let ports = *self.ports();
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut weed = command("KILL", &crate::weed()?);
        // Two volumes per bucket instead of seven, and room for a bucket per test.
        weed.current_dir(&self.folder)
            .env("WEED_S3_SSE_KEY", &self.keys.at_rest)
            .env("WEED_MASTER_VOLUME_GROWTH_COPY_1", "2");
        weed.args(["-logtostderr=true", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]);
        weed.args([
            "-master.volumeSizeLimitMB=64",
            "-volume.max=4000",
            "-volume.preStopSeconds=0",
            "-volume.index=leveldb",
        ]);
        // Alone, the master needs no ten seconds to find that nobody else stands for election.
        weed.args(["-master.electionTimeout=1s", "-master.heartbeatInterval=100ms"]);
        weed.args(["-s3", "-s3.iam=false", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
        weed.arg(format!("-dir={}", path("data"))).arg(format!("-s3.config={}", path("s3.json")));
        for (part, port) in ports.named() {
            weed.arg(format!("-{part}.port={port}")).arg(format!("-{part}.port.grpc={}", ports::grpc_of(port)));
        }
        // Relative, because a socket's path may have 107 characters only.
        weed.args(["-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"]);
        Ok(weed)
    }

    /// SeaweedFS puts its gRPC sockets into /tmp and leaves them there; so we note where they are.
    fn note_sockets(&self) -> Result<()> {
        let path = |(part, port)| format!("/tmp/seaweedfs-{part}-grpc-{}.sock\n", ports::grpc_of(port));
        let sockets: String = self.ports().named().into_iter().map(path).collect();
        secret::write_private(&self.folder.join(left_over::SOCKETS), &sockets)
    }

    fn server(&self) -> MutexGuard<'_, Option<Kept>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports(&self) -> MutexGuard<'_, Ports> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keys {
    /// Those of an earlier run, or new ones; and the server's own file with them.
    fn kept(folder: &Path) -> Result<Self> {
        let path = folder.join("keys.json");
        let keys = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?,
            Err(_) => Self {
                access: secret::random_hex(10)?,
                secret: secret::random_hex(20)?,
                at_rest: secret::random_hex(32)?,
            },
        };
        secret::write_private(&path, &serde_json::json!(keys).to_string())?;
        let server = serde_json::json!({
            "identities": [{
                "name": "labor",
                "credentials": [{ "accessKey": keys.access, "secretKey": keys.secret }],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"],
            }],
            "kms": { "default_provider": "local-dev", "providers": { "local-dev": { "type": "local", "enableOnDemandCreate": true } } },
        });
        secret::write_private(&folder.join("s3.json"), &server.to_string())?;
        Ok(keys)
    }
}

/// Whether an object can be written, read and removed. Another server on the port knows our keys not.
async fn answers(client: &Client) -> Result<(), String> {
    let seen = |error: &dyn std::error::Error| format!("{}", DisplayErrorContext(error));
    if client.head_bucket().bucket(PROBE).send().await.is_err() {
        client.create_bucket().bucket(PROBE).send().await.map_err(|error| seen(&error))?;
    }
    let object = |body: &'static [u8]| ByteStream::from_static(body);
    client.put_object().bucket(PROBE).key("probe").body(object(b"up")).send().await.map_err(|error| seen(&error))?;
    let got = client.get_object().bucket(PROBE).key("probe").send().await.map_err(|error| seen(&error))?;
    let bytes = got.body.collect().await.map_err(|error| seen(&error))?.into_bytes();
    client.delete_object().bucket(PROBE).key("probe").send().await.map_err(|error| seen(&error))?;
    if bytes.as_ref() == b"up" { Ok(()) } else { Err("an object came back changed".into()) }
}

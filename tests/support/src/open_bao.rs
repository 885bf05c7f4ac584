//! A supervised OpenBao server in memory, with TLS by a certificate authority of its own and a transit engine at `transit/`.
//!
//! What must stay true: it ends when this process ends, and everything in it with it; its root token stands in no command line.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::{Error, Result, error::Doing, installation, keeper, keeper::Kept, left_over, ports, secret, wait::until};

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running OpenBao. Dropping it kills it.
#[derive(Debug)]
pub struct OpenBao {
    server: Kept,
    port: u16,
    folder: PathBuf,
    token: String,
}

impl OpenBao {
    /// Starts an empty one.
    ///
    /// # Errors
    /// When OpenBao is not installed or does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).doing(|| format!("create {}", folder.display()))?;
        let folder = folder.canonicalize().doing(|| format!("find {}", folder.display()))?;
        left_over::stop(&folder).await?;
        for _ in 0..10 {
            if let Some(started) = Self::attempt(&folder).await? {
                let transit = json!({"type": "transit"});
                started.must(Method::POST, "sys/mounts/transit", Some(transit)).await?;
                return Ok(started);
            }
        }
        Err(Error::NoPort { server: "OpenBao" })
    }

    /// None when another server took the port first.
    async fn attempt(folder: &Path) -> Result<Option<Self>> {
        let (port, token) = (ports::free("OpenBao")?, secret::random_hex(16)?);
        let mut command = keeper::command("KILL", &installation::bao()?);
        command.args(["server", "-dev", "-dev-tls", "-dev-no-store-token"]);
        command.arg(format!("-dev-tls-cert-dir={}", folder.display()));
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        command.env("BAO_DEV_ROOT_TOKEN_ID", &token).current_dir(folder);
        let server = Kept::start("OpenBao", command, &folder.join("bao.log"))?;
        let started = Self { server, port, folder: folder.to_owned(), token };
        let up = until("the start of OpenBao", START_LIMIT, async || {
            if let Some(status) = started.server.exited() {
                let taken = started.server.tail().contains("address already in use");
                return if taken { Ok(Ok(false)) } else { Err(started.server.ended_early(status)) };
            }
            let answer = match fs::exists(started.certificate()) {
                Ok(true) => started.ask(Method::GET, "sys/mounts", None).await,
                _ => return Ok(Err("there is no certificate yet".to_owned())),
            };
            Ok(match answer {
                Ok((StatusCode::OK, _)) => Ok(true),
                Ok((status, _)) => Err(format!("{status}\n{}", started.server.tail())),
                Err(error) => Err(format!("{error}\n{}", started.server.tail())),
            })
        });
        Ok(up.await?.then_some(started))
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The token that may do everything.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The certificate of who signed the server's.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("vault-ca.pem")
    }

    /// How programs find it.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 3] {
        [
            ("VAULT_ADDR", self.address()),
            ("VAULT_TOKEN", self.token.clone()),
            ("VAULT_CACERT", self.certificate().display().to_string()),
        ]
    }

    /// A new token that may do what a policy says, in the service's own language.
    ///
    /// # Errors
    /// When the service refuses.
    pub async fn token_with(&self, policy: &str) -> Result<String> {
        let name = format!("p{}", secret::random_hex(8)?);
        let path = format!("sys/policies/acl/{name}");
        self.must(Method::POST, &path, Some(json!({"policy": policy}))).await?;
        let token = json!({"policies": [name], "no_parent": true});
        let answer = self.must(Method::POST, "auth/token/create", Some(token)).await?;
        let token = answer.pointer("/auth/client_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| self.unexpected("gives no token"))
    }

    /// Asks as root for something that has to succeed, and returns the answer.
    ///
    /// # Errors
    /// When it does not.
    pub async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        match self.ask(method, path, body).await? {
            (status, answer) if status.is_success() => Ok(answer),
            (status, answer) => Err(self.unexpected(&format!("{path}: {status} {answer}"))),
        }
    }

    /// Asks as root.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let url = format!("{}/v1/{path}", self.address());
        let failed = |source| Error::Http { url: url.clone(), source };
        let pem = fs::read(self.certificate()).doing(|| "read OpenBao's certificate".into())?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30));
        let client = client.tls_certs_only([Certificate::from_pem(&pem).map_err(failed)?]).build().map_err(failed)?;
        let mut request = client.request(method, &url).header("X-Vault-Token", &self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn unexpected(&self, reason: &str) -> Error {
        Error::Answer { what: format!("OpenBao at {}", self.address()), reason: reason.to_owned() }
    }
}

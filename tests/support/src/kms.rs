//! A supervised stand-in for AWS KMS: moto's server, in memory. It keeps keys, encrypts, and refuses another encryption context; it asks
//! nobody for credentials, and a disabled key still decrypts.
//!
//! What must stay true: it ends when this process ends.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::{Error, Result, error::Doing, installation, keeper, keeper::Kept, ports, wait::until};

const START_LIMIT: Duration = Duration::from_secs(90);

/// A running stand-in for AWS KMS. Dropping it kills it.
#[derive(Debug)]
pub struct Kms {
    server: Kept,
    port: u16,
}

impl Kms {
    /// Starts one without keys.
    ///
    /// # Errors
    /// When moto is not installed or does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).doing(|| format!("create {}", folder.display()))?;
        for _ in 0..10 {
            if let Some(started) = Self::attempt(folder).await? {
                return Ok(started);
            }
        }
        Err(Error::NoPort { server: "moto" })
    }

    /// None when another server took the port first.
    async fn attempt(folder: &Path) -> Result<Option<Self>> {
        let port = ports::free("moto")?;
        let mut command = keeper::command("KILL", &PathBuf::from("python3"));
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]).current_dir(folder);
        command.env("PYTHONPATH", installation::moto()?).env("PYTHONDONTWRITEBYTECODE", "1");
        let started = Self { server: Kept::start("moto", command, &folder.join("moto.log"))?, port };
        let up = until("the start of moto", START_LIMIT, async || {
            if let Some(status) = started.server.exited() {
                let taken = started.server.tail().contains("in use");
                return if taken { Ok(Ok(false)) } else { Err(started.server.ended_early(status)) };
            }
            Ok(match started.ask("ListKeys", json!({})).await {
                Ok((StatusCode::OK, _)) => Ok(true),
                Ok((status, answer)) => Err(format!("{status} {answer}")),
                Err(error) => Err(format!("{error}\n{}", started.server.tail())),
            })
        });
        Ok(up.await?.then_some(started))
    }

    /// Its address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A new key, by its ARN.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn key(&self) -> Result<String> {
        let (status, answer) = self.ask("CreateKey", json!({})).await?;
        let key = answer.pointer("/KeyMetadata/Arn").and_then(Value::as_str).filter(|_| status.is_success());
        let reason = format!("CreateKey: {status} {answer}");
        key.map(str::to_owned).ok_or(Error::Answer { what: "moto".to_owned(), reason })
    }

    /// Asks for an action of KMS.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, action: &str, body: Value) -> Result<(StatusCode, Value)> {
        let url = self.endpoint();
        let failed = |source| Error::Http { url: url.clone(), source };
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().map_err(failed)?;
        let request = client.post(&url).header("X-Amz-Target", format!("TrentService.{action}")).json(&body);
        // moto tells the service and the region by how a request is signed, and does not look at the signature.
        let signed =
            "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0";
        let answer = request.header("Authorization", signed).send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

//! OpenBao's (or Vault's) transit engine: a named key of each tenant's, that never leaves the service.
//!
//! Must stay true: a key is called destroyed when the service, asked again, does not know it; a service that is somewhere else than we
//! think is not taken for one that has destroyed something; no token, plain text or answer of the service is in an error, only its own
//! short reasons.
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::service::causes;
use super::settings::{Token, TransitSettings};
use super::wrapped::{Wrapped, Wrapping};
use crate::BackupError;

/// As the file of a wrapped key calls it.
pub(super) const NAME: &str = "transit";
const LIMIT: Duration = Duration::from_secs(30);

/// The engine, and what lets us in.
pub(super) struct Transit {
    http: Client,
    settings: TransitSettings,
}

/// What the service said.
struct Answer {
    status: StatusCode,
    body: Value,
}

impl Transit {
    pub(super) fn new(settings: &TransitSettings) -> Result<Self, BackupError> {
        // A redirect would carry the token to wherever it says. http is for this machine: no proxy has a part in it.
        let mut http = Client::builder().redirect(Policy::none()).timeout(LIMIT).connect_timeout(LIMIT / 3);
        if settings.address.scheme() == "http" {
            http = http.no_proxy();
        }
        if let Some(path) = &settings.certificates {
            let pem = std::fs::read(path).map_err(BackupError::io(format!("read VAULT_CACERT {}", path.display())))?;
            let invalid =
                |error: reqwest::Error| BackupError::Invalid(format!("VAULT_CACERT {}: {error}", path.display()));
            http = http.tls_certs_merge(Certificate::from_pem_bundle(&pem).map_err(invalid)?);
        }
        let http =
            http.build().map_err(|error| BackupError::Invalid(format!("the client of the key service: {error}")))?;
        Ok(Self { http, settings: settings.clone() })
    }

    /// As it is set.
    pub(super) fn described(&self) -> String {
        format!("{NAME}:{}/{}", self.settings.mount, self.settings.prefix)
    }

    /// Where it is, for a receipt.
    pub(super) fn place(&self) -> String {
        let namespace =
            self.settings.namespace.as_deref().map(|name| format!(", namespace {name}")).unwrap_or_default();
        format!("{} at {}{namespace}", self.described(), self.settings.address)
    }

    /// The tenant's key, with the mount before it.
    pub(super) fn key_of(&self, of: &str) -> String {
        format!("{}/{}", self.settings.mount, self.name_of(of))
    }

    fn name_of(&self, of: &str) -> String {
        format!("{}-{of}", self.settings.prefix)
    }

    /// Wraps a text with the tenant's key, which is made now if the service does not know it.
    pub(super) async fn wrap(&self, of: &str, bound_to: &str, text: &str) -> Result<Wrapping, BackupError> {
        let name = self.name_of(of);
        if self.newest_version(of).await?.is_none() {
            let key = json!({"type": "aes256-gcm96", "exportable": false, "allow_plaintext_backup": false});
            self.ask(of, Method::POST, &["keys", &name], Some(key)).await?;
        }
        let body = json!({"plaintext": STANDARD.encode(text), "associated_data": STANDARD.encode(bound_to)});
        let answer = self.ask(of, Method::POST, &["encrypt", &name], Some(body)).await?;
        let wrapped = answer.pointer("/data/ciphertext").and_then(Value::as_str);
        let wrapped = wrapped.ok_or_else(|| self.strange(of, "encrypt"))?.to_owned();
        Ok(Wrapping { service: NAME, key: self.key_of(of), version: version(&wrapped), wrapped })
    }

    /// The text again.
    pub(super) async fn unwrap(&self, wrapped: &Wrapped, bound_to: &str) -> Result<String, BackupError> {
        let of = wrapped.of.as_str();
        let body = json!({"ciphertext": wrapped.wrapped, "associated_data": STANDARD.encode(bound_to)});
        let answer = self.ask(of, Method::POST, &["decrypt", &self.name_of(of)], Some(body)).await?;
        let text = answer.pointer("/data/plaintext").and_then(Value::as_str);
        let text = text.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        text.ok_or_else(|| self.strange(of, "decrypt"))
    }

    /// The newest version of the tenant's key; none when the engine is there and does not know it.
    pub(super) async fn newest_version(&self, of: &str) -> Result<Option<u32>, BackupError> {
        let path = ["keys", &self.name_of(of)];
        let answer = self.send(of, Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.gives_no_reason() {
            return Ok(None);
        }
        let body = self.accepted(of, answer, &Method::GET, &path).await?;
        let newest = body.pointer("/data/latest_version").and_then(Value::as_u64);
        newest.and_then(|version| version.try_into().ok()).map(Some).ok_or_else(|| self.strange(of, "keys"))
    }

    /// Destroys the tenant's key with all of its versions, and asks again whether it is gone.
    pub(super) async fn destroy(&self, of: &str) -> Result<(), BackupError> {
        let name = self.name_of(of);
        if self.newest_version(of).await?.is_some() {
            let allow = json!({"deletion_allowed": true});
            self.ask(of, Method::POST, &["keys", &name, "config"], Some(allow)).await?;
            self.ask(of, Method::DELETE, &["keys", &name], None).await?;
        }
        match self.newest_version(of).await? {
            None => Ok(()),
            Some(_) => {
                Err(self
                    .failed(of, "still knows the key after it was told to delete it; nothing is destroyed".to_owned()))
            }
        }
    }

    async fn ask(&self, of: &str, method: Method, path: &[&str], body: Option<Value>) -> Result<Value, BackupError> {
        let answer = self.send(of, method.clone(), path, body).await?;
        self.accepted(of, answer, &method, path).await
    }

    async fn send(&self, of: &str, method: Method, path: &[&str], body: Option<Value>) -> Result<Answer, BackupError> {
        let path = std::iter::once(self.settings.mount.as_str()).chain(path.iter().copied());
        self.send_to(of, method, path, body).await
    }

    async fn send_to<'a>(
        &self,
        of: &str,
        method: Method,
        path: impl Iterator<Item = &'a str>,
        body: Option<Value>,
    ) -> Result<Answer, BackupError> {
        let mut url = self.settings.address.clone();
        url.path_segments_mut()
            .map_err(|()| BackupError::Invalid("VAULT_ADDR has no path".to_owned()))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        let mut request =
            self.http.request(method, url).header("X-Vault-Token", self.token()?).header("X-Vault-Request", "true");
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = async { Answer::read(request.send().await?).await };
        answer.await.map_err(|error| {
            let address: &Url = &self.settings.address;
            let reason = format!(
                "can't be reached at {address} ({}). Is VAULT_ADDR right, and the service up?",
                causes(&error.without_url())
            );
            self.failed(of, reason)
        })
    }

    fn token(&self) -> Result<HeaderValue, BackupError> {
        let token = match &self.settings.token {
            Token::Given(token) => token.clone(),
            Token::File(path) => {
                let text = std::fs::read_to_string(path);
                text.map_err(BackupError::io(format!("read VAULT_TOKEN_FILE {}", path.display())))?.trim().to_owned()
            }
        };
        let invalid =
            |_| BackupError::Invalid("the token of the key service has characters that no token has".to_owned());
        let mut value = HeaderValue::from_str(&token).map_err(invalid)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The body, or what the service's refusal means and what to do.
    async fn accepted(&self, of: &str, answer: Answer, method: &Method, path: &[&str]) -> Result<Value, BackupError> {
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let (status, said) = (answer.status, answer.reasons());
        let key = self.key_of(of);
        let reason = match status.as_u16() {
            503 => "is sealed, or not ready: whoever keeps its shares has to unseal it".to_owned(),
            501 => "was never initialised: is VAULT_ADDR the right one?".to_owned(),
            301..=308 | 472 | 473 => format!(
                "answers {status} at {}: it is no active server; set VAULT_ADDR to the one that is",
                self.settings.address
            ),
            403 => self.forbidden(of, method, path).await?,
            404 if said.is_empty() => return Err(self.strange(of, &path.join("/"))),
            404 => format!(
                "has nothing at {}/ ({said}): are mount, VAULT_ADDR and VAULT_NAMESPACE right?",
                self.settings.mount
            ),
            429 => "says that it is asked too often; run this again later".to_owned(),
            _ if said.contains("key not found") => format!(
                "does not know the key {key}: are VAULT_ADDR and VAULT_NAMESPACE right? If it was destroyed, no copy of this key can be \
                 unwrapped any more"
            ),
            _ if said.contains("soft deleted") => {
                format!(
                    "has deleted the key {key} so that it can be restored: `bao write -f {}/keys/…/soft-delete-restore`",
                    self.settings.mount
                )
            }
            _ if said.contains("too old") || said.contains("disallowed by policy") => format!(
                "no longer unwraps with the version of {key} that wrapped this one: lower its min_decryption_version, run `labor-backup keys rewrap`"
            ),
            400 if path.first() == Some(&"decrypt") => format!(
                "can't unwrap this file with {key} ({said}): the file was altered, or wrapped for somebody else, or by a key of the same name \
                 that is no more; put the copy of the file back"
            ),
            _ => format!("refuses {method} {} ({status}: {said})", path.join("/")),
        };
        Err(self.failed(of, reason))
    }

    /// Of a token that may not and of one that is none the service says the same; what it says of the token itself tells them apart.
    async fn forbidden(&self, of: &str, method: &Method, path: &[&str]) -> Result<String, BackupError> {
        let itself = ["auth", "token", "lookup-self"].into_iter();
        let itself = self.send_to(of, Method::GET, itself, None).await?;
        let path = path.join("/");
        Ok(if itself.status.is_success() {
            let capability = if *method == Method::GET {
                "read"
            } else if *method == Method::DELETE {
                "delete"
            } else {
                "update (and create)"
            };
            format!("does not permit it: the token's policy needs {capability} on {}/{path}", self.settings.mount)
        } else {
            "refuses the token: it has expired, was revoked, or is of another service. Put a new one into VAULT_TOKEN or its file".to_owned()
        })
    }

    fn strange(&self, of: &str, what: &str) -> BackupError {
        self.failed(
            of,
            format!("gives no answer to {what} that this version understands: is VAULT_ADDR that of OpenBao or Vault?"),
        )
    }

    fn failed(&self, of: &str, reason: String) -> BackupError {
        BackupError::KeyService { of: of.to_owned(), service: self.described(), reason }
    }
}

impl Answer {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let status = response.status();
        let body = response.bytes().await?;
        Ok(Self { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Of a path where nothing is mounted the service gives a reason; of a key that is not there it gives an empty list of them. A 404 of
    /// anybody else on the way says nothing about the key.
    fn gives_no_reason(&self) -> bool {
        self.body.get("errors").and_then(Value::as_array).is_some_and(Vec::is_empty)
    }

    /// The service's own reasons, cut short.
    fn reasons(&self) -> String {
        let errors = self.body.get("errors").and_then(Value::as_array);
        let errors = errors.into_iter().flatten().filter_map(Value::as_str);
        errors.collect::<Vec<_>>().join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
    }
}

/// The version of the key in `vault:v3:…`.
fn version(wrapped: &str) -> Option<u32> {
    wrapped.strip_prefix("vault:v")?.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> TcpListener {
        TcpListener::bind("127.0.0.1:0").await.unwrap()
    }

    fn at(here: &TcpListener) -> Transit {
        let settings = TransitSettings {
            address: format!("http://{}", here.local_addr().unwrap()).parse().unwrap(),
            mount: "transit".to_owned(),
            prefix: "labor-backup".to_owned(),
            token: Token::Given("s.secret".to_owned()),
            namespace: None,
            certificates: None,
        };
        Transit::new(&settings).unwrap()
    }

    /// To one request.
    async fn serve(here: &TcpListener, answer: &str) {
        let (mut stream, _) = here.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_with_the_token() {
        let (here, elsewhere) = (listener().await, listener().await);
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            elsewhere.local_addr().unwrap()
        );
        let transit = at(&here);
        let asked = async {
            tokio::select! {
                answer = transit.newest_version("t_x") => answer.unwrap_err().to_string(),
                _ = elsewhere.accept() => "the token went elsewhere".to_owned(),
            }
        };
        let (told, ()) = tokio::join!(asked, serve(&here, &answer));
        assert!(told.contains("no active server"), "{told}");
    }

    /// Else `erase` would call destroyed what only a proxy on the way does not find.
    #[tokio::test]
    async fn a_404_of_somebody_else_does_not_say_that_the_key_is_gone() {
        for (body, known) in
            [("<html>not found</html>", None), ("", None), ("{}", None), (r#"{"errors": []}"#, Some(None))]
        {
            let here = listener().await;
            let answer =
                format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let transit = at(&here);
            let (asked, ()) = tokio::join!(transit.newest_version("t_x"), serve(&here, &answer));
            assert_eq!(asked.as_ref().ok(), known.as_ref(), "{body}: {asked:?}");
        }
    }

    #[test]
    fn the_version_is_read_from_what_was_wrapped() {
        assert_eq!((version("vault:v12:abc"), version("vault:v:abc"), version("other")), (Some(12), None, None));
    }
}

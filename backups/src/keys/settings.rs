//! Which service wraps the keys: `LABOR_KEY_SERVICE` and what belongs to it, under the names that the service's own tools read.
//!
//! Must stay true: no secret is printed; nothing goes unencrypted to another machine.
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;

use crate::BackupError;

/// Where the keys' own key is.
#[derive(Clone, Debug, Default)]
pub enum KeyServiceSettings {
    /// Nowhere: keys lie plainly in the folder.
    #[default]
    Folder,
    /// The transit engine of OpenBao or Vault, with a key of each tenant's.
    Transit(Box<TransitSettings>),
    /// AWS KMS, with one key for the fleet.
    Kms(Box<KmsSettings>),
}

/// A key of AWS KMS and what lets us use it.
#[derive(Clone)]
pub struct KmsSettings {
    /// Its ARN or its id.
    pub key: String,
    /// Address of a server other than Amazon's (`AWS_ENDPOINT_URL_KMS`).
    pub endpoint: Option<Url>,
    /// Region: of the ARN, or `AWS_REGION`.
    pub region: String,
    /// Access key (`LABOR_KMS_ACCESS_KEY_ID`, else `AWS_ACCESS_KEY_ID`).
    pub access_key: String,
    /// Secret key (`LABOR_KMS_SECRET_ACCESS_KEY`, else `AWS_SECRET_ACCESS_KEY`).
    pub secret_key: String,
    /// Session token (`LABOR_KMS_SESSION_TOKEN`, else `AWS_SESSION_TOKEN`).
    pub session_token: Option<String>,
}

/// A transit engine.
#[derive(Clone, Debug)]
pub struct TransitSettings {
    /// Address of the service (`VAULT_ADDR`).
    pub address: Url,
    /// Where the engine is mounted.
    pub mount: String,
    /// What the name of a tenant's key begins with; a hyphen and the tenant's opaque name follow.
    pub prefix: String,
    /// What lets us in.
    pub token: Token,
    /// Namespace (`VAULT_NAMESPACE`).
    pub namespace: Option<String>,
    /// Certificates of those who may sign for the service (`VAULT_CACERT`), beside those that the system trusts.
    pub certificates: Option<PathBuf>,
}

/// A token of the service.
#[derive(Clone)]
pub enum Token {
    /// This one (`VAULT_TOKEN`).
    Given(String),
    /// What is in this file when it is needed (`VAULT_TOKEN_FILE`): an agent renews it.
    File(PathBuf),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("Given(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl fmt::Debug for KmsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, endpoint, region, .. } = self;
        f.debug_struct("KmsSettings")
            .field("key", key)
            .field("endpoint", endpoint)
            .field("region", region)
            .finish_non_exhaustive()
    }
}

impl KeyServiceSettings {
    /// Reads `folder`, `transit:MOUNT[/PREFIX]` or `aws-kms:KEY`; `variable` gives what else the service needs, by the name of an environment variable.
    ///
    /// # Errors
    /// [`BackupError::Invalid`] says what is wrong or missing.
    pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, BackupError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        match text.split_once(':') {
            None if text == "folder" => Ok(Self::Folder),
            Some(("transit", place)) => TransitSettings::read(place, &variable).map(Box::new).map(Self::Transit),
            Some(("aws-kms", key)) => KmsSettings::read(key, &variable).map(Box::new).map(Self::Kms),
            _ => Err(BackupError::Invalid(format!(
                "LABOR_KEY_SERVICE is {text:?}: it has to be folder, transit:MOUNT[/PREFIX] or aws-kms:KEY"
            ))),
        }
    }
}

impl TransitSettings {
    fn read(place: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, BackupError> {
        let missing = |what: &str| BackupError::Invalid(format!("LABOR_KEY_SERVICE is transit, and {what} is missing"));
        let (mount, prefix) = place.split_once('/').unwrap_or((place, "labor-backup"));
        let simple = |name: &str| {
            let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
            !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
        };
        if !simple(mount) || !simple(prefix) {
            return Err(BackupError::Invalid(format!(
                "LABOR_KEY_SERVICE is transit:{place}: mount and prefix are of letters, digits, '-', '_' and '.'"
            )));
        }
        let token = match (variable("VAULT_TOKEN"), variable("VAULT_TOKEN_FILE")) {
            (_, Some(file)) => Token::File(file.into()),
            (Some(token), None) => Token::Given(token),
            (None, None) => return Err(missing("VAULT_TOKEN or VAULT_TOKEN_FILE")),
        };
        Ok(Self {
            address: address("VAULT_ADDR", &variable("VAULT_ADDR").ok_or_else(|| missing("VAULT_ADDR"))?)?,
            mount: mount.to_owned(),
            prefix: prefix.to_owned(),
            token,
            namespace: variable("VAULT_NAMESPACE"),
            certificates: variable("VAULT_CACERT").map(PathBuf::from),
        })
    }
}

impl KmsSettings {
    fn read(key: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, BackupError> {
        let missing = |what: &str| BackupError::Invalid(format!("LABOR_KEY_SERVICE is aws-kms, and {what} is missing"));
        let allowed = |character: char| character.is_ascii_alphanumeric() || "-_/:".contains(character);
        // An alias can be pointed to another key, which unwraps nothing of what the first one wrapped.
        if key.is_empty() || !key.chars().all(allowed) || key.contains("alias/") {
            return Err(BackupError::Invalid(format!(
                "LABOR_KEY_SERVICE is aws-kms:{key}: name the key by its ARN or its id"
            )));
        }
        // arn:aws:kms:REGION:ACCOUNT:key/ID
        let of_the_arn = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2)).map(str::to_owned);
        let region = of_the_arn.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        let of_its_own = variable("LABOR_KMS_ACCESS_KEY_ID").is_some();
        let credential = |name: &str| variable(&format!("{}{name}", if of_its_own { "LABOR_KMS_" } else { "AWS_" }));
        let endpoint = variable("AWS_ENDPOINT_URL_KMS");
        let endpoint = endpoint.map(|text| address("AWS_ENDPOINT_URL_KMS", &text)).transpose()?;
        let proxies = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
        if endpoint.as_ref().is_some_and(|url| url.scheme() == "http")
            && proxies.iter().any(|name| variable(name).is_some())
        {
            return Err(BackupError::Invalid(
                "AWS_ENDPOINT_URL_KMS is http, and keys would go openly to the proxy of HTTP_PROXY or ALL_PROXY: unset it, or use https"
                    .to_owned(),
            ));
        }
        Ok(Self {
            key: key.to_owned(),
            endpoint,
            region: region.ok_or_else(|| missing("AWS_REGION"))?,
            access_key: credential("ACCESS_KEY_ID")
                .ok_or_else(|| missing("LABOR_KMS_ACCESS_KEY_ID or AWS_ACCESS_KEY_ID"))?,
            secret_key: credential("SECRET_ACCESS_KEY").ok_or_else(|| missing("its SECRET_ACCESS_KEY"))?,
            session_token: credential("SESSION_TOKEN"),
        })
    }
}

/// An address to which secrets can be sent: by TLS, or within this machine.
fn address(name: &str, text: &str) -> Result<Url, BackupError> {
    let url: Url = text.parse().map_err(|error| BackupError::Invalid(format!("{name} is no address: {error}")))?;
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let here = host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BackupError::Invalid(format!(
            "{name} has a user or password in it, which the service does not read"
        )));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(BackupError::Invalid(format!(
            "{name} is {}://{host}: keys are sent by https only; http is for this machine (127.0.0.1)",
            url.scheme()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<KeyServiceSettings, String> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        KeyServiceSettings::read(text, &variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_service_is_read_with_what_belongs_to_it() {
        assert!(matches!(read("folder", &[]), Ok(KeyServiceSettings::Folder)));
        let variables =
            [("VAULT_ADDR", "https://bao.example:8200"), ("VAULT_TOKEN", "s.secret"), ("VAULT_NAMESPACE", "")];
        let Ok(KeyServiceSettings::Transit(read_back)) = read("transit:keys", &variables) else { panic!() };
        assert_eq!((read_back.mount.as_str(), read_back.prefix.as_str()), ("keys", "labor-backup"));
        assert_eq!(read_back.namespace, None);
        assert!(!format!("{read_back:?}").contains("s.secret"));
        let Ok(KeyServiceSettings::Transit(read_back)) = read("transit:keys/praxis", &variables) else { panic!() };
        assert_eq!(read_back.prefix, "praxis");
    }

    #[test]
    fn a_key_of_kms_is_read_with_credentials_of_its_own_or_the_bucket_s() {
        let bucket =
            [("AWS_ACCESS_KEY_ID", "bucket"), ("AWS_SECRET_ACCESS_KEY", "s3cret"), ("AWS_SESSION_TOKEN", "session")];
        let arn = "aws-kms:arn:aws:kms:eu-central-1:123456789012:key/b69ba7e2";
        let Ok(KeyServiceSettings::Kms(kms)) = read(arn, &bucket) else { panic!() };
        assert_eq!((kms.region.as_str(), kms.access_key.as_str()), ("eu-central-1", "bucket"));
        assert_eq!(kms.session_token.as_deref(), Some("session"));
        assert!(!format!("{kms:?}").contains("s3cret"));
        let own = [&bucket[..], &[("LABOR_KMS_ACCESS_KEY_ID", "own"), ("LABOR_KMS_SECRET_ACCESS_KEY", "x")]].concat();
        let Ok(KeyServiceSettings::Kms(kms)) = read(arn, &own) else { panic!() };
        assert_eq!((kms.access_key.as_str(), kms.secret_key.as_str(), kms.session_token), ("own", "x", None));
        assert!(read("aws-kms:b69ba7e2", &bucket).unwrap_err().contains("AWS_REGION"));
        assert!(read("aws-kms:alias/labor", &bucket).unwrap_err().contains("ARN"));
        let local = [&bucket[..], &[("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:5000")]].concat();
        assert!(read(arn, &local).is_ok());
        let proxied = [&local[..], &[("http_proxy", "http://proxy:3128")]].concat();
        assert!(read(arn, &proxied).unwrap_err().contains("proxy"));
        assert!(read("aws-kms:", &bucket).is_err() && read("aws-kms:a b", &bucket).is_err() && read(arn, &[]).is_err());
        let open = [&bucket[..], &[("AWS_ENDPOINT_URL_KMS", "http://192.0.2.1")]].concat();
        assert!(read(arn, &open).unwrap_err().contains("https only"));
    }

    #[test]
    fn what_is_missing_or_would_be_sent_openly_is_refused() {
        let with = |address: &str| read("transit:keys", &[("VAULT_ADDR", address), ("VAULT_TOKEN", "t")]);
        for good in ["http://127.0.0.1:8200", "http://localhost:8200", "http://[::1]:8200", "https://10.0.0.1"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in ["http://10.0.0.1:8200", "http://127.0.0.1.example", "ftp://127.0.0.1", "bao", "https://a:b@bao"] {
            assert!(with(bad).is_err(), "{bad}");
        }
        for bad in ["", "vault", "transit", "transit:", "transit:a/b/c", "transit:../sys", "transit:a/.."] {
            assert!(read(bad, &[("VAULT_ADDR", "https://a"), ("VAULT_TOKEN", "t")]).is_err(), "{bad}");
        }
        assert!(read("transit:keys", &[("VAULT_ADDR", "https://a")]).unwrap_err().contains("VAULT_TOKEN"));
        assert!(read("transit:keys", &[("VAULT_TOKEN", "t")]).unwrap_err().contains("VAULT_ADDR"));
    }
}

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

impl KeyServiceSettings {
    /// Reads `folder` or `transit:MOUNT[/PREFIX]`; `variable` gives what else the service needs, by the name of an environment variable.
    ///
    /// # Errors
    /// [`BackupError::Invalid`] says what is wrong or missing.
    pub fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, BackupError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        match text.split_once(':') {
            None if text == "folder" => Ok(Self::Folder),
            Some(("transit", place)) => TransitSettings::read(place, &variable).map(Box::new).map(Self::Transit),
            _ => Err(BackupError::Invalid(format!(
                "LABOR_KEY_SERVICE is {text:?}: it has to be folder or transit:MOUNT[/PREFIX]"
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

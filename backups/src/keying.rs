//! `keys` on the command line: what lies in the folder, and how it is wrapped anew.
//! Must stay true: one key that fails stops no other, and is told last; nothing secret is printed.

use clap::{Args, Subcommand};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use labor_backup::{Backup, BackupError, KeyEntry, KeyServiceSettings, Rewrapped};
use serde::Serialize;

use crate::output;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Whose keys there are, and what wrapped them. Asks no service.
    List,
    /// Wrap keys by the service that is set, unless they are: after its key was rotated, and to move them to it, or back to the folder.
    Rewrap {
        /// A tenant's opaque name, or control.
        #[arg(required_unless_present = "all")]
        of: Option<String>,
        /// All that are in the folder.
        #[arg(long, conflicts_with = "of")]
        all: bool,
        /// The service that wrapped them, when that is another one than is set (written as LABOR_KEY_SERVICE is). Its settings are
        /// FROM_VAULT_ADDR and so on, all of them; without any, those of the service that is set.
        #[arg(long, value_name = "SERVICE")]
        from: Option<String>,
    },
}

/// One key of several.
#[derive(Serialize)]
struct Line<'a> {
    of: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    outcome: Option<Rewrapped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    match arguments.command {
        Command::List => list(&backup.keys()?, json),
        Command::Rewrap { of, all: _, from } => rewrap(backup, of, from.as_deref(), json).await,
    }
}

fn list(entries: &[KeyEntry], json: bool) -> Result<(), BackupError> {
    if json {
        output::line(serde_json::json!(entries));
    } else {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["of", "service", "key", "version", "public key", "made"]);
        for entry in entries {
            table.add_row([
                entry.of.clone(),
                entry.service.clone().unwrap_or_default(),
                entry.key.clone().unwrap_or_default(),
                entry.version.map(|version| version.to_string()).unwrap_or_default(),
                entry.public_key.clone().unwrap_or_default(),
                entry.made_at.map(|made| made.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
            ]);
        }
        output::line(table);
    }
    let faults: Vec<_> = entries.iter().filter_map(|entry| entry.fault.clone()).collect();
    if faults.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(faults)) }
}

async fn rewrap(backup: &Backup, of: Option<String>, from: Option<&str>, json: bool) -> Result<(), BackupError> {
    let variable = |name: &str| from_variable(name, |name| std::env::var(name).ok());
    let from = from.map(|from| KeyServiceSettings::read(from, &variable)).transpose()?;
    let (single, mut faults) = (of.is_some(), Vec::new());
    for of in of.map_or_else(|| backup.key_owners(), |of| Ok(vec![of]))? {
        let (outcome, error) = match Box::pin(backup.rewrap_key(&of, from.as_ref())).await {
            Ok(outcome) => (Some(outcome), None),
            Err(error) if single || matches!(error, BackupError::Stopped) => return Err(error),
            Err(error) => (None, Some(error.to_string())),
        };
        let text = match &outcome {
            Some(outcome) => format!("{of}: {}", said(outcome)),
            None => format!("{of}: failed"),
        };
        output::say(json, &Line { of: &of, outcome, error: error.clone() }, &text);
        faults.extend(error);
    }
    if faults.is_empty() { Ok(()) } else { Err(BackupError::Incomplete(faults)) }
}

/// What belongs to one service: none of it is taken for another's, least of all a token.
const GROUPS: [&[&str]; 2] = [
    &["VAULT_ADDR", "VAULT_TOKEN", "VAULT_TOKEN_FILE", "VAULT_NAMESPACE", "VAULT_CACERT"],
    &[
        "AWS_ENDPOINT_URL_KMS",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LABOR_KMS_ACCESS_KEY_ID",
        "LABOR_KMS_SECRET_ACCESS_KEY",
        "LABOR_KMS_SESSION_TOKEN",
    ],
];

/// A setting of the other service: when `FROM_…` says anything of its group, all of the group is said so; else both are one.
fn from_variable(name: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let from = |name: &str| variable(&format!("FROM_{name}"));
    let group = GROUPS.iter().find(|group| group.contains(&name));
    let apart = group.is_some_and(|group| group.iter().any(|name| from(name).is_some()));
    if apart { from(name) } else { variable(name) }
}

fn said(outcome: &Rewrapped) -> String {
    let still = |before: &str| {
        format!("; {before} is still in its service, and unwraps whatever copies there are of the old file")
    };
    match outcome {
        Rewrapped::AsItWas => "as it was".to_owned(),
        Rewrapped::Wrapped { key, version, before } => {
            let version = version.map(|version| format!(", version {version}")).unwrap_or_default();
            format!("wrapped by {key}{version}{}", before.as_deref().map(still).unwrap_or_default())
        }
        Rewrapped::Plain { before } => format!("plain in the folder{}", still(before)),
    }
}

#[cfg(test)]
mod tests {
    use super::from_variable;

    #[test]
    fn no_token_goes_to_the_other_service() {
        let here = [("VAULT_ADDR", "here"), ("VAULT_TOKEN_FILE", "file"), ("AWS_ACCESS_KEY_ID", "key")];
        let there = [("FROM_VAULT_ADDR", "there"), ("FROM_VAULT_TOKEN", "token")];
        let both = [&here[..], &there[..]].concat();
        let read = |variables: &[(&str, &str)], name: &str| {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            from_variable(name, variable)
        };
        assert_eq!(read(&here, "VAULT_TOKEN_FILE").as_deref(), Some("file"));
        assert_eq!(read(&both, "VAULT_ADDR").as_deref(), Some("there"));
        assert_eq!(read(&both, "VAULT_TOKEN").as_deref(), Some("token"));
        assert_eq!(read(&both, "VAULT_TOKEN_FILE"), None);
        assert_eq!(read(&both, "AWS_ACCESS_KEY_ID").as_deref(), Some("key"));
    }
}

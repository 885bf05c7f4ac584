//! An identity as a text: the age tool's own file format, so that a backup can be opened without Labor.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use chrono::{DateTime, NaiveDateTime, Utc};

const CREATED: &str = "# created: ";
const TIME: &str = "%Y-%m-%dT%H:%M:%SZ";

/// One that was made just now.
pub(super) fn text(identity: &Identity) -> String {
    format!(
        "{CREATED}{}\n# public key: {}\n{}\n",
        Utc::now().format(TIME),
        identity.to_public(),
        identity.to_string().expose_secret()
    )
}

/// The one identity in it.
pub(super) fn parse(text: &str) -> Result<Identity, String> {
    let mut keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.parse().map_err(|reason| format!("is no age identity: {reason}")),
        _ => Err("must hold exactly one age identity".to_owned()),
    }
}

/// When it was made, if it says so.
pub(super) fn made_at(text: &str) -> Option<DateTime<Utc>> {
    let line = text.lines().find_map(|line| line.strip_prefix(CREATED))?;
    NaiveDateTime::parse_from_str(line.trim(), TIME).ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let identity = Identity::generate();
        let text = text(&identity);
        assert_eq!(parse(&text).unwrap().to_public(), identity.to_public());
        assert!(made_at(&text).is_some_and(|made| Utc::now() - made < chrono::TimeDelta::hours(1)));
        assert!(parse("# nothing\n").is_err() && parse(&format!("{text}{text}")).is_err());
    }
}

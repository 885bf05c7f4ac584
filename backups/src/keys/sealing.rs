//! What making and judging backups takes of a key: the half that is sealed to, and the key of the HMACs.
//!
//! It opens no backup. Whoever steals it could make manifests that this tenant's key seems to have made, if he may write into the bucket
//! as well; whoever writes the folder could name another recipient, which `run` refuses by the newest backup. So the file is the owner's only,
//! like the folder, and is left out when wrapped keys are copied: it is derived again from the key (ADR 0019).

use age::x25519::{Identity, Recipient};

use crate::BackupError;
use crate::mac::MacKey;

/// The half of a key that makes backups.
#[derive(Clone)]
pub(crate) struct SealingKey {
    pub(crate) recipient: Recipient,
    pub(crate) mac: MacKey,
}

impl SealingKey {
    pub(super) fn of(identity: &Identity) -> Result<Self, BackupError> {
        Ok(Self { recipient: identity.to_public(), mac: MacKey::of(identity)? })
    }

    /// As it is kept beside a wrapped key.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}\n", self.recipient, self.mac.to_hex())
    }

    /// None when it is not what was written: it is made again then.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (recipient, mac) = text.trim_end().split_once('\n')?;
        Some(Self { recipient: recipient.parse().ok()?, mac: MacKey::from_hex(mac)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_nothing_else_is() {
        let key = SealingKey::of(&Identity::generate()).unwrap();
        let read = SealingKey::parse(&key.text()).unwrap();
        assert_eq!((read.recipient.to_string(), read.mac.to_hex()), (key.recipient.to_string(), key.mac.to_hex()));
        for altered in ["", "age1\n00", &key.text()[..100], &key.text().replacen('a', "b", 1)] {
            assert!(SealingKey::parse(altered).is_none(), "{altered}");
        }
    }
}

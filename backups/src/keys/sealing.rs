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
        let recipient = self.recipient.to_string();
        format!("{recipient}\n{}\n{}\n", self.mac.to_hex(), self.mac.word_for(&recipient))
    }

    /// None when it is not what was written: it is made again then. The third line tells: a wrong digit in the second would make every later
    /// backup one that no verification believes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (recipient, mac, word) = (lines.next()?, MacKey::from_hex(lines.next()?)?, lines.next()?);
        let whole = lines.next().is_none() && mac.word_for(recipient) == word;
        recipient.parse().ok().filter(|_| whole).map(|recipient| Self { recipient, mac })
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
        let text = key.text();
        for altered in ["", "age1\n00", &text[..100], &text.replacen('a', "b", 1), &format!("{text}x\n")] {
            assert!(SealingKey::parse(altered).is_none(), "{altered}");
        }
        // Every single character of it.
        for at in 0..text.len() - 1 {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'0' { b'1' } else { b'0' };
            assert!(SealingKey::parse(&String::from_utf8(altered).unwrap()).is_none(), "at {at}");
        }
    }
}

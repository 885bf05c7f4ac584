//! Which keys the fleet uses now. The database says it (`control.fleet`), so that all processes change over together.
//! Must stay true: what was derived from a master secret that the fleet has left is refused, also by a process that still holds it.
use labor_catalog::{ClaimKeyId, SecretNumber};

/// The claim key that the fleet signs with, and the one before while it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysInUse {
    pub(crate) current: ClaimKeyId,
    pub(crate) former: Option<ClaimKeyId>,
}

impl KeysInUse {
    /// Both keys.
    #[must_use]
    pub fn new(current: ClaimKeyId, former: Option<ClaimKeyId>) -> Self {
        Self { current, former }
    }

    /// Number of the master secret that new passwords, tokens and signing secrets come from.
    #[must_use]
    pub fn number(self) -> SecretNumber {
        self.current.secret()
    }

    /// Whether to accept what was derived from the master secret of this number. A newer one too: another process may have learnt
    /// of it a moment before us.
    #[must_use]
    pub fn accepts(self, number: SecretNumber) -> bool {
        number >= self.number() || self.former.is_some_and(|former| former.secret() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_the_fleet_has_left_is_not_accepted() {
        let number = |number| SecretNumber::new(number).unwrap();
        let keys = |current, former: Option<i32>| KeysInUse {
            current: ClaimKeyId::new(current).unwrap(),
            former: former.and_then(ClaimKeyId::new),
        };
        let changing = keys(2001, Some(1002));
        assert!(!changing.accepts(number(1)) && changing.accepts(number(2)) && changing.accepts(number(3)));
        assert!(changing.accepts(number(4)), "somebody is ahead of us");
        let changed = keys(2002, Some(2001));
        assert!(!changed.accepts(number(2)) && changed.accepts(number(3)));
    }
}

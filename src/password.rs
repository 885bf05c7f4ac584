//! Passwords: Argon2id with the crate's recommended parameters (19 MiB, two passes).
//! Must stay true: an unknown user costs as much time as a wrong password; only so many checks run at once.
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Hash of nobody's password, checked when there is no such user.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$YWFhYWFhYWFhYWFhYWFhYQ$n1V2wqzqPKxMS8VzHhKzpGQ5PB9pFBV0hTC9AuCJvBo";

/// The password could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// A new hash in PHC format.
///
/// # Errors
/// When the system gives no randomness.
pub(crate) fn hash(password: &str) -> Result<String, HashError> {
    Ok(Argon2::default().hash_password(password.as_bytes()).map_err(|_| HashError)?.to_string())
}

/// Whether the password fits the hash; `None` stands for a user that does not exist.
pub(crate) async fn verify(limit: &Semaphore, password: String, hash: Option<String>) -> bool {
    let Ok(_permit) = limit.acquire().await else { return false };
    let check = move || {
        let known = hash.is_some();
        let text = hash.unwrap_or_else(|| NOBODY.to_owned());
        let fits = PasswordHash::new(&text)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        known && fits
    };
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_is_accepted() {
        let limit = Semaphore::new(1);
        let stored = hash("correct horse").unwrap();
        assert!(verify(&limit, "correct horse".into(), Some(stored.clone())).await);
        assert!(!verify(&limit, "wrong".into(), Some(stored)).await);
        assert!(!verify(&limit, "correct horse".into(), None).await);
        assert!(!verify(&limit, "x".into(), Some("not a hash".into())).await);
    }

    #[test]
    fn the_stand_in_for_unknown_users_costs_as_much_as_a_real_hash() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let real = hash("x").unwrap();
        assert_eq!(parsed.params.to_string(), PasswordHash::new(&real).unwrap().params.to_string());
    }
}

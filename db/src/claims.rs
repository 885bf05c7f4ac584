//! Who a request acts for, and the tokens that carry it.
//! Must stay true: [`Claims`] has no public constructor that takes a tenant and a user's role; they come out of a verified token,
//! out of a successful sign-in, or from a service about itself.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Datelike as _;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};
pub use labor_catalog::claim::TOKEN_LIFE;
use labor_catalog::claim::{CLAIM_LIFE, WORKER_CLAIM_LIFE};
use labor_catalog::{ClaimKey, ClaimRole, SecretNumber, SignedClaim, TenantName};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::DbError;
use crate::keys::KeysInUse;
use crate::secrets::Secrets;
use crate::users::SignedIn;

const ISSUER: &str = "labor";

/// Verified: this tenant, this subject, this role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    tenant: TenantName,
    subject: String,
    role: ClaimRole,
}

impl Claims {
    /// Which tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    /// A user's id, a service's name, or at sign-in the SHA-256 of the user name.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// In which role.
    #[must_use]
    pub fn role(&self) -> ClaimRole {
        self.role
    }

    /// Of the webhook: may store raw messages of this tenant.
    #[must_use]
    pub fn receiver(tenant: TenantName) -> Self {
        Self { tenant, subject: "webhook".to_owned(), role: ClaimRole::Receiver }
    }

    /// Of the worker: may store results of this tenant.
    #[must_use]
    pub fn worker(tenant: TenantName) -> Self {
        Self { tenant, subject: "worker".to_owned(), role: ClaimRole::Worker }
    }

    /// Of an operator at the command line who has messages read again: may store results of this tenant, as the worker does, and every row
    /// says that it was not the worker.
    #[must_use]
    pub fn reparse(tenant: TenantName) -> Self {
        Self { tenant, subject: "reparse".to_owned(), role: ClaimRole::Worker }
    }

    /// Of an operator at the command line: may add users to this tenant.
    #[must_use]
    pub fn operator(tenant: TenantName) -> Self {
        Self { tenant, subject: "operator".to_owned(), role: ClaimRole::Admin }
    }

    /// Before sign-in: may look up the one user with this name.
    #[must_use]
    pub fn sign_in(tenant: TenantName, username: &str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, username.as_bytes());
        Self { tenant, subject: hex::encode(digest), role: ClaimRole::SignIn }
    }

    /// Of a user whose password was found right.
    #[must_use]
    pub fn signed_in(tenant: TenantName, user: &SignedIn) -> Self {
        Self { tenant, subject: user.id().to_string(), role: user.role() }
    }

    pub(crate) fn sign(&self, key: &ClaimKey) -> SignedClaim {
        let life = if self.role == ClaimRole::Worker { WORKER_CLAIM_LIFE } else { CLAIM_LIFE };
        SignedClaim::sign(key, &self.tenant, &self.subject, self.role, life)
    }
}

/// The token was not accepted. Deliberately says no more to the bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is missing, malformed, expired or not genuine")]
pub struct InvalidToken;

#[derive(Serialize, Deserialize)]
struct TokenBody {
    iss: String,
    sub: Uuid,
    tenant: TenantName,
    role: ClaimRole,
    iat: i64,
    exp: i64,
    /// When the password was given: the absolute end of a browser session counts from here.
    auth_time: i64,
}

/// A token's contents after verification.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Who.
    pub claims: Claims,
    /// When the token was issued, Unix seconds.
    pub issued_at: i64,
    /// When the password was given, Unix seconds.
    pub authenticated_at: i64,
}

/// Issues and verifies access tokens (JWT, HS256) as the fleet does at this moment: made anew for each request. A token names its
/// master secret (`kid`; none: number 1), so that one from before a rotation goes on for as long as it lives.
#[derive(Clone)]
pub struct AccessTokens {
    secrets: Secrets,
    in_use: KeysInUse,
    number: SecretNumber,
    encoding: EncodingKey,
    validation: Validation,
}

impl AccessTokens {
    /// With the keys that the fleet uses ([`crate::Control::keys_in_use`]).
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when the master secret file holds none of them.
    pub fn new(secrets: &Secrets, in_use: KeysInUse) -> Result<Self, DbError> {
        let (id, secret) = secrets.signing(in_use)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.leeway = 0;
        let encoding = EncodingKey::from_secret(&secret.token_key());
        Ok(Self { secrets: secrets.clone(), in_use, number: id.secret(), encoding, validation })
    }

    /// A new token for a user; `authenticated_at` is when the password was given (Unix seconds).
    ///
    /// # Errors
    /// When the claims are not a user's: services have no tokens.
    pub fn issue(&self, claims: &Claims, authenticated_at: i64) -> Result<String, InvalidToken> {
        let now = chrono::Utc::now().timestamp();
        let body = TokenBody {
            iss: ISSUER.to_owned(),
            sub: claims.subject.parse().map_err(|_| InvalidToken)?,
            tenant: claims.tenant.clone(),
            role: claims.role,
            iat: now,
            exp: now + TOKEN_LIFE.as_secs().cast_signed(),
            auth_time: authenticated_at,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.number.to_string());
        jsonwebtoken::encode(&header, &body, &self.encoding).map_err(|_| InvalidToken)
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// When it is anything but a genuine, unexpired token of a user.
    pub fn verify(&self, token: &str) -> Result<Verified, InvalidToken> {
        let key = self.key_of(token).ok_or(InvalidToken)?;
        let body = jsonwebtoken::decode::<TokenBody>(token, &key, &self.validation).map_err(|_| InvalidToken)?.claims;
        let role = ClaimRole::of_user(body.role.as_str()).ok_or(InvalidToken)?;
        let claims = Claims { tenant: body.tenant, subject: body.sub.to_string(), role };
        Ok(Verified { claims, issued_at: body.iat, authenticated_at: body.auth_time })
    }

    /// The key that a token says it was signed with, if the fleet accepts that one.
    fn key_of(&self, token: &str) -> Option<DecodingKey> {
        let number = match decode_header(token).ok()?.kid {
            None => SecretNumber::FIRST,
            Some(kid) => SecretNumber::new(kid.parse().ok()?)?,
        };
        let secret = self.in_use.accepts(number).then(|| self.secrets.get(number))??;
        Some(DecodingKey::from_secret(&secret.token_key()))
    }
}

/// A place in a list, opaque to clients. It holds no tenant because it is only a position: whatever it says, the list is the
/// session's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row shown.
    pub at: chrono::DateTime<chrono::Utc>,
    /// Id of the last row shown.
    pub id: Uuid,
}

impl Cursor {
    /// As text for a URL.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = self.at.timestamp_micros().to_be_bytes().to_vec();
        bytes.extend_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// From text; `None` when it is not a cursor.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (time, id) = bytes.split_at_checked(8)?;
        let at = chrono::DateTime::from_timestamp_micros(i64::from_be_bytes(time.try_into().ok()?))?;
        // What PostgreSQL can't hold was not made here.
        (1..9999).contains(&at.year()).then_some(Self { at, id: Uuid::from_slice(id).ok()? })
    }
}

#[cfg(test)]
mod tests {
    use labor_catalog::{ClaimKeyId, Keyring, MasterSecret};

    use super::*;

    /// A fleet whose only secret, or secrets 1 and 2, are these.
    fn tokens(secrets: &Secrets, current: i32, former: Option<i32>) -> AccessTokens {
        let id = |id| ClaimKeyId::new(id).unwrap();
        AccessTokens::new(secrets, KeysInUse { current: id(current), former: former.map(id) }).unwrap()
    }

    fn alone(byte: &str) -> AccessTokens {
        tokens(&MasterSecret::from_hex(&byte.repeat(32)).unwrap().into(), 1, None)
    }

    fn doctor() -> Claims {
        Claims {
            tenant: TenantName::from_random([7; 12]),
            subject: Uuid::now_v7().to_string(),
            role: ClaimRole::Doctor,
        }
    }

    #[test]
    fn a_token_carries_tenant_user_and_role() {
        let tokens = alone("5a");
        let claims = doctor();
        assert_eq!(tokens.verify(&tokens.issue(&claims, 0).unwrap()).unwrap().claims, claims);
    }

    #[test]
    fn a_token_of_another_installation_or_with_an_edited_body_is_refused() {
        let tokens = alone("5a");
        let token = tokens.issue(&doctor(), 0).unwrap();
        let other = alone("5b");
        assert!(other.verify(&token).is_err());
        let parts: Vec<_> = token.split('.').collect();
        let body = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap().replace("doctor", "admin");
        assert!(tokens.verify(&format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(body), parts[2])).is_err());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        assert!(tokens.verify(&format!("{none}.{}.", parts[1])).is_err());
    }

    #[test]
    fn a_token_names_its_secret_and_is_good_while_the_fleet_accepts_that_one() {
        let ring = Keyring::parse(&format!("{}\n2:{}", "5a".repeat(32), "5b".repeat(32))).unwrap();
        let secrets = Secrets::from(ring);
        let old = alone("5a").issue(&doctor(), 0).unwrap();
        let new = tokens(&secrets, 1001, Some(1)).issue(&doctor(), 0).unwrap();
        assert_eq!(decode_header(&old).unwrap().kid.as_deref(), Some("1"));
        assert_eq!(decode_header(&new).unwrap().kid.as_deref(), Some("2"));
        for (current, former, goes_on) in
            [(1, None, true), (1001, Some(1), true), (1001, None, false), (1002, Some(1001), false)]
        {
            let fleet = tokens(&secrets, current, former);
            assert!(fleet.verify(&new).is_ok(), "{current} {former:?}");
            assert_eq!(fleet.verify(&old).is_ok(), goes_on, "{current} {former:?}");
        }
        assert!(alone("5a").verify(&new).is_err(), "whoever lacks the secret");
    }

    #[test]
    fn a_token_without_a_number_is_of_the_first_secret_and_a_wrong_number_opens_nothing() {
        let (fleet, claims) = (alone("5a"), doctor());
        let key = EncodingKey::from_secret(&MasterSecret::from_hex(&"5a".repeat(32)).unwrap().token_key());
        let body = TokenBody {
            iss: ISSUER.to_owned(),
            sub: claims.subject.parse().unwrap(),
            tenant: claims.tenant.clone(),
            role: claims.role,
            iat: 0,
            exp: chrono::Utc::now().timestamp() + 60,
            auth_time: 0,
        };
        for (kid, good) in [(None, true), (Some("1"), true), (Some("2"), false), (Some("0"), false), (Some("x"), false)]
        {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = kid.map(str::to_owned);
            let token = jsonwebtoken::encode(&header, &body, &key).unwrap();
            assert_eq!(fleet.verify(&token).is_ok(), good, "{kid:?}");
        }
    }

    #[test]
    fn services_get_no_token() {
        assert!(alone("5a").issue(&Claims::worker(TenantName::from_random([7; 12])), 0).is_err());
    }

    #[test]
    fn a_cursor_survives_the_way_through_a_url() {
        let at = chrono::DateTime::from_timestamp_micros(1_790_000_000_123_456).unwrap();
        let cursor = Cursor { at, id: Uuid::now_v7() };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        assert_eq!(Cursor::decode("nonsense"), None);
        assert_eq!(Cursor::decode(""), None);
    }
}

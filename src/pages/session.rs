//! The browser's session: an access token in a cookie, renewed while somebody works, over at last after a working day.
//! Must stay true: scripts and other sites never get the cookie; a renewed token keeps the time of the password; the pages
//! accept what [`labor_db::AccessTokens`] verifies and nothing else.
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, HeaderMap};
use axum::http::request::Parts;
use labor_db::claims::Verified;
use labor_db::{Claims, users};
use uuid::Uuid;

use super::error::PageError;
use crate::App;
use crate::problem::Problem;
use crate::request::{RequestId, Who};

/// A token older than this is replaced by a new one.
const RENEWED_AFTER: i64 = 5 * 60;
/// So long after the password was given a session ends, whatever happened in between.
const LONGEST: i64 = 8 * 60 * 60;

/// How the cookie is called and sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionCookie {
    secure: bool,
}

impl SessionCookie {
    pub(crate) fn new(secure: bool) -> Self {
        Self { secure }
    }

    /// `__Host-` makes browsers refuse the cookie unless it is Secure, for this host only and for all paths.
    fn name(self) -> &'static str {
        if self.secure { "__Host-labor" } else { "labor" }
    }

    fn attributes(self) -> &'static str {
        if self.secure { "Path=/; HttpOnly; SameSite=Strict; Secure" } else { "Path=/; HttpOnly; SameSite=Strict" }
    }

    /// Without Max-Age: the cookie ends with the browser, the token in it earlier.
    fn holding(self, token: &str) -> String {
        format!("{}={token}; {}", self.name(), self.attributes())
    }

    fn cleared(self) -> String {
        format!("{}=; {}; Max-Age=0", self.name(), self.attributes())
    }

    fn read(self, headers: &HeaderMap) -> Option<&str> {
        let pairs =
            headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, _)| *name == self.name())
            .map(|(_, token)| token)
    }
}

/// What becomes of a token that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Renewed,
    Over,
}

fn age(verified: &Verified, now: i64) -> Age {
    if now - verified.authenticated_at >= LONGEST {
        Age::Over
    } else if now - verified.issued_at >= RENEWED_AFTER {
        Age::Renewed
    } else {
        Age::Fresh
    }
}

/// What the cookie says.
pub(crate) enum Found {
    /// There is none.
    Nobody,
    /// It was good once, or never.
    Ended,
    /// Somebody is signed in.
    User(Verified),
}

/// One request's session: reads the cookie, remembers the one to be set with the answer.
#[derive(Clone)]
pub(crate) struct Session {
    cookie: SessionCookie,
    set: Arc<OnceLock<String>>,
}

impl Session {
    pub(crate) fn new(cookie: SessionCookie) -> Self {
        Self { cookie, set: Arc::default() }
    }

    /// Who is signed in.
    pub(crate) async fn find(&self, headers: &HeaderMap, app: &App) -> Result<Found, PageError> {
        let Some(token) = self.cookie.read(headers) else { return Ok(Found::Nobody) };
        Ok(match app.tokens().await?.verify(token) {
            Ok(verified) if age(&verified, chrono::Utc::now().timestamp()) != Age::Over => Found::User(verified),
            _ => Found::Ended,
        })
    }

    /// Replaces a token that is getting old, for a user who is still active in the same role; another is signed out.
    async fn renew(&self, app: &App, verified: &Verified, request_id: Uuid) -> Result<(), PageError> {
        let mut session = app.session(&verified.claims, request_id).await.map_err(Problem::from)?;
        if !users::is_still(&mut session).await.map_err(Problem::from)? {
            self.end();
            return Err(PageError::SignIn);
        }
        if let Ok(token) = app.tokens().await?.issue(&verified.claims, verified.authenticated_at) {
            self.start(&token);
        }
        Ok(())
    }

    /// From the answer on the browser holds this token.
    pub(crate) fn start(&self, token: &str) {
        let _ = self.set.set(self.cookie.holding(token));
    }

    /// From the answer on the browser holds none.
    pub(crate) fn end(&self) {
        let _ = self.set.set(self.cookie.cleared());
    }

    pub(crate) fn cookie_to_set(&self) -> Option<HeaderValue> {
        self.set.get().and_then(|text| HeaderValue::from_str(text).ok())
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, PageError> {
        parts.extensions.get::<Self>().cloned().ok_or(PageError::SignIn)
    }
}

/// The claims of whoever is signed in; anybody else is led to the sign-in.
pub(crate) struct SignedIn(pub(crate) Claims);

impl FromRequestParts<App> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let session = Session::from_request_parts(parts, app).await?;
        let Found::User(verified) = session.find(&parts.headers, app).await? else { return Err(PageError::SignIn) };
        if let Some(who) = parts.extensions.get::<Who>() {
            who.is(&verified.claims);
        }
        if age(&verified, chrono::Utc::now().timestamp()) == Age::Renewed {
            let id = parts.extensions.get::<RequestId>().map_or_else(Uuid::now_v7, |id| id.0);
            session.renew(app, &verified, id).await?;
        }
        Ok(Self(verified.claims))
    }
}

#[cfg(test)]
mod tests {
    use labor_db::TenantName;

    use super::*;

    fn headers(cookie: &'static str) -> HeaderMap {
        [(COOKIE, HeaderValue::from_static(cookie))].into_iter().collect()
    }

    fn verified(issued_at: i64, authenticated_at: i64) -> Verified {
        Verified { claims: Claims::worker(TenantName::from_random([7; 12])), issued_at, authenticated_at }
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_the_host() {
        let cookie = SessionCookie::new(true);
        assert_eq!(cookie.holding("a.b.c"), "__Host-labor=a.b.c; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(cookie.cleared(), "__Host-labor=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0");
    }

    #[test]
    fn without_https_the_cookie_has_another_name() {
        assert_eq!(SessionCookie::new(false).holding("a.b.c"), "labor=a.b.c; Path=/; HttpOnly; SameSite=Strict");
        assert_eq!(SessionCookie::new(true).read(&headers("labor=a.b.c")), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let cookie = SessionCookie::new(false);
        assert_eq!(cookie.read(&headers("theme=dark; labor=a.b.c; x=1")), Some("a.b.c"));
        assert_eq!(cookie.read(&headers("notlabor=a.b.c")), None);
        assert_eq!(cookie.read(&HeaderMap::new()), None);
    }

    #[test]
    fn a_session_is_renewed_while_somebody_works_and_ends_after_eight_hours() {
        assert_eq!(age(&verified(1000, 1000), 1000 + 299), Age::Fresh);
        assert_eq!(age(&verified(1000, 1000), 1000 + 300), Age::Renewed);
        assert_eq!(age(&verified(1000 + LONGEST - 10, 1000), 1000 + LONGEST - 1), Age::Fresh);
        assert_eq!(age(&verified(1000 + LONGEST - 10, 1000), 1000 + LONGEST), Age::Over);
    }
}

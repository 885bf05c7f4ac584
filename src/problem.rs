//! Errors as RFC 9457 problem documents. The one place where an error becomes an answer, and where it is logged.
//! Must stay true: a problem says what happened and what to do, never what a patient's record holds; another tenant's object and
//! an object that does not exist give the same answer.
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use labor_db::{DbError, InvalidToken};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// A URI that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    kind: String,
    /// The kind in words.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What happened here and what to do.
    detail: String,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, name: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request can't be read", detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such thing",
            "Nothing here has this address, or not for this practice.",
        )
    }

    pub(crate) fn unauthorised(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "Not signed in", detail)
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The kind of problem, without the address.
    pub(crate) fn name(&self) -> &str {
        self.kind.trim_start_matches("/problems/")
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Also says after how many seconds to try again.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available right now",
            "The database can't be reached or is busy. Nothing was lost, and sending again does no harm; try again in a few seconds.",
        )
        .retry_after(2)
    }

    fn other_version() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "other-version",
            "Not available right now",
            "The practice's database is being brought to another version. Nothing was lost or changed; try again in a minute.",
        )
        .retry_after(30)
    }

    fn unsound() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-isolated",
            "Not available right now",
            "A check found that the practice's data is not kept apart as it should be, so nobody is served until that is mended. Nothing was \
             lost; the operators know. What is urgent ask the laboratory for by telephone.",
        )
        .retry_after(60)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // Names what is missing where a 401 must. The engine knows no such scheme and takes the 401 as it is.
        let scheme = match self.kind.as_str() {
            "/problems/unauthorised" => Some("Bearer"),
            "/problems/sender-refused" => Some("Labor-Signature"),
            _ => None,
        };
        if let Some(scheme) = scheme {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if self.kind == "/problems/https-only" {
            headers.insert(header::UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
        }
        if self.kind == "/problems/encoding" {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if let DbError::OtherVersion(_) = error {
            tracing::warn!(%error, "practice not served");
            return Self::other_version();
        }
        if let DbError::Unsound = error {
            tracing::error!(%error, "practice not served");
            return Self::unsound();
        }
        if error.is_transient() {
            tracing::warn!(%error, "database unavailable");
            return Self::unavailable();
        }
        if let DbError::Refused(_) = error {
            tracing::warn!(%error, "database refused access");
            return Self::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                "Not allowed",
                "This practice is not served at the moment, or the role may not do this. Ask the practice's administrator.",
            );
        }
        tracing::error!(%error, "database error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong here",
            "The fault was logged under the X-Request-Id of this answer; give it to the operators.",
        )
    }
}

impl From<InvalidToken> for Problem {
    fn from(error: InvalidToken) -> Self {
        Self::unauthorised(format!("{error}; sign in again with POST /v1/sign-in"))
    }
}

//! What a request brings along: its id, who sends it and from where. Also the access log.
//! Must stay true: one line per request with method, route, status, duration, address, tenant, user and request id; never the path's
//! parameters, the query or the body.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use labor_db::Claims;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::problem::Problem;
use crate::{App, body};

/// Senders give up after 30 s and send again; an answer after that reaches nobody.
const LONGEST_REQUEST: Duration = Duration::from_secs(25);
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request's id, made here; also in the answer, in audit rows and in log lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(pub(crate) Uuid);

/// Who signed in, filled in by whoever finds out, read by the access log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who(Arc<OnceLock<Claims>>);

impl Who {
    pub(crate) fn is(&self, claims: &Claims) {
        // Found out twice in one request it is the same answer.
        let _ = self.0.set(claims.clone());
    }
}

/// Gives the request an id, finds out from where it comes, and writes the access log.
pub(crate) async fn trace(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let (id, who, started) = (Uuid::now_v7(), Who::default(), Instant::now());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(RequestId(id));
    request.extensions_mut().insert(who.clone());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let caller = app.edge.caller(peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), request.headers());
    request.extensions_mut().insert(caller);
    let address = caller.address().map_or_else(|| "-".to_owned(), |address| address.to_string());
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = match app.edge.refuse_plain(&caller, request.uri().path()) {
        Err(problem) => {
            let (parts, body) = request.into_parts();
            body::discard(&parts.headers, &mut body.into_data_stream()).await;
            problem.into_response()
        }
        Ok(()) => {
            let answered = tokio::time::timeout(LONGEST_REQUEST, next.run(request)).instrument(span).await;
            answered.unwrap_or_else(|_| Problem::unavailable().into_response())
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    let (tenant, user) = who.0.get().map_or(("-", "-"), |claims| (claims.tenant().as_str(), claims.subject()));
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(request_id = %id, %method, route, status = response.status().as_u16(), milliseconds, address, tenant, user, "request");
    response
}

/// The claims of a genuine `Authorization: Bearer` token.
pub(crate) struct Bearer(pub(crate) Claims);

impl FromRequestParts<App> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|v| v.strip_prefix("Bearer ").or_else(|| v.strip_prefix("bearer ")));
        let token = token
            .ok_or_else(|| Problem::unauthorised("send Authorization: Bearer with a token from POST /v1/sign-in"))?;
        let claims = app.tokens().await?.verify(token.trim())?.claims;
        if let Some(who) = parts.extensions.get::<Who>() {
            who.is(&claims);
        }
        Ok(Self(claims))
    }
}

impl FromRequestParts<App> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_else(|| Self(Uuid::now_v7())))
    }
}

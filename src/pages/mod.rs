//! Pages for people, rendered here, without JavaScript.
//! Must stay true: a page shows what was sent, unchanged; no address or title holds patient data; what changes something is a
//! POST from our own pages; an error is a page as well.
mod alerts;
mod assets;
mod dates;
mod error;
mod inbox;
mod matching;
mod origin;
mod report;
mod session;
mod sign_in;
mod wording;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use uuid::Uuid;

use crate::App;
use crate::request::RequestId;
use error::PageError;
use session::{Session, SessionCookie, SignedIn};

/// The pages' route table.
pub(crate) fn routes(secure_cookies: bool) -> Router<App> {
    Router::new()
        .route("/", get(home))
        .route("/sign-in", get(sign_in::form).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/inbox", get(inbox::show))
        .route("/inbox/{id}", get(report::show))
        .route("/inbox/{id}/acknowledgement", post(report::acknowledge))
        .route("/inbox/{id}/match", get(matching::show).post(matching::decide))
        .route("/inbox/{id}/match/search", post(matching::search))
        .route("/inbox/{id}/unmatch", post(matching::unmatch))
        .route("/inbox/{id}/release", post(report::release))
        .route("/inbox/{id}/withdraw", post(report::withdraw))
        .route("/alerts", get(alerts::show))
        .route("/alerts/{id}/outcome", post(alerts::note))
        .route("/notices/{id}/read", post(inbox::notice_read))
        .route("/assets/{name}", get(assets::serve))
        .method_not_allowed_fallback(async || PageError::wrong_method())
        .route_layer(middleware::from_fn_with_state(SessionCookie::new(secure_cookies), around))
}

/// Whether a browser's form sends this.
fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

async fn home(_: SignedIn) -> Redirect {
    Redirect::to("/inbox")
}

/// What all pages share: POSTs come from our own pages, sessions are renewed, errors are shown as pages.
async fn around(State(cookie): State<SessionCookie>, mut request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or_else(Uuid::now_v7, |id| id.0);
    let session = Session::new(cookie);
    request.extensions_mut().insert(session.clone());
    let address = (request.method() == Method::GET).then(|| request.uri().to_string());
    let answer = if request.method() == Method::POST && !origin::is_ours(request.headers(), request.uri()) {
        PageError::elsewhere().into_response()
    } else if request.method() == Method::POST && !is_form(request.headers()) {
        // What a page answers to a form may be a redirect: only forms shall get one.
        PageError::bad_link().into_response()
    } else {
        next.run(request).await
    };
    let mut answer = error::shown(answer, id, address.as_deref());
    if let Some(cookie) = session.cookie_to_set() {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    // With `no-referrer`, browsers send `Origin: null` even with our own forms.
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    answer
}

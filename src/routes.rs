//! The route table. Everything that can be called over HTTP stands on this screen.
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Security;
use crate::problem::Problem;
use crate::{App, api, body, pages, request};

/// Description of the API; paths are added by the routes themselves.
#[derive(OpenApi)]
#[openapi(info(
    title = "Labor",
    description = "Laboratory results for medical practices. Errors are RFC 9457 problem documents.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
), modifiers(&Security))]
struct Description;

fn api_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(api::sign_in::sign_in))
        .routes(routes!(api::reports::list))
        .routes(routes!(api::reports::get))
        .routes(routes!(api::acknowledgements::acknowledge))
        .routes(routes!(api::matching::candidates))
        .routes(routes!(api::matching::decide))
        .routes(routes!(api::matching::unmatch))
        .routes(routes!(api::matching::search))
        .routes(routes!(api::releases::release))
        .routes(routes!(api::releases::withdraw))
        .routes(routes!(api::releases::name_doctor))
        .routes(routes!(api::alerts::list))
        .routes(routes!(api::alerts::report))
        .routes(routes!(api::alerts::waiting))
        .routes(routes!(api::alerts::get))
        .routes(routes!(api::alerts::note))
        .routes(routes!(api::critical_limits::list, api::critical_limits::add))
        .routes(routes!(api::critical_limits::end))
        .routes(routes!(api::critical_limits::ladder, api::critical_limits::replace_ladder))
        .routes(routes!(api::notices::list))
        .routes(routes!(api::notices::read))
        .routes(routes!(api::patients::observations))
        .routes(routes!(api::messages::receive))
        .routes(routes!(api::self_test::test))
        .routes(routes!(api::set_aside::list))
        .routes(routes!(api::set_aside::replay))
        .routes(routes!(api::set_aside::discard))
        .routes(routes!(api::health::live))
        .routes(routes!(api::health::ready))
}

/// The API's description (OpenAPI 3.1).
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    api_routes().to_openapi()
}

/// Everything that is served.
pub(crate) fn router(app: App, secure_cookies: bool) -> Router {
    let (api, description) = api_routes().split_for_parts();
    let never_stored =
        SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Router::new()
        .merge(api)
        .route("/openapi.json", get(|| async move { axum::Json(description) }))
        .merge(pages::routes(secure_cookies))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method", "See /openapi.json for what this address takes; the webhook takes POST.")
        })
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn(astray))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), request::trace))
        .layer(never_stored)
        .layer(constant(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(constant(header::X_FRAME_OPTIONS, "DENY"))
        .layer(constant(header::REFERRER_POLICY, "no-referrer"))
        .layer(constant(header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"))
        .with_state(app)
}

/// A laboratory's message at any other address than the webhook's: whatever the page there would answer, also a redirect, the engine
/// could take it for success and lose the result.
async fn astray(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let signed = headers.contains_key("x-labor-source") || headers.contains_key("x-labor-signature");
    let webhook = matches!(request.uri().path(), "/v1/messages" | "/v1/messages/self-test");
    if !signed || webhook {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, &mut body.into_data_stream()).await;
    let detail = "Messages of laboratories are taken at /v1/messages; this one was not stored. Mend the URL.";
    Problem::new(StatusCode::NOT_FOUND, "not-the-webhook", "This is not the webhook", detail).into_response()
}

fn constant(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// The panic's text may hold anything, so it goes nowhere.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something went wrong here",
        "The fault was logged under the X-Request-Id of this answer; give it to the operators.",
    )
    .into_response()
}

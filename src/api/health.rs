//! Whether this process lives, and whether it can do its work.
use axum::extract::State;
use axum::http::StatusCode;

use crate::App;
use crate::problem::Problem;

/// The process answers. Says nothing about the database, so that a restart is not tried when the database is down.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "The process answers")))]
pub(crate) async fn live() -> StatusCode {
    StatusCode::OK
}

/// The process can serve requests: the control database answers.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 200, description = "Ready for requests"),
    (status = 503, description = "The database can't be reached", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn ready(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.control.ping().await?;
    Ok(StatusCode::OK)
}

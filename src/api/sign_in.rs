//! Sign-in of a user of a practice.
//! Must stay true: practice unknown, user unknown and password wrong give the same answer after the same work.
use axum::Json;
use axum::extract::State;
use labor_db::claims::TOKEN_LIFE;
use labor_db::{Claims, users};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::problem::Problem;
use crate::request::{RequestId, Who};
use crate::{App, password};

/// Who wants in.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Credentials {
    /// Sign-in name of the practice.
    #[schema(example = "praxis-mustermann")]
    pub(crate) practice: String,
    /// User name within the practice.
    #[schema(example = "dr.mustermann")]
    pub(crate) username: String,
    /// Password.
    pub(crate) password: String,
}

/// A new access token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    /// For `Authorization: Bearer`.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// Seconds until it expires.
    pub(crate) expires_in: u64,
}

/// Sign in to a practice.
#[utoipa::path(post, path = "/v1/sign-in", tag = "sign-in", request_body = Credentials, responses(
    (status = 200, description = "Signed in", body = Token),
    (status = 401, description = "Not accepted", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Try again later", body = Problem, content_type = "application/problem+json")
))]
pub(crate) async fn sign_in(
    State(app): State<App>,
    RequestId(request_id): RequestId,
    axum::Extension(who): axum::Extension<Who>,
    body: Result<Json<Credentials>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Token>, Problem> {
    let Json(credentials) = body.map_err(|_| Problem::bad_request("send JSON with practice, username and password"))?;
    let claims = authenticate(&app, credentials, request_id).await?;
    who.is(&claims);
    let access_token = app.tokens().await?.issue(&claims, chrono::Utc::now().timestamp())?;
    Ok(Json(Token { access_token, token_type: "Bearer", expires_in: TOKEN_LIFE.as_secs() }))
}

/// Claims of the user whose credentials are right.
pub(crate) async fn authenticate(app: &App, credentials: Credentials, request_id: Uuid) -> Result<Claims, Problem> {
    let refused = || Problem::unauthorised("practice, user name or password is not right");
    // PostgreSQL's text holds no NUL; no name does.
    if credentials.username.contains('\0') || credentials.practice.contains('\0') {
        return Err(refused());
    }
    let username = credentials.username.trim().to_lowercase();
    // An unknown practice is asked like a known one, in the intake, where nobody is a user.
    let tenant = match app.control.practice(credentials.practice.trim()).await? {
        Some(tenant) => tenant,
        None => app.control.intake().await?,
    };
    let claims = Claims::sign_in(tenant.clone(), &username);
    let candidate = users::find(&mut app.session(&claims, request_id).await?, &username).await?;
    // No connection is held while the password is checked.
    let hash = candidate.as_ref().map(|c| c.password_hash().to_owned());
    let right = password::verify(&app.password_checks, credentials.password, hash).await;
    let user = users::finish(&mut app.session(&claims, request_id).await?, candidate, right).await?;
    user.map(|user| Claims::signed_in(tenant, &user)).ok_or_else(refused)
}

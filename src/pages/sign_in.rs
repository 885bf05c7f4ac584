//! Signing in and out.
//! Must stay true: what was wrong is not said, and the password never comes back.
use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::assets;
use super::error::{PageError, page_with};
use super::session::{Found, Session};
use crate::App;
use crate::api::sign_in::{Credentials, authenticate};
use crate::request::{RequestId, Who};

#[derive(Template, Default)]
#[template(path = "sign_in.html")]
struct SignInPage {
    practice: String,
    username: String,
    refused: bool,
    ended: bool,
}

/// The form. Who still holds a token that is no longer good is told that the session has ended.
pub(crate) async fn form(State(app): State<App>, session: Session, headers: HeaderMap) -> Result<Response, PageError> {
    let ended = match session.find(&headers, &app).await? {
        Found::User(_) => return Ok(Redirect::to("/inbox").into_response()),
        Found::Ended => true,
        Found::Nobody => false,
    };
    if ended {
        session.end();
    }
    Ok(page_with(StatusCode::OK, &SignInPage { ended, ..SignInPage::default() }))
}

/// The form, sent.
pub(crate) async fn submit(
    State(app): State<App>,
    RequestId(request_id): RequestId,
    session: Session,
    axum::Extension(who): axum::Extension<Who>,
    credentials: Result<Form<Credentials>, FormRejection>,
) -> Result<Response, PageError> {
    let Form(credentials) = credentials.map_err(|_| PageError::bad_link())?;
    let (practice, username) = (credentials.practice.clone(), credentials.username.clone());
    let claims = match authenticate(&app, credentials, request_id).await {
        Ok(claims) => claims,
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            let page = SignInPage { practice, username, refused: true, ended: false };
            return Ok(page_with(StatusCode::UNAUTHORIZED, &page));
        }
        Err(problem) => return Err(problem.into()),
    };
    who.is(&claims);
    let tokens = app.tokens().await?;
    let token = tokens.issue(&claims, chrono::Utc::now().timestamp()).map_err(|_| PageError::SignIn)?;
    session.start(&token);
    Ok(Redirect::to("/inbox").into_response())
}

/// Ends the session in this browser.
pub(crate) async fn sign_out(session: Session) -> Redirect {
    session.end();
    Redirect::to("/sign-in")
}

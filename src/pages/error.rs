//! Errors as pages.
//! Must stay true: what the API would answer with a problem document gets the same status here, in words for people; a report of
//! another practice and one that does not exist give the same page.
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use labor_db::DbError;
use uuid::Uuid;

use super::assets;
use crate::problem::Problem;

/// Why a page can't be shown.
#[derive(Debug, Clone)]
pub(crate) enum PageError {
    /// Nobody is signed in.
    SignIn,
    /// Anything else.
    Problem(Problem),
}

impl PageError {
    pub(crate) fn not_found() -> Self {
        Self::Problem(Problem::not_found())
    }

    pub(crate) fn bad_link() -> Self {
        Self::Problem(Problem::bad_request(
            "The link or form is incomplete or was changed on its way. Start again from the inbox.",
        ))
    }

    pub(crate) fn elsewhere() -> Self {
        let detail =
            "The form was not sent from one of Labor's own pages, so nothing was done. Open Labor anew and try again.";
        Self::Problem(Problem::new(StatusCode::FORBIDDEN, "origin", "Not from this page", detail))
    }

    pub(crate) fn wrong_method() -> Self {
        let detail = "This address only takes what one of Labor's own forms sends. Start again from the inbox.";
        Self::Problem(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not this way", detail))
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> Self {
        Self::Problem(error.into())
    }
}

/// Travels with the answer until [`shown`] makes a page of it.
#[derive(Clone)]
struct Unshown(Problem);

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn => Redirect::to("/sign-in").into_response(),
            Self::Problem(problem) => {
                let mut response = problem.status().into_response();
                response.extensions_mut().insert(Unshown(problem));
                response
            }
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    heading: &'static str,
    detail: &'a str,
    /// What to give to the operators, when it is them who can help.
    reference: Option<String>,
    retry: Option<&'a str>,
    sign_out: bool,
}

/// The answer itself, or the page for the error in it. `address` is where a GET went, to be tried again.
pub(crate) fn shown(answer: Response, request_id: Uuid, address: Option<&str>) -> Response {
    let Some(Unshown(problem)) = answer.extensions().get::<Unshown>() else { return answer };
    let status = problem.status();
    let ours = status == StatusCode::INTERNAL_SERVER_ERROR;
    let detail = if ours {
        "It is not your fault, and nothing was lost. If it stays like this, tell the operators the reference below."
    } else {
        problem.detail()
    };
    let page = ErrorPage {
        heading: heading(status),
        detail,
        reference: ours.then(|| request_id.to_string()),
        retry: (status.is_server_error()).then(|| address.unwrap_or("/")),
        sign_out: status == StatusCode::FORBIDDEN,
    };
    let mut response = page_with(status, &page);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

fn heading(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "This can’t be read",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::METHOD_NOT_ALLOWED => "Not this way",
        StatusCode::CONFLICT => "Not as things are now",
        StatusCode::SERVICE_UNAVAILABLE => "Not available right now",
        _ => "Something went wrong here",
    }
}

/// Renders a page. Templates only write to memory; should that fail all the same, an empty page says so with its status.
pub(crate) fn page_with(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page can't be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

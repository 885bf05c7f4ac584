//! API, pages, webhook and workers of Labor. Thin: authorise, bind, one call into `labor-db`, answer.
//! Must stay true: nothing here can name a database driver; no log line, error or URL holds patient data.
pub mod admin;
pub mod api;
pub mod app;
mod body;
mod caller;
pub mod compliance;
pub mod hardening;
pub mod metrics;
mod password;
mod problem;
pub mod queue;
pub mod reparse;
mod request;
mod routes;
pub mod serve;
pub mod settings;
mod signature;
pub mod worker;

mod pages;

pub use app::App;
pub use routes::openapi;

//! Figures for a Prometheus server, on an address of their own.
//! Must stay true: nothing is served unless an address is set; it is never one of the addresses that practices and laboratories reach;
//! no figure names a practice or a person.
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What Prometheus and its relatives read (OpenMetrics).
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The listener. Dropped, it ends.
#[derive(Debug)]
pub struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves `GET /metrics` until the result is dropped; does nothing when no address is set.
///
/// # Errors
/// When the address can't be listened at.
pub async fn listen(address: Option<SocketAddr>, metrics: Arc<Registry>) -> std::io::Result<Option<Listening>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let router = Router::new().route("/metrics", get(async move || answer(&metrics)));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(Some(Listening(serving)))
}

fn answer(metrics: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, metrics) {
        Ok(()) => ([(header::CONTENT_TYPE, HeaderValue::from_static(TEXT))], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

//! Figures for a Prometheus server, on an address of their own.
//! Must stay true: nothing is served unless an address is set; it is never one of the addresses that practices and laboratories reach;
//! no figure names a practice or a person.
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use labor_db::queue::{Queue, QueueState};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::App;

/// What Prometheus and its relatives read (OpenMetrics).
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// For so long the figures of the pools wait for those of the queue.
const PATIENCE: Duration = Duration::from_secs(1);

/// What this process did with critical values. How many are open stands in each practice and is asked of none.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertCounters {
    /// Raised by a worker.
    pub(crate) raised: Counter,
    /// Passed on by a worker because a time limit was over.
    pub(crate) escalated: Counter,
    /// Given up by a worker after a day.
    pub(crate) unanswered: Counter,
    /// Confirmed through API or pages.
    pub(crate) confirmed: Counter,
}

impl AlertCounters {
    pub(crate) fn register(&self, metrics: &mut Registry) {
        let alerts = metrics.sub_registry_with_prefix("labor_alerts");
        for (name, help, counter) in [
            ("raised", "Alerts that this process raised", &self.raised),
            ("escalated", "Alerts that this process passed on because a time limit was over", &self.escalated),
            ("unanswered", "Alerts that nobody saw to in a day", &self.unanswered),
            ("confirmed", "Alerts that were confirmed through this process", &self.confirmed),
        ] {
            alerts.register(name, help, counter.clone());
        }
    }
}

/// What this process set aside. How many wait stands in each practice and is asked of none.
#[derive(Debug, Clone, Default)]
pub(crate) struct MessageCounters {
    /// Could not be read or addressed.
    pub(crate) quarantined: Counter,
    /// Became dead letters.
    pub(crate) given_up: Counter,
}

impl MessageCounters {
    pub(crate) fn register(&self, metrics: &mut Registry) {
        let messages = metrics.sub_registry_with_prefix("labor_messages");
        for (name, help, counter) in [
            ("quarantined", "Messages that this process could not read or address", &self.quarantined),
            ("given_up", "Messages that this process gave up", &self.given_up),
        ] {
            messages.register(name, help, counter.clone());
        }
    }
}

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
pub async fn listen(address: Option<SocketAddr>, app: &App) -> std::io::Result<Option<Listening>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let (metrics, queue) = (app.metrics.clone(), app.control.queue().await);
    let router = Router::new().route("/metrics", get(async move || answer(&metrics, &queue).await));
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(Some(Listening(serving)))
}

async fn answer(metrics: &Registry, queue: &Queue) -> Response {
    let mut text = String::new();
    // Without the database there are no figures of the queue: none is better than an old one.
    let state = tokio::time::timeout(PATIENCE, queue.state()).await;
    let queue = state.ok().and_then(Result::ok).map(figures).unwrap_or_default();
    let encoded = [metrics, &queue]
        .into_iter()
        .try_for_each(|registry| encode_registry(&mut text, registry))
        .and_then(|()| encode_eof(&mut text));
    match encoded {
        Ok(()) => ([(header::CONTENT_TYPE, HeaderValue::from_static(TEXT))], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn figures(state: QueueState) -> Registry {
    let mut registry = Registry::default();
    let queue = registry.sub_registry_with_prefix("labor_queue");
    queue.register("waiting", "Messages that wait for a worker", ConstGauge::new(state.waiting));
    queue.register(
        "hidden",
        "Messages that a worker has, or that come again after a pause",
        ConstGauge::new(state.hidden),
    );
    queue.register("timers", "Alerts whose time limit is not over yet", ConstGauge::new(state.timers));
    queue.register("dead", "Dead letters", ConstGauge::new(state.dead));
    let help = "For how long the oldest message is in the queue";
    queue.register_with_unit("oldest", help, Unit::Seconds, ConstGauge::new(state.oldest_seconds));
    registry
}

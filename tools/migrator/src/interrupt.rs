//! Ctrl-C and SIGTERM.
//! Must stay true: the first asks a run to end, and what was begun comes to its end; only the second ends at once.
use labor_migrator::up::Stop;

use crate::output;

/// Ctrl-C, or SIGTERM as service managers send it.
async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending::<()>().await },
        _ = terminate.recv() => {}
    }
}

/// For what can end at any point.
pub(crate) async fn once() {
    asked().await;
}

/// The first lets the tenants that were begun come to their end.
pub(crate) async fn twice(json: bool, stop: &Stop) {
    asked().await;
    if !json {
        output::aside(format_args!(
            "labor-migrator: finishing the tenants that were begun, a backfill only its batch and no index; once more ends at once"
        ));
    }
    stop.because("it was interrupted");
    asked().await;
}

//! The web server: listens, drains on SIGTERM or Ctrl-C.
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::App;
use crate::routes::router;
use crate::settings::ServeSettings;

/// Serves until asked to stop; requests that were begun are answered.
///
/// # Errors
/// When the address can't be listened at.
pub async fn serve(app: App, settings: &ServeSettings) -> std::io::Result<()> {
    let listener = TcpListener::bind(settings.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let service = router(app, settings.secure_cookies).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(asked_to_stop()).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Ends at SIGTERM or Ctrl-C.
pub async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

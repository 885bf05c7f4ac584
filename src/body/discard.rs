//! Reads on, for a while, what will not be taken, before the refusal is sent.
//! Why: the engine's HTTP client writes the whole body before it looks at the answer. If the connection is closed while it still
//! writes, it sees a broken pipe instead of the reason, and so does whoever looks into its log.
//! Must stay true: bounded in time and bytes; nothing is kept; who asked first (`Expect: 100-continue`) is not made to send.
use std::time::Duration;

use axum::body::BodyDataStream;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;

const LONGEST: Duration = Duration::from_secs(3);
const MOST: usize = 64 * 1024 * 1024;

/// Whether the sender waits for a word before it sends the body.
fn asks_first(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads what is left of a body and forgets it.
pub(crate) async fn discard(headers: &HeaderMap, wire: &mut BodyDataStream) {
    if asks_first(headers) {
        return;
    }
    let reading = async {
        let mut read = 0;
        while let Some(Ok(piece)) = wire.next().await {
            read += piece.len();
            if read > MOST {
                break;
            }
        }
    };
    // Too slow: then the sender sees the connection end.
    let _ = tokio::time::timeout(LONGEST, reading).await;
}

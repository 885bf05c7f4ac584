//! The webhook's answer as an HL7 acknowledgement, for senders that ask for one.
//! Must stay true: the status is the one that any sender gets; AA is said only of what is durable; there is an acknowledgement only if
//! the message's MSH could be read, and nothing but MSH of the message is in it.
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hl7::{Acknowledgement, Refusal};
use serde::Serialize;
use uuid::Uuid;

use crate::problem::Problem;

/// By what senders ask for it; they get the name that they used.
const MEDIA_TYPES: [&str; 2] = ["x-application/hl7-v2+er7", "application/hl7-v2"];

/// What is answered to a message whose bytes were read: JSON, or an acknowledgement where `Accept` names one.
pub(crate) fn answer<A: Serialize>(headers: &HeaderMap, body: &[u8], outcome: Result<A, Problem>) -> Response {
    let wanted = wanted(headers).and_then(|media_type| Some((media_type, Acknowledgement::of(body)?)));
    let Some((media_type, acknowledgement)) = wanted else {
        return match outcome {
            Ok(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
            Err(problem) => problem.into_response(),
        };
    };
    let refusal = outcome.as_ref().err().map(|problem| Refusal {
        again: problem.status().is_server_error(),
        code: problem.name(),
        text: problem.detail(),
    });
    let now = chrono::Utc::now().format("%Y%m%d%H%M%S+0000").to_string();
    // Twenty signs are the most that HL7 up to 2.5 takes; those of the end are random.
    let control_id: String = Uuid::now_v7().simple().to_string().chars().skip(12).collect();
    let text = acknowledgement.answer(&now, &control_id, refusal);
    // With the headers of the problem, such as Retry-After.
    let mut response = match outcome {
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    *response.body_mut() = Body::from(text);
    response
}

fn wanted(headers: &HeaderMap) -> Option<&'static str> {
    let named = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut named = named.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next()).map(str::trim);
    named.find_map(|range| MEDIA_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(range)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_for_those_who_ask_for_it() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            wanted(&headers)
        };
        assert_eq!(asked("x-application/hl7-v2+er7"), Some(MEDIA_TYPES[0]));
        assert_eq!(asked("application/json;q=0.5, Application/HL7-v2; charset=utf-8"), Some(MEDIA_TYPES[1]));
        for accept in ["*/*", "application/json", "application/hl7-v2+xml", "text/plain"] {
            assert_eq!(asked(accept), None, "{accept}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn the_status_is_the_same_and_who_may_try_again_is_told() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/hl7-v2"));
        let body = b"MSH|^~\\&|LIS|LAB|PVS|PRAXIS|2026||ORU^R01|17|P|2.5\rPID|1||||Muster\r";
        let refused = Problem::new(StatusCode::UNAUTHORIZED, "sender-refused", "Refused", "the signature does not fit");
        for (outcome, status, code) in [
            (Ok("accepted"), 202, "MSA|AA|17\r"),
            (
                Err(refused),
                401,
                "MSA|AR|17\rERR|||207^Application error^HL70357|E|sender-refused|||the signature does not fit\r",
            ),
            (Err(Problem::unavailable()), 503, "MSA|AE|17\rERR|"),
        ] {
            let response = answer(&headers, body, outcome);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/hl7-v2");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), status == 503);
            let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
            let text = String::from_utf8(text.to_vec()).unwrap();
            assert!(text.starts_with("MSH|^~\\&|PVS|PRAXIS|LIS|LAB|20") && text.contains(code), "{text}");
            assert!(!text.contains("Muster"));
        }
        let unreadable = answer(&headers, b"01380008220", Err::<(), _>(Problem::unavailable()));
        assert_eq!(unreadable.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}

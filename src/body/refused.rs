//! Why a body is not taken, and what the sender is told.
//! Must stay true: 4xx only for what sending again can't mend; texts say what to do and repeat nothing of the message.
use axum::http::StatusCode;

use crate::problem::Problem;

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// More bytes than the limit.
    #[error("at most {limit} bytes are accepted, unpacked")]
    TooLarge { limit: usize },
    /// A packed body that is a bomb, or a file of nearly one byte.
    #[error("the body unpacks to more than {ratio} times its size; send it without Content-Encoding")]
    TooDense { ratio: usize },
    /// More around the file than a form needs.
    #[error("the form has too much around its file; send the file as the only part")]
    TooMuchForm,
    /// Nothing came for too long.
    #[error("nothing of the body came for {seconds} seconds; send the message again")]
    Stalled { seconds: u64 },
    /// It came too slowly.
    #[error(
        "the body did not come within {seconds} seconds; send the message again, over a faster line or packed with gzip"
    )]
    TooSlow { seconds: u64 },
    /// The connection ended within it.
    #[error("the body ended early; send the message again")]
    EndedEarly,
    /// It is not gzip, or damaged.
    #[error("Content-Encoding says gzip, and the body is no complete gzip; send it again, or without Content-Encoding")]
    BadGzip,
    /// Packed in another way.
    #[error("the only Content-Encoding that is taken is gzip; send the file as it is, or packed with gzip once")]
    OtherEncoding,
    /// It is not a form, or damaged.
    #[error("Content-Type says multipart/form-data, and the body is no complete form of that boundary; send it again")]
    BadForm,
    /// A form without a file.
    #[error("the form has no part with a file name; send the file as a part with filename=, or as the body itself")]
    NoFile,
    /// A form with several.
    #[error("the form has more than one file; send each file in a request of its own")]
    SeveralFiles,
    /// Another kind of multipart.
    #[error("of multipart only multipart/form-data with a boundary is taken; or send the file as the body itself")]
    OtherMultipart,
    /// No memory for it now.
    #[error("too many large messages come at once; send this one again")]
    Busy,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, name, title) = match refused {
            Refused::TooLarge { .. } | Refused::TooDense { .. } | Refused::TooMuchForm => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The message is too large")
            }
            Refused::Stalled { .. } | Refused::TooSlow { .. } => {
                (StatusCode::REQUEST_TIMEOUT, "too-slow", "The message did not come")
            }
            Refused::EndedEarly | Refused::BadGzip | Refused::BadForm | Refused::NoFile | Refused::SeveralFiles => {
                (StatusCode::BAD_REQUEST, "bad-request", "The request can't be read")
            }
            Refused::OtherEncoding | Refused::OtherMultipart => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding", "Not sent in this way")
            }
            Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Not available right now"),
        };
        let problem = Self::new(status, name, title, refused.to_string());
        if refused == Refused::Busy { problem.retry_after(5) } else { problem }
    }
}

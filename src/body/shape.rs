//! What the headers say about a body: how long, packed how, in a form or not.
//! Must stay true: what is not understood is refused here, before a byte is read; a body is never stored packed.
use axum::http::{HeaderMap, HeaderValue, header};

use super::Refused;

/// Of what a form, or gzip, may add to a file.
const AROUND: usize = 64 * 1024;

/// The body as the headers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Content-Length.
    pub(super) declared: Option<usize>,
    /// Whether it is packed.
    pub(crate) gzip: bool,
    /// Of multipart/form-data.
    pub(super) boundary: Option<String>,
    /// As sent.
    pub(super) content_type: Option<String>,
}

impl Shape {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let declared = headers.get(header::CONTENT_LENGTH).and_then(text).and_then(|length| length.parse().ok());
        let content_type = headers.get(header::CONTENT_TYPE).and_then(text);
        let boundary = match content_type {
            Some(kind) if is_multipart(kind) => {
                Some(multer::parse_boundary(kind).map_err(|_| Refused::OtherMultipart)?)
            }
            _ => None,
        };
        Ok(Self { declared, gzip: gzip(headers)?, boundary, content_type: content_type.map(str::to_owned) })
    }

    /// Whether the file is in a form.
    pub(crate) fn form(&self) -> bool {
        self.boundary.is_some()
    }

    /// How large the file can become, if that is known.
    pub(super) fn expected(&self) -> Option<usize> {
        self.declared.filter(|_| !self.gzip)
    }

    /// The most bytes that may be sent for a file of the limit.
    pub(super) fn most_sent(&self, limit: usize) -> usize {
        if self.gzip || self.form() { limit.saturating_add(AROUND) } else { limit }
    }
}

/// `gzip` once, or nothing. The engine also knows it as `x-gzip`.
fn gzip(headers: &HeaderMap) -> Result<bool, Refused> {
    let mut gzip = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for encoding in text(value).ok_or(Refused::OtherEncoding)?.split(',') {
            match encoding.trim().to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !gzip => gzip = true,
                _ => return Err(Refused::OtherEncoding),
            }
        }
    }
    Ok(gzip)
}

fn is_multipart(content_type: &str) -> bool {
    content_type.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn shape(pairs: &[(&'static str, &'static str)]) -> Result<Shape, Refused> {
        let headers = pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        Shape::of(&headers)
    }

    #[test]
    fn gzip_once_is_understood_and_every_other_encoding_refused() {
        for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip", " gzip "] {
            assert!(shape(&[("content-encoding", encoding)]).unwrap().gzip, "{encoding}");
        }
        for encoding in ["", "identity"] {
            assert!(!shape(&[("content-encoding", encoding)]).unwrap().gzip, "{encoding}");
        }
        for encoding in ["deflate", "br", "zstd", "gzip, gzip", "gzip, br", "compress", "gzip;q=1", "\u{e4}"] {
            let Ok(value) = HeaderValue::from_bytes(encoding.as_bytes()) else { continue };
            let headers = [(header::CONTENT_ENCODING, value)].into_iter().collect();
            assert_eq!(Shape::of(&headers), Err(Refused::OtherEncoding), "{encoding}");
        }
        let twice = shape(&[("content-encoding", "gzip"), ("content-encoding", "gzip")]);
        assert!(twice.is_err() || twice.unwrap().gzip);
    }

    #[test]
    fn a_form_needs_its_boundary_and_other_multiparts_are_refused() {
        let form = shape(&[("content-type", "multipart/form-data; boundary=\"a b\"; charset=UTF-8")]).unwrap();
        assert_eq!(form.boundary.as_deref(), Some("a b"));
        for kind in ["multipart/form-data", "multipart/mixed; boundary=x", "Multipart/Related; boundary=x"] {
            assert_eq!(shape(&[("content-type", kind)]), Err(Refused::OtherMultipart), "{kind}");
        }
        for kind in ["text/plain; charset=UTF-8", "application/x-multipart", "", "\u{7f}"] {
            let Ok(value) = HeaderValue::from_bytes(kind.as_bytes()) else { continue };
            let headers = [(header::CONTENT_TYPE, value)].into_iter().collect();
            assert!(!Shape::of(&headers).unwrap().form(), "{kind}");
        }
    }

    #[test]
    fn only_an_unpacked_length_says_how_large_the_file_can_be() {
        assert_eq!(shape(&[("content-length", "12")]).unwrap().expected(), Some(12));
        assert_eq!(shape(&[("content-length", "12"), ("content-encoding", "gzip")]).unwrap().expected(), None);
        assert_eq!(shape(&[]).unwrap().expected(), None);
    }
}

//! Stylesheet and icon, compiled in.
//! Must stay true: an address with a hash names one content for ever; while two versions serve side by side each answers the
//! other's addresses too, but then nobody keeps what was answered.
use std::sync::LazyLock;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::error::PageError;

/// Something that pages refer to.
struct Asset {
    name: String,
    extension: &'static str,
    media_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(extension: &'static str, media_type: &'static str, content: &'static str) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content.as_bytes());
        let hash: String = hex::encode(digest).chars().take(16).collect();
        Self { name: format!("labor-{hash}.{extension}"), extension, media_type, content }
    }
}

static STYLESHEET: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("css", "text/css; charset=utf-8", include_str!("labor.css")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("labor.svg")));

/// Name of the stylesheet, for templates.
pub(crate) fn stylesheet() -> &'static str {
    &STYLESHEET.name
}

/// Name of the icon, for templates.
pub(crate) fn icon() -> &'static str {
    &ICON.name
}

/// Whoever asks: neither says anything about anybody.
pub(crate) async fn serve(name: Result<Path<String>, PathRejection>) -> Result<Response, PageError> {
    let Path(name) = name.map_err(|_| PageError::not_found())?;
    let extension = name.strip_prefix("labor-").and_then(|rest| rest.rsplit_once('.')).map(|(_, extension)| extension);
    let asset = [&*STYLESHEET, &*ICON]
        .into_iter()
        .find(|asset| extension == Some(asset.extension))
        .ok_or_else(PageError::not_found)?;
    let constant = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let mut response = ([constant(header::CONTENT_TYPE, asset.media_type)], asset.content).into_response();
    if asset.name == name {
        let (name, value) = constant(header::CACHE_CONTROL, "public, max-age=31536000, immutable");
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_exact_name_may_be_kept() {
        let exact = serve(Ok(Path(stylesheet().to_owned()))).await.unwrap();
        assert_eq!(exact.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let of_another_version = serve(Ok(Path("labor-0123456789abcdef.css".to_owned()))).await.unwrap();
        assert_eq!(of_another_version.headers()[header::CONTENT_TYPE], "text/css; charset=utf-8");
        assert!(!of_another_version.headers().contains_key(header::CACHE_CONTROL));
        assert!(serve(Ok(Path("other.css".to_owned()))).await.is_err());
    }
}

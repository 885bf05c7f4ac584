//! Where a POST comes from. The second lock beside the cookie's SameSite=Strict.
//! Must stay true: a form on another host, another port or a sandboxed page is refused.
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use axum::http::{HeaderValue, Uri};

static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether the request was sent by one of our own pages, or by something that is no browser.
pub(crate) fn is_ours(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(origin) = headers.get(ORIGIN) {
        let host = headers.get(HOST).and_then(text).or_else(|| uri.authority().map(|a| a.as_str()));
        return matches!((text(origin).and_then(host_of), host), (Some(theirs), Some(ours)) if theirs.eq_ignore_ascii_case(ours));
    }
    match headers.get(&FETCH_SITE) {
        None => true,
        Some(site) => matches!(site.as_bytes(), b"same-origin" | b"none"),
    }
}

/// Host and port of an origin; `None` for `null` and whatever else is no web page.
fn host_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers = pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        is_ours(&headers, &Uri::from_static("/sign-in"))
    }

    #[test]
    fn our_own_pages_may_post() {
        assert!(ours(&[("host", "labor.example"), ("origin", "https://labor.example")]));
        assert!(ours(&[("host", "127.0.0.1:18090"), ("origin", "http://127.0.0.1:18090")]));
        assert!(ours(&[("host", "Labor.Example"), ("origin", "https://labor.example")]));
    }

    #[test]
    fn other_hosts_ports_and_opaque_origins_may_not() {
        for origin in [
            "https://evil.example",
            "https://labor.example.evil.example",
            "https://labor.example:444",
            "null",
            "file://labor.example",
            "",
        ] {
            assert!(!ours(&[("host", "labor.example"), ("origin", origin)]), "{origin}");
        }
        assert!(!ours(&[("origin", "https://labor.example")]), "a request without a host has no origin of its own");
    }

    #[test]
    fn an_origin_decides_even_when_the_browser_calls_it_same_site() {
        assert!(!ours(&[
            ("host", "labor.example"),
            ("origin", "https://x.labor.example"),
            ("sec-fetch-site", "same-origin")
        ]));
    }

    #[test]
    fn without_an_origin_the_fetch_metadata_decide() {
        assert!(ours(&[("host", "labor.example"), ("sec-fetch-site", "same-origin")]));
        assert!(ours(&[("host", "labor.example"), ("sec-fetch-site", "none")]));
        assert!(ours(&[("host", "labor.example")]));
        assert!(!ours(&[("host", "labor.example"), ("sec-fetch-site", "same-site")]));
        assert!(!ours(&[("host", "labor.example"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn over_http_2_the_host_is_in_the_address() {
        let headers = [(ORIGIN, HeaderValue::from_static("https://labor.example"))].into_iter().collect();
        assert!(is_ours(&headers, &Uri::from_static("https://labor.example/sign-in")));
        assert!(!is_ours(&headers, &Uri::from_static("https://other.example/sign-in")));
    }
}

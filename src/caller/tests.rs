//! Headers as proxies write them, and as those write them who want to be somebody else.
use axum::http::{HeaderName, HeaderValue};

use super::*;

const PROXY: &str = "10.0.0.1";
const STRANGER: &str = "203.0.113.9";

fn edge(https_only: bool) -> Edge {
    let trusted = ["10.0.0.0/8", "2001:db8:ffff::/48"].iter().map(|net| net.parse().unwrap()).collect();
    Edge { trusted, https_only }
}

fn caller(peer: &str, pairs: &[(&'static str, &str)]) -> Caller {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    edge(false).caller(peer.parse().unwrap(), &headers)
}

fn seen(peer: &str, pairs: &[(&'static str, &str)]) -> Option<String> {
    caller(peer, pairs).address().map(|address| address.to_string())
}

const FOR: &str = "x-forwarded-for";
const RFC: &str = "forwarded";

#[test]
fn a_stranger_is_who_it_is_whatever_it_says() {
    for pairs in [
        &[(FOR, "192.0.2.1")] as &[_],
        &[(RFC, "for=192.0.2.1;proto=https")],
        &[(FOR, "10.0.0.1")],
        &[("x-real-ip", "192.0.2.1"), ("x-forwarded-proto", "http")],
    ] {
        assert_eq!(seen(STRANGER, pairs).as_deref(), Some(STRANGER));
        assert_eq!(caller(STRANGER, pairs).scheme, Scheme::Unsaid);
    }
    assert_eq!(seen("::ffff:203.0.113.9", &[]).as_deref(), Some(STRANGER), "an IPv4 address in IPv6's clothes");
    assert_eq!(seen("::ffff:10.0.0.1", &[(FOR, "192.0.2.1")]).as_deref(), Some("192.0.2.1"));
}

#[test]
fn the_rightmost_address_that_is_no_proxy_of_ours_counts() {
    for (value, expected) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.66, 192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 10.0.0.7, 10.0.0.8", "192.0.2.1"),
        ("rubbish, 192.0.2.1, 10.0.0.7", "192.0.2.1"),
        ("10.9.9.9, 10.0.0.7", "10.9.9.9"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443, 2001:db8:ffff::2", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ,10.0.0.7", "192.0.2.1"),
    ] {
        assert_eq!(seen(PROXY, &[(FOR, value)]).as_deref(), Some(expected), "{value}");
    }
    let lines = [(FOR, "192.0.2.66"), (FOR, "192.0.2.1"), (FOR, "10.0.0.7")];
    assert_eq!(seen(PROXY, &lines).as_deref(), Some("192.0.2.1"), "several lines are one list");
    assert_eq!(seen(PROXY, &[]).as_deref(), Some(PROXY), "the proxy itself, such as its health check");
}

#[test]
fn forwarded_is_read_as_the_standard_says() {
    for (value, expected) in [
        ("for=192.0.2.1", Some("192.0.2.1")),
        ("For=\"[2001:db8::1]:4711\";proto=https", Some("2001:db8::1")),
        ("for=192.0.2.66, for=192.0.2.1;by=10.0.0.1, for=10.0.0.7", Some("192.0.2.1")),
        ("for=\"192.0.2.1:80\" ; host=\"a,b;c\"", Some("192.0.2.1")),
        ("for=unknown", None),
        ("for=_hidden, for=10.0.0.7", None),
        ("by=10.0.0.1", None),
        ("for=192.0.2.1;for=192.0.2.2", None),
        ("for=\"192.0.2.1", None),
        ("for=\"192.0.2.\\1\"", None),
        ("", None),
    ] {
        assert_eq!(seen(PROXY, &[(RFC, value)]).as_deref(), expected, "{value}");
    }
}

#[test]
fn an_address_that_can_not_be_told_is_none() {
    let many = ["10.0.0.7, "; 5000].concat() + "x";
    for value in [
        "",
        ",",
        "unknown",
        "192.0.2.1,",
        "192.0.2.1, rubbish",
        "192.0.2.1 10.0.0.7",
        "192.0.2.1:99999",
        "192.0.2.256",
        "[192.0.2.1]",
        "[2001:db8::1",
        "2001:db8::1%eth0",
        "0300.0.2.1",
        "192.0.2.1, \u{e4}",
        "http://192.0.2.1",
        "192.0.2.1;DROP",
        many.as_str(),
    ] {
        assert_eq!(seen(PROXY, &[(FOR, value)]), None, "{value:.40}");
    }
}

/// A proxy writes one of the two and passes the other on, as the sender wrote it.
#[test]
fn two_headers_that_disagree_tell_nothing() {
    assert_eq!(seen(PROXY, &[(FOR, "192.0.2.1"), (RFC, "for=198.51.100.5")]), None);
    assert_eq!(seen(PROXY, &[(FOR, "192.0.2.1"), (RFC, "for=192.0.2.1")]).as_deref(), Some("192.0.2.1"));
    assert_eq!(seen(PROXY, &[(FOR, "192.0.2.1"), (RFC, "rubbish")]), None);
}

#[test]
fn an_allowlist_holds_no_unknown_address() {
    let networks = ["192.0.2.0/24".to_owned(), "0.0.0.0/0".to_owned(), "not a network".to_owned()];
    assert!(caller(PROXY, &[(FOR, "192.0.2.1")]).is_from(&networks));
    assert!(caller(PROXY, &[(FOR, "192.0.2.1")]).is_from(&networks[..1]));
    assert!(!caller(PROXY, &[(FOR, "192.0.2.1, 198.51.100.5")]).is_from(&networks[..1]));
    assert!(!caller(STRANGER, &[(FOR, "192.0.2.1")]).is_from(&networks[..1]));
    assert!(!caller(PROXY, &[(FOR, "unknown")]).is_from(&networks));
}

#[test]
fn plain_http_is_refused_and_https_believed_from_a_proxy_only() {
    let proto = "x-forwarded-proto";
    for (peer, pairs, always, if_https_only) in [
        (PROXY, &[(proto, "https")] as &[_], true, true),
        (PROXY, &[(proto, "HTTPS")], true, true),
        (PROXY, &[(RFC, "for=192.0.2.1;proto=https")], true, true),
        (PROXY, &[(proto, "http")], false, false),
        (PROXY, &[(proto, "https, http")], false, false),
        (PROXY, &[(proto, "https"), (proto, "http")], false, false),
        (PROXY, &[(proto, "")], false, false),
        (PROXY, &[(proto, "wss")], false, false),
        (PROXY, &[(proto, "https"), (RFC, "for=192.0.2.1;proto=http")], false, false),
        (PROXY, &[], true, false),
        (STRANGER, &[(proto, "https")], true, false),
        (STRANGER, &[(proto, "http")], true, false),
        (STRANGER, &[], true, false),
    ] {
        let caller = caller(peer, pairs);
        assert_eq!(edge(false).refuse_plain(&caller, "/v1/messages").is_ok(), always, "{peer} {pairs:?}");
        assert_eq!(edge(true).refuse_plain(&caller, "/v1/messages").is_ok(), if_https_only, "{peer} {pairs:?}");
        assert!(edge(true).refuse_plain(&caller, "/health/live").is_ok());
    }
}

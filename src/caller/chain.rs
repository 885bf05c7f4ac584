//! Reads `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` (RFC 7239).
//! Must stay true: every element keeps its place, so that one that can't be read is seen and never skipped.
use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

/// What the headers say; an address that can't be read is `None` in its place.
pub(super) struct Hops<'h> {
    pub(super) forwarded_for: Option<Vec<Option<IpAddr>>>,
    pub(super) forwarded: Option<Vec<Option<IpAddr>>>,
    pub(super) schemes: Vec<&'h str>,
}

/// Reads all of them.
pub(super) fn hops(headers: &HeaderMap) -> Hops<'_> {
    let mut schemes = values(headers, "x-forwarded-proto").into_iter().flatten().collect::<Vec<_>>();
    let forwarded_for = values(headers, "x-forwarded-for").map(|all| all.into_iter().map(address).collect::<Vec<_>>());
    let mut forwarded = None;
    for value in headers.get_all(header::FORWARDED) {
        let hops: &mut Vec<Option<IpAddr>> = forwarded.get_or_insert_default();
        let Some(elements) = value.to_str().ok().and_then(|text| split(text, ',')) else {
            hops.push(None);
            schemes.push("");
            continue;
        };
        for element in elements {
            let parameter = |name| parameter(element, name);
            hops.push(parameter("for").and_then(address));
            schemes.extend(parameter("proto"));
        }
    }
    Hops { forwarded_for, forwarded, schemes }
}

/// The elements of all headers of a name, in order; one that is no text is a single unreadable element.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> Option<Vec<&'h str>> {
    let values = headers.get_all(name).into_iter();
    let elements: Vec<_> = values.flat_map(|value| value.to_str().unwrap_or("?").split(',')).map(str::trim).collect();
    (!elements.is_empty()).then_some(elements)
}

/// An address with or without port, an IPv6 one with or without brackets. Anything else (`unknown`, `_hidden`) is none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|bare| bare.contains(':'));
    let alone = bare.unwrap_or(text).parse::<IpAddr>().ok();
    alone.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip())).map(|ip| ip.to_canonical())
}

/// A parameter of one element: `None` when it is absent, given twice or not well formed.
fn parameter<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let mut found = None;
    for pair in split(element, ';')? {
        let (key, value) = pair.split_once('=')?;
        if key.trim().eq_ignore_ascii_case(name) {
            let value = value.trim();
            let inner = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
            if found.replace(inner).is_some() {
                return None;
            }
        }
    }
    found
}

/// Splits where no quotes are open; `None` when they stay open. No address needs a backslash.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut begin, mut quoted) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            '\\' => return None,
            '"' => quoted = !quoted,
            _ if character == separator && !quoted => {
                parts.push(text.get(begin..at)?);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(begin..)?);
    (!quoted).then_some(parts)
}

//! Where a request comes from, and whether it came over HTTPS, also behind proxies.
//! Must stay true: headers are believed from the proxies that an operator named and from nobody else; an address that can't be told is
//! no address at all, so no allowlist holds it; plain HTTP is refused and never redirected, because engines take a redirect for success.
mod chain;

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode};
use ipnet::IpNet;

use crate::problem::Problem;
use chain::{Hops, hops};

/// What the operator says about the way to this server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edge {
    /// Proxies whose headers are believed.
    pub(crate) trusted: Vec<IpNet>,
    /// Only requests that came over HTTPS.
    pub(crate) https_only: bool,
}

/// Over what the request came to the outermost proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Plain,
    Unsaid,
}

/// Who sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `None` when a proxy's headers don't tell.
    address: Option<IpAddr>,
    scheme: Scheme,
}

impl Edge {
    /// Who sent the request that came from this peer with these headers.
    pub(crate) fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> Caller {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Caller { address: Some(peer), scheme: Scheme::Unsaid };
        }
        let Hops { forwarded_for, forwarded, schemes } = hops(headers);
        let address = match (forwarded_for, forwarded) {
            (None, None) => Some(peer),
            (Some(hops), None) | (None, Some(hops)) => self.client(&hops),
            // One of them may be the sender's own, passed on: then it decides nothing.
            (Some(one), Some(other)) => self.client(&one).filter(|address| self.client(&other) == Some(*address)),
        };
        let scheme = match schemes.as_slice() {
            [] => Scheme::Unsaid,
            all if all.iter().all(|scheme| scheme.eq_ignore_ascii_case("https")) => Scheme::Https,
            _ => Scheme::Plain,
        };
        Caller { address, scheme }
    }

    /// Refuses what must come over HTTPS and did not. Health is asked by machines beside this one.
    pub(crate) fn refuse_plain(&self, caller: &Caller, path: &str) -> Result<(), Problem> {
        let plain = caller.scheme == Scheme::Plain || (self.https_only && caller.scheme != Scheme::Https);
        if !plain || path.starts_with("/health/") {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "https-only",
            "Only over HTTPS",
            "This came over plain HTTP, and nothing was done. Send it to the https address; there is no redirect, \
             because senders would take it for success. Whoever runs the proxy: it has to set X-Forwarded-Proto.",
        ))
    }

    /// The first address from the right that is no trusted proxy: what stands left of it is the sender's word. If all are trusted,
    /// the leftmost.
    fn client(&self, hops: &[Option<IpAddr>]) -> Option<IpAddr> {
        let mut address = None;
        for hop in hops.iter().rev() {
            address = Some((*hop)?);
            if address.is_some_and(|hop| !self.trusts(hop)) {
                break;
            }
        }
        address
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

impl Caller {
    /// Its address, if that can be told.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether it comes from one of these networks.
    pub(crate) fn is_from(&self, networks: &[String]) -> bool {
        let networks = networks.iter().filter_map(|net| net.parse::<IpNet>().ok());
        self.address.is_some_and(|address| networks.into_iter().any(|net| net.contains(&address)))
    }
}

#[cfg(test)]
mod tests;

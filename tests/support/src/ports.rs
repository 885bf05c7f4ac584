//! Free loopback ports. A probed port can be taken before the server binds it: whoever uses one must start again with another when the
//! server says so. All ports lie below the kernel's range for outgoing connections, so that a server finds its port again after a restart.

use std::net::{Ipv4Addr, TcpListener};

use crate::{Error, Result, secret};

/// SeaweedFS listens on each port and on the port + 10,000 (gRPC).
const GRPC: u16 = 10_000;
const S3_RANGE: std::ops::Range<u16> = 12_000..22_000;
const SINGLE_RANGE: std::ops::Range<u16> = 10_100..12_000;

/// One free port.
pub(crate) fn free(server: &'static str) -> Result<u16> {
    pick(server, &SINGLE_RANGE, is_free)
}

/// A free port whose gRPC twin is free too.
pub(crate) fn free_with_grpc(server: &'static str) -> Result<u16> {
    pick(server, &S3_RANGE, |port| is_free(port) && is_free(port + GRPC))
}

/// Whether nobody listens on it now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The gRPC port that belongs to a port.
pub(crate) fn grpc_of(port: u16) -> u16 {
    port + GRPC
}

fn pick(server: &'static str, range: &std::ops::Range<u16>, fits: impl Fn(u16) -> bool) -> Result<u16> {
    for _ in 0..200 {
        let random = u16::from_str_radix(&secret::random_hex(2)?, 16).unwrap_or_default();
        let port = range.start + random % (range.end - range.start);
        if fits(port) {
            return Ok(port);
        }
    }
    Err(Error::NoPort { server })
}

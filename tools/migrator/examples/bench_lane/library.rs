//! The library's calls that are over in milliseconds; a connection alone is timed beside them, because each call makes its own.
use std::time::Instant;

use labor_migrator::status::Listing;
use labor_migrator::up::{Stop, UpOptions};
use serde_json::{Value, json};

use crate::{Failure, Ground, milliseconds};

/// As many rows as the program asks for.
const ROWS: i64 = 20;

/// Connecting alone, nothing to do, status: in turn, so that a slow moment touches all of them.
pub(crate) async fn idle(ground: &Ground, count: usize) -> Result<Value, Failure> {
    let (mut connect, mut up, mut status) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let began = Instant::now();
        drop(ground.connect().await?);
        connect.push(milliseconds(began));

        let began = Instant::now();
        let report = ground.migrator.up(&UpOptions::default(), &Stop::default(), |_| {}).await?;
        up.push(milliseconds(began));
        if report.run.is_some() || !report.complete() {
            return Err("there was something to do".into());
        }

        let began = Instant::now();
        let found = ground.migrator.status(Listing::Unsettled(Some(ROWS))).await?;
        status.push(milliseconds(began));
        if found.behind() != 0 {
            return Err("tenants are behind".into());
        }
    }
    Ok(json!({ "connect": connect, "up": up, "status": status }))
}

/// The whole fleet against its ledger.
pub(crate) async fn drift(ground: &Ground, count: usize) -> Result<Value, Failure> {
    let mut times = Vec::new();
    for _ in 0..count {
        let began = Instant::now();
        let differing = ground.migrator.drift(&[], false, |_| {}).await?;
        times.push(milliseconds(began));
        if differing > 0 {
            return Err(format!("{differing} tenants have drifted").into());
        }
    }
    Ok(json!({ "drift": times }))
}

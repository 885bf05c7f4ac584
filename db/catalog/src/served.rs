//! Which versions of a practice's schema this release can serve.
//! Must stay true: the last is the newest file in `db/migrations/tenant`, the first is what the release before brought practices to,
//! because while a wave passes through the fleet some practices are here and some are still there. Every statement of the product is
//! prepared against each of them (`tests/schema/versions.rs`).
use std::ops::RangeInclusive;

/// Versions of a tenant's schema that this release serves. A practice at any other is not served at all.
pub const SERVED_VERSIONS: RangeInclusive<i32> = 1..=2;

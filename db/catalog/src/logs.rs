//! What programs never log, whatever RUST_LOG says.
//! Must stay true: at debug, the drivers write parameters and statements: claims, claim keys, verifiers of passwords, patients' rows.

/// These say what the server said (a NOTICE can quote a row), so only their warnings are written.
const DRIVERS: [&str; 7] = ["tokio_postgres", "postgres_protocol", "sqlx", "pgmq", "refinery", "hyper", "rustls"];

/// Whether a record may be written. `detail`: it is below "info", which only Labor's own code writes, for it knows what it writes.
#[must_use]
pub fn may_log(target: &str, detail: bool, warning: bool) -> bool {
    let own = target.split(':').next().is_some_and(|name| name == "labor" || name.starts_with("labor_"));
    own || warning || (!detail && !DRIVERS.iter().any(|driver| target.starts_with(driver)))
}

#[cfg(test)]
mod tests {
    use super::may_log;

    #[test]
    fn only_warnings_of_drivers_and_no_details_of_others() {
        // Target, "detail", "warning", and whether it may be written.
        for (target, detail, warning, expected) in [
            ("tokio_postgres::query", true, false, false),
            ("tokio_postgres::connection", false, false, false),
            ("tokio_postgres", false, true, true),
            ("sqlx::query", false, false, false),
            ("aws_sdk_s3", true, false, false),
            ("axum", false, false, true),
            ("laborious", true, false, false),
            ("labor::serve", true, false, true),
            ("labor_migrator", true, false, true),
        ] {
            assert_eq!(may_log(target, detail, warning), expected, "{target} {detail} {warning}");
        }
    }
}

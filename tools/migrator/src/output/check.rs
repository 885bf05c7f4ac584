//! What the isolation check found, told as it is found.
//! Must stay true: as JSON it is one array, however many findings there are and whenever the check is broken off by an error.
use labor_migrator::TenantName;
use labor_migrator::isolation::Finding;
use serde_json::json;

use super::line;

/// Findings on their way out.
pub(crate) struct Findings {
    json: bool,
    count: u64,
}

impl Findings {
    /// Begins.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, count: 0 }
    }

    /// One of them: of a tenant, or without one of the database.
    pub(crate) fn tell(&mut self, tenant: Option<&TenantName>, finding: &Finding) {
        if self.json {
            let before = if self.count == 0 { "[" } else { "," };
            line(format_args!("{before}{}", json!({ "tenant": tenant, "finding": finding })));
        } else {
            let whose = tenant.map_or("database", TenantName::as_str);
            line(format_args!("{whose} {} {}: {}", finding.kind, finding.object, finding.detail));
        }
        self.count += 1;
    }

    /// Ends; how many there were.
    pub(crate) fn end(self) -> u64 {
        match (self.json, self.count) {
            (true, 0) => line(format_args!("[]")),
            (true, _) => line(format_args!("]")),
            (false, 0) => line(format_args!("no finding")),
            (false, _) => {}
        }
        self.count
    }
}

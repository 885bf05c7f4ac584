//! What the isolation check found, told as it is found.
//! Must stay true: as JSON it is one array, however many findings there are and whenever the check is broken off by an error.
use labor_migrator::TenantName;
use labor_migrator::isolation::Finding;
use labor_migrator::named::named;
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

    /// One of them: of a tenant with its sign-in name, or without one of the database.
    pub(crate) fn tell(&mut self, tenant: Option<(&TenantName, Option<&str>)>, finding: &Finding) {
        if self.json {
            let before = if self.count == 0 { "[" } else { "," };
            let mut value = json!({ "tenant": tenant.map(|(tenant, _)| tenant), "finding": finding });
            if let Some(slug) = tenant.and_then(|(_, slug)| slug) {
                value["slug"] = slug.into();
            }
            line(format_args!("{before}{value}"));
        } else {
            let whose = tenant.map_or_else(|| "database".to_owned(), |(tenant, slug)| named(tenant.as_str(), slug));
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

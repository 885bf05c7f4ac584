//! What the isolation check found, told as it is found.
//! Must stay true: as JSON it is one array, however many findings there are; a check that is broken off by an error never says that there
//! is no finding: without one before it, nothing is printed.
use labor_migrator::TenantName;
use labor_migrator::bootstrap::Prepared;
use labor_migrator::isolation::weaker::Weaker;
use labor_migrator::isolation::{Enforced, Finding};
use labor_migrator::named::named;
use serde_json::json;

use super::{aside, line, say};

/// Findings on their way out.
pub(crate) struct Findings {
    json: bool,
    agreed: Weaker,
    said: u64,
    count: u64,
}

/// What a server leaves open that gives no superuser, beside the output: it is no result of the command.
pub(crate) fn left_open(json: bool, findings: &[Finding]) {
    for finding in findings.iter().filter(|_| !json) {
        aside(format_args!("labor-migrator: {} {}: {}", finding.kind, finding.object, finding.detail));
    }
}

/// The end of `bootstrap`.
pub(crate) fn bootstrapped(json: bool, prepared: &Prepared) {
    left_open(json, &prepared.left_open);
    let mut done = match prepared.left_open.len() {
        0 => "the database is prepared; next: labor-migrator up".to_owned(),
        count => format!(
            "the database is prepared as far as this server allows, {count} group(s) stay open; next: labor-migrator up"
        ),
    };
    for difference in &prepared.elsewhere {
        done += &format!("\nis this the same server? {difference}");
    }
    say(
        json,
        &json!({ "bootstrapped": true, "left_open": prepared.left_open, "elsewhere": prepared.elsewhere }),
        &done,
    );
}

/// Who is not served from now on, and who is again; beside the findings, which are the result.
pub(crate) fn enforced(json: bool, enforced: &Enforced) {
    if json {
        aside(format_args!("{}", json!(enforced)));
        return;
    }
    for (tenants, what) in [(&enforced.shut, "not served until this is mended"), (&enforced.opened, "served again")] {
        for tenant in tenants {
            aside(format_args!("{tenant} is {what}"));
        }
    }
}

impl Findings {
    /// Begins.
    pub(crate) fn new(json: bool, agreed: Weaker) -> Self {
        Self { json, agreed, said: 0, count: 0 }
    }

    /// One of them: of a tenant with its sign-in name, or without one of the database.
    pub(crate) fn tell(&mut self, tenant: Option<(&TenantName, Option<&str>)>, finding: &Finding) {
        let accepted = self.agreed == Weaker::Accepted && finding.is_of_the_server();
        if self.json {
            let before = if self.said == 0 { "[" } else { "," };
            let mut value =
                json!({ "tenant": tenant.map(|(tenant, _)| tenant), "finding": finding, "accepted": accepted });
            if let Some(slug) = tenant.and_then(|(_, slug)| slug) {
                value["slug"] = slug.into();
            }
            line(format_args!("{before}{value}"));
        } else {
            let whose = tenant.map_or_else(|| "database".to_owned(), |(tenant, slug)| named(tenant.as_str(), slug));
            let accepted = if accepted { "accepted: " } else { "" };
            line(format_args!("{accepted}{whose} {} {}: {}", finding.kind, finding.object, finding.detail));
        }
        self.said += 1;
        self.count += u64::from(!accepted);
    }

    /// Ends; how many there were that nobody agreed to. `whole`: everything that was asked for was checked.
    pub(crate) fn end(self, whole: bool) -> u64 {
        match (self.json, self.said, self.count) {
            (_, 0, _) if !whole => {}
            (true, 0, _) => line(format_args!("[]")),
            (true, ..) => line(format_args!("]")),
            (false, _, 0) if whole => line(format_args!("no finding")),
            (false, ..) => {}
        }
        self.count
    }
}

//! The steps of the demo. Each goes through the program or the API that its user would use.
use std::path::Path;
use std::time::Duration;

use labor_demo::client::{Client, Observation, Summary};
use labor_demo::samples::{self, FIRST_PRACTICE, SECOND_PRACTICE};
use labor_testing::{Platform, Postgres, Running, S3, Server, random_hex};

use crate::Failure;
use crate::tell::{Teller, table};

const BUCKET: &str = "labor-demo";
const STOP_LIMIT: Duration = Duration::from_secs(20);
const WORK_LIMIT: Duration = Duration::from_secs(60);

struct Practice {
    slug: &'static str,
    name: &'static str,
    bsnr: &'static str,
    doctor: &'static str,
    doctor_name: &'static str,
}

const PRACTICES: [Practice; 2] = [
    Practice {
        slug: "mustermann",
        name: "Praxis Dr. Erika Mustermann",
        bsnr: FIRST_PRACTICE,
        doctor: "dr.mustermann",
        doctor_name: "Dr. Erika Mustermann",
    },
    Practice {
        slug: "beispiel",
        name: "Praxis Dr. Bernd Beispiel",
        bsnr: SECOND_PRACTICE,
        doctor: "dr.beispiel",
        doctor_name: "Dr. Bernd Beispiel",
    },
];

/// Servers and a prepared platform.
pub(crate) struct Demo {
    postgres: Postgres,
    s3: S3,
    platform: Platform,
    tenants: Vec<String>,
    password: String,
}

/// What serves and works.
pub(crate) struct Services {
    server: Server,
    worker: Running,
}

/// What each practice's doctor saw.
pub(crate) struct Seen {
    per_practice: Vec<Vec<Summary>>,
}

impl Demo {
    /// Postgres, S3, control schema, two practices with a doctor each.
    pub(crate) async fn start(teller: &Teller, folder: &Path) -> Result<Self, Failure> {
        let postgres = teller.during("Postgres started", Postgres::start(&folder.join("postgres"))).await?;
        let s3 = teller.during("S3 started (SeaweedFS)", Box::pin(S3::start(&folder.join("s3")))).await?;
        let preparing = Platform::create(&postgres, folder, "labor");
        let platform = teller
            .during("database prepared: roles, hardening, control schema, queue, intake", preparing)
            .await?
            .with(s3.settings(BUCKET));
        let password = random_hex(8)?;
        let mut tenants = Vec::new();
        for practice in &PRACTICES {
            let what = format!("practice {} provisioned (BSNR {})", practice.slug, practice.bsnr);
            tenants.push(teller.during(what, platform.practice(practice.slug, practice.name, practice.bsnr)).await?);
            let adding = platform.user(practice.slug, practice.doctor, practice.doctor_name, "doctor", &password);
            teller.during(format!("user {} added", practice.doctor), adding).await?;
        }
        Ok(Self { postgres, s3, platform, tenants, password })
    }

    pub(crate) async fn serve(&self, teller: &Teller) -> Result<Services, Failure> {
        let server = teller.during("API and pages started", self.platform.serve()).await?;
        let worker = teller.during("worker started", self.platform.work(&[])).await?;
        Ok(Services { server, worker })
    }

    /// A laboratory posts every sample; both doctors look.
    pub(crate) async fn send_and_show(&self, teller: &Teller, services: &Services) -> Result<Seen, Failure> {
        let source = self.platform.source("Testlabor").await?;
        let sender = self.platform.sender(&services.server, &source)?;
        let samples = samples::all()?;
        let sending = async {
            for sample in &samples {
                let answer = sender.send_as(&sample.name, &sample.bytes).await?;
                if answer.status != 202 {
                    return Err(Failure::from(format!("{} was answered with {}", sample.name, answer.status)));
                }
            }
            Ok(())
        };
        teller
            .during(format!("{} signed messages posted and durable, LDT 2 and LDT 3", samples.len()), sending)
            .await?;
        teller.during("worker stored them", self.platform.until_idle(&self.postgres, WORK_LIMIT)).await?;
        let mut per_practice = Vec::new();
        for practice in &PRACTICES {
            let client = self.sign_in(services, practice).await?;
            let page = client.reports().await?;
            println!("\n{}: {} current report(s)", practice.name, page.items.len());
            show_reports(&client, &page.items).await?;
            per_practice.push(page.items);
        }
        if per_practice.iter().any(Vec::is_empty) {
            return Err("a practice has no report".into());
        }
        println!();
        Ok(Seen { per_practice })
    }

    /// The first practice's doctor asks for a report of the second one.
    pub(crate) async fn keep_apart(&self, teller: &Teller, services: &Services, seen: &Seen) -> Result<(), Failure> {
        let [first, ..] = &PRACTICES;
        let Some(report) = seen.per_practice.get(1).and_then(|reports| reports.first()) else {
            return Err("nothing to try".into());
        };
        let asking = async {
            let client = self.sign_in(services, first).await?;
            let status = client.status_of_report(&report.id).await?;
            if status == 404 {
                Ok(())
            } else {
                Err(Failure::from(format!("the other practice's report was answered with {status}")))
            }
        };
        teller.during(format!("{} gets 404 for a report of the other practice", first.doctor), asking).await
    }

    /// One practice to S3 and back into a scratch schema, compared.
    pub(crate) async fn back_up(&self, teller: &Teller) -> Result<(), Failure> {
        let Some(tenant) = self.tenants.first() else { return Err("no tenant".into()) };
        let backup = |arguments: &[&str]| Ok::<_, Failure>(self.platform.program("labor-backup")?.args(arguments));
        let run = backup(&["run", "--tenant", tenant, "--create-bucket"])?;
        teller
            .during(format!("{tenant} backed up to S3: pg_dump, zstd, age, multipart upload, manifest"), run.output())
            .await?;
        let verify = backup(&["verify", "--tenant", tenant])?;
        let said = teller
            .during("backup restored into a scratch schema; rows, hashes and isolation compared", verify.output())
            .await?;
        println!("{}", said.trim_end());
        Ok(())
    }

    pub(crate) async fn status(&self, teller: &Teller) -> Result<(), Failure> {
        let said = teller
            .during("labor-migrator status", self.platform.program("labor-migrator")?.args(["status"]).output())
            .await?;
        println!("{}", said.trim_end());
        Ok(())
    }

    /// Names and birth dates that the doctors saw must be in no log, queue or control table.
    pub(crate) async fn search_for_patient_data(&self, teller: &Teller, seen: &Seen) -> Result<(), Failure> {
        let reports = seen.per_practice.iter().flatten();
        let mut terms: Vec<String> =
            reports.flat_map(|r| [&r.family_name, &r.given_name, &r.birth_date]).flatten().cloned().collect();
        terms.sort();
        terms.dedup();
        let searching = async {
            let found = self.platform.find_patient_data(&self.postgres, &terms).await?;
            if found.is_empty() {
                Ok(())
            } else {
                Err(Failure::from(format!("patient data where it must not be: {}", found.join("; "))))
            }
        };
        teller
            .during(format!("no patient data in logs, queue and control tables ({} terms)", terms.len()), searching)
            .await
    }

    pub(crate) fn invite(&self, services: &Services) -> Result<(), Failure> {
        let base = &services.server.base;
        println!("\nLabor is up.\n  pages            {base}/\n  API description  {base}/openapi.json");
        for practice in &PRACTICES {
            println!("  practice {:<12} user {:<14} password {}", practice.slug, practice.doctor, self.password);
        }
        let settings = self.platform.write_settings(base)?;
        println!("To use labor, labor-migrator and labor-backup on it, in another shell:  . {}", settings.display());
        println!("Ctrl-C stops everything and leaves nothing running.");
        Ok(())
    }

    pub(crate) async fn stop(&self, teller: &Teller, services: Services) -> Result<(), Failure> {
        let stopping = async {
            services.worker.terminate(STOP_LIMIT).await?;
            services.server.running.terminate(STOP_LIMIT).await?;
            self.s3.stop();
            self.postgres.stop().await
        };
        Ok(teller.during("everything stopped", stopping).await?)
    }

    async fn sign_in(&self, services: &Services, practice: &Practice) -> Result<Client, Failure> {
        Ok(Client::sign_in(&services.server.base, practice.slug, practice.doctor, &self.password).await?)
    }
}

async fn show_reports(client: &Client, reports: &[Summary]) -> Result<(), Failure> {
    let mut rows = table(["patient", "born", "order", "status", "test", "value", "reference", "flag"]);
    for report in reports {
        let name =
            [&report.family_name, &report.given_name].into_iter().flatten().cloned().collect::<Vec<_>>().join(", ");
        let version =
            if report.version > 1 { format!("{} (v{})", report.status, report.version) } else { report.status.clone() };
        let (born, order) =
            (report.birth_date.clone().unwrap_or_default(), report.order_number.clone().unwrap_or_default());
        for (n, value) in client.report(&report.id).await?.values.iter().enumerate() {
            let first = |text: &str| if n == 0 { text.to_owned() } else { String::new() };
            let name = if name.is_empty() { "(order only)" } else { &name };
            rows.add_row([
                first(name),
                first(&born),
                first(&order),
                first(&version),
                test(value),
                amount(value),
                reference(value),
                value.flag.clone().unwrap_or_default(),
            ]);
        }
    }
    println!("{rows}");
    Ok(())
}

fn test(value: &Observation) -> String {
    value.test_name.clone().unwrap_or_else(|| value.test_code.clone())
}

fn amount(value: &Observation) -> String {
    let parts = [&value.value, &value.unit].into_iter().flatten().cloned();
    parts
        .map(|part| part.lines().next().unwrap_or_default().chars().take(40).collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

fn reference(value: &Observation) -> String {
    match (&value.reference_text, &value.reference_low, &value.reference_high) {
        (Some(text), _, _) => text.chars().take(30).collect(),
        (None, Some(low), Some(high)) => format!("{low}–{high}"),
        (None, Some(low), None) => format!("from {low}"),
        (None, None, Some(high)) => format!("to {high}"),
        (None, None, None) => String::new(),
    }
}

//! What compliance does at the command line: ask for an export or a deletion, approve it as a second person, take it back, note that a
//! practice has its export, hold a tenant.
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, NaiveDate, Utc};
use clap::{Subcommand, ValueEnum};
use labor_catalog::TenantName;
use labor_db::requests::{Approval, Receipt, RequestKind};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::App;
use crate::admin::AdminError;

/// Days between the shutting of a practice and its deletion, unless somebody says otherwise.
const GRACE_DAYS: i32 = 14;

/// Commands about operators.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Register an operator.
    Add {
        /// Name used in requests and approvals.
        username: String,
        /// Name as shown.
        #[arg(long)]
        name: String,
    },
    /// List the operators.
    List,
}

/// Commands about requests.
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Ask for an export, a copy for one patient, or a deletion.
    Create {
        /// What is wanted.
        #[arg(value_enum)]
        kind: Kind,
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: String,
        /// Of a copy: whose data, by the id that the practice's API gives (`patient_id` of a report).
        #[arg(long, value_name = "ID", required_if_eq("kind", "copy"))]
        patient: Option<Uuid>,
        /// Legal basis or contract; no health data.
        #[arg(long)]
        reason: String,
        /// Of a deletion: for so many days the practice is shut and kept before anything is dropped; 14 without it.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=365))]
        grace_days: Option<i32>,
        /// Of a deletion: the practice need not get first what it has to keep, and why (such as: its written word that it has all of it).
        #[arg(long, value_name = "WHY")]
        no_receipt: Option<String>,
        /// Operator who asks.
        #[arg(long)]
        by: String,
    },
    /// Agree, as another operator than the one who asked.
    Approve {
        /// Id of the request.
        request: Uuid,
        /// Operator who agrees.
        #[arg(long)]
        by: String,
    },
    /// Take a request back, as long as nothing was dropped for it; any operator can.
    Withdraw {
        /// Id of the request.
        request: Uuid,
        /// Operator who takes it back.
        #[arg(long)]
        by: String,
    },
    /// Note that the practice has an export: a deletion waits for it while records have to be kept.
    Receipt {
        /// Id of the export's request.
        request: Uuid,
        /// The manifest of the export that was handed over (`manifest.json` in its folder).
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        /// Who of the practice confirmed it, and how; no health data.
        #[arg(long)]
        from: String,
        /// Operator who notes it.
        #[arg(long)]
        by: String,
    },
    /// List the requests.
    List,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// A copy of everything, for the practice.
    Export,
    /// A copy of one patient's data, for the patient (GDPR, Article 15).
    Copy,
    /// Deletion of everything.
    Deletion,
}

/// Commands about holds.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Forbid the deletion of a practice.
    Add {
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: String,
        /// Who holds.
        #[arg(long)]
        holder: String,
        /// Why; no health data.
        #[arg(long)]
        reason: String,
        /// Last day (YYYY-MM-DD); until removed without it.
        #[arg(long)]
        until: Option<NaiveDate>,
    },
    /// List the holds.
    List,
    /// Remove a hold.
    Remove {
        /// Id of the hold (`labor hold list`).
        hold: Uuid,
    },
}

/// Registers or lists operators.
///
/// # Errors
/// When the name is taken, or the database can't be asked.
pub async fn operator(app: &App, command: &OperatorCommand) -> Result<Value, AdminError> {
    match command {
        OperatorCommand::Add { username, name } => {
            let id = app.control.add_operator(username, name).await?;
            let id = id.ok_or_else(|| AdminError::Invalid(format!("there is an operator {username:?} already")))?;
            Ok(json!({ "operator": id, "username": username }))
        }
        OperatorCommand::List => Ok(json!({ "operators": app.control.operators().await? })),
    }
}

/// Asks, approves, takes back, notes a receipt or lists.
///
/// # Errors
/// When the practice, operator or request is unknown, the approver is the one who asked, something was dropped already, the manifest is
/// not that of the request, or the database can't be asked.
pub async fn request(app: &App, command: &RequestCommand) -> Result<Value, AdminError> {
    match command {
        RequestCommand::Create { kind, practice, patient, reason, grace_days, no_receipt, by } => {
            let kind = wanted(*kind, *patient, *grace_days, no_receipt.clone())?;
            let (tenant, by) = (kept_practice(app, practice).await?, operator_named(app, by).await?);
            let mut answer = json!({ "tenant": tenant, "patient_id": patient, "state": "requested" });
            if let RequestKind::Deletion { grace_days, .. } = kind {
                answer["grace_days"] = json!(grace_days);
            }
            answer["request"] = json!(app.control.request(kind, &tenant, reason, by).await?);
            Ok(answer)
        }
        RequestCommand::Approve { request, by } => {
            match app.control.approve(*request, operator_named(app, by).await?).await? {
                Approval::Approved => Ok(json!({ "request": request, "state": "approved" })),
                Approval::SamePerson => {
                    Err(AdminError::Invalid("whoever asked can't approve; another operator has to".to_owned()))
                }
                Approval::NotOpen => Err(AdminError::Invalid(format!("there is no open request {request}"))),
            }
        }
        RequestCommand::Withdraw { request, by } => {
            let withdrawn = app.control.withdraw(*request, operator_named(app, by).await?).await?;
            if withdrawn {
                return Ok(json!({ "request": request, "state": "withdrawn" }));
            }
            let why = format!(
                "there is no request {request} that could be taken back: it is unknown, done, or taken back already, or its practice was dropped already"
            );
            Err(AdminError::Invalid(why))
        }
        RequestCommand::Receipt { request, manifest, from, by } => {
            let by = operator_named(app, by).await?;
            let receipt = receipt(app, *request, manifest, from).await?;
            if !app.control.receive(*request, &receipt, by).await? {
                let why = format!(
                    "{}: an export of {} can't be one for {request}: that was approved later, was taken back, or the time has not come",
                    manifest.display(),
                    receipt.exported_at
                );
                return Err(AdminError::Invalid(why));
            }
            Ok(
                json!({ "request": request, "manifest_sha256": receipt.manifest_sha256, "exported_at": receipt.exported_at }),
            )
        }
        RequestCommand::List => Ok(json!({ "requests": app.control.requests().await? })),
    }
}

fn wanted(
    kind: Kind,
    patient: Option<Uuid>,
    grace_days: Option<i32>,
    no_receipt: Option<String>,
) -> Result<RequestKind, AdminError> {
    let why = match (kind, patient, grace_days, no_receipt) {
        (Kind::Export, None, None, None) => return Ok(RequestKind::Export),
        (Kind::Copy, Some(patient), None, None) => return Ok(RequestKind::Copy(patient)),
        (Kind::Deletion, None, days, no_receipt) => {
            return Ok(RequestKind::Deletion { grace_days: days.unwrap_or(GRACE_DAYS), no_receipt });
        }
        (Kind::Export | Kind::Copy, _, Some(_), _) | (Kind::Export | Kind::Copy, _, _, Some(_)) => {
            "--grace-days and --no-receipt go with a deletion and with nothing else"
        }
        _ => "--patient goes with a copy and with nothing else: an export and a deletion are of a whole practice",
    };
    Err(AdminError::Invalid(why.to_owned()))
}

/// What a manifest says of its export.
#[derive(Deserialize)]
struct Manifest {
    what: String,
    patient: Option<Uuid>,
    request: Uuid,
    tenant: String,
    exported_at: DateTime<Utc>,
}

async fn receipt(app: &App, request: Uuid, file: &Path, from: &str) -> Result<Receipt, AdminError> {
    let refused = |why: String| AdminError::Invalid(format!("{}: {why}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| refused(format!("this is not the manifest.json of an export: {error}")))?;
    if manifest.what != "labor export" || manifest.patient.is_some() {
        return Err(refused("this is not the manifest.json of the export of a whole practice".to_owned()));
    }
    if from.trim().is_empty() || from.len() > 200 {
        return Err(AdminError::Invalid("--from says in 1 to 200 characters who confirmed it, and how".to_owned()));
    }
    let tenant = app.control.exported_tenant(request).await?;
    let tenant = tenant.ok_or_else(|| AdminError::Invalid(format!("there is no approved export {request}")))?;
    if manifest.request != request || manifest.tenant != tenant {
        let of = manifest.request;
        return Err(refused(format!(
            "this is the export of {} for request {of}, not of {tenant} for {request}",
            manifest.tenant
        )));
    }
    let manifest_sha256 = hex::encode(digest(&SHA256, &bytes));
    Ok(Receipt { manifest_sha256, exported_at: manifest.exported_at, from: from.to_owned() })
}

/// Adds or removes a hold.
///
/// # Errors
/// When the practice or hold is unknown, or the database can't be asked.
pub async fn hold(app: &App, command: &HoldCommand) -> Result<Value, AdminError> {
    match command {
        HoldCommand::Add { practice, holder, reason, until } => {
            let tenant = kept_practice(app, practice).await?;
            Ok(json!({ "hold": app.control.hold(&tenant, holder, reason, *until).await? }))
        }
        HoldCommand::List => Ok(json!({ "holds": app.control.holds().await? })),
        HoldCommand::Remove { hold } if app.control.release(*hold).await? => Ok(json!({ "removed": hold })),
        HoldCommand::Remove { hold } => Err(AdminError::Invalid(format!("there is no hold {hold}"))),
    }
}

/// Open or shut.
async fn kept_practice(app: &App, slug: &str) -> Result<TenantName, AdminError> {
    let found = app.control.kept_practice(slug).await?;
    let found = found.ok_or_else(|| {
        AdminError::Invalid(format!("there is no practice {slug:?}; `labor-migrator status` lists them"))
    })?;
    TenantName::parse(&found).map_err(|error| AdminError::Invalid(error.to_string()))
}

async fn operator_named(app: &App, username: &str) -> Result<Uuid, AdminError> {
    let found = app.control.operator(username).await?;
    found.ok_or_else(|| {
        AdminError::Invalid(format!("there is no operator {username:?}; add one with `labor operator add`"))
    })
}

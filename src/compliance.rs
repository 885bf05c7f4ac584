//! What compliance does at the command line: ask for an export or a deletion, approve it as a second person, hold a tenant.
use chrono::NaiveDate;
use clap::{Subcommand, ValueEnum};
use labor_db::requests::{Approval, RequestKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::App;
use crate::admin::{AdminError, practice_named};

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

/// Asks, approves or lists.
///
/// # Errors
/// When the practice, operator or request is unknown, the approver is the one who asked, or the database can't be asked.
pub async fn request(app: &App, command: &RequestCommand) -> Result<Value, AdminError> {
    match command {
        RequestCommand::Create { kind, practice, patient, reason, by } => {
            let kind = match (kind, patient) {
                (Kind::Export, None) => RequestKind::Export,
                (Kind::Deletion, None) => RequestKind::Deletion,
                (Kind::Copy, Some(patient)) => RequestKind::Copy(*patient),
                _ => {
                    let why = "--patient goes with a copy and with nothing else: an export and a deletion are of a whole practice";
                    return Err(AdminError::Invalid(why.to_owned()));
                }
            };
            let (tenant, by) = (practice_named(app, practice).await?, operator_named(app, by).await?);
            let id = app.control.request(kind, &tenant, reason, by).await?;
            Ok(json!({ "request": id, "tenant": tenant, "patient_id": patient, "state": "requested" }))
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
        RequestCommand::List => Ok(json!({ "requests": app.control.requests().await? })),
    }
}

/// Adds or removes a hold.
///
/// # Errors
/// When the practice or hold is unknown, or the database can't be asked.
pub async fn hold(app: &App, command: &HoldCommand) -> Result<Value, AdminError> {
    match command {
        HoldCommand::Add { practice, holder, reason, until } => {
            let tenant = practice_named(app, practice).await?;
            Ok(json!({ "hold": app.control.hold(&tenant, holder, reason, *until).await? }))
        }
        HoldCommand::List => Ok(json!({ "holds": app.control.holds().await? })),
        HoldCommand::Remove { hold } if app.control.release(*hold).await? => Ok(json!({ "removed": hold })),
        HoldCommand::Remove { hold } => Err(AdminError::Invalid(format!("there is no hold {hold}"))),
    }
}

async fn operator_named(app: &App, username: &str) -> Result<Uuid, AdminError> {
    let found = app.control.operator(username).await?;
    found.ok_or_else(|| {
        AdminError::Invalid(format!("there is no operator {username:?}; add one with `labor operator add`"))
    })
}

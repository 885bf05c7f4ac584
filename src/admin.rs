//! What an operator does at the command line: register a laboratory, add a user, look after messages that were set aside.
use std::io::Read as _;

use chrono::{TimeDelta, Utc};
use clap::{Subcommand, ValueEnum};
use labor_catalog::SecretNumber;
use labor_db::messages::{self, arrived};
use labor_db::users::{self, NewUser};
use labor_db::{ClaimRole, Claims, DbError, MasterSecret, TenantName};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{App, password};

/// Commands about laboratories.
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Register a laboratory's channel; prints its id and signing secret.
    Add {
        /// Name of the channel for operators.
        name: String,
    },
    /// List the channels.
    List,
    /// Give a laboratory a new signing secret; the one before stays good until the next rotation.
    Rotate {
        /// Id of the source (`labor source list`).
        source: Uuid,
    },
}

/// Commands about users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user to a practice. The password is read from standard input (first line).
    Add {
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: String,
        /// User name.
        #[arg(long)]
        username: String,
        /// Name as shown to colleagues.
        #[arg(long)]
        name: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: UserRole,
        /// For patients: whose results they see.
        #[arg(long, required_if_eq("role", "patient"))]
        patient: Option<Uuid>,
    },
    /// Note a doctor's number (LANR): genetic results are released by the doctor who has the number of whoever ordered them.
    SetLanr {
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: String,
        /// User name of the doctor.
        #[arg(long)]
        username: String,
        /// Nine digits.
        #[arg(long, required_unless_present = "none")]
        lanr: Option<String>,
        /// Take the number away.
        #[arg(long, conflicts_with = "lanr")]
        none: bool,
    },
    /// Let a user no longer sign in; an open session ends within minutes.
    Deactivate {
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: String,
        /// User name.
        #[arg(long)]
        username: String,
    },
}

/// Commands about messages that were set aside.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List them: those of a practice, or of the intake without one.
    List {
        /// Sign-in name of the practice.
        #[arg(long)]
        practice: Option<String>,
    },
    /// What readers tolerated in messages that they did understand, by code and laboratory: what a laboratory should mend.
    Warnings {
        /// Sign-in name of the practice; the intake without one.
        #[arg(long)]
        practice: Option<String>,
        /// Of so many days.
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Put one back to work.
    Replay {
        /// Id of the message.
        message: Uuid,
        /// Sign-in name of the practice; the intake without one.
        #[arg(long)]
        practice: Option<String>,
    },
    /// Say that one is not to be worked on again. It stays, with its bytes and the reason.
    Discard {
        /// Id of the message.
        message: Uuid,
        /// Why; no health data.
        #[arg(long)]
        reason: String,
        /// Sign-in name of the practice; the intake without one.
        #[arg(long)]
        practice: Option<String>,
    },
}

/// A person's role.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UserRole {
    /// Administrator of the practice.
    Admin,
    /// Doctor.
    Doctor,
    /// Laboratory technician.
    LabTechnician,
    /// Patient.
    Patient,
}

impl From<UserRole> for ClaimRole {
    fn from(role: UserRole) -> Self {
        match role {
            UserRole::Admin => Self::Admin,
            UserRole::Doctor => Self::Doctor,
            UserRole::LabTechnician => Self::LabTechnician,
            UserRole::Patient => Self::Patient,
        }
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The caller.
    #[error("{0}")]
    Invalid(String),
    /// Hashing.
    #[error(transparent)]
    Hash(#[from] password::HashError),
    /// Standard input.
    #[error("the password can't be read from standard input")]
    Input(#[from] std::io::Error),
}

/// Registers a laboratory, or gives it a new secret.
///
/// # Errors
/// When the name is taken or the source unknown, or the database can't be asked.
pub async fn source(app: &App, command: &SourceCommand) -> Result<Value, AdminError> {
    match command {
        SourceCommand::Add { name } if name.trim().is_empty() || name.chars().count() > 120 => {
            Err(AdminError::Invalid("the name of a source has 1 to 120 characters".to_owned()))
        }
        SourceCommand::Add { name } => {
            let (number, master) = current_secret(app).await?;
            let id = app.control.add_source(name, number).await?;
            let id = id.ok_or_else(|| AdminError::Invalid(format!("there is a source named {name:?} already")))?;
            Ok(json!({ "source": id, "name": name, "secret": master.source_secret(id, 1) }))
        }
        SourceCommand::List => Ok(json!({ "sources": app.control.list_sources().await? })),
        SourceCommand::Rotate { source } => {
            let (number, master) = current_secret(app).await?;
            let version = app.control.rotate_source(*source, number).await?;
            let version = version.ok_or_else(|| AdminError::Invalid(format!("there is no source {source}")))?;
            Ok(json!({ "source": source, "secret_version": version, "secret": master.source_secret(*source, version) }))
        }
    }
}

/// The master secret that the fleet uses now. None other: what is given out is to last.
async fn current_secret(app: &App) -> Result<(SecretNumber, MasterSecret), AdminError> {
    let number = app.control.keys_in_use().await?.number();
    let lacking = || {
        AdminError::Invalid(format!(
            "the master secret file here lacks number {number}, which the fleet uses now; append that line first"
        ))
    };
    Ok((number, app.secrets.get(number).ok_or_else(lacking)?))
}

/// Adds or deactivates a user, or notes a doctor's number.
///
/// # Errors
/// When the practice or user is unknown, the name taken or the password too short, or the database can't be asked.
pub async fn user(app: &App, command: &UserCommand) -> Result<Value, AdminError> {
    match command {
        UserCommand::Add { practice, username, name, role, patient } => {
            let user = NewUser {
                username: username.trim().to_lowercase(),
                password_hash: password::hash(&typed_password()?)?,
                role: (*role).into(),
                display_name: name.clone(),
                patient_id: *patient,
            };
            let tenant = practice_named(app, practice).await?;
            let mut session = app.session(&Claims::operator(tenant), Uuid::now_v7()).await?;
            let id = users::add(&mut session, &user).await?;
            let taken = || AdminError::Invalid(format!("{practice} has a user named {:?} already", user.username));
            Ok(
                json!({ "user": id.ok_or_else(taken)?, "practice": practice, "username": user.username, "role": user.role }),
            )
        }
        UserCommand::SetLanr { practice, username, lanr, none: _ } => {
            if lanr.as_deref().is_some_and(|lanr| !own_lanr(lanr)) {
                let detail =
                    "a doctor number has nine digits, the seventh checks the six before it, and it is no pseudo number";
                return Err(AdminError::Invalid(detail.to_owned()));
            }
            let tenant = practice_named(app, practice).await?;
            let mut session = app.session(&Claims::operator(tenant), Uuid::now_v7()).await?;
            match users::set_lanr(&mut session, &username.trim().to_lowercase(), lanr.as_deref()).await {
                Ok(true) => Ok(json!({ "practice": practice, "username": username, "lanr": lanr })),
                Ok(false) => Err(AdminError::Invalid(format!("{practice} has no active doctor {username:?}"))),
                Err(DbError::Conflict) => {
                    Err(AdminError::Invalid(format!("another user of {practice} has this doctor number")))
                }
                Err(error) => Err(error.into()),
            }
        }
        UserCommand::Deactivate { practice, username } => {
            let tenant = practice_named(app, practice).await?;
            let mut session = app.session(&Claims::operator(tenant), Uuid::now_v7()).await?;
            if users::deactivate(&mut session, &username.trim().to_lowercase()).await? {
                Ok(json!({ "practice": practice, "username": username, "active": false }))
            } else {
                Err(AdminError::Invalid(format!("{practice} has no active user {username:?}")))
            }
        }
    }
}

/// Whether it is the number of one doctor: its check digit is right, and it stands neither for none nor for many (F011, F022).
pub(crate) fn own_lanr(number: &str) -> bool {
    ldt::check::lanr(number) && number != "999999900" && !number.starts_with("555555")
}

/// The first line of standard input.
fn typed_password() -> Result<String, AdminError> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let typed = input.lines().next().unwrap_or_default();
    if typed.chars().count() < 12 {
        return Err(AdminError::Invalid(
            "a password needs at least 12 characters; give it on standard input".to_owned(),
        ));
    }
    Ok(typed.to_owned())
}

/// Lists, replays or discards messages that were set aside; lists what readers tolerated in others.
///
/// # Errors
/// When the practice or message is unknown, or the database can't be asked.
pub async fn quarantine(app: &App, command: &QuarantineCommand) -> Result<Value, AdminError> {
    let (QuarantineCommand::List { practice }
    | QuarantineCommand::Warnings { practice, .. }
    | QuarantineCommand::Replay { practice, .. }
    | QuarantineCommand::Discard { practice, .. }) = command;
    let tenant = match practice {
        Some(slug) => practice_named(app, slug).await?,
        None => app.control.intake().await?,
    };
    let mut session = app.session(&Claims::worker(tenant.clone()), Uuid::now_v7()).await?;
    match command {
        QuarantineCommand::List { .. } => {
            let found = messages::list_set_aside(&mut session).await?;
            Ok(json!({ "messages": found.messages, "total": found.total }))
        }
        QuarantineCommand::Warnings { days, .. } => {
            let since = Utc::now() - TimeDelta::days(i64::from(*days));
            Ok(json!({ "warnings": arrived::tolerated(&mut session, since).await? }))
        }
        QuarantineCommand::Replay { message, .. } => {
            if messages::replay(&mut session, *message).await? {
                Ok(json!({ "replayed": message }))
            } else {
                Err(AdminError::Invalid(format!("there is no message {message} that was set aside here")))
            }
        }
        QuarantineCommand::Discard { message, reason, .. } => {
            let reason = reason.trim();
            if reason.is_empty() || reason.chars().count() > 200 {
                return Err(AdminError::Invalid("a reason has 1 to 200 characters".to_owned()));
            }
            if !messages::discarded(&mut session, *message, reason).await? {
                return Err(AdminError::Invalid(format!(
                    "there is no message {message} that was set aside here, or it is discarded already"
                )));
            }
            app.control.queue().await.remove_dead_letters_of(&tenant, *message).await?;
            Ok(json!({ "discarded": message }))
        }
    }
}

pub(crate) async fn practice_named(app: &App, slug: &str) -> Result<TenantName, AdminError> {
    let tenant = app.control.practice(slug).await?;
    tenant.ok_or_else(|| {
        AdminError::Invalid(format!("there is no active practice {slug:?}; `labor-migrator status` lists them"))
    })
}

//! `labor reparse`: a practice's messages are read again with today's readers; what would change is shown, and then stored as it was shown.
//! Must stay true: without `--apply` nothing is written; with it nothing but what the plan says, and nothing of it if anything is not as it was
//! then. What is printed and what a plan holds are ids, digests and names of fields: never a value, unless into a file that was asked for.
mod apply;
mod look;
mod plan;
mod tell;
mod values;

use std::path::PathBuf;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::Args;
use labor_db::messages::arrived::{self, Arrived, Selection};
use labor_db::results::reread;
use labor_db::{Claims, DbError, TenantName, TenantSession};
use uuid::Uuid;

use self::look::{Look, Seen};
use self::plan::{Header, Writing};
use self::tell::{Tell, Totals};
use self::values::Values;
use crate::App;
use crate::admin::{AdminError, practice_named};

/// What `labor reparse` is told.
#[derive(Debug, Args)]
pub struct ReparseArguments {
    /// Sign-in name of the practice.
    #[arg(long, value_name = "NAME")]
    tenant: String,
    /// Messages that arrived on this day (UTC) or later.
    #[arg(long, value_name = "DATE")]
    since: Option<NaiveDate>,
    /// Messages that arrived on this day (UTC) or before.
    #[arg(long, value_name = "DATE")]
    until: Option<NaiveDate>,
    /// Only these messages.
    #[arg(long = "message", value_name = "ID", num_args = 1..)]
    messages: Vec<Uuid>,
    /// Print JSON, a line for each message and one for all.
    #[arg(long)]
    json: bool,
    /// Write what is stored and what it would be into this new file, which its owner alone can read. It holds patient data.
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    show_values: Option<PathBuf>,
    /// Store what this plan says.
    #[arg(long, value_name = "PLANHASH", conflicts_with_all = ["since", "until", "messages"])]
    apply: Option<String>,
    /// Where plans are written to and read from.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    plans: PathBuf,
}

/// Shows what would change, or changes it.
///
/// # Errors
/// When the practice is unknown, the plan is not, or does not fit any more, or the database can't be asked.
pub async fn run(app: &App, arguments: &ReparseArguments) -> Result<(), AdminError> {
    let tenant = practice_named(app, &arguments.tenant).await?;
    let reparse = Reparse { app: app.clone(), tenant, run: Uuid::now_v7(), tell: Tell { json: arguments.json } };
    match &arguments.apply {
        Some(hash) => apply::apply(&reparse, &arguments.plans, hash).await,
        None => reparse.show(arguments).await,
    }
}

/// One run.
struct Reparse {
    app: App,
    tenant: TenantName,
    run: Uuid,
    tell: Tell,
}

impl Reparse {
    /// Anew for each message: it may last for hours, and meanwhile keys and the practice's state change.
    async fn session(&self) -> Result<TenantSession, DbError> {
        self.app.session(&Claims::reparse(self.tenant.clone()), self.run).await
    }

    /// Looks at every message of the selection, in the order in which they arrived.
    async fn each(
        &self,
        which: &Selection,
        mut see: impl AsyncFnMut(&Arrived, Look) -> Result<(), AdminError>,
    ) -> Result<(), AdminError> {
        let mut last: Option<Arrived> = None;
        loop {
            let page = arrived::page(&mut self.session().await?, which, last.as_ref()).await?;
            for message in &page {
                see(message, look::look(self, message).await?).await?;
            }
            match page.into_iter().next_back() {
                Some(message) => last = Some(message),
                None => return Ok(()),
            }
        }
    }

    async fn show(&self, arguments: &ReparseArguments) -> Result<(), AdminError> {
        let header = Header {
            format: plan::FORMAT,
            tenant: self.tenant.clone(),
            since: arguments.since,
            until: arguments.until,
            messages: arguments.messages.clone(),
        };
        let mut plan = Writing::begin(&arguments.plans, &header)?;
        let mut values = arguments.show_values.as_deref().map(Values::create).transpose()?;
        if values.is_some() {
            reread::note_values_shown(&mut self.session().await?).await?;
        }
        let mut totals = Totals::default();
        let which = selection(&header)?;
        self.each(&which, async |message, look| {
            totals.count(&look);
            self.tell.look(message, &look)?;
            if let Seen::Read { line: Some(line), differences, .. } = &look.seen {
                plan.add(line)?;
                if let Some(values) = &mut values {
                    values.add(line, differences)?;
                }
            }
            Ok(())
        })
        .await?;
        let (hash, file) = plan.finish()?;
        self.tell.totals(&totals, &hash, &file)
    }
}

/// Which messages a plan is about.
fn selection(header: &Header) -> Result<Selection, AdminError> {
    let day = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let after = |until: NaiveDate| until.checked_add_days(Days::new(1)).map(day);
    let last = NaiveDate::from_ymd_opt(9999, 1, 1).map(day).unwrap_or_default();
    let since = header.since.map_or(DateTime::<Utc>::UNIX_EPOCH, day);
    let before = header.until.map_or(Some(last), after);
    let before = before.ok_or_else(|| AdminError::Invalid("--until is no day that comes".to_owned()))?;
    Ok(Selection { since, before, messages: header.messages.clone() })
}

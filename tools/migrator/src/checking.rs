//! `check`: once, or again and again until somebody stops it.
//! Must stay true: a database that can't be asked now ends no check that is to go on.
use std::process::ExitCode;
use std::time::Duration;

use labor_migrator::isolation::Finding;
use labor_migrator::named::Slugs;
use labor_migrator::{Migrator, MigratorError, TenantName};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::arguments::CheckArguments;
use crate::{FINDINGS, interrupt, output, resolve};

pub(crate) async fn check(
    json: bool,
    migrator: &Migrator,
    arguments: CheckArguments,
) -> Result<ExitCode, MigratorError> {
    let Some(every) = arguments.every else {
        return check_once(json, migrator, &arguments).await;
    };
    let mut turns = tokio::time::interval(Duration::from_secs(every.into()));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = std::pin::pin!(interrupt::once());
    loop {
        tokio::select! { () = &mut asked => return Ok(ExitCode::SUCCESS), _ = turns.tick() => {} }
        let checked = tokio::select! {
            () = &mut asked => return Ok(ExitCode::SUCCESS),
            checked = check_once(json, migrator, &arguments) => checked,
        };
        match checked {
            Ok(_) => {}
            // What ails the database now may be over at the next turn.
            Err(error @ (MigratorError::Connect(_) | MigratorError::Database { .. })) => {
                output::aside(format_args!("labor-migrator: {error}; checking again in {every} s"));
            }
            Err(error) => return Err(error),
        }
    }
}

async fn check_once(json: bool, migrator: &Migrator, arguments: &CheckArguments) -> Result<ExitCode, MigratorError> {
    let tenants = resolve(migrator, arguments.tenant.as_slice()).await?;
    let mut findings = output::check::Findings::new(json, migrator.agreed());
    let (send, mut found) = mpsc::unbounded_channel();
    let check = async move {
        let found = |tenant: Option<&TenantName>, finding: &Finding| {
            drop(send.send((tenant.cloned(), finding.clone())));
        };
        if arguments.enforce {
            return migrator.enforce(&tenants, found).await.map(Some);
        }
        migrator.check_fleet(&tenants, found).await.map(|_| None)
    };
    let tell = async {
        let mut slugs = Slugs::new(migrator);
        while let Some((tenant, finding)) = found.recv().await {
            let slug = match &tenant {
                Some(tenant) => slugs.of(tenant).await,
                None => None,
            };
            findings.tell(tenant.as_ref().map(|tenant| (tenant, slug.as_deref())), &finding);
        }
    };
    let (result, ()) = tokio::join!(check, tell);
    let count = findings.end(result.is_ok());
    if let Some(enforced) = result? {
        output::check::enforced(json, &enforced);
    }
    Ok(if count == 0 { ExitCode::SUCCESS } else { ExitCode::from(FINDINGS) })
}

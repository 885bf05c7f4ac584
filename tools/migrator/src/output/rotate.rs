//! How `rotate` tells what it did, and what is to be done next.
use labor_migrator::Migrator;
use labor_migrator::MigratorError;
use labor_migrator::rotate::{Finished, RotationStatus, SourceLeft};

use super::{bar, line, say};

/// Runs `rotate claim-key`.
pub(crate) async fn claim_key(json: bool, migrator: &Migrator) -> Result<(), MigratorError> {
    let done = migrator.rotate_claim_key().await?;
    let until = done.former_until.map(|until| until.format(" until %F %T UTC").to_string()).unwrap_or_default();
    let text = format!(
        "claims are signed with key {} now; key {} is accepted{until}, then it ends by itself",
        done.claim_key, done.former_claim_key
    );
    say(json, &serde_json::json!(done), &text);
    Ok(())
}

/// Runs `rotate master`, with a bar on a terminal.
pub(crate) async fn master(json: bool, migrator: &Migrator) -> Result<(), MigratorError> {
    let bar = bar(json);
    let done = migrator
        .rotate_master(|all, moved| {
            bar.set_length(all);
            bar.set_position(moved);
        })
        .await?;
    bar.finish_and_clear();
    let next = if done.sources_left.is_empty() {
        "next: labor-migrator rotate finish".to_owned()
    } else {
        let list: String = done.sources_left.iter().map(command).collect();
        format!("next, for each laboratory, which gets the new secret:{list}\nthen: labor-migrator rotate finish")
    };
    let number = done.secret_number;
    say(
        json,
        &serde_json::json!(done),
        &format!("master secret {number} is in use, {} login(s) moved to it; {next}", done.logins),
    );
    Ok(())
}

fn command(left: &SourceLeft) -> String {
    format!("\n  labor source rotate {}   # {}", left.source, left.name)
}

/// Runs `rotate finish`.
pub(crate) async fn finish(json: bool, migrator: &Migrator, now: bool) -> Result<(), MigratorError> {
    let done = migrator.rotate_finish(now).await?;
    say(json, &serde_json::json!(done), &told(&done));
    Ok(())
}

fn told(done: &Finished) -> String {
    let (old, until) = (done.former_secret_number, done.former_until.format("%F %T UTC"));
    let mut text = format!(
        "nothing in use depends on master secret {old} any more. Tokens and browser sessions that were signed with it end at {until}; after \
         that remove its line from every file"
    );
    if !done.sources_changing.is_empty() {
        let names: Vec<_> = done.sources_changing.iter().map(|left| left.name.as_str()).collect();
        text += &format!(
            ". The signing secrets that these laboratories had before end then, too; make sure that they sign with the new ones: {}",
            names.join(", ")
        );
    }
    text
}

/// Runs `rotate status`.
pub(crate) async fn status(json: bool, migrator: &Migrator) -> Result<(), MigratorError> {
    let status = migrator.rotate_status().await?;
    if json {
        let mut value = serde_json::json!(status);
        value["next"] = status.next().into();
        line(format_args!("{value}"));
    } else {
        standing(&status);
    }
    Ok(())
}

fn standing(status: &RotationStatus) {
    let numbers: Vec<_> = status.file.iter().map(ToString::to_string).collect();
    line(format_args!("this machine's file holds master secret {}", numbers.join(", ")));
    let current = &status.current;
    line(format_args!("claims are signed with key {} of master secret {}", current.claim_key, current.secret_number));
    if let Some(former) = &status.former {
        let end = match former.until {
            None => "is accepted until `rotate finish`".to_owned(),
            Some(until) if former.accepted => format!("is accepted until {}", until.format("%F %T UTC")),
            Some(until) => format!("was accepted until {}", until.format("%F %T UTC")),
        };
        line(format_args!("key {} of master secret {} {end}", former.claim_key, former.secret_number));
    }
    for (what, counts) in [("logins", &status.logins), ("sources", &status.sources)] {
        for (number, count) in counts {
            line(format_args!("{what} of master secret {number}: {count}"));
        }
    }
    line(format_args!("next: {}", status.next()));
}

//! What is measured, beside what.
use labor_catalog::TenantName;
use labor_demo::Failure;
use labor_demo::figures::{Figures, Topic};

use crate::stage::Stage;

const GROWTH: Topic =
    Topic { name: "growth", title: "Every tenant, empty, by the size of the fleet", ratio: "ms per tenant" };
const FLEET: Topic = Topic { name: "fleet", title: "The whole fleet", ratio: "this / Labor" };
const NIGHT: Topic = Topic { name: "night", title: "A night", ratio: "share of all" };
const LARGE: Topic = Topic {
    name: "large",
    title: "One tenant with real volume, by itself: both are pg_dump's",
    ratio: "MB/s of plain SQL",
};

/// So many of each kind stand for all in the loop of pg_dump.
const SAMPLE: usize = 10;
const LARGE_SAMPLE: usize = 2;
const ROUNDS: usize = 3;
/// Anybody's: nobody is to read it.
const RECIPIENT: &str = "age1kx0ds20s6enwgh6hjeey9x7j5ry7nw0xaq5dz4he24l3l2n84ykq5j5qje";

/// All tenants, changed or not.
pub(crate) async fn growth(stage: &Stage, size: u32, figures: &mut Figures) -> Result<(), Failure> {
    let (stored, seconds) = stage.run_all(&["--at-most-days", "0"]).await?;
    let each = seconds * 1e3 / f64::from(u32::try_from(stored)?);
    figures.add(GROWTH, format!("{size} tenants"), "s", &[seconds], Some(each));
    Ok(())
}

/// The whole fleet, and a loop of `pg_dump` on some of it.
pub(crate) async fn fleet(stage: &Stage, size: u32, large: u32, figures: &mut Figures) -> Result<(), Failure> {
    let (stored, seconds) = stage.run_all(&["--at-most-days", "0"]).await?;
    let tenants = stage.tenants().await?;
    let (with_rows, empty) = tenants.split_at_checked(usize::try_from(large)?).ok_or("there are too few tenants")?;
    let large_each = looped(stage, with_rows, LARGE_SAMPLE).await?;
    let small_each = looped(stage, empty, SAMPLE).await?;
    let all = large_each * f64::from(large) + small_each * f64::from(size.saturating_sub(large));
    figures.add(FLEET, format!("labor-backup run --all: {stored} tenants stored"), "s", &[seconds], None);
    let way = format!(
        "pg_dump -n | zstd | age for each, {} at a time, extrapolated from {SAMPLE} empty tenants and {LARGE_SAMPLE} with volume",
        stage.jobs
    );
    figures.add(FLEET, way, "s", &[all], Some(all / seconds));
    figures.add(FLEET, "of that, one empty tenant", "s", &[small_each], None);
    figures.at_least("the whole fleet: so many times faster than pg_dump for each, at least 50", all / seconds, 50.0);
    Ok(())
}

/// Seconds for each, by `pg_dump`, as many at a time as Labor dumps.
async fn looped(stage: &Stage, tenants: &[TenantName], sample: usize) -> Result<f64, Failure> {
    let step = (tenants.len() / sample).max(1);
    let names: Vec<_> = tenants.iter().step_by(step).take(sample).map(TenantName::as_str).collect();
    let each = format!("pg_dump --schema=$0 | zstd -q | age -r {RECIPIENT} > /dev/null");
    let all = format!("printf '%s\\n' {} | xargs -P {} -n 1 bash -o pipefail -c '{each}'", names.join(" "), stage.jobs);
    let seconds = stage.shell(&all).await?;
    Ok(seconds / f64::from(u32::try_from(names.len())?))
}

/// Nothing changed; one in twenty changed.
pub(crate) async fn nightly(stage: &Stage, size: u32, figures: &mut Figures) -> Result<(), Failure> {
    for (way, every) in [("nothing changed", None), ("5 % changed", Some(20_usize))] {
        let mut changed = 0;
        if let Some(every) = every {
            for tenant in stage.tenants().await?.iter().step_by(every) {
                stage.batch(&format!("UPDATE {tenant}.schema_stamp SET stamped_at = now()")).await?;
                changed += 1;
            }
        }
        let (stored, seconds) = stage.run_all(&[]).await?;
        if stored != changed {
            return Err(format!("{stored} tenants were stored, {changed} had changed").into());
        }
        let share = f64::from(u32::try_from(stored)?) / f64::from(size);
        figures.add(NIGHT, way, "s", &[seconds], Some(share));
    }
    Ok(())
}

/// The first tenant, by itself.
pub(crate) async fn one_large(stage: &Stage, figures: &mut Figures) -> Result<(), Failure> {
    let tenants = stage.tenants().await?;
    let tenant = tenants.first().ok_or("there is no tenant")?;
    let dump = format!("pg_dump --schema={tenant}");
    let file = stage.folder.join("one.sql");
    stage.shell(&format!("{dump} > '{}'", file.display())).await?;
    let megabytes = std::fs::metadata(&file)?.len() as f64 / 1e6;
    std::fs::remove_file(&file)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(stage.run_one(tenant).await?);
        theirs.push(
            stage
                .shell(&format!("{dump} | zstd -q | age -r $(age-keygen 2>/dev/null | age-keygen -y) > /dev/null"))
                .await?,
        );
    }
    for (way, samples) in [
        (format!("labor-backup run: {megabytes:.0} MB, with digests of all rows, to S3"), ours),
        ("pg_dump | zstd | age > /dev/null".to_owned(), theirs),
    ] {
        let rate = megabytes / Figures::median(&samples);
        figures.add(LARGE, way, "s", &samples, Some(rate));
    }
    Ok(())
}

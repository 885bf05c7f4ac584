//! The files as they were applied first, kept in control.migrations, against the files at hand.
//! Must stay true: one query tells, whatever the number of tenants; a file that no tenant has yet may still be edited.
use similar::TextDiff;
use tokio_postgres::GenericClient;

use crate::begun::REACHED;
use crate::chain::{Chain, Target};
use crate::{MigratorError, ahead};

/// Refuses files that must not be run, were edited, or are missing, with the exact difference. None can come in between: numbers have no
/// gaps, so a file that would is another text under a number that was applied.
///
/// Gives the last version that any tenant has, or has begun.
///
/// # Errors
/// When there is one, or the database can't be asked.
pub(crate) async fn compare(client: &impl GenericClient, chain: &Chain) -> Result<i32, MigratorError> {
    chain.runnable()?;
    let rows = client
        .query(
            &format!(
                "SELECT m.version, m.name, m.body, a.applied
                   FROM (SELECT coalesce(max({REACHED}), 0) AS applied FROM control.ledger l) a
                   LEFT JOIN control.migrations m ON m.version <= a.applied
                  ORDER BY m.version"
            ),
            &[],
        )
        .await
        .map_err(MigratorError::during("read the applied migrations"))?;
    let applied: i32 = rows.first().map_or(0, |row| row.get(3));
    let recorded: Vec<Recorded> =
        rows.iter().filter_map(|row| Some((row.get::<_, Option<i32>>(0)?, row.get(1), row.get(2)))).collect();
    refuse_edited(chain, &recorded)?;
    if applied > chain.newest().version {
        return Err(older(client, chain, &recorded).await?);
    }
    // A file without a text, from a release that kept none, is judged by each tenant's own history.
    Ok(applied)
}

/// Refuses files that are not what is recorded up to a version, also of those that no tenant has yet: asked where nobody with other
/// files can write there any more.
///
/// # Errors
/// When there is one, or the database can't be asked.
pub(crate) async fn require(client: &impl GenericClient, chain: &Chain, version: i32) -> Result<(), MigratorError> {
    let sql = "SELECT version, name, body FROM control.migrations WHERE version <= $1 ORDER BY version";
    let rows = client.query(sql, &[&version]).await.map_err(MigratorError::during("read the recorded migrations"))?;
    let recorded: Vec<Recorded> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    refuse_edited(chain, &recorded)
}

/// Version, name and text.
type Recorded = (i32, String, String);

fn refuse_edited(chain: &Chain, recorded: &[Recorded]) -> Result<(), MigratorError> {
    for (version, name, body) in recorded {
        // No version is missing before the last, and a later one is refused elsewhere.
        let Some(file) = chain.migrations().iter().find(|m| m.version == *version) else { continue };
        if file.name != *name || file.sql != *body {
            let difference = TextDiff::from_lines(body.as_str(), &file.sql)
                .unified_diff()
                .header(&format!("V{version}__{name}.sql as applied"), &format!("{} now", file.file_name()))
                .to_string();
            return Err(MigratorError::Edited { file: file.file_name(), difference });
        }
    }
    Ok(())
}

/// As [`compare`], before a tenant is born or adopted. Whether this program is too old for that is judged by the generation and not here:
/// births go on at the old version while the first wave of a newer program is under way.
///
/// # Errors
/// As [`compare`].
pub(crate) async fn compare_for_birth(client: &impl GenericClient, chain: &Chain) -> Result<(), MigratorError> {
    match compare(client, chain).await {
        Ok(_) | Err(MigratorError::Older { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Some tenants have gone on with a newer program.
async fn older(
    client: &impl GenericClient,
    chain: &Chain,
    recorded: &[Recorded],
) -> Result<MigratorError, MigratorError> {
    let newest = chain.newest().version;
    let (count, tenants) = ahead::of(client, newest, None).await?;
    let missing = recorded.iter().find(|(version, ..)| *version > newest);
    let missing = missing.map(|(version, name, _)| {
        format!("V{version}__{name}.sql was applied to tenants and is not among the files; ")
    });
    let missing = missing.unwrap_or_default();
    let what = format!("{missing}{count} tenant(s) are ahead: {}", ahead::list(count, &tenants));
    Ok(MigratorError::Older { what, newest, tenants })
}

/// Keeps the files up to a version. One that no tenant has, not even begun, is overwritten; one that a tenant has is never written.
pub(crate) async fn record(client: &impl GenericClient, chain: &Chain, version: i32) -> Result<(), MigratorError> {
    for migration in chain.between(0, version) {
        client
            .execute(
                &format!(
                    "INSERT INTO control.migrations (version, name, kind, phase, body)
                     SELECT $1::integer, $2::text, $3::text, $4::text, $5::text
                      WHERE $1 > (SELECT coalesce(max({REACHED}), 0) FROM control.ledger l)
                         ON CONFLICT (version) DO UPDATE
                        SET name = EXCLUDED.name, kind = EXCLUDED.kind, phase = EXCLUDED.phase, body = EXCLUDED.body, recorded_at = now()
                      WHERE (migrations.name, migrations.body) <> (EXCLUDED.name, EXCLUDED.body)"
                ),
                &[
                    &migration.version,
                    &migration.name,
                    &migration.kind.word(),
                    &migration.phase.word(),
                    &migration.sql,
                ],
            )
            .await
            .map_err(MigratorError::during("record the migrations"))?;
    }
    Ok(())
}

/// Keeps files that are missing although tenants have them, or are about to be born with them: the first tenants of a fleet, which no
/// run has migrated. Only where no tenant has the version yet, or one has the whole chain up to the target: then these are its texts.
pub(crate) async fn keep(client: &impl GenericClient, chain: &Chain, target: &Target) -> Result<(), MigratorError> {
    let during = || MigratorError::during("record the migrations");
    let row = client
        .query_one("SELECT count(*) FROM control.migrations WHERE version <= $1", &[&target.version])
        .await
        .map_err(during())?;
    let files = chain.between(0, target.version).count();
    if usize::try_from(row.get::<_, i64>(0)).is_ok_and(|kept| kept >= files) {
        return Ok(());
    }
    for migration in chain.between(0, target.version) {
        client
            .execute(
                &format!(
                    "INSERT INTO control.migrations (version, name, kind, phase, body)
                     SELECT $1::integer, $2::text, $3::text, $4::text, $5::text
                      WHERE EXISTS (SELECT FROM control.ledger WHERE chain_checksum = $6)
                         OR NOT EXISTS (SELECT FROM control.ledger l WHERE {REACHED} >= $1)
                         ON CONFLICT (version) DO NOTHING"
                ),
                &[
                    &migration.version,
                    &migration.name,
                    &migration.kind.word(),
                    &migration.phase.word(),
                    &migration.sql,
                    &target.checksum,
                ],
            )
            .await
            .map_err(during())?;
    }
    Ok(())
}

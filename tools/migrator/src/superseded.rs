//! Row rules and guard functions that later ones replaced. They have no version: control.fleet keeps the order in which they came.
//! Must stay true: an older program never takes back what a newer one has closed, unless somebody says so; then the later ones are
//! forgotten, so that the same command goes on after a kill, and the newer program is not refused when it comes again.
use aws_lc_rs::digest;
use labor_catalog::sql;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use crate::MigratorError;
use crate::chain::Chain;

const RULES: &str = "row rules (db/rls/tenant.sql)";
const GUARD: &str = "guard functions (db/rls/guard.sql)";

/// Refuses row rules when a tenant has some that came after them.
///
/// # Errors
/// [`MigratorError::Superseded`], or when the database can't be asked.
pub(crate) async fn refuse_rules(client: &impl GenericClient, chain: &Chain) -> Result<(), MigratorError> {
    let row = client
        .query_one(
            "SELECT count(*) FROM control.fleet f
               JOIN control.ledger l ON array_position(f.rules_order, l.rules_checksum) > array_position(f.rules_order, $1)
               JOIN control.tenants t ON t.name = l.tenant AND t.state <> 'deleted'",
            &[&chain.rules_checksum()],
        )
        .await;
    let later: i64 = match row {
        Ok(row) => row.get(0),
        // Before the first `up` of the release that brought the order.
        Err(error) if is_older_control(&error) => 0,
        Err(error) => return Err(MigratorError::during("read in which order row rules came")(error)),
    };
    if later == 0 {
        return Ok(());
    }
    Err(MigratorError::Superseded { what: RULES, by: format!("later ones, which {later} tenant(s) have") })
}

fn is_older_control(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_TABLE].contains(code))
}

/// Row rules are meant to be taken back to these: those after them did not come.
pub(crate) async fn forget_later_rules(client: &Client, chain: &Chain) -> Result<(), MigratorError> {
    client
        .execute(
            "UPDATE control.fleet SET rules_order = rules_order[:array_position(rules_order, $1)], changed_at = now()
              WHERE $1 = ANY (rules_order)",
            &[&chain.rules_checksum()],
        )
        .await
        .map_err(MigratorError::during("take the order of row rules back"))?;
    Ok(())
}

/// Notes that these row rules come now, after those that tenants were born with.
pub(crate) async fn note_rules(client: &Client, chain: &Chain) -> Result<(), MigratorError> {
    client
        .execute(
            "UPDATE control.fleet f
                SET rules_order = f.rules_order
                    || ARRAY(SELECT DISTINCT l.rules_checksum FROM control.ledger l
                              WHERE l.rules_checksum <> ALL (f.rules_order || $1::text))
                    || $1::text
              WHERE $1 <> ALL (f.rules_order)",
            &[&chain.rules_checksum()],
        )
        .await
        .map_err(MigratorError::during("note that row rules come"))?;
    Ok(())
}

/// Refuses this program's guard when a later one is there.
///
/// # Errors
/// [`MigratorError::Superseded`], or when the database can't be asked.
pub(crate) async fn refuse_guard(client: &impl GenericClient) -> Result<(), MigratorError> {
    let last = match client.query_one(LAST_GUARD, &[&guard()]).await {
        Ok(row) => row.get(0),
        Err(error) if is_older_control(&error) => true,
        Err(error) => return Err(MigratorError::during("read in which order guards came")(error)),
    };
    if last { Ok(()) } else { Err(MigratorError::Superseded { what: GUARD, by: "later ones".to_owned() }) }
}

/// Whether a guard is the last that came, or none that ever did.
const LAST_GUARD: &str =
    "SELECT coalesce(array_position(guard_order, $1) = cardinality(guard_order), true) FROM control.fleet";

fn guard() -> String {
    hex::encode(digest::digest(&digest::SHA256, sql::GUARD.as_bytes()))
}

/// Refuses this program's guard when a later one is there, or, if that is meant, forgets the later ones; then it is the last.
///
/// # Errors
/// [`MigratorError::Superseded`], or when the database can't be asked.
pub(crate) async fn place_guard(client: &impl GenericClient, older_too: bool) -> Result<(), MigratorError> {
    if !older_too {
        refuse_guard(client).await?;
    }
    client
        .execute(
            "UPDATE control.fleet
                SET guard_order = CASE WHEN $1 = ANY (guard_order) THEN guard_order[:array_position(guard_order, $1)]
                                       ELSE guard_order || $1::text END",
            &[&guard()],
        )
        .await
        .map_err(MigratorError::during("note that a guard comes"))?;
    Ok(())
}

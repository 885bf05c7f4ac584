//! What belongs to no tenant: control schema, guard, files, classes, and schemas that nobody registered.
use tokio_postgres::Client;

use super::Row;
use crate::begun::REACHED;
use crate::chain::Target;
use crate::control::GUARD_FINGERPRINT;
use crate::schema::PLAIN_TABLE;
use crate::{Migrator, MigratorError, recorded};

/// So many schemas are listed at a time.
const PAGE: i64 = 250;

/// The control stream, the guard's functions, and the files against those that were applied.
pub(super) async fn control(migrator: &Migrator, client: &Client) -> Result<Vec<Row>, MigratorError> {
    let mut rows = Vec::new();
    let sql = format!("SELECT control_checksum = $1, guard_fingerprint = ({GUARD_FINGERPRINT}) FROM control.fleet");
    let fleet = client
        .query_one(&sql, &[&migrator.control_checksum()])
        .await
        .map_err(MigratorError::during("read what holds for the fleet"))?;
    if !fleet.get::<_, bool>(0) {
        rows.push(Row::of_fleet(
            "control",
            "the control schema was brought where it is by another release than this program's; `labor-migrator up` of the newer one settles it",
        ));
    }
    if !fleet.get::<_, Option<bool>>(1).unwrap_or(false) {
        rows.push(Row::of_fleet(
            "guard",
            "the guard's functions are not as the migrator made them: somebody changed, added or dropped one; `labor-migrator up` puts back \
             those of db/rls/guard.sql",
        ));
    }
    match recorded::compare(client, migrator.chain()).await {
        Ok(_) => {}
        Err(error @ (MigratorError::Edited { .. } | MigratorError::Older { .. } | MigratorError::Invalid(_))) => {
            rows.push(Row::of_fleet("files", error.to_string()));
        }
        Err(error) => return Err(error),
    }
    Ok(rows)
}

/// Tenants of one version and checksum went through the same files: they are one class.
pub(super) async fn classes(client: &Client) -> Result<Vec<Row>, MigratorError> {
    let rows = client
        .query(
            "SELECT version, count(*), string_agg(format('%s tenant(s) of class %s', tenants, left(fingerprint, 12)), ', '
                                                  ORDER BY tenants DESC, fingerprint)
               FROM (SELECT l.version, l.chain_checksum, l.fingerprint, count(*) AS tenants
                       FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                      WHERE t.state <> 'deleted' GROUP BY 1, 2, 3) c
              GROUP BY version, chain_checksum HAVING count(*) > 1 ORDER BY version",
            &[],
        )
        .await
        .map_err(MigratorError::during("count the classes"))?;
    let tell = |row: &tokio_postgres::Row| {
        let (version, classes, list): (i32, i64, &str) = (row.get(0), row.get(1), row.get(2));
        Row::of_fleet(
            "classes",
            format!(
                "version {version} is {classes} different schemas by the ledger: {list}; `labor-migrator drift --diff` shows the lines"
            ),
        )
    };
    Ok(rows.iter().map(tell).collect())
}

/// How many are behind this version although nobody holds them back, and how many failed when they were tried last.
pub(super) async fn unsettled(
    client: &Client,
    newest: &Target,
    only: Option<&[&str]>,
) -> Result<(u64, u64), MigratorError> {
    let row = client
        .query_one(
            &format!(
                "SELECT count(*) FILTER (WHERE l.chain_checksum <> $1 AND {REACHED} <= $2), count(l.last_error)
                   FROM control.ledger l JOIN control.tenants t ON t.name = l.tenant
                  WHERE t.state <> 'deleted' AND l.held_at IS NULL AND ($3::text[] IS NULL OR l.tenant = ANY ($3))"
            ),
            &[&newest.checksum, &newest.version, &only],
        )
        .await
        .map_err(MigratorError::during("count the tenants that are behind or failed"))?;
    let count = |column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    Ok((count(0), count(1)))
}

/// Schemas that are called like a tenant's and are none's, page by page; `None`: no more.
pub(super) async fn unregistered(client: &Client, last: &mut String) -> Result<Option<Vec<Row>>, MigratorError> {
    let rows = client
        .query(
            "SELECT n.nspname::text, t.state, obj_description(n.oid, 'pg_namespace')
               FROM pg_namespace n LEFT JOIN control.tenants t ON t.name = n.nspname
              WHERE n.nspname > $1::text::name AND n.nspname ~ '^t_[a-z0-9]{12}$' AND (t.state IS NULL OR t.state = 'deleted')
              ORDER BY n.nspname LIMIT $2",
            &[&last.as_str(), &PAGE],
        )
        .await
        .map_err(MigratorError::during("list the schemas"))?;
    let mut found = Vec::new();
    for row in &rows {
        let (name, state, comment): (&str, Option<&str>, Option<&str>) = (row.get(0), row.get(1), row.get(2));
        name.clone_into(last);
        found.push(match (state, comment) {
            (Some(_), _) => Row::finding(
                name,
                "deleted_schema",
                "this tenant was deleted, and its schema is there again; run `labor-migrator delete` with its request once more",
            ),
            (None, Some(text)) if text.starts_with("labor: restored over: ") => Row::finding(
                name,
                "kept_schema",
                format!("kept beside the fleet ({text}); `labor-backup restore confirm` drops it, `restore back` puts it back"),
            ),
            (None, Some(text)) if text.starts_with("labor: restored ") => Row::finding(
                name,
                "restored_copy",
                format!("a copy beside the fleet ({text}); drop it when nobody needs it any more"),
            ),
            (None, Some(text)) if text.starts_with("labor-migrator rehearsal") => {
                Row::finding(name, "rehearsal", format!("left by a rehearsal ({text}); drop it when none is running"))
            }
            (None, _) => unknown(client, name).await?,
        });
    }
    Ok((!found.is_empty()).then_some(found))
}

/// A stamp still tells of whom it is a copy.
async fn unknown(client: &Client, name: &str) -> Result<Row, MigratorError> {
    let settle = format!("adopt it with `labor-migrator baseline {name}`, or drop it");
    // Anything but a plain table could run somebody's code as the migrator.
    let plain = client
        .query_one(
            &format!(
                "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                             WHERE n.nspname = $1 AND c.relname = 'schema_stamp' AND {PLAIN_TABLE})"
            ),
            &[&name],
        )
        .await
        .map_err(MigratorError::during(format!("{name}: look for a stamp")))?;
    if !plain.get::<_, bool>(0) {
        return Ok(Row::finding(
            name,
            "unregistered",
            format!("called like a tenant's schema and registered as none's; {settle}"),
        ));
    }
    let stamp = client.query_opt(&format!("SELECT tenant FROM {name}.schema_stamp"), &[]).await;
    Ok(match stamp {
        Ok(Some(row)) if row.get::<_, &str>(0) != name => Row::finding(
            name,
            "restored_copy",
            format!("a copy of {} by its stamp, which the registry does not know; {settle}", row.get::<_, &str>(0)),
        ),
        Err(error) if error.as_db_error().is_none() => {
            return Err(MigratorError::during(format!("{name}: read the stamp"))(error));
        }
        _ => Row::finding(
            name,
            "unregistered",
            format!("called like a tenant's schema and registered as none's; {settle}"),
        ),
    })
}

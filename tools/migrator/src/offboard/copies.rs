//! Copies of a tenant beside it: `labor-backup restore` makes them, a killed `labor-migrator rehearse` leaves them, and the registry does
//! not know them.
//! Must stay true: found in two ways, by what was written on the schema and by the stamp inside; a copy that was taken into service as a
//! tenant of its own is never dropped here, and nothing is certified while there is one, or a stamp that can't be read safely.
use labor_catalog::TenantName;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::MigratorError;
use crate::schema::PLAIN_TABLE;

/// How often it is looked anew because a schema was dropped or renamed in between.
const LOOKS: usize = 20;

/// Schemas that hold this tenant's data under another name.
pub(super) async fn find(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Vec<TenantName>, MigratorError> {
    for _ in 0..LOOKS {
        if let Some(copies) = look(transaction, tenant).await? {
            return Ok(copies);
        }
    }
    Err(MigratorError::Invalid(format!(
        "{tenant}: schemas were dropped or renamed all the time while it was looked for copies of it; run this again"
    )))
}

/// None: a schema was gone when it was to be looked into; under another name it may be there.
async fn look(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Option<Vec<TenantName>>, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{tenant}: look for restored copies: {what}"));
    let schemas = transaction
        .query(
            &format!(
                "SELECT n.nspname::text,
                    EXISTS (SELECT FROM control.tenants t WHERE t.name = n.nspname AND t.state <> 'deleted'),
                    coalesce(obj_description(n.oid, 'pg_namespace') ~ ('^labor(: restored .*|-migrator rehearsal of )\\m' || $1 || '\\M'), false),
                    (SELECT {PLAIN_TABLE} FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_stamp')
               FROM pg_namespace n WHERE n.nspname ~ '^t_[a-z0-9]{{12}}$' AND n.nspname <> $1 ORDER BY 1"
            ),
            &[&tenant.as_str()],
        )
        .await
        .map_err(during("list the schemas"))?;
    let mut copies = Vec::new();
    for schema in &schemas {
        let name = TenantName::parse(schema.get(0)).map_err(|error| MigratorError::Invalid(error.to_string()))?;
        let (registered, says_so, plain_stamp): (bool, bool, Option<bool>) =
            (schema.get(1), schema.get(2), schema.get(3));
        if registered && says_so {
            return Err(MigratorError::Invalid(format!(
                "{name} was restored from a backup of {tenant} and is registered as a tenant of its own: delete it with a request \
                 of its own first, or, if it is another practice's now, remove the schema's comment"
            )));
        }
        let stamp_says_so = match plain_stamp {
            _ if registered || says_so => false,
            None => false,
            Some(false) => {
                return Err(MigratorError::Invalid(format!(
                    "{name} is called like a tenant's schema, is none, and its schema_stamp is not a plain table of labor_owner: to read \
                     whose data it holds could run somebody's code. Drop the schema, or make it labor_owner's, then run this again"
                )));
            }
            Some(true) => {
                let statement = format!("SELECT FROM {name}.schema_stamp WHERE tenant = $1");
                transaction.batch_execute("SAVEPOINT stamp").await.map_err(during(name.as_str()))?;
                let row = match transaction.query_opt(&statement, &[&tenant.as_str()]).await {
                    Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                        let back = transaction.batch_execute("ROLLBACK TO SAVEPOINT stamp").await;
                        return back.map(|()| None).map_err(during(name.as_str()));
                    }
                    row => row.map_err(during(name.as_str()))?,
                };
                transaction.batch_execute("RELEASE SAVEPOINT stamp").await.map_err(during(name.as_str()))?;
                row.is_some()
            }
        };
        if says_so || stamp_says_so {
            copies.push(name);
        }
    }
    Ok(Some(copies))
}

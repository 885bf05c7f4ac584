//! Copies of a tenant beside it: `labor-backup restore` makes them, and the registry does not know them.
//! Must stay true: found in two ways, by what the restore wrote on the schema and by the stamp inside; a copy that was taken into
//! service as a tenant of its own is never dropped here, and nothing is certified while there is one.
use labor_catalog::TenantName;
use tokio_postgres::Transaction;

use crate::MigratorError;

/// Schemas that hold this tenant's data under another name.
pub(super) async fn find(transaction: &Transaction<'_>, tenant: &TenantName) -> Result<Vec<TenantName>, MigratorError> {
    let during = |what: &str| MigratorError::during(format!("{tenant}: look for restored copies: {what}"));
    let schemas = transaction
        .query(
            "SELECT n.nspname::text,
                    EXISTS (SELECT FROM control.tenants t WHERE t.name = n.nspname AND t.state <> 'deleted'),
                    coalesce(obj_description(n.oid, 'pg_namespace') ~ ('^labor: restored .*\\m' || $1 || '\\M'), false),
                    to_regclass(n.nspname || '.schema_stamp') IS NOT NULL
               FROM pg_namespace n WHERE n.nspname ~ '^t_[a-z0-9]{12}$' AND n.nspname <> $1 ORDER BY 1",
            &[&tenant.as_str()],
        )
        .await
        .map_err(during("list the schemas"))?;
    let mut copies = Vec::new();
    for schema in &schemas {
        let name = TenantName::parse(schema.get(0)).map_err(|error| MigratorError::Invalid(error.to_string()))?;
        let (registered, says_so, stamped): (bool, bool, bool) = (schema.get(1), schema.get(2), schema.get(3));
        if registered && says_so {
            return Err(MigratorError::Invalid(format!(
                "{name} was restored from a backup of {tenant} and is registered as a tenant of its own: delete it with a request \
                 of its own first, or, if it is another practice's now, remove the schema's comment"
            )));
        }
        let statement = format!("SELECT FROM {name}.schema_stamp WHERE tenant = $1");
        let stamp_says_so = !registered
            && stamped
            && transaction.query_opt(&statement, &[&tenant.as_str()]).await.map_err(during(name.as_str()))?.is_some();
        if says_so || stamp_says_so {
            copies.push(name);
        }
    }
    Ok(copies)
}

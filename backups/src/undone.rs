//! What people took back since a backup, and a restore gives again: withdrawn releases, undone matches, accounts that were closed, got another
//! role or another password.
//! Must stay true: nobody is served what was taken from them without somebody saying so: then the practice stays suspended.
use labor_catalog::TenantName;
use tokio_postgres::Transaction;

use crate::BackupError;

/// What of it is in what is kept, and not in what took its place, in words; none: nothing. Tables that are missing in what is kept tell nothing.
pub(crate) async fn since(
    transaction: &Transaction<'_>,
    tenant: &TenantName,
    kept: &TenantName,
) -> Result<Option<String>, BackupError> {
    let during = |what: &str| BackupError::during(format!("{tenant}: {what}"));
    let mut found = Vec::new();
    for (table, what, condition) in [
        ("report_events", "release(s) withdrawn", "k.kind = 'withdrawn' AND r.id IS NULL"),
        ("matches", "match(es) undone", "k.kind = 'unmatched' AND r.id IS NULL"),
        (
            "users",
            "account(s) closed or changed",
            "r.id IS NOT NULL AND ((r.active AND NOT k.active) OR r.role <> k.role OR r.password_hash IS DISTINCT FROM k.password_hash)",
        ),
    ] {
        let there = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass($1) AND relkind = 'r' AND relowner = 'labor_owner'::regrole)";
        let there = transaction.query_one(there, &[&format!("{kept}.{table}")]).await;
        if !there.map_err(during("look what was taken back since"))?.get::<_, bool>(0) {
            continue;
        }
        let force = |word: &str| {
            [tenant, kept]
                .map(|schema| format!("ALTER TABLE ONLY {schema}.{table} {word} ROW LEVEL SECURITY;"))
                .concat()
        };
        let enter = format!("SET LOCAL ROLE labor_owner; SET LOCAL row_security = off; {}", force("NO FORCE"));
        transaction.batch_execute(&enter).await.map_err(during("read as the owner"))?;
        let count = format!(
            "SELECT count(*) FROM {kept}.{table} k LEFT JOIN {tenant}.{table} r ON r.id = k.id WHERE {condition}"
        );
        let count: i64 =
            transaction.query_one(&count, &[]).await.map_err(during("count what was taken back since"))?.get(0);
        transaction.batch_execute(&format!("{} RESET ROLE", force("FORCE"))).await.map_err(during("shut it again"))?;
        if count > 0 {
            found.push(format!("{count} {what}"));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "since then: {}. They are as they were before that, so {tenant} stays suspended: look into what is kept, then \
         `labor-migrator resume {tenant}`, and have it done again at once",
        found.join(", ")
    )))
}

//! How tenants are named to people: by their name in the database, and by what the practice types at sign-in.
//! Must stay true: never by the displayed name; a spare belongs to nobody, and its sign-in name says nothing.
use labor_catalog::TenantName;
use tokio_postgres::Client;

use crate::Migrator;

/// `t_crakreuz6eyn (praxis-mitte)`; without a sign-in name the name in the database alone.
#[must_use]
pub fn named(tenant: &str, slug: Option<&str>) -> String {
    slug.map_or_else(|| tenant.to_owned(), |slug| format!("{tenant} ({slug})"))
}

/// The sign-in name of the tenant `t`, if it has one.
pub(crate) const SLUG: &str = "CASE WHEN t.state <> 'spare' THEN t.slug END";

/// Looks sign-in names up, one tenant after the other. Who can't be looked up has none: that is no reason to fail.
pub struct Slugs<'a> {
    migrator: &'a Migrator,
    client: Option<Client>,
    last: Option<(TenantName, Option<String>)>,
}

impl<'a> Slugs<'a> {
    /// Connects when it is first asked.
    #[must_use]
    pub fn new(migrator: &'a Migrator) -> Self {
        Self { migrator, client: None, last: None }
    }

    /// The sign-in name of a tenant.
    pub async fn of(&mut self, tenant: &TenantName) -> Option<String> {
        if let Some((_, slug)) = self.last.as_ref().filter(|(last, _)| last == tenant) {
            return slug.clone();
        }
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = self.migrator.connect().await.ok();
        }
        let slug = of(self.client.as_ref()?, tenant).await.ok()?;
        self.last = Some((tenant.clone(), slug.clone()));
        slug
    }
}

/// The sign-in name of a tenant.
pub(crate) async fn of(client: &Client, tenant: &TenantName) -> Result<Option<String>, tokio_postgres::Error> {
    let sql = format!("SELECT {SLUG} FROM control.tenants t WHERE t.name = $1");
    Ok(client.query_opt(&sql, &[&tenant.as_str()]).await?.and_then(|row| row.get(0)))
}

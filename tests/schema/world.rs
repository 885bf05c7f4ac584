//! A fresh database with one practice, made by the real programs.
use labor_testing::{Platform, postgres, scratch};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

pub(crate) const DATABASE: &str = "schema";

/// A fresh database.
pub(crate) struct World {
    /// Name of the practice in the database.
    pub(crate) practice: String,
    /// Name of the intake in the database.
    pub(crate) intake: String,
}

static WORLD: OnceCell<World> = OnceCell::const_new();

/// The fresh database, made when first asked for.
pub(crate) async fn world() -> &'static World {
    WORLD
        .get_or_init(async || {
            let folder = scratch().await.unwrap().join(DATABASE);
            let platform = Platform::create(postgres().await, &folder, DATABASE).await.unwrap();
            let practice = platform.practice("example", "Example", "123456789").await.unwrap();
            let sql = "SELECT name FROM control.tenants WHERE kind = 'intake'";
            let intake = superuser().await.query_one(sql, &[]).await.unwrap().get(0);
            World { practice, intake }
        })
        .await
}

/// A superuser's connection to it.
pub(crate) async fn superuser() -> Client {
    postgres().await.connect(DATABASE).await.unwrap()
}

/// The lines that a query about one schema (`$1`) gives.
pub(crate) async fn lines(sql: &str, schema: &str) -> Vec<String> {
    let rows = superuser().await.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

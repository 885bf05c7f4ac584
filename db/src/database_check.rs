//! What the isolation check says about the database as a whole (db/rls/check_database.sql, check_server.sql, check_plane.sql), asked by the programs that
//! serve. Must stay true: they are the migrator's files; definitions only, no rows of anybody.
pub use labor_catalog::Finding;
use sqlx::Connection as _;

use crate::{Control, DbError};

impl Control {
    /// Asks for the findings; a hardened database has none.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn check_database(&self) -> Result<Vec<Finding>, DbError> {
        let asked = self.pool().with(|connection| {
            Box::pin(async move {
                // In a transaction, because the check is written for this path and the connection goes back into the pool.
                let mut transaction = connection.begin().await?;
                sqlx::query("SET LOCAL search_path = pg_catalog").execute(&mut *transaction).await?;
                let rows: Vec<(String, String, String)> =
                    sqlx::query_as(labor_catalog::sql::DATABASE_CHECK).fetch_all(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(rows)
            })
        });
        let rows = asked.await?;
        Ok(rows.into_iter().map(|(kind, object, detail)| Finding { kind, object, detail }).collect())
    }
}

//! What the isolation check says about the database as a whole (db/rls/check_database.sql), asked by the programs that serve.
//! Must stay true: it is the same file as the migrator's; definitions only, no rows of anybody.
use sqlx::Connection as _;

use crate::{Control, DbError};

/// One thing that every practice's login may and should not, or that Labor's own roles lack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Stable kind, such as `unhardened`.
    pub kind: String,
    /// What it is about.
    pub object: String,
    /// What is wrong.
    pub detail: String,
}

impl Finding {
    /// Whether it is what a server without a superuser leaves open, which an operator can agree to.
    #[must_use]
    pub fn is_of_the_server(&self) -> bool {
        labor_catalog::sql::KINDS_OF_THE_SERVER.contains(&self.kind.as_str())
    }
}

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

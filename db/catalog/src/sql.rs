//! SQL files that more than one tool runs, embedded so that a binary and its SQL can't drift apart.
//!
//! Must stay true: the checks and the fingerprints are run with `search_path = pg_catalog`; else names are written in
//! another way, and a prepared statement is planned anew for every tenant.

/// Roles and hardening of a database, run once by a superuser.
pub const DATABASE: &str = include_str!("../../rls/database.sql");
/// Claim verification, run as `labor_guard`.
pub const GUARD: &str = include_str!("../../rls/guard.sql");
/// Row policies of a tenant; `{tenant}` stands for its name.
pub const TENANT_RULES: &str = include_str!("../../rls/tenant.sql");
macro_rules! reach_check {
    () => {
        include_str!("../../rls/check_reach.sql")
    };
}
/// Finds what weakens the isolation of one tenant (`$1`: its name): kind, object and detail; no row means sound.
pub const ISOLATION_CHECK: &str = concat!(
    "SELECT kind, object, detail FROM (\n",
    include_str!("../../rls/check_tables.sql"),
    ") AS tables\nUNION ALL SELECT kind, object, detail FROM (\n",
    reach_check!(),
    ") AS reach"
);
/// The part of [`ISOLATION_CHECK`] that looks beyond the tenant's schema (`$1`: its name): enough for a schema whose [`FINGERPRINT`]
/// is that of one that passed the whole check.
pub const REACH_CHECK: &str = reach_check!();
macro_rules! server_check {
    () => {
        include_str!("../../rls/check_server.sql")
    };
}
/// The part of [`DATABASE_CHECK`] that is about the server and nobody's mistake. It costs the same however large the fleet is.
pub const SERVER_CHECK: &str = server_check!();
/// Finds what weakens the isolation of all tenants at once, in the same columns. It knows no tenant.
pub const DATABASE_CHECK: &str = concat!(
    "SELECT kind, object, detail FROM (\n",
    include_str!("../../rls/check_database.sql"),
    ") AS database\nUNION ALL SELECT kind, object, detail FROM (\n",
    server_check!(),
    ") AS server\nUNION ALL SELECT kind, object, detail FROM (\n",
    include_str!("../../rls/check_plane.sql"),
    ") AS plane"
);
/// Kinds of [`SERVER_CHECK`]'s findings, which a server that gives no superuser leaves: they are acknowledged, not mended.
pub const KINDS_OF_THE_SERVER: [&str; 2] = ["unhardened", "incapable"];

/// One tenant.
macro_rules! of_one {
    ($select:literal) => {
        concat!("WITH wanted (tenant) AS (SELECT $1::text)\n", include_str!("../../rls/fingerprint.sql"), $select)
    };
}

/// Many tenants.
macro_rules! of_many {
    ($select:literal) => {
        concat!(
            "WITH wanted (tenant) AS (SELECT unnest($1::text[]))\n",
            include_str!("../../rls/fingerprint.sql"),
            $select
        )
    };
}

/// Digest of the definition of one tenant's schema (`$1`: its name), equal for all tenants of a class; null when there is no such
/// schema.
pub const FINGERPRINT: &str = of_one!(
    "SELECT encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY line), 'UTF8')), 'hex') AS fingerprint FROM lines"
);
/// What [`FINGERPRINT`] is the digest of, line by line in its order (`$1`: the tenant's name). A line may hold line breaks.
pub const FINGERPRINT_LINES: &str = of_one!("SELECT line FROM lines ORDER BY line");
/// [`FINGERPRINT`] of many tenants (`$1`: their names): rows of tenant and fingerprint, none for a schema that is not there.
pub const FLEET_FINGERPRINTS: &str = of_many!(
    "SELECT tenant, encode(sha256(convert_to(string_agg(line, E'\\n' ORDER BY line), 'UTF8')), 'hex') AS fingerprint
       FROM lines GROUP BY tenant"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The regular expression of functions that tenants can't call, without white space.
    fn functions(sql: &str) -> String {
        let from = sql.find("p.proname ~ (").unwrap();
        let to = sql[from..].find("read_)')").unwrap();
        sql[from..from + to].split_whitespace().collect()
    }

    #[test]
    fn what_is_taken_from_tenants_is_looked_for() {
        assert_eq!(functions(DATABASE), functions(DATABASE_CHECK));
        assert_eq!(functions(DATABASE), functions(SERVER_CHECK));
    }
}

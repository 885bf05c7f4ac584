//! SQL files that more than one tool runs, embedded so that a binary and its SQL can't drift apart.
//!
//! Must stay true: the checks and the fingerprints are run with `search_path = pg_catalog`; else names are written in
//! another way, and a prepared statement is planned anew for every tenant.

use std::sync::LazyLock;

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
/// The shape of one tenant's schema (`$1`: its name), from the same text as [`FINGERPRINT`] and for less: who has the shape of
/// a schema that the files make, built in the same database and rolled back, has its fingerprint. Equal shapes of two tenants say nothing,
/// and unequal ones never do. Null when there is no such schema.
pub static SHAPE: LazyLock<String> = LazyLock::new(|| stored(FINGERPRINT));
/// [`SHAPE`] of many tenants (`$1`: their names): rows of tenant and shape, none for a schema that is not there.
pub static FLEET_SHAPES: LazyLock<String> = LazyLock::new(|| stored(FLEET_FINGERPRINTS));

/// Before what the fingerprint has and the shape has not.
const WRITTEN: &str = "/*written*/";
/// Before what the shape has in its place, to the end of the comment.
const STORED: &str = "/*stored:";

/// The second reading of db/rls/fingerprint.sql: what is stored instead of what PostgreSQL writes out.
fn stored(sql: &str) -> String {
    let mut pieces = sql.split(WRITTEN);
    let mut turned = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let comment = piece.split_once(STORED).and_then(|(_, comment)| comment.split_once("*/"));
        let (stored, rest) = comment.unwrap_or((piece, ""));
        turned.push_str(stored);
        turned.push_str(rest);
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL runs, with nothing in it that is there for readers or for the other reading.
    fn bare(sql: &str) -> String {
        let mut rest = sql;
        let mut text = String::new();
        while let Some((before, comment)) = rest.split_once("/*") {
            text.push_str(before);
            rest = comment.split_once("*/").unwrap().1;
        }
        text.push_str(rest);
        let lines = text.lines().map(|line| line.split_once("--").map_or(line, |(line, _)| line));
        lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ").replace(" ,", ",")
    }

    #[test]
    fn every_marker_is_turned_round() {
        for (written, turned) in [(FINGERPRINT, &*SHAPE), (FLEET_FINGERPRINTS, &*FLEET_SHAPES)] {
            let pieces: Vec<&str> = written.split(WRITTEN).skip(1).collect();
            assert!(pieces.len() >= 9, "{} markers", pieces.len());
            assert!(pieces.iter().all(|piece| piece.matches(STORED).count() == 1), "a marker without its other form");
            assert_eq!(written.matches(STORED).count(), pieces.len());
            assert!(!turned.contains("/*") && !turned.contains("*/"), "{turned}");
            // What is dear: it opens a table.
            let turned = bare(turned);
            for written_out in ["pg_get_indexdef", "pg_get_expr(polqual", "pg_get_constraintdef(oid)"] {
                assert!(bare(written).contains(written_out));
                assert!(!turned.contains(written_out), "{written_out}");
            }
        }
        assert_eq!(stored("a /*written*/ b /*stored: c */ d /*written*/ /*stored:, e */ f"), "a  c  d , e  f");
    }

    /// Fingerprints are in ledgers, backups and certificates. Whoever changes the written form changes them all: every practice is then
    /// told as changed by hand, until a run has brought it to a new version.
    #[test]
    fn the_written_form_is_what_it_was() {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bare(FINGERPRINT).as_bytes());
        assert_eq!(hex::encode(digest), "df0317b760ef8a482682d8e7ba8fe67855e2f339c7719df5e0bfab605a0b3f5a");
    }

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

//! Every column of the catalogs that the shape stands on, as data: either it is in the stored form (db/rls/fingerprint.sql) or here it says
//! why it need not be. A new version of PostgreSQL with a new column ends this test, and somebody looks what the column means.
use labor_catalog::sql;

use crate::world::{superuser, world};

/// What the stored form or a line that both forms have is made of.
const HAS: &[(&str, &str)] = &[
    (
        "pg_constraint",
        "oid conname contype condeferrable condeferred convalidated conenforced connoinherit conperiod conrelid conindid confrelid
         confupdtype confdeltype confmatchtype conkey confkey conpfeqop conppeqop conffeqop confdelsetcols conexclop conbin",
    ),
    (
        "pg_index",
        "indexrelid indrelid indnatts indnkeyatts indisunique indnullsnotdistinct indisexclusion indimmediate indisclustered indisvalid
         indisready indislive indisreplident indkey indcollation indclass indoption indexprs indpred",
    ),
    ("pg_policy", "polname polrelid polcmd polpermissive polroles polqual polwithcheck"),
    (
        "pg_attribute",
        "attrelid attname atttypid atttypmod attnum attnotnull atthasdef attgenerated attidentity attcollation attstorage attcompression
         attstattarget attoptions attacl attisdropped",
    ),
    (
        "pg_class",
        "oid relname relam reltablespace relkind relpersistence relowner relacl relrowsecurity relforcerowsecurity relreplident
         relispartition relpartbound reloptions",
    ),
];

/// What neither form has, and why.
const HAS_NOT: &[(&str, &str, &str)] = &[
    ("pg_constraint", "connamespace", "that of its table"),
    ("pg_constraint", "contypid", "of domains, which are lines of their own"),
    ("pg_constraint", "conparentid conislocal coninhcount", "where it came from; PostgreSQL does not write it out"),
    ("pg_index", "indisprimary", "says the constraint"),
    ("pg_index", "indcheckxmin", "how long it waits to be used"),
    ("pg_policy", "oid", "another one in each schema, and nothing refers to it"),
    ("pg_attribute", "attlen attbyval attalign attndims", "says the type, or means nothing"),
    ("pg_attribute", "attcacheoff", "PostgreSQL's own"),
    ("pg_attribute", "atthasmissing attmissingval", "how the rows of before are stored"),
    ("pg_attribute", "attislocal attinhcount", "where it came from; the parents are lines"),
    ("pg_attribute", "attfdwoptions", "of foreign tables, which are found by their kind"),
    ("pg_class", "relnamespace", "the tenant's own: that is how it was found"),
    ("pg_class", "reltype reloftype reltoastrelid relfilenode relrewrite", "another one in each schema"),
    (
        "pg_class",
        "relpages reltuples relallvisible relallfrozen relfrozenxid relminmxid",
        "how many rows there are, and how old",
    ),
    ("pg_class", "relnatts relchecks relhasindex relhasrules relhastriggers relhassubclass", "of what is in lines"),
    ("pg_class", "relisshared relispopulated", "never otherwise with a table"),
];

#[tokio::test]
async fn every_column_of_these_catalogs_is_stored_or_need_not_be() {
    world().await;
    let superuser = superuser().await;
    let words = |sql: &str| -> Vec<String> {
        sql.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let shape = words(&sql::SHAPE);
    for (catalog, has) in HAS {
        for column in has.split_whitespace() {
            assert!(shape.iter().any(|word| word == column), "{catalog}.{column} is not in the stored form");
        }
        let reasons = HAS_NOT.iter().filter(|(of, _, _)| of == catalog).map(|(_, columns, _)| *columns);
        let said: Vec<&str> = std::iter::once(*has).chain(reasons).flat_map(str::split_whitespace).collect();
        let sql = "SELECT attname::text FROM pg_catalog.pg_attribute
                    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
        let mut unsaid: Vec<String> =
            superuser.query(sql, &[catalog]).await.unwrap().iter().map(|row| row.get(0)).collect();
        unsaid.retain(|column| !said.contains(&column.as_str()));
        assert!(unsaid.is_empty(), "{catalog}: does the stored form need {unsaid:?}?");
    }
}

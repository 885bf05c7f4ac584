//! Practices at every version of the schema that this release serves: a backup is not put off until a wave is through.
use labor_backup::{Destination, Signature, Verdict, Which, check_export};
use labor_catalog::SERVED_VERSIONS;
use uuid::Uuid;

use crate::place::Place;

/// An export that two people agreed to.
pub(crate) async fn approved_export(place: &Place) -> Uuid {
    let (anna, bert, request) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    for operator in [anna, bert] {
        let add = "INSERT INTO control.operators (id, username, display_name) VALUES ($1, $2, 'x')";
        place.database.execute(add, &[&operator, &operator.to_string()]).await.unwrap();
    }
    let add = "INSERT INTO control.requests (id, tenant, kind, reason, requested_by, approved_by, approved_at, state)
               VALUES ($1, $2, 'export', 'test', $3, $4, now(), 'approved')";
    place.database.execute(add, &[&request, &place.tenant.as_str(), &anna, &bert]).await.unwrap();
    request
}

#[tokio::test]
async fn a_practice_at_any_served_version_is_backed_up_verified_restored_and_exported() {
    for version in SERVED_VERSIONS {
        let place = Place::at_version(version, 5).await;
        let (backup, tenant) = (place.backup(), &place.tenant);
        let manifest = backup.run(tenant).await.unwrap();
        assert_eq!((manifest.schema_version, manifest.tables["raw_messages"].rows), (version, 5));
        assert_eq!(manifest.ledger_fingerprint, None, "the fingerprint is not the ledger's");
        let verified = backup.verify(tenant, &Which::Latest).await.unwrap();
        assert_eq!((verified.verdict, verified.rows), (Verdict::Passed, manifest.rows()));

        let restored = backup.restore(tenant, &Which::Latest, Destination::New).await.unwrap();
        let columns = "SELECT count(*) FROM information_schema.columns
                        WHERE table_schema = $1 AND table_name = 'raw_messages' AND column_name = 'reader_version'";
        let newer: i64 = place.database.query_one(columns, &[&restored.schema.as_str()]).await.unwrap().get(0);
        assert_eq!(newer, i64::from(version >= 2), "the copy is at the version that was backed up");

        let folder = place.folder().join("export");
        let exported = backup.export(approved_export(&place).await, &folder, None).await.unwrap().manifest;
        assert_eq!(exported.schema_version, version);
        assert_eq!(exported.files.iter().find(|file| file.name == "tables/raw_messages.ndjson").unwrap().rows, Some(5));
        assert_eq!(check_export(&folder, None).unwrap().signature, Signature::None);
    }
}

//! Tenants that are not as the files made them, or hold what a migration doesn't expect: they alone stay behind.
use super::Fleet;
use crate::chain::Chain;

#[tokio::test]
async fn tenants_changed_by_hand_are_refused_with_exactly_what_differs() {
    let fleet = Fleet::copy("waves_hand").await;
    let chain = fleet.whole().await;
    let row = fleet
        .client
        .query_one(&fleet.sql("SELECT indexdef, indexname::text FROM pg_indexes WHERE schemaname = '{p2}' AND tablename = 'reports' AND indexdef NOT LIKE '%UNIQUE%' ORDER BY 2 LIMIT 1"), &[])
        .await
        .unwrap();
    let (definition, index): (String, String) = (row.get(0), row.get(1));
    fleet.execute(&format!("ALTER TABLE {{p1}}.patients ADD COLUMN nickname text; DROP INDEX {{p2}}.{index}")).await;
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!(ran.code, Some(3), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 6, p1 2, p2 2, p3 6, p4 6", "{}", ran.text);
    let drift = fleet.ran(chain.migrator(&fleet.platform, &["--json", "drift", "--diff"])).await;
    assert_eq!((drift.code, drift.lines.len()), (Some(5), 2), "{}", drift.text);
    for (slug, sign, what) in [("p1", "+ ", "nickname"), ("p2", "- ", index.as_str())] {
        let (outcome, error) = ran.of(slug);
        assert_eq!(outcome, "failed");
        let told_by_drift = drift.lines.iter().find(|line| line["tenant"] == slug).unwrap();
        assert_eq!(told_by_drift["slug"], slug);
        let difference: Vec<_> =
            told_by_drift["difference"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        assert!(difference.iter().all(|line| error.contains(line)), "{error}");
        assert!(
            difference.len() == 1 && difference[0].starts_with(sign) && difference[0].contains(what),
            "{difference:?}"
        );
    }
    fleet.execute(&format!("ALTER TABLE {{p1}}.patients DROP COLUMN nickname; {definition}")).await;
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

/// What names p2 in both looks the same in both, and is right in p2 alone: who was proven before vouches for nobody.
#[tokio::test]
async fn who_was_changed_to_name_another_is_not_taken_for_that_other_one() {
    let fleet = Fleet::copy("waves_names_another").await;
    let active = "-- Kind: transaction\n-- Phase: expand\nALTER TABLE audit ADD CONSTRAINT own_users CHECK ((NULL::users).active IS NULL);\n";
    let chain = Chain::copy(&fleet.files().await).with(("V3__own_users", active));
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.execute("ALTER TABLE {p1}.audit DROP CONSTRAINT own_users, ADD CONSTRAINT own_users CHECK ((NULL::{p2}.users).active IS NULL)").await;
    let note = "-- Kind: transaction\n-- Phase: expand\nALTER TABLE patients ADD COLUMN note text;\n";
    let chain = chain.with(("V4__note", note));
    let ran = fleet.ran(fleet.up(&chain, &["--first", "p2", "--workers", "1"])).await;
    assert_eq!((ran.code, ran.of("p1").0), (Some(3), "failed"), "{}", ran.text);
    assert!(ran.of("p1").1.contains("own_users"), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 4, p1 3, p2 4, p3 4, p4 4");
}

#[tokio::test]
async fn a_row_that_does_not_fit_rolls_back_its_tenant_alone_and_is_not_quoted() {
    let fleet = Fleet::copy("waves_row").await;
    let secret = "Geheimrat";
    fleet.execute("UPDATE {p1}.patients SET patient_number = '1'; UPDATE {p3}.patients SET patient_number = '2';
        UPDATE {p4}.patients SET patient_number = '3'; UPDATE {p2}.patients SET patient_number = '4' WHERE family_name <> 'Muster1'").await;
    fleet.execute(&format!("UPDATE {{p2}}.patients SET family_name = '{secret}' WHERE patient_number IS NULL")).await;
    let filled =
        "-- Kind: transaction\n-- Phase: contract\nALTER TABLE patients ALTER COLUMN patient_number SET NOT NULL;\n";
    let number = "-- Kind: transaction\n-- Phase: contract\nALTER TABLE patients ALTER COLUMN patient_number TYPE integer USING patient_number::integer;\n";
    let chain = Chain::copy(&fleet.files().await).with(("V3__patient_number", filled));
    let stopped = fleet.ran(fleet.up(&chain, &["--max-failures", "0", "--workers", "1", "--first", "p2"])).await;
    assert_eq!((stopped.code, stopped.of("p2").0), (Some(3), "failed"), "{}", stopped.text);
    let run = stopped.lines.last().unwrap();
    assert_eq!((&run["migrated"], &run["failed"], &run["left"]), (&0.into(), &1.into(), &4.into()), "{run}");
    assert!(run["stopped"].as_str().unwrap().contains("failed"), "{run}");

    let going_on = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((going_on.code, going_on.of("p2").0), (Some(3), "failed"), "{}", going_on.text);
    assert!(going_on.of("p2").1.contains("patient_number") && !going_on.text.contains(secret), "{}", going_on.text);
    assert_eq!(fleet.versions().await, "intake 3, p1 3, p2 2, p3 3, p4 3");

    fleet
        .execute(&format!("UPDATE {{p2}}.patients SET patient_number = '{secret}' WHERE patient_number IS NULL"))
        .await;
    let chain = chain.with(("V4__number", number));
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((ran.code, ran.of("p2").0), (Some(3), "failed"), "{}", ran.text);
    let ledger = "SELECT count(*) FROM control.ledger WHERE last_error LIKE '%Geheimrat%'";
    assert!(!ran.text.contains(secret) && fleet.number(ledger).await == 0, "{}", ran.text);
    fleet.execute(&format!("UPDATE {{p2}}.patients SET patient_number = '5' WHERE patient_number = '{secret}'")).await;
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(4).await;
}

#[tokio::test]
async fn a_schema_that_is_gone_is_told_and_the_others_go_on() {
    let fleet = Fleet::copy("waves_gone").await;
    fleet.execute("DROP SCHEMA {p3} CASCADE").await;
    let ran = fleet.ran(fleet.up(&fleet.whole().await, &[])).await;
    assert_eq!((ran.code, ran.of("p3").0), (Some(3), "failed"), "{}", ran.text);
    assert!(ran.of("p3").1.contains("the schema of p3 is gone; restore it"), "{}", ran.text);
    assert_eq!(fleet.versions().await, "intake 6, p1 6, p2 6, p3 2, p4 6");
}

#[tokio::test]
async fn held_tenants_are_passed_by_and_counted() {
    let fleet = Fleet::copy("waves_held_counted").await;
    let hold = "UPDATE control.ledger SET held_at = now(), held_by = 'test', held_reason = 'moves house' WHERE tenant = '{p2}'";
    fleet.execute(hold).await;
    let chain = fleet.whole().await;
    let ran = fleet.ran(fleet.up(&chain, &[])).await;
    assert_eq!((ran.code, &ran.lines.last().unwrap()["held"]), (Some(0), &1.into()), "{}", ran.text);
    assert_eq!((ran.of("p2").0, fleet.versions().await.as_str()), ("none", "intake 6, p1 6, p2 2, p3 6, p4 6"));
    fleet.execute("UPDATE control.ledger SET held_at = NULL, held_by = NULL, held_reason = NULL").await;
    assert_eq!(fleet.ran(fleet.up(&chain, &[])).await.code, Some(0));
    fleet.is_whole(6).await;
}

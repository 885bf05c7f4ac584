//! Connections on which SQL of an earlier session left something: whoever meets it fails once, and nobody after.
use labor_catalog::ClaimRole;
use labor_db::messages::{self, NewMessage};
use labor_db::users::{self, NewUser};
use labor_db::{Claims, DbError, PoolSettings};
use uuid::Uuid;

use crate::world::{Pools, Practice, World, patient};

async fn store(pools: &Pools, practice: &Practice, body: &[u8]) -> Result<(), DbError> {
    let mut session = pools.session_of(Claims::receiver(practice.name.clone())).await?;
    let message = NewMessage {
        source_id: Uuid::nil(),
        sender_message_id: None,
        content_type: None,
        body,
        sha256: messages::sha256(body),
        received_at: None,
    };
    messages::store(&mut session, message).await.map(drop)
}

/// What a session may set for itself is set for the login here, while the connection is opened: to it there is no difference.
#[tokio::test]
async fn a_connection_that_was_spoilt_fails_one_request_and_is_not_lent_again() {
    let world = World::new(1).await;
    let (practice, superuser) = (&world.practices[0], world.postgres.connect("labor").await.unwrap());
    let role = practice.name.role();
    // Not one that fails while the connection is opened, or that a session sets anew.
    for (setting, state) in [("default_transaction_read_only = on", "25006"), ("role = labor_tenants", "42P01")] {
        let pools = world.pools(world.url(), PoolSettings { per_tenant: 1, ..patient() });
        superuser.batch_execute(&format!("ALTER ROLE {role} SET {setting}")).await.unwrap();
        let spoilt = store(&pools, practice, setting.as_bytes()).await.unwrap_err();
        let name = setting.split(' ').next().unwrap();
        superuser.batch_execute(&format!("ALTER ROLE {role} RESET {name}")).await.unwrap();
        assert!(spoilt.to_string().contains(state), "{spoilt}");
        assert_eq!(pools.figure("connects_total"), 1);
        store(&pools, practice, setting.as_bytes()).await.unwrap();
        assert_eq!((pools.figure("connects_total"), pools.figure("discarded_total")), (2, 1), "{setting}");
        pools.add_up();
    }
}

#[tokio::test]
async fn a_row_that_breaks_a_constraint_costs_no_connection() {
    let world = World::new(1).await;
    let pools = world.pools(world.url(), PoolSettings { per_tenant: 1, ..patient() });
    for (hash, accepted) in [("no hash", false), ("none either", false), ("$argon2id$x", true)] {
        let user = NewUser {
            username: "meier".to_owned(),
            password_hash: hash.to_owned(),
            role: ClaimRole::Doctor,
            display_name: "Dr. Meier".to_owned(),
            patient_id: None,
        };
        let mut operator = pools.session_of(Claims::operator(world.practices[0].name.clone())).await.unwrap();
        let added = users::add(&mut operator, &user).await;
        assert_eq!(added.is_ok(), accepted, "{added:?}");
        assert!(accepted || matches!(&added, Err(DbError::Statement { code, .. }) if code == "23514"), "{added:?}");
    }
    assert_eq!((pools.figure("connects_total"), pools.figure("discarded_total")), (1, 0));
}

//! Connections that are used once: of sign-ins, which need no password to be asked for (those of unknown practices meet in the intake, beside
//! its workers), and of patients.
use futures_util::future::join_all;
use labor_db::{Claims, Control, PoolSettings, reports, users};

use crate::seed::{Row, Seeds};
use crate::world::{World, patient};

#[tokio::test]
async fn a_flood_of_sign_ins_keeps_neither_the_intakes_workers_nor_anybody_else_out() {
    let world = World::new(0).await;
    let intake = Control::connect(world.url(), 2).unwrap().intake().await.unwrap();
    let settings = PoolSettings { budget: 4, per_tenant: 1, waiting_per_tenant: 2, ..patient() };
    let pools = world.pools(world.url(), settings);
    let sign_in = async || pools.session_of(Claims::sign_in(intake.clone(), "nobody")).await.map(drop);
    let worker = async || pools.session_of(Claims::worker(intake.clone())).await;
    let (signing_in, working) =
        (pools.session_of(Claims::sign_in(intake.clone(), "nobody")).await.unwrap(), worker().await.unwrap());
    let flood = join_all((0..2).map(|_| sign_in()));
    let beside = async {
        pools.until("waiting", 2).await;
        let refused = sign_in().await.unwrap_err();
        assert!(refused.is_transient() && refused.to_string().contains("too many"), "{refused}");
        let next = worker();
        let let_go = async {
            pools.until("waiting", 3).await;
            drop(working);
        };
        let (next, ()) = tokio::join!(next, let_go);
        next.unwrap();
        drop(signing_in);
    };
    let (flood, ()) = tokio::join!(flood, beside);
    assert!(flood.iter().all(Result::is_ok));
    assert_eq!((pools.figure("spent_total"), pools.figure("idle")), (3, 1), "the worker's is kept");
    pools.add_up();
}

/// What one patient's session leaves behind on a connection meets nobody.
#[tokio::test]
async fn no_two_requests_of_patients_share_a_connection_and_those_of_doctors_do() {
    let world = World::new(1).await;
    let pools = world.pools(world.url(), patient());
    let tenant = &world.practices[0].name;
    let sign_in = async |who: Row| {
        let username = Seeds::username(who);
        let mut session = pools.session_of(Claims::sign_in(tenant.clone(), &username)).await.unwrap();
        let candidate = users::find(&mut session, &username).await.unwrap();
        let user = users::finish(&mut session, candidate, true).await.unwrap().unwrap();
        Claims::signed_in(tenant.clone(), &user)
    };
    let (patient, doctor) = (sign_in(Row::UserOne).await, sign_in(Row::Doctor).await);
    for (claims, connects, spent) in [(patient, 5, 5), (doctor, 6, 5)] {
        for _ in 0..3 {
            let mut session = pools.session_of(claims.clone()).await.unwrap();
            reports::list(&mut session, None, 1).await.unwrap();
        }
        let found = (pools.figure("connects_total"), pools.figure("spent_total"));
        assert_eq!(found, (connects, spent), "{}", claims.role());
    }
    pools.add_up();
}

//! Sign-ins, which need no password to be asked for: those of unknown practices meet in the intake, beside its workers.
use futures_util::future::join_all;
use labor_db::{Claims, Control, PoolSettings};

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

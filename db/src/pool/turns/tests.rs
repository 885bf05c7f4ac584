//! The order of service, without a server: connections are numbers.
use super::*;
use tokio::sync::oneshot::error::TryRecvError;

const A: u8 = 1;
const B: u8 = 2;
const C: u8 = 3;
const TURN: Duration = Duration::from_millis(200);
const OPENING: Duration = Duration::from_millis(10);
const KEEP: Duration = Duration::from_secs(1);

fn key(tenant: u8) -> Key {
    role_of(tenant, ClaimRole::Doctor)
}

fn role_of(tenant: u8, role: ClaimRole) -> Key {
    (TenantName::parse(&format!("t_abcdefghijk{}", char::from(b'a' + tenant))).unwrap(), role)
}

fn turns(budget: usize, per_role: usize, waiting: usize) -> Arc<Turns<u32>> {
    Arc::new(Turns::new(Limits { budget, per_role, waiting, turn: TURN, keep: KEEP }))
}

impl InLine<u32> {
    /// What it was given; `None`: it waits. As a number: 0 is room.
    fn seen(&mut self) -> Option<u32> {
        match self.granted.try_recv() {
            Ok(Grant::Room) => Some(0),
            Ok(Grant::Ready(number)) => Some(number),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// So many requests of a tenant.
fn crowd(turns: &Arc<Turns<u32>>, key: &Key, count: usize, now: Instant) -> Vec<InLine<u32>> {
    (0..count).map(|_| turns.line_up(key.clone(), now).unwrap()).collect()
}

/// Who of these was given something, by place.
fn served(crowd: &mut [InLine<u32>]) -> Vec<(usize, u32)> {
    crowd.iter_mut().enumerate().filter_map(|(place, request)| Some((place, request.seen()?))).collect()
}

#[test]
fn a_connection_goes_to_the_next_request_of_its_own_tenant() {
    let (turns, now) = (turns(2, 2, 10), Instant::now());
    let mut requests = crowd(&turns, &key(A), 4, now);
    assert_eq!(served(&mut requests), [(0, 0), (1, 0)], "two have room, two wait");
    turns.give_back(&key(A), 7, now);
    turns.give_back(&key(A), 8, now);
    assert_eq!(served(&mut requests), [(2, 7), (3, 8)]);
    assert_eq!(turns.census(), Census { open: 2, tenants: 1, ..Census::default() }, "none was closed");
}

#[test]
fn one_request_is_served_before_the_crowd_that_came_earlier() {
    let (turns, now) = (turns(4, 4, 500), Instant::now());
    let mut crowd = crowd(&turns, &key(A), 500, now);
    assert_eq!(served(&mut crowd).len(), 4);
    let mut one = turns.line_up(key(B), now).unwrap();
    assert_eq!(one.seen(), None);
    turns.give_back(&key(A), 7, now);
    assert_eq!(one.seen(), Some(0), "the first place that is free is the one's");
    assert_eq!(served(&mut crowd), []);
    assert_eq!((turns.census().open, turns.census().evicted), (4, 1));
    // From now on it has a connection, which the crowd does not take between two of its requests.
    turns.give_back(&key(B), 9, now);
    turns.give_back(&key(A), 8, now);
    assert_eq!(served(&mut crowd), [(4, 8)]);
    assert_eq!(turns.line_up(key(B), now).unwrap().seen(), Some(9));
}

#[test]
fn busy_tenants_share_the_budget_evenly_and_then_close_no_more() {
    let (turns, now) = (turns(6, 6, 100), Instant::now());
    let mut crowds = [A, B, C].map(|tenant| crowd(&turns, &key(tenant), 50, now));
    let mut in_use = Vec::new();
    for round in 0..60 {
        for (tenant, crowd) in [A, B, C].into_iter().zip(&mut crowds) {
            in_use.extend(served(crowd).iter().map(|_| tenant));
        }
        turns.give_back(&key(in_use.remove(0)), round, now);
    }
    let of = |tenant| turns.lock().open_of(&key(tenant)).0;
    assert_eq!([of(A), of(B), of(C)], [2, 2, 2]);
    assert_eq!(turns.census().evicted, 4, "two for each that came later");
}

#[test]
fn a_crowd_gives_up_its_last_connection_when_its_turn_is_over_and_gets_it_back() {
    let (turns, now) = (turns(1, 1, 100), Instant::now());
    let (mut many, mut one) = (crowd(&turns, &key(A), 10, now), turns.line_up(key(B), now).unwrap());
    // Opening took 10 ms, so it is kept for 40 more.
    for (n, at) in [OPENING, OPENING * 5 - Duration::from_millis(1)].into_iter().enumerate() {
        turns.give_back(&key(A), 7, now + at);
        assert_eq!((served(&mut many).last(), one.seen()), (Some(&(n + 1, 7)), None), "its turn is not over");
    }
    turns.give_back(&key(A), 7, now + OPENING * 5);
    assert_eq!((served(&mut many), one.seen()), (vec![], Some(0)));
    turns.give_back(&key(B), 8, now + OPENING * 6);
    assert_eq!(served(&mut many), [(3, 0)], "nobody else of the other waits");
}

#[test]
fn no_turn_is_longer_than_the_limit_however_long_opening_took() {
    let (turns, now) = (turns(1, 1, 100), Instant::now());
    let (mut many, mut one) = (crowd(&turns, &key(A), 10, now), turns.line_up(key(B), now).unwrap());
    turns.give_back(&key(A), 7, now + TURN * 9);
    assert_eq!((served(&mut many).len(), one.seen()), (2, None));
    turns.give_back(&key(A), 7, now + TURN * 10);
    assert_eq!((served(&mut many).len(), one.seen()), (0, Some(0)));
}

#[test]
fn tenants_without_a_connection_take_turns_however_many_of_each_wait() {
    let (turns, now) = (turns(1, 1, 100), Instant::now());
    let mut crowds = [A, B, C].map(|tenant| crowd(&turns, &key(tenant), 20, now));
    let (mut at, mut order) = (now, Vec::new());
    for _ in 0..14 {
        let place = crowds.iter_mut().position(|crowd| !served(crowd).is_empty()).unwrap();
        order.push([A, B, C][place]);
        at += TURN;
        turns.give_back(&key(order[order.len() - 1]), 7, at);
    }
    order.dedup();
    assert_eq!(order, [A, B, C, A, B, C, A]);
}

#[test]
fn roles_of_one_tenant_take_turns_too() {
    let (turns, now) = (turns(4, 4, 100), Instant::now());
    let worker = role_of(A, ClaimRole::Worker);
    let mut jobs = crowd(&turns, &worker, 50, now);
    assert_eq!(served(&mut jobs).len(), 4);
    let mut doctor = turns.line_up(key(A), now).unwrap();
    turns.give_back(&worker, 7, now);
    assert_eq!(doctor.seen(), Some(0), "never the worker's connection");
}

#[test]
fn the_connection_that_was_idle_for_longest_makes_room() {
    let (turns, now) = (turns(3, 3, 10), Instant::now());
    for tenant in [A, A, B] {
        assert_eq!(turns.line_up(key(tenant), now).unwrap().seen(), Some(0));
    }
    let at = |milliseconds| now + Duration::from_millis(milliseconds);
    turns.give_back(&key(B), 1, at(1));
    turns.give_back(&key(A), 2, at(2));
    assert_eq!(turns.line_up(key(C), at(3)).unwrap().seen(), Some(0));
    assert_eq!(turns.lock().open_of(&key(B)).0, 0, "the oldest went");
    assert_eq!(turns.lock().open_of(&key(A)).0, 2);
}

#[test]
fn who_has_as_many_takes_an_idle_connection_only_when_it_was_not_used_for_a_while() {
    let (turns, now) = (turns(2, 2, 10), Instant::now());
    let mut of_b = turns.line_up(key(B), now).unwrap();
    assert_eq!(of_b.seen(), Some(0));
    turns.give_back(&key(B), 9, now);
    let mut of_a = crowd(&turns, &key(A), 2, now);
    assert_eq!(served(&mut of_a), [(0, 0)], "the other one is kept for B");
    let mut third = turns.line_up(key(A), now + KEEP).unwrap();
    assert_eq!((served(&mut of_a), third.seen()), (vec![(1, 0)], None));
    assert_eq!(turns.lock().open_of(&key(B)).0, 0);
}

#[test]
fn so_many_of_a_tenant_wait_and_no_more_and_others_are_not_refused_for_it() {
    let (turns, now) = (turns(1, 1, 2), Instant::now());
    let _waiting = crowd(&turns, &key(A), 3, now);
    assert!(turns.line_up(key(A), now).is_err());
    assert!(turns.line_up(key(B), now).is_ok());
    assert_eq!(turns.census().refused, 1);
}

#[test]
fn no_role_of_a_tenant_has_more_than_its_cap_and_others_take_what_is_left() {
    let (turns, now) = (turns(5, 2, 10), Instant::now());
    let mut requests = crowd(&turns, &key(A), 4, now);
    assert_eq!(served(&mut requests).len(), 2);
    assert_eq!(served(&mut crowd(&turns, &key(B), 1, now)).len(), 1);
    assert_eq!(served(&mut crowd(&turns, &role_of(A, ClaimRole::Worker), 3, now)).len(), 2);
}

#[test]
fn who_leaves_the_line_does_not_wait_in_it_any_more() {
    let (turns, now) = (turns(1, 1, 1), Instant::now());
    assert_eq!(turns.line_up(key(A), now).unwrap().seen(), Some(0));
    drop(turns.line_up(key(A), now).unwrap());
    assert_eq!(turns.census().waiting, 0);
    assert!(turns.line_up(key(A), now).is_ok(), "refused because of somebody who is gone");
}

#[test]
fn who_leaves_the_line_is_passed_over_and_what_it_was_given_goes_on() {
    let (turns, now) = (turns(1, 1, 10), Instant::now());
    let mut requests = crowd(&turns, &key(A), 4, now);
    assert_eq!(requests[0].seen(), Some(0));
    drop(requests.remove(1));
    turns.give_back(&key(A), 7, now);
    // Given to it, but it leaves before it looks.
    drop(requests.remove(1));
    assert_eq!(requests[1].seen(), Some(7));
    turns.free(&key(A), now);
    let room = turns.line_up(key(B), now).unwrap();
    drop(room);
    assert_eq!(turns.census(), Census::default(), "room that was given and not used is free again");
}

#[test]
fn nobody_waits_while_there_is_room() {
    let (turns, now) = (turns(2, 1, 10), Instant::now());
    let _of_a = crowd(&turns, &key(A), 1, now)[0].seen();
    let mut requests = vec![turns.line_up(key(B), now).unwrap(), turns.line_up(key(C), now).unwrap()];
    assert_eq!(served(&mut requests).len(), 1);
    turns.free(&key(B), now);
    assert_eq!(served(&mut requests), [(1, 0)], "a connection that was closed makes room at once");
}

#[test]
fn idle_connections_that_are_not_kept_go_and_so_does_their_tenant() {
    let (turns, now) = (turns(4, 4, 10), Instant::now());
    for request in &mut crowd(&turns, &key(A), 3, now) {
        request.seen();
    }
    for (number, at) in [(1, now), (2, now + KEEP)] {
        turns.give_back(&key(A), number, at);
    }
    assert_eq!(turns.retain(now, |_, since| since > now), 1);
    assert_eq!((turns.census().open, turns.census().idle), (2, 1));
    turns.free(&key(A), now);
    assert_eq!(turns.retain(now, |_, _| false), 1);
    assert_eq!(turns.census(), Census::default(), "a tenant without connections is forgotten");
}

#[test]
fn whose_only_connection_runs_a_slow_statement_is_overtaken_for_no_longer_than_a_turn() {
    let (turns, now) = (turns(2, 2, 100), Instant::now());
    let (mut slow, mut busy) = (crowd(&turns, &key(A), 1, now), crowd(&turns, &key(B), 100, now));
    assert_eq!((served(&mut slow).len(), served(&mut busy).len()), (1, 1), "the budget is used up, evenly");
    let mut waiting = crowd(&turns, &key(A), 2, now);
    turns.give_back(&key(B), 7, now + OPENING);
    turns.give_back(&key(B), 7, now + TURN);
    assert_eq!((served(&mut waiting), served(&mut busy).len()), (vec![], 2), "as long as a turn, B keeps what it has");
    let later = now + TURN + OPENING;
    turns.give_back(&key(B), 7, later);
    assert_eq!((served(&mut waiting), served(&mut busy).len()), (vec![(0, 0)], 0));
    // It has two now and B none, so B gets it back at once.
    turns.give_back(&key(A), 8, later + OPENING);
    assert_eq!((served(&mut waiting), served(&mut busy).len()), (vec![], 1));
}

#[test]
fn those_who_have_fewer_and_take_turns_do_not_overtake_for_ever_either() {
    let (turns, now) = (turns(2, 2, 100), Instant::now());
    assert_eq!(served(&mut crowd(&turns, &key(A), 1, now)).len(), 1, "a slow statement");
    let mut crowds = [B, C].map(|tenant| crowd(&turns, &key(tenant), 50, now));
    let mut waiting = crowd(&turns, &key(A), 1, now);
    let mut at = now;
    for _ in 0..50 {
        let Some(holder) = crowds.iter_mut().position(|crowd| !served(crowd).is_empty()) else { break };
        at += OPENING;
        turns.give_back(&key([B, C][holder]), 7, at);
    }
    assert_eq!(served(&mut waiting), [(0, 0)]);
    assert!(at <= now + TURN + OPENING * 5, "more than the turn that was under way came first");
}

#[test]
fn one_client_that_always_comes_back_in_time_does_not_keep_out_who_is_overdue() {
    let (turns, now) = (turns(2, 2, 100), Instant::now());
    assert_eq!(served(&mut crowd(&turns, &key(A), 1, now)).len(), 1, "a slow statement");
    let (mut at, mut steps) = (now, 0);
    let mut waiting = None;
    let mut next = turns.line_up(key(B), at).unwrap();
    while next.seen().is_some() && steps < 50 {
        waiting.get_or_insert_with(|| turns.line_up(key(A), now).unwrap());
        (at, steps) = (at + OPENING, steps + 1);
        turns.give_back(&key(B), 7, at);
        next = turns.line_up(key(B), at).unwrap();
    }
    assert_eq!(waiting.unwrap().seen(), Some(0), "after {steps} requests of the other");
    assert!(at > now + TURN, "before its time");
}

#[test]
fn a_crowd_of_which_each_waits_for_long_is_not_overdue_as_long_as_somebody_is_served() {
    let (turns, now) = (turns(4, 4, 500), Instant::now());
    let mut crowd = crowd(&turns, &key(A), 500, now);
    assert_eq!(served(&mut crowd).len(), 4);
    let mut at = now;
    while at < now + TURN * 3 {
        at += OPENING;
        turns.give_back(&key(A), 7, at);
        assert_eq!(served(&mut crowd).len(), 1);
    }
    let mut one = turns.line_up(key(B), at).unwrap();
    turns.give_back(&key(A), 7, at);
    assert_eq!((one.seen(), served(&mut crowd).len()), (Some(0), 0));
}

#[test]
fn an_idle_connection_is_had_when_it_is_no_longer_kept_although_nothing_happens() {
    let (turns, now) = (turns(2, 2, 10), Instant::now());
    assert_eq!(turns.line_up(key(B), now).unwrap().seen(), Some(0));
    let mut of_a = crowd(&turns, &key(A), 2, now);
    turns.give_back(&key(B), 9, now + OPENING);
    assert_eq!(turns.look_again(now + KEEP), Some(now + OPENING + KEEP), "then, and no earlier");
    assert_eq!(served(&mut of_a), [(0, 0)]);
    assert_eq!(turns.look_again(now + OPENING + KEEP), None);
    assert_eq!(served(&mut of_a), [(1, 0)]);
}

#[test]
fn places_that_are_free_at_the_same_time_are_shared() {
    let (turns, now) = (turns(6, 6, 10), Instant::now());
    let mut crowds = [A, B].map(|tenant| crowd(&turns, &key(tenant), 2, now));
    let mut idle = crowd(&turns, &key(C), 2, now);
    assert_eq!((served(&mut idle).len(), crowds.each_mut().map(|crowd| served(crowd).len())), (2, [2, 2]));
    for number in [7, 8] {
        turns.give_back(&key(C), number, now);
    }
    let mut more = [A, B].map(|tenant| self::crowd(&turns, &key(tenant), 2, now));
    assert_eq!(turns.retain(now, |_, _| false), 2);
    assert_eq!(more.each_mut().map(|crowd| served(crowd).len()), [1, 1]);
}

#[test]
fn where_all_statements_are_slow_connections_stay_where_they_are() {
    let (turns, now) = (turns(2, 2, 100), Instant::now());
    assert_eq!([A, B].map(|tenant| served(&mut crowd(&turns, &key(tenant), 1, now)).len()), [1, 1]);
    let mut crowds = [A, B].map(|tenant| crowd(&turns, &key(tenant), 10, now));
    let mut at = now;
    for (number, tenant) in [A, B, A, B, A, B, A, B].into_iter().enumerate() {
        at += TURN * 3;
        turns.give_back(&key(tenant), u32::try_from(number).unwrap(), at);
    }
    assert_eq!((turns.census().evicted, crowds.each_mut().map(|crowd| served(crowd).len())), (0, [4, 4]));
}

#[test]
fn sign_ins_fill_their_own_line_and_nobody_elses() {
    let (turns, now) = (turns(1, 1, 2), Instant::now());
    let sign_in = role_of(A, ClaimRole::SignIn);
    let mut sign_ins = crowd(&turns, &sign_in, 3, now);
    assert_eq!(served(&mut sign_ins).len(), 1);
    assert!(turns.line_up(sign_in.clone(), now).is_err());
    let mut doctor = turns.line_up(key(A), now).unwrap();
    turns.free(&sign_in, now);
    assert_eq!(doctor.seen(), Some(0), "they had theirs");
}

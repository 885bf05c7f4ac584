//! Which things of two lists are the same.
//! Must stay true: the work grows with the lists and not with their product, whatever a message holds.
use std::collections::{HashMap, VecDeque};

/// By what two things are told to be the same, from the stored one and from the one that was read.
pub(super) type Alike<'k, A, B> = (&'k dyn Fn(&A) -> String, &'k dyn Fn(&B) -> String);

/// Pairs what is the same thing, the most alike first, in the order of what was read; what is left over is alone.
pub(super) fn pair<A, B>(stored: &[A], now: &[B], keys: &[Alike<'_, A, B>]) -> Vec<(Option<usize>, Option<usize>)> {
    let mut of_now: Vec<Option<usize>> = vec![None; now.len()];
    let mut taken = vec![false; stored.len()];
    for (of_stored, of_read) in keys {
        let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (at, thing) in stored.iter().enumerate().filter(|(at, _)| !taken.get(*at).copied().unwrap_or(true)) {
            waiting.entry(of_stored(thing)).or_default().push_back(at);
        }
        for (found, thing) in of_now.iter_mut().zip(now).filter(|(found, _)| found.is_none()) {
            *found = waiting.get_mut(&of_read(thing)).and_then(VecDeque::pop_front);
        }
        for at in of_now.iter().flatten() {
            if let Some(taken) = taken.get_mut(*at) {
                *taken = true;
            }
        }
    }
    let alone = taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(at, _)| (Some(at), None));
    of_now.iter().enumerate().map(|(at, found)| (*found, Some(at))).chain(alone).collect()
}

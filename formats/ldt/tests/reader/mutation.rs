//! The fuzz target's promises, held against mutations of its corpus: deterministic, on any compiler, in seconds.
//! `LDT_MUTATIONS=1000000 cargo test --release -p ldt --test reader mutation` runs longer.

#[path = "../../fuzz/invariants.rs"]
mod invariants;

use crate::support::{Field, all, content, fields, render};

/// xorshift64*, so that every run has the same mutations.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/read");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Damages bytes; lengths and sums stay as they were.
fn bytes(random: &mut Random, message: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        let at = random.below(message.len());
        match random.below(6) {
            0 if !message.is_empty() => message[at] = random.byte(),
            1 if !message.is_empty() => message[at] ^= 1 << random.below(8),
            2 if !message.is_empty() => {
                message.remove(at);
            }
            3 => message.insert(at, random.byte()),
            4 => message.truncate(at),
            _ => {
                let end = (at + random.below(60)).min(message.len());
                let piece = message[at..end].to_vec();
                let to = random.below(message.len());
                message.splice(to..to, piece);
            }
        }
    }
}

/// Changes fields, then computes lengths and sums anew: this gets behind the checksum of LDT 3.
fn lines(random: &mut Random, message: &[u8], other: &[u8]) -> Vec<u8> {
    let (mut all, others) = (fields(message), fields(other));
    for _ in 0..=random.below(4) {
        if all.is_empty() || others.is_empty() {
            break;
        }
        let at = random.below(all.len());
        let foreign = others[random.below(others.len())].clone();
        match random.below(7) {
            0 => all[at].1 = foreign.1,
            1 => all[at].0 = foreign.0,
            2 => {
                all.remove(at);
            }
            3 => all.insert(at, foreign),
            4 => {
                let to = random.below(all.len());
                all.swap(at, to);
            }
            5 => {
                let end = (at + random.below(12)).min(all.len());
                let piece: Vec<Field> = all[at..end].to_vec();
                let to = random.below(all.len());
                all.splice(to..to, piece);
            }
            _ => {
                let length = random.below(12);
                all[at].1 = (0..length).map(|_| random.byte()).filter(|byte| !b"\r\n".contains(byte)).collect();
            }
        }
    }
    render(&all)
}

#[test]
fn mutations_of_the_corpus_break_no_promise() {
    let rounds = std::env::var("LDT_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(6_000);
    let (corpus, mut random) = (corpus(), Random(0x1d7));
    assert!(corpus.len() > 25);
    let mut read = 0;
    for message in &corpus {
        invariants::hold(message);
    }
    for round in 0..rounds {
        let message = &corpus[round % corpus.len()];
        let mutated = if random.below(3) == 0 {
            let mut mutated = message.clone();
            bytes(&mut random, &mut mutated);
            mutated
        } else {
            let other = &corpus[random.below(corpus.len())];
            lines(&mut random, message, other)
        };
        invariants::hold(&mutated);
        read += usize::from(ldt::read(&mutated).is_ok());
    }
    assert!(read > rounds / 20, "only {read} of {rounds} were read: the mutations no longer reach the content");
}

/// Whoever takes a field away takes something from the reading, or it is refused: nothing that a laboratory sends is read over.
#[test]
fn no_field_is_read_over() {
    // Of the frame: what the lines, records and objects themselves say already; and the kind of a unit, which is beside the unit.
    let frame = ["0001", "8000", "8001", "8002", "8003", "8100", "9212", "9106", "9202", "9300", "8419"];
    let mut lost = std::collections::BTreeSet::new();
    for (name, bytes) in all("good") {
        let whole = fields(&bytes);
        let Ok(package) = ldt::read(&render(&whole)) else { panic!("{name}") };
        for (at, (id, _)) in whole.iter().enumerate().filter(|(_, (id, _))| !frame.contains(&id.as_str())) {
            if says_it_again(&whole, at) {
                continue;
            }
            let mut less = whole.clone();
            less.remove(at);
            if let Ok(read) = ldt::read(&render(&less))
                && same(&read, &package)
            {
                lost.insert(format!("{name} {id} {at}"));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// A limit in the unit of the value it belongs to; and of the patient that they are the patient (7420 = 12, E027).
fn says_it_again(fields: &[Field], at: usize) -> bool {
    let of_the_value = fields[..at].iter().rev().take_while(|(id, _)| id != "8420").any(|other| *other == fields[at]);
    (fields[at].0 == "8421" && of_the_value) || fields[at] == ("7420".to_owned(), b"12".to_vec())
}

fn same(one: &ldt::Package, other: &ldt::Package) -> bool {
    let unmapped = |package: &ldt::Package| {
        package.unmapped.iter().map(|field| (field.id, field.object, field.text.clone())).collect::<Vec<_>>()
    };
    content(one) == content(other)
        && (&one.laboratory, &one.created) == (&other.laboratory, &other.created)
        && unmapped(one) == unmapped(other)
}

//! The fuzz target's promises, held against mutations of its corpus: deterministic, on any compiler, in seconds.
//! `LDT_MUTATIONS=1000000 cargo test --release -p ldt --test reader mutation` runs longer.

#[path = "../../fuzz/invariants.rs"]
mod invariants;

use crate::support::{Field, fields, render};

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

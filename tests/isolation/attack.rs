//! What an attack is, as data, and what came of it.
//! Must stay true: an attack's row says what is expected on a hardened server; only where a server whose system objects nobody may
//! change lets it go further, the row says so too. Nothing here is derived from the SQL that is attacked.
use labor_catalog::ClaimRole;

use crate::seed::Row;
use crate::world::{Practice, World};

/// Attacks of one kind, all run in the same way.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    pub(crate) attacks: &'static [Attack],
}

/// How the text comes to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As one statement over the extended protocol, in a transaction with a genuine claim of this role: what can be injected into a
    /// statement of Labor's.
    Injected(ClaimRole),
    /// As several statements over the simple protocol, begun in a transaction with a genuine claim of this role. Labor sends nothing
    /// over it that anybody could add to; a stolen password may.
    Stacked(ClaimRole),
    /// With the login's password, outside of a transaction and without a claim.
    Stolen,
    /// `given` ran before on the same connection, with a genuine claim of the first role; then the next one, with a genuine claim of the
    /// second, runs the attack's statement in a transaction of its own, as from a pool.
    LeftBehind(ClaimRole, ClaimRole),
    /// As [`Way::Stacked`] by an administrator, after a superuser made the mistake `given`; `undo` takes it back.
    Mistake,
}

/// One attack. In its texts, `{a}` and `{b}` stand for the attacker's and the attacked practice's names in the database, `{b_claim}` for
/// a genuine claim of an administrator of B, `{a_claim}` for one of A that is not the session's, `{b_pid}` for a server process of B;
/// `{b_report}` and so on for keys of rows.
#[derive(Clone, Copy)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) given: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) undo: &'static str,
    pub(crate) expect: Expect,
    /// What is expected where system objects cannot be changed; the same when `None`.
    pub(crate) managed: Option<Expect>,
    /// SQLSTATE with which a hardened server refuses what was to be left behind; without one it is left.
    pub(crate) in_vain: Option<&'static str>,
    /// Named among what is left open, although its outcome is not [`Expect::Remains`]: it tells or does something all the same.
    pub(crate) open: bool,
    pub(crate) why: &'static str,
}

/// What comes of an attack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The server refuses with this SQLSTATE.
    Refused(&'static str),
    /// It runs, and its first column is exactly this: nothing of B, nothing changed.
    Answers(&'static str),
    /// It runs and returns no row or changes none.
    Nothing,
    /// It works, is known to work, and reaches no row of B. `why` says what it is good for. When it stops working, say so here.
    Remains,
    /// It works, and what comes back is another's: only after a mistake that the isolation check finds.
    Breach,
}

pub(crate) const DENIED: Expect = Expect::Refused("42501");

pub(crate) const fn attack(name: &'static str, sql: &'static str, expect: Expect, why: &'static str) -> Attack {
    Attack { name, given: "", sql, undo: "", expect, managed: None, in_vain: None, open: false, why }
}

impl Attack {
    /// What ran before.
    pub(crate) const fn given(mut self, sql: &'static str) -> Self {
        self.given = sql;
        self
    }

    /// The same, but the server refuses it with this SQLSTATE: there is nothing to find.
    pub(crate) const fn given_in_vain(mut self, sql: &'static str, state: &'static str) -> Self {
        self.in_vain = Some(state);
        self.given(sql)
    }

    /// See [`Attack::open`].
    pub(crate) const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// Whether it is named among what is left open.
    pub(crate) fn is_open(&self) -> bool {
        self.open || self.expect == Expect::Remains
    }

    /// What takes it back.
    pub(crate) const fn undo(mut self, sql: &'static str) -> Self {
        self.undo = sql;
        self
    }

    /// How far it gets where system objects cannot be changed.
    pub(crate) const fn managed(mut self, expect: Expect) -> Self {
        self.managed = Some(expect);
        self
    }

    /// What is expected there.
    pub(crate) fn expected(&self, managed: bool) -> Expect {
        self.managed.filter(|_| managed).unwrap_or(self.expect)
    }
}

pub(crate) const fn injected(name: &'static str, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Injected(ClaimRole::Admin), attacks }
}

pub(crate) const fn injected_by(name: &'static str, role: ClaimRole, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Injected(role), attacks }
}

pub(crate) const fn stacked(name: &'static str, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Stacked(ClaimRole::Admin), attacks }
}

pub(crate) const fn stacked_by(name: &'static str, role: ClaimRole, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Stacked(role), attacks }
}

pub(crate) const fn stolen(name: &'static str, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Stolen, attacks }
}

pub(crate) const fn left_behind(
    name: &'static str,
    by: ClaimRole,
    next: ClaimRole,
    attacks: &'static [Attack],
) -> Kind {
    Kind { name, way: Way::LeftBehind(by, next), attacks }
}

pub(crate) const fn mistakes(name: &'static str, attacks: &'static [Attack]) -> Kind {
    Kind { name, way: Way::Mistake, attacks }
}

/// Who attacks whom.
pub(crate) struct Pair<'w> {
    pub(crate) a: &'w Practice,
    pub(crate) b: &'w Practice,
    /// A server process of B.
    pub(crate) b_pid: i32,
}

impl Pair<'_> {
    pub(crate) fn fill(&self, world: &World, text: &str) -> String {
        let admin = |practice: &Practice| {
            world.claim(&practice.name, &practice.seeds.id(Row::Admin).to_string(), ClaimRole::Admin)
        };
        text.replace("{b_claim}", &admin(self.b))
            .replace("{a_claim}", &admin(self.a))
            .replace("{b_report}", &self.b.seeds.id(Row::Released).to_string())
            .replace("{unreleased}", &self.a.seeds.id(Row::Unreleased).to_string())
            .replace("{of_the_other}", &self.a.seeds.id(Row::OfTheOther).to_string())
            .replace("{user_one}", &self.a.seeds.id(Row::UserOne).to_string())
            .replace("{audit}", &self.a.seeds.id(Row::Audit).to_string())
            .replace("{b_pid}", &self.b_pid.to_string())
            .replace("{a}", self.a.name.as_str())
            .replace("{b}", self.b.name.as_str())
    }
}

/// What came of one attack.
pub(crate) enum Seen {
    /// SQLSTATE, and all that the server said with it.
    Refused { state: String, text: String },
    /// The columns of each row, or one text that says how many were changed.
    Rows(Vec<Vec<String>>),
    /// It could not be tried as its row says.
    Untried(String),
}

impl Seen {
    /// Whether anything that came back holds this.
    pub(crate) fn says(&self, mark: &str) -> bool {
        match self {
            Self::Rows(rows) => rows.iter().flatten().any(|text| text.contains(mark)),
            Self::Refused { text, .. } => text.contains(mark),
            Self::Untried(_) => false,
        }
    }

    /// Why this is not what was expected, if it is not.
    pub(crate) fn fault(&self, world: &World, pair: &Pair<'_>, expect: Expect) -> Option<String> {
        let mark = pair.b.seeds.mark.as_str();
        let marked = self.says(mark);
        let as_expected = match (expect, self) {
            (Expect::Refused(code), Self::Refused { state, .. }) => state == code,
            (Expect::Answers(answer), Self::Rows(rows)) => {
                rows.first().and_then(|row| row.first()) == Some(&pair.fill(world, answer))
            }
            (Expect::Nothing, Self::Rows(rows)) => rows.is_empty(),
            (Expect::Remains, Self::Rows(_)) => true,
            (Expect::Breach, Self::Rows(_)) => return (!marked).then(|| "nothing of the other came back".to_owned()),
            _ => false,
        };
        match self {
            _ if marked => Some("a value of the other practice came back".to_owned()),
            _ if as_expected => None,
            Self::Refused { state, .. } => Some(format!("refused with {state}")),
            Self::Untried(why) => Some(why.clone()),
            Self::Rows(rows) => Some(format!("ran: {:.200}", format!("{rows:?}"))),
        }
    }

    /// In the words of docs/isolation.md.
    pub(crate) fn told(&self, expect: Expect) -> String {
        match (self, expect) {
            (Self::Refused { state, .. }, _) => format!("refused, {state}"),
            (Self::Untried(_), _) => "not tried".to_owned(),
            (Self::Rows(rows), _) if rows.is_empty() => "nothing".to_owned(),
            (Self::Rows(_), Expect::Answers(answer)) => format!("answers `{answer}`"),
            (Self::Rows(_), Expect::Breach) => "**shows the other's rows**".to_owned(),
            (Self::Rows(_), _) => "**works**".to_owned(),
        }
    }
}

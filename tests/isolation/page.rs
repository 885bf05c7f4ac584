//! docs/isolation.md: every attack, what came of it in this run, and why.
//! Must stay true: the page in the repository is what the data and a run say. `make isolation-report` writes it; without
//! LABOR_ISOLATION_REPORT the test compares.
use std::fmt::Write as _;
use std::path::Path;

use labor_catalog::ClaimRole;

use crate::attack::{Attack, Expect, Kind, Way};
use crate::attack_suite::{kinds, on_hardened, on_managed};
use crate::{forgeries, matrix};

const HEAD: &str = "# Isolation: what was tried

<!-- Written by `make isolation-report` from the lists in tests/isolation and from what a run of them saw. Do not edit. -->

Each line is an attack that `make test` tries on a real server, from inside of one practice (A), on another practice (B), on what
all practices share, or on higher roles of its own practice. The outcome is what was seen; where it is not what the list expects the
test fails, and so it does when this page is not up to date. Afterwards no row of B is another one, and the isolation check finds nothing
that was left behind.

*refused* comes with PostgreSQL's SQLSTATE: 42501 is a missing right, 28000 a missing or wrong claim. *nothing* means that no row came
back or was changed. **works** means that it does, that we know it, and what it is good for.
";

const SERVER: &str = "
## Where system objects cannot be changed

Managed servers give no superuser. Their administrator owns the database, but not what PostgreSQL is shipped with, so what
`labor-migrator bootstrap` takes away from PUBLIC stays there. All attacks were tried on such an installation, too. These get another
answer than on a hardened server: what works there is what PostgreSQL gives to everybody, and none of it reaches a row of another practice,
because rights on schemas and row rules are Labor's own and hold there as well. What it takes to run Labor there is in
[ADR 0012](adr/0012-weaker-isolation-is-acknowledged.md).

| Attack | Hardened | Managed |
|---|---|---|
";

/// How the attacks of a kind come to the server.
fn way(way: Way) -> String {
    let role = |role: ClaimRole| role.as_str().replace('_', " ");
    match way {
        Way::Injected(by) => {
            format!("One statement over the extended protocol, in a transaction with a genuine claim ({}).", role(by))
        }
        Way::Stacked(by) => {
            format!(
                "Several statements over the simple protocol, begun in a transaction with a genuine claim ({}).",
                role(by)
            )
        }
        Way::Stolen => "With the login's password, outside of a transaction and without a claim.".to_owned(),
        Way::LeftBehind(by, next) => format!(
            "Something was left on the connection by one user ({}); then it is given to another ({}). Labor gives it only to users of the \
             same practice and role, and a patient's to nobody.",
            role(by),
            role(next)
        ),
        Way::Mistake => {
            "First a superuser makes a mistake; then practice A, with a genuine claim of its administrator.".to_owned()
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Each attack with its kind and what was seen.
fn seen(told: &'static [String]) -> impl Iterator<Item = (&'static Kind, &'static Attack, &'static String)> {
    kinds()
        .flat_map(|kind| kind.attacks.iter().map(move |attack| (kind, attack)))
        .zip(told)
        .map(|((k, a), t)| (k, a, t))
}

fn summary(hardened: &'static [String]) -> String {
    let count = |wanted: fn(Expect) -> bool| seen(hardened).filter(|(_, attack, _)| wanted(attack.expect)).count();
    let mut text = format!(
        "\n{} attacks: {} refused, {} without any effect, {} answered with what A may know, {} that work and reach no row of B, and {} that \
         show B's rows after an operator's mistake, which the isolation check finds.\n",
        hardened.len(),
        count(|expect| matches!(expect, Expect::Refused(_))),
        count(|expect| expect == Expect::Nothing),
        count(|expect| matches!(expect, Expect::Answers(_))),
        count(|expect| expect == Expect::Remains),
        count(|expect| expect == Expect::Breach),
    );
    text += "\n## What is left open\n\n| Kind | Attack | What it is good for |\n|---|---|---|\n";
    for (kind, attack, _) in seen(hardened).filter(|(_, attack, _)| attack.is_open()) {
        let _ = writeln!(text, "| {} | {} | {} |", kind.name, cell(attack.name), cell(attack.why));
    }
    text
}

/// Roles of one practice: what they may do, and how many rows of a seeded one they see.
async fn within() -> String {
    let mut text = "\n## Who may do what within a practice\n\nS read, I add, U change; nobody deletes. In brackets how many rows each sees of a \
                    practice with two patients, five users and five reports, of which one is a patient's own and released.\n\n| Table |"
        .to_owned();
    let who = matrix::who();
    let _ = writeln!(text, " {} |\n|---|{}", who.join(" | "), "---|".repeat(who.len()));
    for (table, seen) in matrix::seen_rows().await {
        let cells = matrix::may(table).into_iter().zip(seen).map(|(may, seen)| match seen.as_str() {
            "-" | "0" => may.to_owned(),
            rows => format!("{may} ({rows})"),
        });
        let _ = writeln!(text, "| `{table}` | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    text
}

async fn page() -> String {
    let (hardened, managed) = (&on_hardened().await.told, &on_managed().await.told);
    let mut text = format!("{HEAD}{}{SERVER}", summary(hardened));
    for ((_, attack, here), there) in seen(hardened).zip(managed) {
        if here != there {
            let _ = writeln!(text, "| {} | {here} | {there} |", cell(attack.name));
        }
    }
    let mut last = "";
    for (kind, attack, told) in seen(hardened) {
        if kind.name != last {
            let _ =
                write!(text, "\n## {}\n\n{}\n\n| Attack | Outcome | Why |\n|---|---|---|\n", kind.name, way(kind.way));
            last = kind.name;
        }
        let _ = writeln!(text, "| {} | {told} | {} |", cell(attack.name), cell(attack.why));
    }
    text += &within().await;
    text += "\n## Claims that were not signed for this connection\n\nEach with a SELECT, an INSERT and an UPDATE on a connection of A.\n";
    text += "\n| Claim | Outcome |\n|---|---|\n";
    for (name, answer) in forgeries::tried().await {
        let _ = writeln!(text, "| {} | {answer} |", cell(name));
    }
    text
}

#[tokio::test]
async fn the_page_about_isolation_is_what_this_run_saw() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/isolation.md");
    let page = page().await;
    if std::env::var_os("LABOR_ISOLATION_REPORT").is_some() {
        return std::fs::write(&file, page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = written.lines().zip(page.lines()).find(|(written, seen)| written != seen);
    assert!(written == page, "docs/isolation.md is not up to date, run make isolation-report: {differs:?}");
}

#[test]
fn every_attack_has_a_name_of_its_own() {
    let mut names: Vec<_> = kinds().flat_map(|kind| kind.attacks).map(|attack| attack.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

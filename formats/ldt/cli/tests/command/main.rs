//! The command as its users run it: exit codes, standard input, closed pipes, anonymous files.
#![expect(clippy::unwrap_used, reason = "helpers of tests may end the test, too")]

mod anonymous;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name)
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labor-ldt"));
    command.env_remove("LABOR_LDT_KEY");
    command
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let piped = || Stdio::piped();
    let mut child = program().args(arguments).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const GOOD: &str = "good/Z01_LDT3_04_extremwert.ldt";
const BROKEN: &str = "broken/sha1_wrong.ldt";
const WARNS: &str = "broken/ldt2_8100_wrong.ldt";

fn check(arguments: &[&str], files: &[&str]) -> (Option<i32>, String) {
    let files: Vec<String> = files.iter().map(|file| fixture(file).display().to_string()).collect();
    let all: Vec<&str> = ["check"].iter().chain(arguments).copied().chain(files.iter().map(String::as_str)).collect();
    let output = run(&all, b"");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn exit_codes() {
    assert_eq!(check(&[], &[GOOD]).0, Some(0));
    assert_eq!(check(&[], &[WARNS]).0, Some(0), "warnings are allowed");
    assert_eq!(check(&["--deny-warnings"], &[WARNS]).0, Some(1));
    let (code, said) = check(&[], &[BROKEN, GOOD]);
    assert_eq!(code, Some(1));
    assert!(said.contains("refused [checksum-mismatch]") && said.contains("extremwert.ldt: ok"), "{said}");
    let (code, said) = check(&[], &["missing.ldt", BROKEN]);
    assert_eq!(code, Some(2), "what could not be read is worse than what was refused");
    assert!(said.contains("cannot read") && said.contains("refused"), "{said}");
    assert_eq!(run(&["check"], b"").status.code(), Some(2));
    assert_eq!(run(&["frobnicate"], b"").status.code(), Some(2));
    for command in ["show", "json", "anonymise"] {
        let output = run(&[command, fixture(BROKEN).to_str().unwrap()], b"");
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(text(&output.stderr).contains("[checksum-mismatch]") && output.stdout.is_empty(), "{command}");
    }
}

#[test]
fn check_says_nothing_of_the_patient() {
    let (_, said) = check(&[], &[GOOD, WARNS, "good/Z01_ldt2_8201_iso885915.ldt"]);
    let (_, json) = check(&["--json"], &[GOOD, WARNS, BROKEN]);
    for secret in ["Müller", "Jürgen", "19661024", "1966-10-24", "A123456780", "2026-01"] {
        assert!(!said.contains(secret) && !json.contains(secret), "{secret}");
    }
    assert!(said.contains("signal [life-threatening]") && said.contains("[record-length]"), "{said}");
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["signals"][0]["code"], "life-threatening");
    assert_eq!(lines[1]["warnings"][0]["code"], "record-length");
    assert_eq!((&lines[2]["ok"], &lines[2]["error"]["code"]), (&false.into(), &"checksum-mismatch".into()));
    assert!(lines[2]["error"]["at"]["line"].is_u64());
}

#[test]
fn standard_input() {
    let bytes = std::fs::read(fixture(GOOD)).unwrap();
    for arguments in
        [&["check", "-"][..], &["show", "-"], &["show", "--tree", "-"], &["json", "-"], &["anonymise", "-"]]
    {
        let output = run(arguments, &bytes);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stderr.is_empty() && !output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(run(&["check", "-"], b"").status.code(), Some(1));
}

#[test]
fn json_has_every_value_with_its_line() {
    let output = run(&["json", fixture(GOOD).to_str().unwrap()], b"");
    let package: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &package["reports"][0]["results"][0];
    assert_eq!((&result["test_code"], &result["values"][0]["text"]), (&"K".into(), &"7.1".into()));
    assert!(result["values"][0]["line"].as_u64() > result["lines"][0].as_u64());
    assert_eq!(result["values"][0]["alarm"]["high"], "6.2");
    assert_eq!(result["details"]["object"], "Obj_0060");
    let pdf = run(&["json", fixture("good/Z01_LDT3_06_pdf_anhang.ldt").to_str().unwrap()], b"");
    let package: serde_json::Value = serde_json::from_slice(&pdf.stdout).unwrap();
    let attachment = &package["reports"][0]["attachments"][0];
    assert!(attachment["size"].as_u64().unwrap() > 100 && attachment["base64"].is_null());
}

#[test]
fn show_names_fields_and_never_commands_the_terminal() {
    let output = text(&run(&["show", "--tree", fixture(GOOD).to_str().unwrap()], b"").stdout);
    assert!(output.contains("8420 Ergebniswert: 7.1") && output.contains("[extrem erhöht]"), "{output}");
    assert!(text(&run(&["show", fixture(GOOD).to_str().unwrap()], b"").stdout).contains("SIGNAL life-threatening"));
    let tree = ldt::tree::Tree::read(&std::fs::read(fixture("good/Z01_ldt2_8201_iso885915.ldt")).unwrap());
    let mut tree = tree.unwrap();
    tree.records[1].nodes.push(ldt::tree::Node::field(8490, "\u{1b}[2J\u{7}"));
    let bytes = tree.write().unwrap();
    for arguments in [&["show", "-"][..], &["show", "--tree", "-"]] {
        let output = run(arguments, &bytes);
        assert!(output.status.success() && !output.stdout.contains(&0x1b), "{arguments:?}");
    }
}

/// `labor-ldt show FILE | head -1`.
#[test]
fn a_closed_pipe_is_no_fault() {
    let good = fixture(GOOD);
    let files: Vec<&str> = std::iter::repeat_n(good.to_str().unwrap(), 200).collect();
    for command in ["show", "json", "check"] {
        let mut child =
            program().arg(command).args(&files).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{command}");
    }
}

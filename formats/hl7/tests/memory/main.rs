//! What hostile messages may take: a process of its own, because its highest mark is what is looked at.
use std::time::{Duration, Instant};

const HEAD: &str =
    "MSH|^~\\&|LIS|LAB||PRAXIS|20261008||ORU^R01|1|P|2.5\rPID|1||||Muster^Eva||19660101|F\rOBR|1|A|B|C|||2026100808";

/// The most that this process ever took, in bytes; none where the system does not say.
fn highest() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// OBR with this in OBR-15.
fn material(text: &str) -> String {
    format!("{HEAD}||||||||{text}\r")
}

fn obx(name: &str, values: &str, state: &str) -> String {
    format!("OBX|1|NM|K^{name}^L||{values}|mmol/l|3.5-5.1|N|||{state}\r")
}

fn outcome(message: &str) -> String {
    hl7::read(message.as_bytes()).map_or_else(|error| error.code().to_owned(), |_| "read".to_owned())
}

#[test]
fn one_text_said_of_many_values_does_not_fill_the_memory() {
    let begun = Instant::now();
    let long = |bytes: usize| "x".repeat(bytes);
    let ones = |times: usize| "1~".repeat(times);
    let spm = |text: &str| format!("{HEAD}\rSPM|1|||U^{text}^L\r");
    let (copies, fields) = ("too-many-copies", "too-many-fields");
    let reports: String = (0..900).map(|n| format!("OBR|1|A{n}|B\r")).collect();
    let small = [
        (
            "OBR-15 of 200,000 repetitions",
            format!("{}{}", material(&long(250_000)), obx("K", &ones(200_000), "F")),
            fields,
        ),
        (
            "OBR-15 of 90,000 repetitions",
            format!("{}{}", material(&long(250_000)), obx("K", &ones(90_000), "F")),
            copies,
        ),
        ("names of 4,000 repetitions", format!("{HEAD}\r{}", obx(&long(16_000), &ones(4_000), "F").repeat(60)), fields),
        ("names of 1,500 repetitions", format!("{HEAD}\r{}", obx(&long(16_000), &ones(1_500), "F").repeat(60)), copies),
        ("OBR-15 of every OBX", format!("{}{}", material(&long(250_000)), obx("K", "1", "F").repeat(5_000)), copies),
        ("SPM-4 of every OBX", format!("{}{}", spm(&long(250_000)), obx("K", "1", "F").repeat(5_000)), copies),
        (
            "OBR-15 of what is taken back",
            format!("{}{}", material(&long(250_000)), obx("K", "1", "W").repeat(5_000)),
            copies,
        ),
        ("each OBX little", format!("{}{}", material(&long(20_000)), obx("K", &ones(20), "F").repeat(100)), copies),
        ("rows alone", format!("{HEAD}\r{}", obx("K", &ones(90_000), "F")), copies),
        ("a patient of many reports", format!("{}\r{reports}", HEAD.replace("Eva", &long(250_000))), copies),
        (
            "formatting commands",
            format!("{HEAD}\r{}", format!("NTE|1|L|{}\r", "\\.sp100\\".repeat(1_200)).repeat(100)),
            "read",
        ),
    ];
    for (name, message, expected) in &small {
        assert_eq!(outcome(message), *expected, "{name}");
    }
    drop(small);
    assert!(highest().is_none_or(|bytes| bytes < 64 << 20), "{:?} bytes", highest());
    let large = 32_000_000;
    for (name, message, expected) in [
        ("OBR-15", format!("{}{}", material(&long(large)), obx("K", &ones(90_000), "F")), copies),
        (
            "formatting commands",
            format!("{HEAD}\r{}", format!("NTE|1|L|{}\r", "\\.sp100\\".repeat(160)).repeat(24_000)),
            copies,
        ),
        (
            "a document",
            format!(
                "{HEAD}\rOBX|1|ED|PDF||^AP^PDF^Base64^{}||||||F\r{}",
                "A".repeat(large),
                obx("K", "1", "F").repeat(7_000)
            ),
            "read",
        ),
    ] {
        assert_eq!(outcome(&message), expected, "{name}");
    }
    assert!(highest().is_none_or(|bytes| bytes < 450 << 20), "{:?} bytes", highest());
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

//! Logs: whatever RUST_LOG says, no program writes keys, verifiers of passwords or values.
use labor_catalog::MasterSecret;
use labor_testing::{Platform, postgres, scratch};

#[tokio::test]
async fn no_level_of_logs_tells_secrets() {
    let platform = Platform::create(postgres().await, &scratch().await.unwrap().join("logs"), "logs").await.unwrap();
    platform.practice("p1", "Praxis", "100000001").await.unwrap();
    let secret = std::fs::read_to_string(platform.setting("LABOR_MASTER_SECRET_FILE")).unwrap();
    let pads = MasterSecret::from_hex(&secret).unwrap().claim_key_pads(1);
    let bytes = |pad: &[u8]| format!("{pad:?}").trim_matches(['[', ']']).to_owned();
    let secrets = [
        "SCRAM-SHA-256$".to_owned(),
        "$argon2".to_owned(),
        "Dr. Geheim".to_owned(),
        hex::encode(&pads.inner[..16]),
        hex::encode(&pads.outer[..16]),
        bytes(&pads.inner[..16]),
        bytes(&pads.outer[..16]),
    ];
    let user = ["user", "add", "--practice", "p1", "--username", "geheim", "--name", "Dr. Geheim", "--role", "doctor"];
    for (level, slug) in [("trace", "p2"), ("tokio_postgres::query=trace,sqlx::query=trace,[{}]=trace", "p3")] {
        let provision = ["provision", slug, "--name", "Dr. Geheim"];
        for (program, arguments) in [("labor-migrator", provision.as_slice()), ("labor", user.as_slice())] {
            let program = platform
                .program(program)
                .unwrap()
                .args(arguments)
                .env("RUST_LOG", level)
                .input("ein langes Passwort\n");
            let run = program.run().await.unwrap();
            for secret in &secrets {
                assert!(!run.stderr.contains(secret), "{level}: {secret} is in {}", run.stderr);
            }
        }
    }
}

//! `export` and `check-export` on the command line, and how `erase` is told with what to sign.
//! Must stay true: nobody exports or checks without a signature by accident; what a check did not prove it says.
use std::path::PathBuf;

use clap::Args;
use labor_backup::{Backup, BackupError, Signature, SigningKey, check_export};
use uuid::Uuid;

use crate::{auditing, output};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Id of the request (`labor request list`).
    #[arg(long)]
    request: Uuid,
    /// Folder to be made for it.
    #[arg(long)]
    into: PathBuf,
    #[command(flatten)]
    signing: Signing,
    /// Public key of a signing key that the audit was sealed with before.
    #[arg(long, value_name = "FILE")]
    former_public_key: Vec<PathBuf>,
}

/// What is signed, and by whom.
#[derive(Args)]
pub(crate) struct Signing {
    /// Ed25519 private key in PEM to sign with (`openssl genpkey -algorithm ed25519 -out FILE`).
    #[arg(long, env = "LABOR_SIGNING_KEY", value_name = "FILE", required_unless_present = "unsigned")]
    signing_key: Option<PathBuf>,
    /// Do not sign: nobody can tell later that nothing was changed, unless a SHA-256 was kept elsewhere.
    #[arg(long, conflicts_with = "signing_key")]
    unsigned: bool,
}

impl Signing {
    pub(crate) fn key(self) -> Result<Option<SigningKey>, BackupError> {
        self.signing_key.map(|path| SigningKey::open(&path)).transpose()
    }
}

#[derive(Args)]
pub(crate) struct CheckArguments {
    /// The export's folder.
    folder: PathBuf,
    /// Ed25519 public key in PEM that the signature is checked with (`openssl pkey -in KEY -pubout -out FILE`); not from the export itself. More than
    /// one when the audit was sealed with others.
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
}

pub(crate) async fn run(backup: &Backup, arguments: Arguments, json: bool) -> Result<(), BackupError> {
    let Arguments { request, into, signing, former_public_key } = arguments;
    let (key, former) = (signing.key()?, auditing::public_keys(&former_public_key)?);
    let made = Box::pin(backup.export(request, &into, key.as_ref(), &former)).await?;
    let proof = made.signed_by.as_ref().map_or_else(
        || format!("not signed: keep the SHA-256 of its manifest elsewhere: {}", made.manifest_sha256),
        |key| format!("signed with the key {key}; the SHA-256 of its manifest is {}", made.manifest_sha256),
    );
    let of = made.manifest.patient.map_or_else(String::new, |patient| format!(" of patient {patient}"));
    let mut text = format!(
        "{}: {} files{of} in {}, not encrypted: seal it before it travels. {proof}",
        made.manifest.tenant,
        made.manifest.files.len(),
        into.display(),
    );
    for left_out in &made.manifest.left_out {
        text.push_str("\n  left out: ");
        text.push_str(left_out);
    }
    if let Some(findings) = &made.manifest.audit {
        text.push_str(&format!("\n  audit: {}", auditing::told(findings)));
    }
    output::say(json, &made, &text);
    auditing::judged(made.manifest.audit.as_ref())
}

pub(crate) fn check(arguments: &CheckArguments, json: bool) -> Result<(), BackupError> {
    let CheckArguments { folder, public_key } = arguments;
    let checked = check_export(folder, &auditing::public_keys(public_key)?)?;
    let proof = match checked.signature {
        Signature::Valid => "which the owner of the key signed: nothing in it was changed",
        Signature::NotChecked => "whose signature was not checked: give --public-key",
        Signature::None => "which is not signed: nothing was changed if `export` printed the same SHA-256",
    };
    let of = &checked.manifest;
    let patient = of.patient.map_or_else(String::new, |patient| format!(", patient {patient}"));
    let audit =
        checked.audit_now.as_ref().map_or_else(String::new, |found| format!("\n  audit: {}", auditing::told(found)));
    let text = format!(
        "{}: the export of {}{patient} of {} for request {}: {} files are those of the manifest {}, {proof}{audit}",
        folder.display(),
        of.tenant,
        of.exported_at,
        of.request,
        of.files.len(),
        checked.manifest_sha256
    );
    output::say(json, &checked, &text);
    auditing::judged(checked.audit_now.as_ref())
}

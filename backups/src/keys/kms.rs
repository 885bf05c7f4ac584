//! AWS KMS: one key for the fleet, that never leaves the service. What is wrapped is bound to the tenant by the encryption context.
//!
//! Must stay true: only the key that is set unwraps, whatever a file says; no plain text or answer of the service is in an error, only
//! its code and its own short reasons.
use std::time::Duration;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::service::causes;
use super::settings::KmsSettings;
use super::wrapped::{Wrapped, Wrapping};
use crate::BackupError;

/// As the file of a wrapped key calls it.
pub(super) const NAME: &str = "aws-kms";
/// The one field of the encryption context.
const BOUND_TO: &str = "labor-backup";
const LIMIT: Duration = Duration::from_secs(30);

/// The key, and what lets us use it.
pub(super) struct Kms {
    client: Client,
    key: String,
    at: String,
}

impl Kms {
    pub(super) fn new(settings: &KmsSettings) -> Self {
        let timeouts = TimeoutConfig::builder().connect_timeout(LIMIT / 3).operation_attempt_timeout(LIMIT);
        let session = settings.session_token.clone();
        let credentials = Credentials::new(&settings.access_key, &settings.secret_key, session, None, "labor-backup");
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts.build());
        config.set_endpoint_url(
            settings.endpoint.as_ref().map(|endpoint| endpoint.as_str().trim_end_matches('/').to_owned()),
        );
        let at = settings.endpoint.as_ref().map_or_else(|| settings.region.clone(), ToString::to_string);
        Self { client: Client::from_conf(config.build()), key: settings.key.clone(), at }
    }

    /// Where it is: Amazon's, or a server that stands for it.
    pub(super) fn place(&self) -> String {
        format!("{NAME}:{} at {}", self.key, self.at)
    }

    /// As it is set; so a file names its key too.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Wraps a text with the key.
    pub(super) async fn wrap(&self, of: &str, bound_to: &str, text: &str) -> Result<Wrapping, BackupError> {
        let request = self.client.encrypt().key_id(&self.key).plaintext(Blob::new(text));
        let answer =
            request.encryption_context(BOUND_TO, bound_to).send().await.map_err(|error| self.failed(of, &error))?;
        let wrapped = answer.ciphertext_blob().ok_or_else(|| self.told(of, "gives nothing back".to_owned()))?;
        Ok(Wrapping { service: NAME, key: self.key.clone(), version: None, wrapped: STANDARD.encode(wrapped) })
    }

    /// The text again.
    pub(super) async fn unwrap(&self, wrapped: &Wrapped, bound_to: &str) -> Result<String, BackupError> {
        let of = wrapped.of.as_str();
        let altered = || self.told(of, advice("InvalidCiphertextException", ""));
        let blob = STANDARD.decode(&wrapped.wrapped).map_err(|_| altered())?;
        let request = self.client.decrypt().key_id(&self.key).ciphertext_blob(Blob::new(blob));
        let answer =
            request.encryption_context(BOUND_TO, bound_to).send().await.map_err(|error| self.failed(of, &error))?;
        let text = answer.plaintext().map(|text| text.as_ref().to_vec());
        text.and_then(|text| String::from_utf8(text).ok()).ok_or_else(altered)
    }

    fn failed<E, R>(&self, of: &str, error: &SdkError<E, R>) -> BackupError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        self.told(
            of,
            match error {
                SdkError::ServiceError(answer) => {
                    let (code, said) =
                        (answer.err().code().unwrap_or_default(), answer.err().message().unwrap_or_default());
                    advice(code, &said.chars().take(200).collect::<String>())
                }
                // No answer, so nothing of ours is in it either.
                SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => {
                    format!("can't be reached ({}). Are AWS_ENDPOINT_URL_KMS and the region right?", causes(error))
                }
                _ => "gives no answer that this version understands: is AWS_ENDPOINT_URL_KMS that of KMS?".to_owned(),
            },
        )
    }

    fn told(&self, of: &str, reason: String) -> BackupError {
        BackupError::KeyService { of: of.to_owned(), service: format!("{NAME}:{}", self.key), reason }
    }
}

/// What a refusal means, and what to do.
fn advice(code: &str, said: &str) -> String {
    match code {
        "AccessDeniedException" => "does not permit it: the policy of the key, or of who asks, needs kms:Encrypt to wrap and kms:Decrypt to unwrap".to_owned(),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" | "SignatureDoesNotMatch"
        | "ExpiredTokenException" | "IncompleteSignature" | "MissingAuthenticationTokenException" => {
            format!("refuses the credentials ({code}): set LABOR_KMS_ACCESS_KEY_ID and LABOR_KMS_SECRET_ACCESS_KEY, or AWS_…, anew")
        }
        "DisabledException" => "has disabled the key: `aws kms enable-key`".to_owned(),
        "KMSInvalidStateException" => format!("can't use the key now ({said}): if it is to be deleted, `aws kms cancel-key-deletion`, then `enable-key`"),
        "NotFoundException" => "does not know the key: are key, region and account right? If it was deleted, no copy of what it wrapped can be unwrapped any more".to_owned(),
        "InvalidCiphertextException" | "IncorrectKeyException" => {
            "can't unwrap this file: it was altered, or wrapped for somebody else, or by another key; put the copy of the file back, or name the \
             other key with `keys rewrap --from`"
                .to_owned()
        }
        "ThrottlingException" | "LimitExceededException" => "says that it is asked too often; run this again later".to_owned(),
        _ => format!("refuses ({code}: {said})"),
    }
}

#[cfg(test)]
mod tests {
    use super::advice;

    #[test]
    fn every_refusal_says_what_to_do() {
        for (code, word) in [
            ("AccessDeniedException", "kms:Decrypt"),
            ("ExpiredTokenException", "LABOR_KMS_ACCESS_KEY_ID"),
            ("DisabledException", "enable-key"),
            ("KMSInvalidStateException", "cancel-key-deletion"),
            ("NotFoundException", "does not know the key"),
            ("InvalidCiphertextException", "can't unwrap this file"),
            ("ThrottlingException", "later"),
            ("SomethingNew", "SomethingNew"),
        ] {
            assert!(advice(code, "its own words").contains(word), "{code}");
        }
    }
}

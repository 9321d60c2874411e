//! The two services of AWS that keep configuration: Secrets Manager and the SSM parameter store.
//!
//! Why not by AWS's SDK: one call of each is made, a signed `POST` of a few words of JSON. The SDK's crates for the two
//! services took more processor time to compile than all of landfall. What is worth having of the SDK is used: where
//! credentials, region and endpoints come from (`aws-config`), and how a request is signed (`aws-sigv4`).

mod endpoint;
mod json;

use std::sync::Arc;

use aws_config::SdkConfig;
use landfall_http::NoAuthorities;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use endpoint::EndpointError;
pub(super) use endpoint::Service;
pub(super) use json::CallError;
use json::JsonClient;

/// Reads what a service keeps by name.
#[derive(Debug)]
pub struct DocumentReader {
    service: Service,
    client: JsonClient,
}

/// Why a service cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Where it is, is not known.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No HTTP client can be made.
    #[error("the HTTP client cannot be set up")]
    HttpClient(#[from] reqwest::Error),
    /// The service could not prove that it is AWS.
    #[error(transparent)]
    NoAuthorities(#[from] NoAuthorities),
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue<'a> {
    secret_id: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    /// Missing where the secret is binary.
    secret_string: Option<SecretString>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetParameter<'a> {
    name: &'a str,
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterAnswer {
    parameter: Option<Parameter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    value: Option<SecretString>,
}

impl DocumentReader {
    /// A reader with the credentials, the region and the endpoint of an environment. Nothing is called yet.
    pub fn new(service: Service, environment: &SdkConfig, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let target = endpoint::target(service, environment)?;
        if target.endpoint.scheme() == "https" {
            landfall_http::check_authorities()?;
        }
        let client = JsonClient::new(target, environment.credentials_provider(), clock)?;
        Ok(Self { service, client })
    }

    /// The text that is kept under a name; `None` where there is none.
    pub async fn read(&self, name: &str) -> Result<Option<SecretString>, CallError> {
        let (read, not_found) = match self.service {
            Service::SecretsManager => (self.secret(name).await, "ResourceNotFoundException"),
            Service::Ssm => (self.parameter(name).await, "ParameterNotFound"),
        };
        match read {
            Err(error) if error.code() == Some(not_found) => Ok(None),
            read => read,
        }
    }

    async fn secret(&self, id: &str) -> Result<Option<SecretString>, CallError> {
        let request = GetSecretValue { secret_id: id };
        let answer: SecretValue = self.client.call("secretsmanager.GetSecretValue", &request).await?;
        Ok(answer.secret_string)
    }

    async fn parameter(&self, name: &str) -> Result<Option<SecretString>, CallError> {
        let request = GetParameter { name, with_decryption: true };
        let answer: ParameterAnswer = self.client.call("AmazonSSM.GetParameter", &request).await?;
        Ok(answer.parameter.and_then(|parameter| parameter.value))
    }
}

#[cfg(test)]
mod tests {
    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use jiff::Timestamp;
    use ring::{digest, hmac};
    use serde_json::json;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::clock::ManualClock;
    use landfall_http::scripted::{Reply, Scripted, Seen};

    const SECRET_KEY: &str = "the-secret-access-key";
    const SESSION_TOKEN: &str = "the-session-token";
    /// What is kept, and must be shown nowhere.
    const DOCUMENT: &str = r#"{"client_secret":"hush-hush"}"#;

    fn reader(server: &Scripted, service: Service) -> (DocumentReader, Arc<ManualClock>) {
        let credentials =
            Credentials::new("AKIDEXAMPLE", SECRET_KEY, Some(SESSION_TOKEN.to_owned()), None, "test");
        let environment = SdkConfig::builder()
            .region(Region::new("eu-central-1"))
            .endpoint_url(server.url("").as_str())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_700_000_000).unwrap()));
        (DocumentReader::new(service, &environment, clock.clone()).unwrap(), clock)
    }

    fn secret() -> Reply {
        Reply::json(json!({ "Name": "landfall/work", "SecretString": DOCUMENT }))
    }

    fn refused(status: u16, body: &serde_json::Value) -> Reply {
        Reply::status(status).header("x-amzn-RequestId", "request-1").body(body.to_string())
    }

    fn text(read: Result<Option<SecretString>, CallError>) -> Option<String> {
        read.unwrap().map(|text| text.expose_secret().to_owned())
    }

    async fn refusal(replies: Vec<Reply>) -> (CallError, usize) {
        let server = Scripted::replies(replies).await;
        let (reader, _) = reader(&server, Service::SecretsManager);
        let error = reader.read("landfall/work").await.unwrap_err();
        for shown in [crate::error::chain(&error), format!("{error:?}"), format!("{reader:?}")] {
            for secret in ["hush-hush", SECRET_KEY, SESSION_TOKEN] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        (error, server.count())
    }

    /// The signature of a request as it arrived, by AWS's documented steps ("Signature Version 4, create a signed
    /// request"), with nothing of what signed it.
    fn expected_signature(seen: &Seen, signed_headers: &str, scope: &str) -> String {
        let sha256 = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
        };
        let headers: String =
            signed_headers.split(';').map(|name| format!("{name}:{}\n", seen.header(name))).collect();
        let canonical = format!("POST\n/\n\n{headers}\n{signed_headers}\n{}", sha256(seen.body.as_bytes()));
        let time = seen.header("x-amz-date");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let first = format!("AWS4{SECRET_KEY}").into_bytes();
        let key = scope.split('/').fold(first, |key, part| mac(&key, part));
        hex::encode(mac(&key, &to_sign))
    }

    /// AWS's contract: a service takes a call whose signature covers its time, host, target and body.
    #[tokio::test]
    async fn a_call_is_signed_as_aws_documents_it() {
        let parameter = Reply::json(json!({ "Parameter": { "Value": DOCUMENT, "Type": "SecureString" } }));
        for (service, name, reply, target, body) in [
            (
                Service::SecretsManager,
                "secretsmanager",
                secret(),
                "secretsmanager.GetSecretValue",
                json!({ "SecretId": "/landfall/work" }),
            ),
            (
                Service::Ssm,
                "ssm",
                parameter,
                "AmazonSSM.GetParameter",
                json!({ "Name": "/landfall/work", "WithDecryption": true }),
            ),
        ] {
            let server = Scripted::replies(vec![reply]).await;
            let (reader, _) = reader(&server, service);
            assert_eq!(text(reader.read("/landfall/work").await).as_deref(), Some(DOCUMENT));

            let seen = server.seen().remove(0);
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/"));
            assert_eq!(seen.header("content-type"), "application/x-amz-json-1.1");
            assert_eq!(seen.header("x-amz-target"), target);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&seen.body).unwrap(), body);
            assert_eq!(seen.header("x-amz-date"), "20231114T221320Z");
            let scope = format!("20231114/eu-central-1/{name}/aws4_request");
            let signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
            let signature = expected_signature(&seen, signed, &scope);
            assert_eq!(
                seen.header("authorization"),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={signed}, \
                     Signature={signature}"
                )
            );
        }
    }

    /// What is not kept there may be kept elsewhere: that is no error. Nor is a secret without text.
    #[tokio::test]
    async fn what_is_not_kept_is_none() {
        for (service, reply) in [
            (Service::SecretsManager, refused(400, &json!({ "__type": "ResourceNotFoundException" }))),
            (Service::Ssm, refused(400, &json!({ "__type": "com.amazonaws.ssm#ParameterNotFound" }))),
            (
                Service::Ssm,
                Reply::status(400).header("x-amzn-ErrorType", "ParameterNotFound:http://internal/doc"),
            ),
            (Service::SecretsManager, Reply::json(json!({ "SecretBinary": "AA==" }))),
        ] {
            let server = Scripted::replies(vec![reply]).await;
            let (reader, _) = reader(&server, service);
            assert_eq!(text(reader.read("landfall/work").await), None);
            assert_eq!(server.count(), 1);
        }
    }

    /// A person can act on a refusal: what was refused, in AWS's words, and the id by which AWS's support finds it.
    #[tokio::test]
    async fn a_refusal_is_told_in_awss_words_and_not_repeated() {
        let said = "User: arn:aws:sts::123456789012:assumed-role/submit/x is not authorized to perform: \
                    secretsmanager:GetSecretValue on resource: landfall/work";
        let denied = refused(400, &json!({ "__type": "AccessDeniedException", "Message": said }));
        let (error, calls) = refusal(vec![denied]).await;
        assert_eq!(error.to_string(), format!("AccessDeniedException: {said} (request id request-1)"));
        assert_eq!(calls, 1);
    }

    /// Promise 7: AWS tells of a wrong signature with what it should have covered, the session's token in it.
    #[tokio::test]
    async fn a_refusal_repeats_no_credentials() {
        let said = format!(
            "The Canonical String should have been 'POST\n/\n\nx-amz-security-token:{SESSION_TOKEN}'"
        );
        let wrong = refused(403, &json!({ "__type": "InvalidSignatureException", "message": said }));
        let (error, _) = refusal(vec![wrong]).await;
        assert_eq!(error.code(), Some("InvalidSignatureException"));
    }

    /// Promise 2: being called too often, or a service that stumbles, ends no step.
    #[tokio::test]
    async fn what_passes_is_tried_again() {
        for passing in [
            refused(400, &json!({ "__type": "ThrottlingException", "message": "Rate exceeded" })),
            refused(500, &json!({ "__type": "InternalServiceError" })),
            Reply::status(503),
            Reply::nothing(),
            secret().cut_of(4_096),
        ] {
            let server = Scripted::replies(vec![passing, secret()]).await;
            let (reader, clock) = reader(&server, Service::SecretsManager);
            let began = clock.now();
            assert_eq!(text(reader.read("landfall/work").await).as_deref(), Some(DOCUMENT));
            assert_eq!(server.count(), 2);
            assert!(clock.now() > began, "it was tried again at once");
        }
    }

    /// Promise 6: the time that a call takes is bounded, and what it ends in is named.
    #[tokio::test]
    async fn what_lasts_is_an_error_after_a_few_tries() {
        let throttled = refused(400, &json!({ "__type": "ThrottlingException", "message": "Rate exceeded" }));
        let (error, calls) = refusal(vec![throttled]).await;
        assert_eq!(error.to_string(), "ThrottlingException: Rate exceeded (request id request-1)");
        assert!((2..=5).contains(&calls), "{calls} tries");

        let server = Scripted::replies(vec![secret().cut_of(4_096).then_hang()]).await;
        let (mut reader, _) = reader(&server, Service::SecretsManager);
        reader.client.impatient();
        let error = reader.read("landfall/work").await.unwrap_err();
        assert!(error.to_string().starts_with("no complete answer within"), "{error}");
    }

    /// Promises 6 and 7: an answer that is no answer is bounded, named, and not repeated to anyone.
    #[tokio::test]
    async fn an_answer_of_another_form_is_an_error_that_does_not_show_it() {
        let cut = Reply::status(200).body(r#"{"SecretString":"{\"client_secret\":\"hush-hush"#);
        let (error, _) = refusal(vec![cut]).await;
        assert!(error.to_string().contains("not the expected JSON at line 1"), "{error}");

        let wrong = Reply::json(json!({ "SecretString": { "client_secret": "hush-hush" } }));
        let (error, _) = refusal(vec![wrong]).await;
        assert!(error.to_string().contains("not the expected JSON"), "{error}");

        let endless = Reply::json(json!({ "SecretString": "hush-hush".repeat(100_000) }));
        let (error, calls) = refusal(vec![endless]).await;
        assert!(error.to_string().contains("more than"), "{error}");
        assert_eq!(calls, 1);

        let page = Reply::status(407).header("Content-Type", "text/html").body("<html>hush-hush</html>");
        let (error, _) = refusal(vec![page]).await;
        assert_eq!(error.to_string(), "answered 407 Proxy Authentication Required");
    }
}

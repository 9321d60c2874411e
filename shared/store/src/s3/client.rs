//! How a bucket is reached.

use std::time::Duration;

use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Credentials, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
};
use secrecy::ExposeSecret as _;
use url::Url;

use super::S3Bucket;
use super::abilities::Abilities;
use crate::aws;
use crate::settings::StoreSettings;

impl S3Bucket {
    /// Opens a bucket. Nothing is called yet.
    pub(crate) async fn open(bucket: &str, settings: &StoreSettings) -> Self {
        let environment = aws::environment(settings.region.as_deref()).await;
        let mut config = aws_sdk_s3::config::Builder::from(&environment)
            // Every write carries the CRC-64/NVME that landfall computes anyway; the SDK's own would come on top.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .retry_config(RetryConfig::standard().with_max_attempts(6))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .read_timeout(Duration::from_secs(60))
                    .build(),
            );
        let endpoint = settings.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
        let endpoint = endpoint
            .or_else(|| std::env::var("AWS_ENDPOINT_URL_S3").ok())
            .or_else(|| environment.endpoint_url().map(str::to_owned));
        if let Some(endpoint) = &endpoint {
            config = config.endpoint_url(endpoint);
        }
        if environment.region().is_none() {
            config = config.region(Region::new("us-east-1"));
        }
        if settings.path_style.unwrap_or(endpoint.is_some()) {
            config = config.force_path_style(true);
        }
        if endpoint.as_deref().is_some_and(|url| !is_https(url) && is_this_machine(url)) {
            // The client goes by HTTP_PROXY otherwise, and a proxy's own loopback is not ours.
            config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
        }
        if let (Some(id), Some(secret)) = (&settings.access_key_id, &settings.secret_access_key) {
            let credentials =
                Credentials::new(id, secret.expose_secret(), None, None, "landfall's configuration");
            config = config.credentials_provider(credentials);
        }
        Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.to_owned(),
            // Over TLS, or to this very machine, nobody can change a payload: its SHA-256 would be a third of all
            // CPU. Over plain HTTP across a network it is the only thing that protects it.
            unsigned_payload: endpoint.as_deref().is_none_or(is_private),
            identity: format!(
                "{:?} {endpoint:?} {:?} {:?}",
                settings.dialect, settings.region, settings.access_key_id
            ),
            dialect: settings.dialect,
            abilities: Abilities::of(settings.dialect, settings.checksum, settings.equal_parts),
        }
    }
}

fn is_private(endpoint: &str) -> bool {
    is_https(endpoint) || is_this_machine(endpoint)
}

fn is_https(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| url.scheme() == "https")
}

fn is_this_machine(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Store;
    use crate::checksum::Crc64Nvme;
    use crate::object::Condition;
    use crate::s3::Dialect;
    use landfall_http::scripted::{Reply, Scripted, Seen};

    /// What a store that takes everything sees of a small write and of a part, payload signed or not.
    async fn writes(dialect: Dialect, unsigned_payload: bool) -> Vec<Seen> {
        let taken = Reply::status(200).header("ETag", "\"e\"");
        // Where conditions are not sent, it is looked first whether the object is there.
        let replies = match dialect {
            Dialect::S3 => vec![taken],
            Dialect::Oci => vec![Reply::status(404), taken],
        };
        let server = Scripted::replies(replies).await;
        let settings = StoreSettings {
            endpoint: Some(server.url("")),
            region: Some("us-phoenix-1".to_owned()),
            access_key_id: Some("key".to_owned()),
            secret_access_key: Some("word".into()),
            dialect,
            ..StoreSettings::default()
        };
        let store = S3Bucket { unsigned_payload, ..S3Bucket::open("bucket", &settings).await };
        store.put("a.csv", Bytes::from_static(b"a,b\n"), Condition::Absent).await.unwrap();
        let bytes = Bytes::from_static(b"1,2,3\n");
        let crc64nvme = Crc64Nvme::of(&bytes);
        store.upload_part(("a.csv", "u"), 1, bytes, crc64nvme).await.unwrap();
        server.seen()
    }

    /// Trap: compatible stores (OCI's until July 2026, and others) refuse the SDK's chunked encoding and its checksums
    /// in trailers, and want a length.
    #[tokio::test]
    async fn a_write_has_a_length_and_is_neither_chunked_nor_trailed() {
        for (unsigned_payload, digests) in [
            (true, ["UNSIGNED-PAYLOAD"; 2]),
            (
                false,
                [
                    "5be08c9684a1d25efcee09318204824278b08bbfb4aef973ffefd0b9d7478313",
                    "7a8988e95e356e2b5b8fecf5e31f7c2e7e8fb44a5cd9d89ebb0d1e60b1f5c689",
                ],
            ),
        ] {
            let seen = writes(Dialect::S3, unsigned_payload).await;
            assert_eq!(seen.len(), 2);
            for ((seen, length), digest) in seen.iter().zip(["4", "6"]).zip(digests) {
                let target = &seen.target;
                assert_eq!(seen.header("content-length"), length, "{target}");
                assert_eq!(seen.header("x-amz-content-sha256"), digest, "{target}");
                assert_ne!(seen.header("x-amz-checksum-crc64nvme"), "", "{target}");
                for header in ["x-amz-trailer", "x-amz-decoded-content-length", "transfer-encoding"] {
                    assert_eq!(seen.header(header), "", "{target}: {header}");
                }
                assert!(!seen.header("content-encoding").contains("aws-chunked"), "{target}");
            }
        }
    }

    /// Trap: OCI Object Storage refuses or ignores what it does not document. Whatever is written there can be taken by
    /// it, and is held against its MD5 before it is (RFC 1864).
    #[tokio::test]
    async fn a_write_to_oci_has_a_length_an_md5_and_nothing_that_it_may_refuse() {
        let seen = writes(Dialect::Oci, true).await;
        let methods: Vec<_> = seen.iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(methods, ["HEAD", "PUT", "PUT"]);
        assert_eq!(seen[0].header("x-amz-checksum-mode"), "");
        let md5s = ["9p9bcrx5qS3HDGPJqhQuNg==", "yCY+hCKSWwhy7h+3yVN0Kg=="];
        for ((seen, length), md5) in seen[1..].iter().zip(["4", "6"]).zip(md5s) {
            let target = &seen.target;
            assert_eq!(seen.header("content-length"), length, "{target}");
            assert_eq!(seen.header("content-md5"), md5, "{target}");
            assert_eq!(seen.header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD", "{target}");
            for header in [
                "if-none-match",
                "if-match",
                "transfer-encoding",
                "content-encoding",
                "x-amz-trailer",
                "x-amz-decoded-content-length",
                "x-amz-sdk-checksum-algorithm",
                "x-amz-checksum-crc32",
                "x-amz-checksum-crc64nvme",
            ] {
                assert_eq!(seen.header(header), "", "{target}: {header}");
            }
        }
    }

    /// Trap: a store may take every checksum of an upload for one of the parts' checksums. It says so when the upload
    /// is begun, and would refuse the whole's; each part's it is told.
    #[tokio::test]
    async fn the_checksum_of_the_whole_is_for_stores_that_have_it() {
        for (kind, sends_whole) in [("FULL_OBJECT", true), ("COMPOSITE", false)] {
            let begun = Reply::status(200).header("x-amz-checksum-type", kind).body(
                "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            );
            let sent = Reply::status(200).header("ETag", "\"e\"");
            let completed = Reply::status(200)
                .body("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>");
            let server = Scripted::replies(vec![begun, sent, completed]).await;
            let settings = StoreSettings {
                endpoint: Some(server.url("")),
                access_key_id: Some("key".to_owned()),
                secret_access_key: Some("word".into()),
                ..StoreSettings::default()
            };
            let store = Store::open("bucket", &settings).await;
            let upload = store.create_upload("a.csv").await.unwrap();
            let part = store.upload_part("a.csv", &upload, 1, Bytes::from_static(b"1,2\n")).await.unwrap();
            let crc = part.crc64nvme.unwrap().base64();
            store.complete("a.csv", &upload, &[part], Condition::Absent).await.unwrap();
            let seen = server.seen();
            let of_whole = if sends_whole { crc.as_str() } else { "" };
            assert_eq!(seen[2].header("x-amz-checksum-crc64nvme"), of_whole, "{kind}");
            let of_part = format!("<ChecksumCRC64NVME>{crc}</ChecksumCRC64NVME>");
            assert!(seen[2].body.contains(&of_part), "{kind}: {}", seen[2].body);
        }
    }

    /// Promise 7: a payload goes unsigned only where nobody between us and the store could change it.
    #[test]
    fn only_tls_and_loopback_count_as_private() {
        assert!(is_private("https://s3.eu-central-1.amazonaws.com"));
        assert!(is_private("http://127.0.0.1:9000"));
        assert!(is_private("http://localhost:9000"));
        assert!(!is_private("http://10.0.0.7:9000"));
        assert!(!is_private("http://localhost.example.com"));
    }
}

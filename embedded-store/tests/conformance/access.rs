//! Who may ask, and how.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use embedded_store::Credentials;

use crate::support::{BUCKET, Served, code, config, data};

/// Promise 7: other processes on the machine need the key pair.
#[tokio::test]
async fn unsigned_and_wrongly_signed_requests_are_refused() {
    let served = Served::start().await;
    served.put("k", "x").await;
    let http = landfall_http::client_builder().build().unwrap();
    let unsigned = http.get(format!("{}/{BUCKET}/k", served.handle.endpoint())).send().await.unwrap();
    assert_eq!(unsigned.status().as_u16(), 403);
    let stranger = Client::from_conf(config(&served.handle, &Credentials::random()).build());
    assert!(stranger.get_object().bucket(BUCKET).key("k").send().await.is_err());
    let mut wrong = served.credentials.clone();
    wrong.secret_access_key = "wrong".into();
    let wrong = Client::from_conf(config(&served.handle, &wrong).build());
    let got = wrong.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(code(got), "SignatureDoesNotMatch");
    assert!(served.handle.endpoint().starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn presigned_urls_work_and_expire_with_their_signature() {
    let served = Served::start().await;
    let expires = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
    let http = landfall_http::client_builder().build().unwrap();
    let put = served.client.put_object().bucket(BUCKET).key("a b/ü+").presigned(expires()).await.unwrap();
    let answer = http.put(put.uri()).body("by url").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{}", answer.text().await.unwrap());
    let get = served.client.get_object().bucket(BUCKET).key("a b/ü+").presigned(expires()).await.unwrap();
    assert_eq!(http.get(get.uri()).send().await.unwrap().text().await.unwrap(), "by url");
    let forged = get.uri().replace("a%20b", "other");
    assert_eq!(http.get(forged).send().await.unwrap().status().as_u16(), 403);
}

/// The ways in which clients send bodies: framed with a trailer, and as they are, hashed or not.
#[tokio::test]
async fn every_kind_of_payload_signature_is_taken() {
    let served = Served::start().await;
    let body = data(1, 300_000);
    let plain = served.client_without_checksums();
    let put = plain.put_object().bucket(BUCKET).key("hashed").body(ByteStream::from(body.clone()));
    put.send().await.unwrap();
    let put = plain.put_object().bucket(BUCKET).key("unsigned").body(ByteStream::from(body.clone()));
    put.customize().disable_payload_signing().send().await.unwrap();
    served.put("framed", body.clone()).await;
    for key in ["hashed", "unsigned", "framed"] {
        assert_eq!(served.get(key).await, body, "{key}");
        let head = served.client.head_object().bucket(BUCKET).key(key).send().await.unwrap();
        assert_eq!(head.content_encoding(), None, "{key}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_kind() {
    let served = Served::start().await;
    served.put("k", "x").await;
    served.put("k", "y").await;
    served.get("k").await;
    let counts = served.handle.requests();
    assert_eq!((counts.get("PutObject"), counts.get("GetObject")), (Some(&2), Some(&1)));
    assert_eq!(counts.values().sum::<u64>(), 3);
}

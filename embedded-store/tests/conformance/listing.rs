//! Listing objects.

use aws_sdk_s3::types::EncodingType;

use crate::support::{BUCKET, Served, code};

const KEYS: &[&str] = &["a/1", "a/2", "a/b/3", "b", "c//4", "c/5", "d/e/f/6", "g"];

async fn filled() -> Served {
    let served = Served::start().await;
    for key in KEYS {
        served.put(key, "x").await;
    }
    served
}

/// Promise 5: whatever the size of a page, no key is left out or shown twice.
#[tokio::test]
async fn pages_add_up() {
    let served = filled().await;
    for size in 1..=9 {
        let mut pages =
            served.client.list_objects_v2().bucket(BUCKET).into_paginator().page_size(size).send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            assert!(page.contents().len() <= usize::try_from(size).unwrap());
            assert_eq!(page.key_count(), i32::try_from(page.contents().len()).ok());
            found.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
        }
        assert_eq!(found, KEYS, "{size} a page");
    }
}

#[tokio::test]
async fn pages_with_a_delimiter_add_up_in_both_versions() {
    let served = filled().await;
    let expected = ["a/", "b", "c/", "d/", "g"];
    for size in 1..=6 {
        let list = served.client.list_objects_v2().bucket(BUCKET).delimiter("/");
        let mut pages = list.into_paginator().page_size(size).send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let mut names: Vec<_> =
                page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
            names.extend(page.common_prefixes().iter().map(|common| common.prefix().unwrap().to_owned()));
            names.sort();
            found.extend(names);
        }
        assert_eq!(found, expected, "{size} a page");

        let (mut found, mut marker) = (Vec::new(), None);
        loop {
            let list = served.client.list_objects().bucket(BUCKET).delimiter("/").max_keys(size);
            let page = list.set_marker(marker).send().await.unwrap();
            let mut names: Vec<_> =
                page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect();
            names.extend(page.common_prefixes().iter().map(|common| common.prefix().unwrap().to_owned()));
            names.sort();
            found.extend(names);
            marker = page.next_marker().map(str::to_owned);
            if page.is_truncated() != Some(true) {
                break;
            }
        }
        assert_eq!(found, expected, "{size} a page");
    }
}

#[tokio::test]
async fn prefixes_and_starts_narrow_a_listing() {
    let served = filled().await;
    let list = || served.client.list_objects_v2().bucket(BUCKET);
    let keys = |page: aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output| -> Vec<String> {
        page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(list().prefix("a/").send().await.unwrap()), ["a/1", "a/2", "a/b/3"]);
    assert_eq!(keys(list().prefix("c/").delimiter("/").send().await.unwrap()), ["c/5"]);
    assert_eq!(keys(list().start_after("c//4").send().await.unwrap()), ["c/5", "d/e/f/6", "g"]);
    assert_eq!(keys(list().prefix("../").send().await.unwrap()), [""; 0]);
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!((none.contents().len(), none.is_truncated()), (0, Some(false)));
    assert_eq!(code(list().continuation_token("made up").send().await), "InvalidArgument");
}

#[tokio::test]
async fn a_listing_says_what_head_says() {
    let served = Served::start().await;
    let etag = served.put("k", "body").await;
    let listed = served.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    let head = served.client.head_object().bucket(BUCKET).key("k").send().await.unwrap();
    let [object] = listed.contents() else { panic!("one object") };
    assert_eq!((object.e_tag(), object.size()), (Some(etag.as_str()), Some(4)));
    assert_eq!(object.last_modified().unwrap().secs(), head.last_modified().unwrap().secs());
}

#[tokio::test]
async fn names_can_be_asked_for_encoded() {
    let served = Served::start().await;
    served.put("a b/\u{1}+ü", "x").await;
    let list = served.client.list_objects_v2().bucket(BUCKET).prefix("a b/").encoding_type(EncodingType::Url);
    let listed = list.send().await.unwrap();
    assert_eq!(listed.contents().first().unwrap().key(), Some("a%20b/%01%2B%C3%BC"));
    assert_eq!(listed.prefix(), Some("a%20b/"));
}

//! Keys that are not plain paths.

use std::collections::BTreeSet;

use crate::support::{BUCKET, Served, code, files};

const ODD: &[&str] = &[
    "a//b",
    "a/../b",
    "a/./b",
    "../../outside",
    "/leading",
    "trailing/",
    "x/",
    "/",
    "..",
    "ünïcode/✓/日本.csv",
    "with space",
    "with+plus",
    "with%2Fpercent",
    "with%20",
    "a?b=c&d#e",
    "quote'\"<>&",
    "back\\slash",
    "%escaped/x",
    "~",
    ".store",
    ".store/records",
    "tab\tnew",
];

/// Promise 4: any key that S3 takes holds its own bytes, is listed as it is, and can be deleted.
#[tokio::test]
async fn odd_keys_are_keys_like_others() {
    let served = Served::start().await;
    let long = ["k".repeat(1024), "ü".repeat(512), format!("{}/{}", "a".repeat(300), "b".repeat(300))];
    let keys: BTreeSet<&str> = ODD.iter().copied().chain(long.iter().map(String::as_str)).collect();
    for key in &keys {
        served.put(key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(served.get(key).await, key.as_bytes(), "{key:?}");
    }
    let listed: Vec<String> = served.keys().await;
    assert_eq!(listed, keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
    let outside: Vec<_> = files(served.folder())
        .into_iter()
        .filter(|path| {
            !path.starts_with(served.file("")) && !path.starts_with(served.folder().join(".store"))
        })
        .collect();
    assert!(outside.is_empty(), "{outside:?}");
    assert!(!served.folder().parent().unwrap().join("outside").exists());
    for key in &keys {
        served.client.delete_object().bucket(BUCKET).key(*key).send().await.unwrap();
    }
    assert!(served.keys().await.is_empty());
    assert_eq!(std::fs::read_dir(served.file("")).unwrap().count(), 0);
}

/// A file cannot be a folder too, but a key can be the prefix of another with `/`, whichever comes first.
#[tokio::test]
async fn a_key_may_be_the_folder_of_another() {
    for order in
        [["a/b", "a/b/c", "a/b/c/d", "a"], ["a/b/c/d", "a", "a/b/c", "a/b"], ["a", "a/b/c", "a/b", "a/b/c/d"]]
    {
        let served = Served::start().await;
        for key in order {
            served.put(key, format!("first {key}")).await;
        }
        for key in order {
            served.put(key, key).await;
        }
        for key in order {
            assert_eq!(served.get(key).await, key.as_bytes(), "{order:?}");
        }
        assert_eq!(served.keys().await, ["a", "a/b", "a/b/c", "a/b/c/d"]);
        let [first, .., last] = order;
        served.client.delete_object().bucket(BUCKET).key(first).send().await.unwrap();
        assert_eq!(code(served.client.get_object().bucket(BUCKET).key(first).send().await), "NoSuchKey");
        assert_eq!(served.get(last).await, last.as_bytes());
        served.put(first, "again").await;
        assert_eq!(served.get(first).await, b"again");
        assert_eq!(served.keys().await.len(), 4);
    }
}

#[tokio::test]
async fn a_key_of_more_than_1024_bytes_is_refused() {
    let served = Served::start().await;
    let put = served.client.put_object().bucket(BUCKET).key("k".repeat(1025)).send().await;
    assert_eq!(code(put), "KeyTooLongError");
}

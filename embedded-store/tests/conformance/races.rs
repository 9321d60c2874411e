//! Many writers at once, in one store and in two on one folder.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use futures::future::join_all;

use crate::support::{BUCKET, PART, Served, code, data, get, parts};

const WRITERS: usize = 16;

async fn put_if_absent(client: Client, key: String, body: String) -> bool {
    let put = client.put_object().bucket(BUCKET).key(key).if_none_match("*");
    match put.body(ByteStream::from(body.into_bytes())).send().await {
        Ok(_) => true,
        refused => {
            assert_eq!(code(refused), "PreconditionFailed");
            false
        }
    }
}

/// Promise 1: of all who claim a run at once, in however many processes, exactly one has it.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_claims_wins() {
    let one = Served::start().await;
    let other = one.beside().await;
    for round in 0..20 {
        // Plain and escaped places alike.
        let key = if round % 2 == 0 { format!("runs/{round}.json") } else { format!("runs//{round}.json") };
        let claims = (0..WRITERS).map(|writer| {
            let client = if writer % 2 == 0 { &one.client } else { &other.client };
            tokio::spawn(put_if_absent(client.clone(), key.clone(), writer.to_string()))
        });
        let won: Vec<bool> = join_all(claims).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
        let winner = won.iter().position(|won| *won).unwrap();
        assert_eq!(one.get(&key).await, winner.to_string().as_bytes());
    }
}

/// Promise 1: no update by `If-Match` is lost, whichever process makes it.
#[tokio::test(flavor = "multi_thread")]
async fn no_compare_and_swap_is_lost() {
    let one = Served::start().await;
    let other = one.beside().await;
    one.put("counter", "0").await;
    let count = async |client: Client| {
        for _ in 0..5 {
            loop {
                let got = client.get_object().bucket(BUCKET).key("counter").send().await.unwrap();
                let etag = got.e_tag().unwrap().to_owned();
                let text = got.body.collect().await.unwrap().to_vec();
                let next = String::from_utf8(text).unwrap().parse::<u32>().unwrap() + 1;
                let put = client.put_object().bucket(BUCKET).key("counter").if_match(etag);
                if put.body(ByteStream::from(next.to_string().into_bytes())).send().await.is_ok() {
                    break;
                }
            }
        }
    };
    join_all(
        (0..6).map(|writer| count(if writer % 2 == 0 { one.client.clone() } else { other.client.clone() })),
    )
    .await;
    assert_eq!(one.get("counter").await, b"30");
}

/// Promise 3: a reader sees one version whole, described as that version, however often it is replaced. The
/// versions have one size, so that only what is said of them tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_mixes_versions() {
    let one = Served::start().await;
    let other = one.beside().await;
    let version = |number: u64| [number.to_le_bytes().to_vec(), data(number, 100_000)].concat();
    one.put("k", version(0)).await;
    let writers = join_all([(&one, 1), (&other, 2)].map(|(served, first)| async move {
        for number in (first..60).step_by(2) {
            served.put("k", version(number)).await;
        }
    }));
    let readers = join_all((0..3).map(|_| async {
        for _ in 0..60 {
            // The SDK checks the body against the checksum that comes with it.
            let body = get(&other.client, "k").await;
            let number = u64::from_le_bytes(body[..8].try_into().unwrap());
            assert!(body == version(number), "bytes of several versions");
        }
    }));
    tokio::join!(writers, readers);
}

/// Keys that are each other's folders, written and deleted at once: nothing is lost, and nothing fails.
#[tokio::test(flavor = "multi_thread")]
async fn folders_come_and_go_beneath_writers() {
    let one = Served::start().await;
    let other = one.beside().await;
    let work = async |client: Client, key: String| {
        for round in 0..30 {
            let body = format!("{key} {round}");
            crate::support::put(&client, &key, body.clone()).await;
            assert_eq!(get(&client, &key).await, body.as_bytes());
            client.delete_object().bucket(BUCKET).key(&key).send().await.unwrap();
        }
        crate::support::put(&client, &key, key.as_bytes()).await;
    };
    let keys = ["a", "a/b", "a/b/c", "a/b/c/d", "a/x", "a/b/y"];
    let tasks = (0..).zip(keys).map(|(index, key)| {
        let client = if index % 2 == 0 { &one.client } else { &other.client };
        work(client.clone(), key.to_owned())
    });
    join_all(tasks).await;
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(one.keys().await, sorted);
    for key in keys {
        assert_eq!(one.get(key).await, key.as_bytes());
    }
}

/// Promise 3: of many who complete uploads of one key with `If-None-Match: *`, one makes the object, whole.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_completions_wins() {
    let one = Served::start().await;
    let other = one.beside().await;
    let mut uploads = Vec::new();
    for writer in 0..4_u64 {
        let id = one.begin("m").await;
        let sent =
            [one.part("m", &id, 1, data(writer, PART)).await, one.part("m", &id, 2, data(writer, 9)).await];
        uploads.push((id, sent));
    }
    let completions = (0..).zip(uploads).map(|(writer, (id, sent))| {
        let client = if writer % 2 == 0 { &one.client } else { &other.client };
        let complete = client.complete_multipart_upload().bucket(BUCKET).key("m").upload_id(id);
        complete.if_none_match("*").multipart_upload(parts(sent)).send()
    });
    let results = join_all(completions).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let winner = (0..).zip(&results).find_map(|(writer, result)| result.is_ok().then_some(writer)).unwrap();
    assert_eq!(one.get("m").await, [data(winner, PART), data(winner, 9)].concat());
    for refused in results.into_iter().filter(Result::is_err) {
        assert_eq!(code(refused), "PreconditionFailed");
    }
}

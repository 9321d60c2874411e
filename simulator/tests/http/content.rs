//! Downloads.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{MemberSize, Operation, Scenario, Simulator};

use crate::client::{Client, faults, href};

/// A file to download, and what it holds.
struct Download {
    client: Client,
    url: String,
    bytes: Vec<u8>,
}

impl Download {
    async fn with(switches: Value) -> Self {
        // A few hundred kilobytes, so that a body takes more than one piece.
        let scenario = Scenario {
            member_size: MemberSize::Rows(8_000),
            views: vec!["v".to_owned()],
            ..Scenario::default()
        };
        let client = Client::of(Simulator::builder().scenario(scenario)).await;
        let id = client.run().await;
        let url = href(&client.output_files(id).await[0]);
        let bytes = std::fs::read(client.simulator.file_path(id, 1)).unwrap();
        assert!(bytes.len() > 200_000, "{}", bytes.len());
        client.simulator.set_faults(faults(json!({ "content": switches }))).unwrap();
        Self { client, url, bytes }
    }

    async fn get(&self, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.request(Method::GET, &self.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn whole(&self) -> Vec<u8> {
        let answer = self.get(&[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap().to_vec()
    }

    fn size(&self) -> u64 {
        self.bytes.len().try_into().unwrap()
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

/// What arrives before a body ends or breaks, and whether it broke.
async fn arriving(mut answer: Response) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => return (bytes, false),
            Err(_) => return (bytes, true),
        }
    }
}

#[tokio::test]
async fn a_file_is_served_whole_and_in_parts() {
    let file = Download::with(json!({})).await;
    let whole = file.get(&[]).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header(&whole, "content-type"), Some("application/octet-stream"));
    assert_eq!(header(&whole, "accept-ranges"), Some("bytes"));
    assert_eq!(whole.content_length(), Some(file.size()));
    assert_eq!(whole.bytes().await.unwrap(), file.bytes);

    let part = file.get(&[("range", "bytes=1000-1999")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), Some(format!("bytes 1000-1999/{}", file.size()).as_str()));
    assert_eq!(part.bytes().await.unwrap(), &file.bytes[1000..2000]);

    let outside = file.get(&[("range", &format!("bytes={}-", file.size()))]).await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&outside, "content-range"), Some(format!("bytes */{}", file.size()).as_str()));
}

#[tokio::test]
async fn conditions_are_honoured() {
    let file = Download::with(json!({})).await;
    let etag = header(&file.get(&[]).await, "etag").unwrap().to_owned();
    let range = ("range", "bytes=10-");
    let same = file.get(&[range, ("if-range", &etag)]).await;
    assert_eq!(same.status(), StatusCode::PARTIAL_CONTENT);
    let other = file.get(&[range, ("if-range", "\"other\"")]).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(file.get(&[range, ("if-match", &etag)]).await.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(file.get(&[range, ("if-match", "\"other\"")]).await.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn tags_can_change_be_weak_or_missing() {
    let file = Download::with(json!({ "etag": "changing" })).await;
    let first = header(&file.get(&[]).await, "etag").unwrap().to_owned();
    let second = file.get(&[("range", "bytes=10-"), ("if-range", &first)]).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_ne!(header(&second, "etag"), Some(first.as_str()));

    let file = Download::with(json!({ "etag": "weak" })).await;
    let weak = header(&file.get(&[]).await, "etag").unwrap().to_owned();
    assert!(weak.starts_with("W/"));
    assert_eq!(file.get(&[("range", "bytes=10-"), ("if-range", &weak)]).await.status(), StatusCode::OK);

    let file = Download::with(json!({ "etag": "absent" })).await;
    assert_eq!(header(&file.get(&[]).await, "etag"), None);
}

#[tokio::test]
async fn ranges_can_be_ignored() {
    let file = Download::with(json!({ "ignore_range": true })).await;
    let answer = file.get(&[("range", "bytes=10-")]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(header(&answer, "accept-ranges"), None);
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
}

#[tokio::test]
async fn ranges_can_be_answered_with_others() {
    let file = Download::with(json!({ "superset_range": 1, "shifted_range": 1 })).await;
    let superset = file.get(&[("range", "bytes=5000-5999")]).await;
    assert_eq!(superset.status(), StatusCode::PARTIAL_CONTENT);
    let range = header(&superset, "content-range").unwrap().to_owned();
    // Both switches act on the first ranged request: a thousand bytes early, less one.
    assert_eq!(range, format!("bytes 4001-{}/{}", file.size() - 1, file.size()));
    assert_eq!(superset.bytes().await.unwrap(), &file.bytes[4001..]);

    let file = Download::with(json!({ "shifted_range": 1 })).await;
    let shifted = file.get(&[("range", "bytes=5000-5999")]).await;
    assert_eq!(header(&shifted, "content-range"), Some(format!("bytes 5001-5999/{}", file.size()).as_str()));
    let right = file.get(&[("range", "bytes=5000-5999")]).await;
    assert_eq!(header(&right, "content-range"), Some(format!("bytes 5000-5999/{}", file.size()).as_str()));
}

#[tokio::test]
async fn a_body_can_come_without_its_length() {
    let file = Download::with(json!({ "no_content_length": true })).await;
    let answer = file.get(&[]).await;
    assert_eq!((answer.content_length(), header(&answer, "transfer-encoding")), (None, Some("chunked")));
    assert_eq!(answer.bytes().await.unwrap(), file.bytes);
}

/// The cut shows where it was made, and resuming from there gives the same bytes.
#[tokio::test]
async fn a_body_can_be_cut() {
    for switches in [
        json!({ "cut": { "times": 1, "after_bytes": 150_000 } }),
        json!({ "cut": { "times": 1, "after_bytes": 150_000 }, "no_content_length": true }),
    ] {
        let file = Download::with(switches).await;
        let (mut bytes, broken) = arriving(file.get(&[]).await).await;
        assert!(broken);
        assert_eq!(bytes.len(), 150_000);
        let rest = file.get(&[("range", "bytes=150000-")]).await;
        bytes.extend_from_slice(&rest.bytes().await.unwrap());
        assert_eq!(bytes, file.bytes);
        let journal = file.client.simulator.journal();
        assert_eq!(journal.bytes_downloaded(), file.size());
        let downloads: Vec<_> =
            journal.requests().into_iter().filter(|entry| entry.operation == Operation::Download).collect();
        assert_eq!((downloads[0].bytes_sent, downloads[0].complete), (150_000, false));
        assert_eq!(downloads[0].fault.as_deref(), Some("content.cut"));
        assert_eq!((downloads[1].range.as_deref(), downloads[1].complete), (Some("bytes=150000-"), true));
    }
}

/// Cuts at random places come from the scenario's seed, and a body too short for one is no occasion.
#[tokio::test]
async fn cuts_can_be_drawn_at_random() {
    let cut = json!({ "cut": { "times": 3, "after_bytes": 10_000, "up_to_bytes": 100_000 } });
    let mut runs = Vec::new();
    for _ in 0..2 {
        let file = Download::with(cut.clone()).await;
        let (short, broken) = arriving(file.get(&[("range", "bytes=0-4999")]).await).await;
        assert_eq!((short.len(), broken), (5_000, false));
        let mut lengths = Vec::new();
        for _ in 0..3 {
            let (bytes, broken) = arriving(file.get(&[]).await).await;
            assert!(broken && (10_000..=100_000).contains(&bytes.len()), "{}", bytes.len());
            lengths.push(bytes.len());
        }
        assert_eq!(file.whole().await, file.bytes);
        runs.push(lengths);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0][0], runs[0][1]);
}

#[tokio::test]
async fn a_body_can_be_short_and_seem_complete() {
    let file = Download::with(json!({ "short_answer": 2 })).await;
    let (bytes, broken) = arriving(file.get(&[]).await).await;
    assert_eq!((bytes.len(), broken), (file.bytes.len() / 2, false));
    let part = file.get(&[("range", "bytes=0-999")]).await;
    assert_eq!(header(&part, "content-range"), Some(format!("bytes 0-499/{}", file.size()).as_str()));
    assert_eq!(file.whole().await, file.bytes);
}

#[tokio::test]
async fn bytes_can_be_wrong() {
    let file = Download::with(json!({ "wrong_bytes": 1 })).await;
    let wrong = file.whole().await;
    let differing: Vec<usize> = (0..wrong.len()).filter(|at| wrong[*at] != file.bytes[*at]).collect();
    assert_eq!(differing, [file.bytes.len() / 2]);
    assert_eq!(file.whole().await, file.bytes);
}

#[tokio::test]
async fn a_file_can_be_gone() {
    let file = Download::with(json!({ "gone": { "times": 1 } })).await;
    assert_eq!(file.get(&[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(file.get(&[]).await.status(), StatusCode::OK);
    let file = Download::with(json!({ "gone": { "times": "always", "expired": true } })).await;
    assert_eq!(file.get(&[]).await.status(), StatusCode::GONE);
    assert_eq!(file.get(&[]).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn a_download_can_be_redirected() {
    let file = Download::with(json!({ "redirect_to": "https://downloads.example.net/x" })).await;
    let answer = file.get(&[]).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(header(&answer, "location"), Some("https://downloads.example.net/x"));
}

#[tokio::test]
async fn downloads_meet_outages() {
    let file = Download::with(json!({ "outage": {
        "drop_connection": 1, "unavailable": 1, "throttle": { "times": 1, "retry_after_seconds": 1 },
        "unauthorized": 1, "login_page": 1,
    } }))
    .await;
    assert!(file.client.request(Method::GET, &file.url).send().await.is_err());
    for status in [503, 429, 401, 200] {
        assert_eq!(file.get(&[]).await.status().as_u16(), status);
    }
    assert_eq!(file.whole().await, file.bytes);
}

#[tokio::test]
async fn one_file_alone_can_be_affected() {
    let file = Download::with(json!({ "only_file": 2, "gone": { "times": "always" } })).await;
    assert_eq!(file.whole().await, file.bytes);
    let second = file.url.replace("_1.zip", "_2.zip");
    assert_eq!(file.client.get(&second).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unknown_file_is_not_found_and_a_stranger_refused() {
    let file = Download::with(json!({})).await;
    assert_eq!(file.client.get(&file.url.replace("_1.zip", "_9.zip")).await.status(), StatusCode::NOT_FOUND);
    let stranger = file.client.http.get(&file.url).send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ranges_can_be_refused_and_types_be_others() {
    let file = Download::with(json!({ "refuse_range": 1, "content_type": "application/zip" })).await;
    let range = [("Range", "bytes=10-")];
    assert_eq!(file.get(&range).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(file.get(&range).await.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&file.get(&[]).await, "content-type"), Some("application/zip"));
}

//! The hook that tests cut calls with.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::primitives::ByteStream;
use embedded_store::{After, Before, Call, Intercept};
use http::StatusCode;

use crate::support::{BUCKET, Served, code, data};

/// Does one thing to the calls of one operation while it is set, and notes all calls.
#[derive(Default)]
struct Plan {
    before: Mutex<Option<(&'static str, Before)>>,
    after: Mutex<Option<(&'static str, After)>>,
    seen: Mutex<Vec<Call>>,
}

impl Intercept for Plan {
    fn before(&self, call: &Call) -> Before {
        self.seen.lock().unwrap().push(call.clone());
        self.before
            .lock()
            .unwrap()
            .filter(|(name, _)| *name == call.operation)
            .map_or(Before::Proceed, |plan| plan.1)
    }

    fn after(&self, call: &Call, status: StatusCode) -> After {
        assert!(status.as_u16() >= 200);
        self.after
            .lock()
            .unwrap()
            .filter(|(name, _)| *name == call.operation)
            .map_or(After::Proceed, |plan| plan.1)
    }
}

impl Plan {
    fn set(&self, before: Option<Before>, after: Option<After>, operation: &'static str) {
        *self.before.lock().unwrap() = before.map(|before| (operation, before));
        *self.after.lock().unwrap() = after.map(|after| (operation, after));
    }
}

async fn planned() -> (Served, Arc<Plan>) {
    let plan = Arc::new(Plan::default());
    let intercept: Arc<dyn Intercept> = plan.clone();
    (Served::intercepted(intercept).await, plan)
}

fn put(served: &Served, body: &[u8]) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    served.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from(body.to_vec()))
}

#[tokio::test]
async fn calls_are_numbered_and_named() {
    let (served, plan) = planned().await;
    served.put("a b", "x").await;
    served.get("a b").await;
    let seen = plan.seen.lock().unwrap();
    let calls: Vec<_> =
        seen.iter().map(|call| (call.sequence, call.operation, call.key.as_deref())).collect();
    assert_eq!(calls, [(1, "PutObject", Some("a b")), (2, "GetObject", Some("a b"))]);
    assert!(seen.iter().all(|call| call.bucket.as_deref() == Some(BUCKET)));
}

/// Cut before: nothing has happened, whatever the client sees.
#[tokio::test]
async fn what_is_cut_before_has_not_happened() {
    let (served, plan) = planned().await;
    for before in [Before::Drop, Before::CutRequest(0), Before::CutRequest(1 << 20)] {
        plan.set(Some(before), None, "PutObject");
        assert!(put(&served, &data(1, 3 << 20)).send().await.is_err(), "{before:?}");
    }
    for (status, expected) in [(503, "SlowDown"), (500, "InternalError"), (418, "418")] {
        let status = StatusCode::from_u16(status).unwrap();
        plan.set(Some(Before::Answer(status)), None, "PutObject");
        let answer = put(&served, &data(1, 3 << 20)).send().await;
        assert_eq!(answer.as_ref().unwrap_err().raw_response().unwrap().status().as_u16(), status.as_u16());
        assert_eq!(code(answer), expected);
    }
    assert!(served.keys().await.is_empty());
    let sessions = served.folder().join(".store/sessions");
    let left: Vec<_> =
        crate::support::files(&sessions).into_iter().filter(|path| !path.ends_with("lock")).collect();
    assert!(left.is_empty(), "unfinished files are deleted: {left:?}");
}

/// Cut after: it was done, and only the answer is lost.
#[tokio::test]
async fn what_is_cut_after_has_happened() {
    for after in [After::Drop, After::Answer(StatusCode::INTERNAL_SERVER_ERROR)] {
        let (served, plan) = planned().await;
        plan.set(None, Some(after), "PutObject");
        assert!(put(&served, b"done").if_none_match("*").send().await.is_err(), "{after:?}");
        assert_eq!(served.get("k").await, b"done", "{after:?}");
        plan.set(None, None, "PutObject");
        assert_eq!(code(put(&served, b"again").if_none_match("*").send().await), "PreconditionFailed");
    }
}

/// A body that is cut is seen to be: its length was said.
#[tokio::test]
async fn answers_are_cut_in_the_body() {
    let (served, plan) = planned().await;
    served.put("k", data(1, 1 << 20)).await;
    plan.set(None, Some(After::CutAnswer(100_000)), "GetObject");
    let got = served.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
    assert_eq!(got.content_length(), Some(1 << 20));
    let mut body = got.body;
    let mut read = 0;
    let end = loop {
        match body.next().await {
            Some(Ok(chunk)) => read += chunk.len(),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))) && read <= 100_000, "{read} {end:?}");
}

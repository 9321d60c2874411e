//! Stores that lack what S3 has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use embedded_store::{Before, Call, Intercept, Options};
use http::StatusCode;
use landfall_store::{Condition, Written};
use landfall_tests::{Setup, World};

/// Does not know the condition of the first object that is written.
#[derive(Default)]
struct Unconditional {
    writes: AtomicUsize,
}

impl Intercept for Unconditional {
    fn before(&self, call: &Call) -> Before {
        if call.operation != "PutObject" {
            return Before::Proceed;
        }
        match self.writes.fetch_add(1, Ordering::Relaxed) {
            0 => Before::Answer(StatusCode::NOT_IMPLEMENTED),
            _ => Before::Proceed,
        }
    }
}

/// Trap: a compatible store may answer 501 to a conditional write. The object is written without a condition then, and
/// so are those after it: one further call in all.
#[tokio::test]
async fn a_store_without_conditional_writes_is_written_to_without_conditions() {
    let store = Arc::new(Unconditional::default());
    let options = Options { fsync: false, intercept: Some(store.clone()) };
    let world = World::with_store(Setup::default(), options).await;
    let work = world.work().await;
    for (key, writes) in [("a.json", 2), ("b.json", 3)] {
        let written = work.put(key, Bytes::from_static(b"{}"), Condition::Absent).await.unwrap();
        assert!(matches!(written, Written::Done(_)), "{key}");
        assert_eq!(store.writes.load(Ordering::Relaxed), writes, "{key}");
        assert_eq!(work.read(key, 10).await.unwrap().unwrap().bytes, b"{}"[..], "{key}");
    }
    world.end().await;
}

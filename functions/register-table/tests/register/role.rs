//! What the function's role allows is what the function does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_store::{Before, Call, Intercept, Options};
use landfall_tests::World;

use crate::double::Fate;
use crate::{ROWS, Stage, TABLE, setup};

const TEMPLATE: &str = include_str!("../../template.yaml");

/// The actions of S3 that the role allows, each with where.
fn granted() -> BTreeSet<(String, String)> {
    let mut granted = BTreeSet::new();
    let mut actions: Vec<String> = Vec::new();
    for line in TEMPLATE.lines().map(str::trim) {
        if let Some(list) = line.strip_prefix("Action: ") {
            let list = list.trim_start_matches('[').trim_end_matches(']');
            actions = list.split(", ").map(str::to_owned).collect();
        }
        let Some((_, place)) = line.split_once("s3:::") else { continue };
        // The double keeps its tables' metadata in the landing bucket.
        let place = place.replace("${WorkBucket}", "work").replace("${LandingBucket}", "landing");
        let place = place.replace("${TablesBucket}", "landing");
        granted.extend(actions.iter().map(|action| (action.clone(), place.clone())));
    }
    granted
}

/// Whether a text is of a pattern, in which `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| is_like(rest, &text[at..]))
        }),
    }
}

/// What IAM is asked for: of a key that is not there, S3 says so only to who may list.
#[derive(Default)]
struct Asked(Mutex<Option<BTreeSet<(&'static str, String)>>>);

impl Asked {
    fn set(
        &self,
        asked: Option<BTreeSet<(&'static str, String)>>,
    ) -> Option<BTreeSet<(&'static str, String)>> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), asked)
    }
}

impl Intercept for Asked {
    fn before(&self, call: &Call) -> Before {
        let bucket = call.bucket.clone().unwrap_or_default();
        let object = format!("{bucket}/{}", call.key.clone().unwrap_or_default());
        if let Some(asked) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            match call.operation {
                "GetObject" | "HeadObject" => {
                    asked.extend([("s3:GetObject", object), ("s3:ListBucket", bucket)])
                }
                "PutObject" => asked.extend([("s3:PutObject", object)]),
                "DeleteObject" => asked.extend([("s3:DeleteObject", object)]),
                other => panic!("{other} is called, and the role says nothing of it"),
            }
        }
        Before::Proceed
    }
}

/// Promise 7: each call to the buckets is allowed, and of what is allowed, nothing is left that is not called.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_allows_what_the_function_does_and_nothing_else() {
    let asked = Arc::new(Asked::default());
    let options = Options { fsync: false, intercept: Some(Arc::clone(&asked) as Arc<dyn Intercept>) };
    let stage = Stage::of(World::with_store(setup(TABLE), options).await).await;
    let mut calls = BTreeSet::new();
    for id in ["1", "2"] {
        stage.land(id, ROWS).await;
        let before = stage.catalog.calls().len();
        // The second finds that somebody else has committed, and deletes what it has written for nothing.
        if id == "2" {
            stage.catalog.befalls(2, Fate::SomebodyFirst);
        }
        asked.set(Some(BTreeSet::new()));
        stage.register(id).await.unwrap();
        calls.extend(asked.set(None).unwrap());
        assert!(stage.catalog.calls().len() > before);
    }
    let granted = granted();
    assert!(granted.len() >= 8, "{granted:?}");
    let mut used = BTreeSet::new();
    for (action, place) in calls {
        let allowing: Vec<_> =
            granted.iter().filter(|(allowed, where_)| allowed == action && is_like(where_, &place)).collect();
        assert!(!allowing.is_empty(), "{action} of {place} is not allowed");
        used.extend(allowing.into_iter().cloned());
    }
    assert_eq!(used, granted, "granted, and not called");
    stage.world.end().await;
}

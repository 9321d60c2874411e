//! Files are unpacked while others are fetched.

use std::cell::Cell;

use serde_json::json;
use simulator::{Faults, Scenario};

use crate::machine::{Machine, pod_of, run_event, text};

/// A file that the source holds back delays no other: those that are there land meanwhile, and the run lands once it comes.
/// The manifest is written after it, as ever.
#[tokio::test]
async fn what_is_staged_lands_while_the_source_holds_a_file_back() {
    let machine = Machine::new();
    let (simulator, config) = pod_of(&machine, 600, Scenario::default()).await;
    let last = 6;
    let held_back = json!({
        "content": { "only_file": last, "outage": { "throttle": { "times": "always", "retry_after_seconds": 1 } } },
    });
    simulator.set_faults(serde_json::from_value::<Faults>(held_back).unwrap()).unwrap();
    let event = machine.file("event.json", run_event("pod"));
    let words = ["run", text(&event), "--config", text(&config), "--json"];

    let has_ended = Cell::new(false);
    let run = async {
        let ran = machine.landfall(&words).await;
        has_ended.set(true);
        ran
    };
    let release = async {
        while machine.landed().len() < last - 1 {
            assert!(!has_ended.get(), "the run has ended, and nothing landed meanwhile");
            tokio::task::yield_now().await;
        }
        let manifest = machine.landed().iter().any(|(path, _)| path.ends_with("_manifest.json"));
        assert!(!manifest, "the manifest is there before the last file");
        simulator.set_faults(Faults::default()).unwrap();
    };
    let (ran, ()) = tokio::join!(run, release);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert_eq!(ran.line()["manifest"]["files"].as_array().unwrap().len(), last);
}

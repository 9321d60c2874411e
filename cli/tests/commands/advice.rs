//! What `landfall status` tells after each of the simulator's faults is true, and its advice works: the command that it
//! proposes is given, once the cause is gone that it names, and the run lands.

use std::path::Path;

use serde_json::{Value, json};
use simulator::{Faults, Scenario, Simulator};

use crate::machine::{Machine, pod_of, text};

/// A fault, and what `status` says after it.
struct Case {
    name: &'static str,
    faults: Value,
    /// The function that is called alone, where whoever lands the job would try again for long.
    alone: Option<&'static str>,
    state: &'static str,
    /// The error that is kept; none where the source is waited for, or the job lands.
    error: Option<&'static str>,
}

fn ends(name: &'static str, faults: Value, state: &'static str, error: &'static str) -> Case {
    Case { name, faults, alone: None, state, error: Some(error) }
}

fn archive(kind: &'static str, state: &'static str, error: &'static str) -> Case {
    ends(kind, json!({ "archive": { "kind": kind } }), state, error)
}

fn waits(name: &'static str, alone: &'static str, faults: Value, error: Option<&'static str>) -> Case {
    Case { name, faults, alone: Some(alone), state: "waiting_for_source", error }
}

fn cases() -> Vec<Case> {
    let status = |faults: Value| json!({ "status": faults });
    let files = |faults: Value| json!({ "output_files": faults });
    let content = |faults: Value| json!({ "content": faults });
    let outage = |of: &str, faults: Value| json!({ of: { "outage": faults } });
    vec![
        // The token, and the submission: the run has no job.
        waits(
            "token-503",
            "submit",
            outage("token", json!({ "unavailable": "always" })),
            Some("SourceUnavailable"),
        ),
        ends("token-page", outage("token", json!({ "login_page": "always" })), "failed", "ContractBroken"),
        ends("grant", json!({ "token": { "allowed_grants": ["password"] } }), "failed", "AuthRejected"),
        ends("no-role", outage("submit", json!({ "forbidden": "always" })), "failed", "AuthRejected"),
        ends("signed-out", outage("submit", json!({ "unauthorized": "always" })), "failed", "AuthRejected"),
        ends("page", outage("submit", json!({ "login_page": "always" })), "failed", "ContractBroken"),
        ends("on-hold", json!({ "submit": { "reject": "the extract is on hold" } }), "refused", "Rejected"),
        ends("strict", json!({ "submit": { "strict": true } }), "refused", "Rejected"),
        ends("undefined", json!({ "submit": { "require_definition": true } }), "refused", "Rejected"),
        waits(
            "429",
            "submit",
            outage("submit", json!({ "throttle": { "times": "always" } })),
            Some("Throttled"),
        ),
        // The job's status.
        ends("failed", status(json!({ "final_status": "FAILED" })), "failed", "JobFailed"),
        ends("error", status(json!({ "final_status": "ERROR" })), "failed", "JobFailed"),
        ends("cancelled", status(json!({ "final_status": "CANCELLED" })), "failed", "JobFailed"),
        ends("expired", status(json!({ "final_status": "EXPIRED" })), "failed", "JobFailed"),
        ends("paused", status(json!({ "final_status": "PAUSED" })), "needs_person", "JobFailed"),
        waits("poll-503", "poll-status", outage("status", json!({ "unavailable": "always" })), None),
        waits(
            "poll-429",
            "poll-status",
            outage("status", json!({ "throttle": { "times": "always" } })),
            None,
        ),
        waits("poll-page", "poll-status", outage("status", json!({ "login_page": "always" })), None),
        waits("no-status", "poll-status", status(json!({ "shape": "nothing" })), None),
        Case {
            name: "warning",
            faults: status(json!({ "final_status": "WARNING" })),
            alone: None,
            state: "landed_partly",
            error: None,
        },
        // The list of files.
        ends("checksum", files(json!({ "checksum": "wrong" })), "refused", "IntegrityError"),
        ends("size", files(json!({ "file_size": "wrong" })), "refused", "IntegrityError"),
        ends("foreign", files(json!({ "href": "foreign_host" })), "failed", "ContractBroken"),
        ends("port", files(json!({ "href": "other_port" })), "failed", "ContractBroken"),
        ends("metadata", files(json!({ "href": "metadata_address" })), "failed", "ContractBroken"),
        ends("local-file", files(json!({ "href": "local_file" })), "failed", "ContractBroken"),
        waits("files-503", "fetch-files", outage("output_files", json!({ "unavailable": "always" })), None),
        // The files.
        ends("410", content(json!({ "gone": { "times": "always", "expired": true } })), "failed", "NotFound"),
        ends("bytes", content(json!({ "wrong_bytes": "always" })), "refused", "IntegrityError"),
        ends("html", content(json!({ "content_type": "text/html" })), "failed", "ContractBroken"),
        ends(
            "elsewhere",
            content(json!({ "redirect_to": "https://elsewhere.example/x" })),
            "failed",
            "ContractBroken",
        ),
        ends("no-file", outage("content", json!({ "forbidden": "always" })), "failed", "AuthRejected"),
        // The archives.
        archive("zip_slip", "refused", "UnsafeArchive"),
        archive("absolute_path", "refused", "UnsafeArchive"),
        archive("duplicate_names", "refused", "UnsafeArchive"),
        archive("symlink", "refused", "UnsafeArchive"),
        archive("overlapping", "refused", "UnsafeArchive"),
        archive("encrypted", "refused", "Unsupported"),
    ]
}

/// The pod on its best behaviour: what was wrong there has been put right.
fn mend(simulator: &Simulator) {
    simulator.set_faults(Faults::default()).unwrap();
}

fn event(machine: &Machine, run_key: &str, mode: &str) -> std::path::PathBuf {
    let mut event = landfall_tests::run_event();
    event["connection"] = json!("pod");
    event["run_key"] = json!(run_key);
    event["export"]["mode"] = json!(mode);
    machine.file("event.json", event.to_string())
}

/// Calls one function after the other, up to this one.
async fn call(machine: &Machine, event: &Path, config: &str, up_to: &str) {
    let invoke = async |function: &str, event: &Path| {
        machine.landfall(&["invoke", function, text(event), "--config", config, "--json"]).await
    };
    let submitted = invoke("submit", event).await;
    if up_to == "submit" {
        assert_ne!(submitted.code, 0, "{}", submitted.out);
        return;
    }
    let id = &submitted.line()["job_request_id"];
    let job = machine.file("job.json", json!({ "connection": "pod", "job_request_id": id }).to_string());
    let mut polled = invoke("poll-status", &job).await;
    while up_to == "fetch-files" && polled.line()["state"] == "running" {
        polled = invoke("poll-status", &job).await;
    }
    if up_to == "fetch-files" {
        assert!(invoke("fetch-files", &job).await.line()["wait_seconds"].is_number());
    } else {
        assert_eq!(polled.line()["native_status"], "NOT_ASKED", "{}", polled.out);
    }
}

/// What `status` tells of a run.
async fn status(machine: &Machine, config: &str, run_key: &str) -> Value {
    let done = machine.landfall(&["status", "pod", "--config", config, "--json"]).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let mut of_run: Vec<_> = done.lines().into_iter().filter(|line| line["run_key"] == run_key).collect();
    assert_eq!(of_run.len(), 1, "{run_key}: {}", done.out);
    of_run.remove(0)
}

/// Does what the advice says, word for word, and returns the run that lands.
async fn follow(machine: &Machine, run_key: &str, told: &Value) -> String {
    let (what, command) = (told["next"]["what"].as_str().unwrap(), told["next"]["command"].as_str().unwrap());
    let anew = what.contains("under another run_key");
    let run_key = if anew { format!("{run_key}-again") } else { run_key.to_owned() };
    let mode = if what.contains("\"mode\": \"full\"") { "full" } else { "incremental" };
    let event = event(machine, &run_key, mode);
    let words = command.strip_prefix("landfall ").unwrap().split(' ');
    let words: Vec<_> = words.map(|word| if word == "EVENT" { text(&event) } else { word }).collect();
    let done = machine.without_data(&words).await;
    assert!(done.code == 0 && done.out.contains("landed"), "{run_key}: {command}: {} {told}", done.out);
    run_key
}

/// Promise 5, told at a glance: each fault by its name, and the way on from it.
#[tokio::test]
async fn the_advice_after_each_fault_is_true_and_works() {
    let machine = Machine::new();
    let views = vec!["carriersExtract".to_owned()];
    let small = Scenario { views, chunks_per_view: 1, ..landfall_tests::small_scenario() };
    let (simulator, config) = pod_of(&machine, 600, small).await;
    let once = std::fs::read_to_string(&config).unwrap() + "http = { attempts = 1 }\n";
    std::fs::write(&config, once).unwrap();
    let config = text(&config);
    let mut told_of = 0;
    for Case { name, faults, alone, state, error } in cases() {
        simulator.set_faults(serde_json::from_value(faults).unwrap()).unwrap();
        let event = event(&machine, name, "incremental");
        match alone {
            Some(function) => call(&machine, &event, config, function).await,
            None => drop(machine.landfall(&["run", text(&event), "--config", config]).await),
        }
        let told = status(&machine, config, name).await;
        assert_eq!(told["state"], state, "{name}: {told}");
        assert_eq!(told["failure"]["error"].as_str(), error, "{name}: {told}");
        mend(&simulator);
        if state == "needs_person" {
            // Somebody has decided there: the job goes on.
            simulator.start_again(told["job_request_id"].as_str().unwrap().parse().unwrap()).unwrap();
        }
        told_of += 1;
        if state == "landed_partly" {
            continue;
        }
        let landed = follow(&machine, name, &told).await;
        let told = status(&machine, config, &landed).await;
        assert_eq!(
            (&told["state"], told.get("failure"), told.get("outage")),
            (&json!("landed"), None, None),
            "{name}"
        );
    }
    assert!(told_of >= 28, "{told_of}");
    simulator.shutdown().await;
}

/// What has failed is told with how often, over whichever of its processes, and forgotten once it succeeds.
#[tokio::test]
async fn a_failure_is_counted_until_it_is_past() {
    let machine = Machine::new();
    let (simulator, config) = crate::machine::pod(&machine, 600).await;
    let config = text(&config);
    let faults = json!({ "content": { "content_type": "text/html" } });
    simulator.set_faults(serde_json::from_value(faults).unwrap()).unwrap();
    let event = event(&machine, "counted", "incremental");
    let run = async || machine.landfall(&["run", text(&event), "--config", config, "--json"]).await;
    for times in 1..=3 {
        assert_eq!(run().await.error().1, "ContractBroken");
        let told = status(&machine, config, "counted").await;
        assert_eq!((&told["state"], &told["reached"]), (&json!("failed"), &json!("listed")), "{told}");
        let failure = &told["failure"];
        assert_eq!((&failure["times"], &failure["step"]), (&json!(times), &json!("fetch-files")), "{told}");
        assert!(failure["message"].as_str().unwrap().contains("web page"), "{told}");
        assert_eq!(failure["since"] == failure["last"], times == 1, "{told}");
    }
    let shown =
        async |words: &[&str]| machine.landfall(&[&["status", "--config", config], words].concat()).await.out;
    let table = shown(&[]).await;
    assert!(table.contains("      fetch-files: ContractBroken, 3 times, first "), "{table}");
    for (filter, is_shown) in [
        (["--state", "failed"], true),
        (["--state", "landed"], false),
        (["--export", "SimpleCarriers"], true),
        (["--export", "Other"], false),
        (["--since", "2000-01-01T00:00:00Z"], true),
        (["--since", "9000-01-01T00:00:00Z"], false),
    ] {
        let shown = shown(&filter).await;
        assert_eq!(shown.contains("counted"), is_shown, "{filter:?}: {shown}");
        assert_eq!(shown == "no such runs or jobs\n", !is_shown, "{filter:?}: {shown}");
    }
    mend(&simulator);
    assert_eq!(run().await.code, 0);
    let told = status(&machine, config, "counted").await;
    assert_eq!((&told["state"], told.get("failure")), (&json!("landed"), None), "{told}");
    simulator.shutdown().await;
}

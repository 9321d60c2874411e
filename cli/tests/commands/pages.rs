//! `landfall report` and `landfall dashboard`: pages made from what is kept.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::machine::{Machine, run_event, text};

/// A machine on which one job has landed and another has failed at its source; their ids.
async fn with_two_jobs() -> (Machine, String, String) {
    let machine = Machine::new();
    let scenario = machine.file("scenario.json", r#"{ "chunks_per_view": 1, "views": ["carriersExtract"] }"#);
    let faults = machine.file(
        "faults.json",
        r#"{ "status": { "final_status": "FAILED", "final_message": "ORA-01555: <b>too old</b>" } }"#,
    );
    let event = machine.file("event.json", run_event("pod"));
    let words = ["run", text(&event), "--simulate", "--scenario", text(&scenario), "--json"];
    let landed = machine.landfall(&words).await.line();
    let again = json!({ "run_key": "the-next", "connection": "pod" });
    let mut event = landfall_tests::run_event();
    event.as_object_mut().unwrap().extend(again.as_object().unwrap().clone());
    let event = machine.file("again.json", event.to_string());
    let words = ["run", text(&event), "--simulate", "--faults", text(&faults), "--json"];
    let failed = machine.landfall(&words).await;
    assert_eq!(failed.code, 1, "{}", failed.out);
    let id = |line: &serde_json::Value| line["job_request_id"].as_str().unwrap().to_owned();
    (machine, id(&landed), id(&failed.line()))
}

/// A report that is asked for is the one that was written when the job landed; one of a job that has failed says what helps.
/// Nothing else is changed.
#[tokio::test]
async fn a_report_is_made_of_any_job() {
    let (machine, landed, failed) = with_two_jobs().await;
    let before = (machine.files("data/work"), machine.landed());
    let out = machine.path("page.html");
    let done = machine.landfall(&["report", "pod", &landed, "--out", text(&out), "--json"]).await;
    assert_eq!((done.code, done.line()), (0, json!({ "page": text(&out) })));
    let written = machine.path("data/work/jobs/pod").join(&landed).join("report.html");
    assert_eq!(fs::read_to_string(&out).unwrap(), fs::read_to_string(written).unwrap());

    let page = machine.landfall(&["report", "pod", &failed, "--out", "-"]).await.out;
    for told in [
        "JobFailed",
        "ORA-01555: &lt;b&gt;too old&lt;/b&gt;",
        "once the cause is fixed, run the export again under another run_key",
        "<pre><code>landfall run EVENT",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!((machine.files("data/work"), machine.landed()), before);

    let unknown = machine.landfall(&["report", "pod", "99999", "--out", "-", "--json"]).await;
    assert_eq!(unknown.error(), (1, "NotFound".to_owned()));
    let both = machine.landfall(&["report", "pod", &landed, "--out", "-", "--open", "--json"]).await;
    assert_eq!(both.error(), (2, "InvalidEvent".to_owned()));
    let nowhere = machine.path("no/such/folder.html");
    let nowhere = machine.landfall(&["report", "pod", &landed, "--out", text(&nowhere), "--json"]).await;
    assert_eq!(nowhere.error(), (2, "InvalidEvent".to_owned()));
}

/// The dashboard tells of the export with what has failed, and leads to the report of what has landed.
#[tokio::test]
async fn a_dashboard_leads_to_what_failed_and_what_landed() {
    let (machine, landed, failed) = with_two_jobs().await;
    let page = machine.landfall(&["dashboard", "--out", "-"]).await.out;
    for told in [
        "something has failed",
        "on pod",
        &format!("Job <code><bdi>{failed}"),
        "too old",
        "landfall run EVENT",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let link = format!("/data/work/jobs/pod/{landed}/report.html\">");
    assert!(page.contains("<a href=\"file:///") && page.contains(&link), "{page}");

    let empty = Machine::new();
    let nothing = empty.landfall(&["dashboard", "--json"]).await;
    assert_eq!(nothing.error(), (1, "NotFound".to_owned()));
}

/// The page is shown by the browser that its user names; where that is none, it is said, and the page is there.
#[cfg(unix)]
#[tokio::test]
async fn a_page_is_shown_in_the_browser() {
    let (machine, landed, _) = with_two_jobs().await;
    let browser = machine.file("browser", "#!/bin/sh\ncp \"$1\" \"$1.shown\"\n");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&browser, permissions).unwrap();
    let (data, out) = (machine.path("data"), machine.path("page.html"));
    let show = |browser: &str| {
        let words = ["report", "pod", &landed, "--open", "--data", text(&data), "--out", text(&out)];
        let shown = Command::new(env!("CARGO_BIN_EXE_landfall")).args(words).env("BROWSER", browser).output();
        shown.unwrap().status.code()
    };
    assert_eq!(show(text(&browser)), Some(0));
    assert_eq!(fs::read(&out).unwrap(), fs::read(machine.path("page.html.shown")).unwrap());
    assert_eq!(show("/no/such/browser"), Some(1));
}

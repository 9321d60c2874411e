//! A data folder keeps jobs, files and the journal; without one nothing is kept.

use serde_json::json;
use simulator::{Builder, Simulator};

use crate::client::{BOSS, Client, JOBS, href, incremental, small};

fn kept_in(folder: &tempfile::TempDir) -> Builder {
    Simulator::builder().scenario(small()).data(Some(folder.path().to_owned()))
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::of(kept_in(&folder)).await;
    client.post(&format!("{BOSS}/exportDefinitions"), &json!({ "name": "A" })).await.unwrap();
    let finished = client.submit(&incremental("run-1")).await;
    client.finish(finished).await;
    let running = client.submit(&incremental("run-2")).await;
    client.get(&format!("{JOBS}/{running}")).await;
    let url = href(&client.output_files(finished).await[0]);
    let bytes = client.get(&url).await.bytes().await.unwrap();
    let expected = client.simulator.expected_files(finished).await.unwrap();
    let old_base = client.simulator.base_url().to_owned();
    let requests = client.simulator.journal().requests();
    let token = client.token(simulator::credentials::BATCH_SCOPE).await;
    client.simulator.shutdown().await;

    let client = Client::of(kept_in(&folder)).await;
    assert_eq!(client.simulator.jobs().iter().map(|job| job.id).collect::<Vec<_>>(), [finished, running]);
    assert_eq!(client.simulator.expected_files(finished).await.unwrap(), expected);
    let url = url.replace(&old_base, client.simulator.base_url());
    assert_eq!(client.get(&url).await.bytes().await.unwrap(), bytes);
    let body = client.json(&format!("{JOBS}/{running}")).await;
    assert_eq!(body["jobDetails"]["jobStatus"], "IN_PROGRESS", "a job goes on where it was");
    assert_eq!(client.simulator.journal().jobs_submitted(), 2);
    let again = client.simulator.journal().requests();
    assert_eq!(again[..requests.len()], requests);
    assert!(again.windows(2).all(|pair| pair[0].number < pair[1].number));
    let definitions = client.json(&format!("{BOSS}/exportDefinitions")).await;
    assert_eq!(definitions["items"].as_array().unwrap().len(), 1);
    let old_token = client.http.get(format!("{}{JOBS}", client.simulator.base_url())).bearer_auth(token);
    assert_eq!(old_token.send().await.unwrap().status(), reqwest::StatusCode::OK);

    client.finish(running).await;
    let next = client.submit(&incremental("run-3")).await;
    assert!(next > running);
    assert_ne!(client.simulator.expected_files(running).await.unwrap(), expected);
}

#[tokio::test]
async fn without_a_folder_nothing_is_kept() {
    let client = Client::of(Simulator::builder().scenario(small())).await;
    let id = client.run().await;
    let path = client.simulator.file_path(id, 1);
    assert!(path.exists());
    drop(client);
    let client = Client::of(Simulator::builder().scenario(small())).await;
    assert!(client.simulator.jobs().is_empty());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = Simulator::builder().start(0).await.unwrap();
    let port: u16 = first.base_url().rsplit(':').next().unwrap().parse().unwrap();
    let error = Simulator::builder().start(port).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
    first.shutdown().await;
    Simulator::builder().start(port).await.unwrap();
}

#[tokio::test]
async fn a_damaged_state_is_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.json"), "{").unwrap();
    let error = kept_in(&folder).start(0).await.err().unwrap();
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}

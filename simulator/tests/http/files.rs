//! The list of output files.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, FILES, export, href};

async fn body(client: &Client, id: u64) -> Value {
    client.json(&format!("{FILES}/{id}/outputFiles")).await
}

/// Oracle: "Fetch extract output details".
#[tokio::test]
async fn files_are_listed_as_documented() {
    let client = Client::with_faults(json!({})).await;
    let id = client.run().await;
    let body = body(&client, id).await;
    let expected = client.simulator.expected_files(id).await.unwrap();
    assert_eq!(body["totalItems"], 6);
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), expected.len());
    for (item, file) in items.iter().zip(&expected) {
        assert_eq!(item["fileName"], json!(file.name));
        assert_eq!(item["fileSize"], json!(file.size));
        assert_eq!(item["checksum"], json!(format!("sha-256={}", file.sha256)));
        assert_eq!(item["timeCreated"], "2026-11-21 06:00:00.000");
        let pod = client.simulator.base_url();
        assert_eq!(href(item), format!("{pod}{FILES}/{id}/outputFiles/{}/content", file.name));
        let own = item["$context"]["links"]["$self"]["href"].as_str().unwrap();
        assert_eq!(client.json(own).await["fileName"], json!(file.name));
    }
}

#[tokio::test]
async fn there_are_no_files_before_success() {
    let client = Client::with_faults(json!({})).await;
    let id = client.submit(&export("run-1")).await;
    assert_eq!(body(&client, id).await, json!({ "items": [], "totalItems": 0 }));
}

async fn last_item(switches: Value) -> (Client, Value, simulator::ExpectedFile) {
    let client = Box::pin(Client::with_faults(json!({ "output_files": switches }))).await;
    let id = client.run().await;
    let items = client.output_files(id).await;
    let file = client.simulator.expected_files(id).await.unwrap().pop().unwrap();
    (client, items.last().unwrap().clone(), file)
}

#[tokio::test]
async fn checksums_can_be_wrong_missing_or_written_otherwise() {
    let (_, item, file) = last_item(json!({ "checksum": "wrong" })).await;
    let wrong = item["checksum"].as_str().unwrap();
    assert!(wrong.len() == 72 && wrong != format!("sha-256={}", file.sha256), "{wrong}");
    let (_, item, _) = last_item(json!({ "checksum": "absent" })).await;
    assert!(item.get("checksum").is_none());
    let (_, item, file) = last_item(json!({ "checksum": "upper_case" })).await;
    assert_eq!(item["checksum"], json!(format!("sha-256={}", file.sha256.to_uppercase())));
    let (_, item, _) = last_item(json!({ "checksum": "unknown_algorithm" })).await;
    assert!(item["checksum"].as_str().unwrap().starts_with("blake3="));
}

#[tokio::test]
async fn sizes_can_be_wrong_missing_or_text() {
    let (_, item, file) = last_item(json!({ "file_size": "wrong" })).await;
    assert_eq!(item["fileSize"], json!(file.size + 1));
    let (_, item, file) = last_item(json!({ "file_size": "text" })).await;
    assert_eq!(item["fileSize"], json!(file.size.to_string()));
    let (_, item, _) = last_item(json!({ "file_size": "absent" })).await;
    assert!(item.get("fileSize").is_none());
}

#[tokio::test]
async fn the_total_can_be_larger_or_missing() {
    let client = Client::with_faults(json!({ "output_files": { "total_items": "larger" } })).await;
    let id = client.run().await;
    assert_eq!(body(&client, id).await["totalItems"], 7);
    let client = Client::with_faults(json!({ "output_files": { "total_items": "absent" } })).await;
    let id = client.run().await;
    assert!(body(&client, id).await.get("totalItems").is_none());
}

#[tokio::test]
async fn the_list_can_be_empty_then_short_then_whole() {
    let client = Client::with_faults(json!({ "output_files": { "empty_calls": 2, "late_calls": 1 } })).await;
    let id = client.run().await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let body = body(&client, id).await;
        seen.push((body["items"].as_array().unwrap().len(), body["totalItems"].as_u64().unwrap()));
    }
    assert_eq!(seen, [(0, 0), (0, 0), (5, 6), (6, 6)]);
}

#[tokio::test]
async fn the_server_can_page_and_ignore_the_offset() {
    let client = Client::with_faults(json!({ "output_files": { "page_size": 4 } })).await;
    let id = client.run().await;
    let mut names = BTreeSet::new();
    for (query, count, more) in [("", 4, true), ("?offset=4", 2, false), ("?$offset=6", 0, false)] {
        let body = client.json(&format!("{FILES}/{id}/outputFiles{query}")).await;
        assert_eq!((body["totalItems"].as_u64(), body["hasMore"].as_bool()), (Some(6), Some(more)));
        let items = body["items"].as_array().unwrap();
        assert_eq!(items.len(), count, "{query}");
        names.extend(items.iter().map(|item| item["fileName"].as_str().unwrap().to_owned()));
    }
    assert_eq!(names.len(), 6);

    let client =
        Client::with_faults(json!({ "output_files": { "page_size": 4, "ignore_offset": true } })).await;
    let id = client.run().await;
    let first = body(&client, id).await;
    assert_eq!(client.json(&format!("{FILES}/{id}/outputFiles?offset=4")).await["items"], first["items"]);
}

#[tokio::test]
async fn the_order_can_change_from_call_to_call() {
    let client = Client::with_faults(json!({ "output_files": { "unstable_order": true } })).await;
    let id = client.run().await;
    let first = client.output_files(id).await;
    let mut second = client.output_files(id).await;
    assert_ne!(first, second);
    second.reverse();
    assert_eq!(first, second);
}

/// Names are unique by execution, not by request: two items of one name are two files, or one twice.
#[tokio::test]
async fn a_name_can_be_listed_twice() {
    let client = Client::with_faults(json!({ "output_files": { "duplicate_name": "same_file" } })).await;
    let id = client.run().await;
    let items = client.output_files(id).await;
    assert_eq!((items.len(), &items[0]), (7, &items[6]));

    let client = Client::with_faults(json!({ "output_files": { "duplicate_name": "other_content" } })).await;
    let id = client.run().await;
    let items = client.output_files(id).await;
    assert_eq!(items.len(), 6);
    assert_eq!(items[0]["fileName"], items[1]["fileName"]);
    let expected = client.simulator.expected_files(id).await.unwrap();
    for (item, file) in items.iter().zip(&expected).take(2) {
        let bytes = client.get(&href(item)).await.bytes().await.unwrap();
        assert_eq!(bytes, std::fs::read(client.simulator.file_path(id, file.ordinal)).unwrap());
    }
}

/// Whatever a file is called, its own link leads to it.
#[tokio::test]
async fn awkward_names_are_served() {
    for name in ["traversal", "absolute", "spaces", "percent", "unicode", "json", "long"] {
        let client = Client::with_faults(json!({ "output_files": { "name": name } })).await;
        let id = client.run().await;
        let items = client.output_files(id).await;
        let file = client.simulator.expected_files(id).await.unwrap().remove(0);
        assert_eq!(items[0]["fileName"], json!(file.name));
        let answer = client.get(&href(&items[0])).await;
        assert_eq!(answer.status(), StatusCode::OK, "{name}: {}", href(&items[0]));
        assert_eq!(answer.bytes().await.unwrap(), std::fs::read(client.simulator.file_path(id, 1)).unwrap());
    }
}

/// Promise 7: no server's answer makes us call a host that the connection does not allow.
#[tokio::test]
async fn links_can_lead_anywhere() {
    let starts = [
        ("pod", "http://127.0.0.1:"),
        ("other_case", "http://127.0.0.1:"),
        ("relative", "/api/saas-batch/"),
        ("foreign_host", "https://downloads.example.net/"),
        ("other_port", "http://127.0.0.1:9/"),
        ("metadata_address", "http://169.254.169.254/"),
        ("local_file", "file:///"),
    ];
    for (form, start) in starts {
        let (_, item, _) = last_item(json!({ "href": form })).await;
        assert!(href(&item).starts_with(start), "{form}: {}", href(&item));
    }
    let (client, item, _) = last_item(json!({ "href": "user_info" })).await;
    assert!(href(&item).starts_with(client.simulator.base_url()));
    assert_eq!(url::Url::parse(&href(&item)).unwrap().host_str(), Some("downloads.example.net"));
    let (client, item, _) = last_item(json!({ "href": "other_case" })).await;
    assert_eq!(client.get(&href(&item)).await.status(), StatusCode::OK);
    let (_, item, _) = last_item(json!({ "href": "absent" })).await;
    assert!(item["$context"]["links"].get("enclosure").is_none());
}

#[tokio::test]
async fn the_list_of_files_meets_outages() {
    let client =
        Client::with_faults(json!({ "output_files": { "outage": { "throttle": { "times": 1 } } } })).await;
    let id = client.run().await;
    let path = format!("{FILES}/{id}/outputFiles");
    assert_eq!(client.get(&path).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(client.get(&path).await.status(), StatusCode::OK);
}

/// A spoilt archive reaches the client as it is: listed with its own size and checksum.
#[tokio::test]
async fn an_archive_can_be_spoilt() {
    let client = Client::with_faults(json!({ "archive": { "kind": "html_page", "file": 2 } })).await;
    let id = client.run().await;
    let items = client.output_files(id).await;
    let bytes = client.get(&href(&items[1])).await.bytes().await.unwrap();
    assert!(bytes.starts_with(b"<!DOCTYPE html>"));
    assert_eq!(items[1]["fileSize"], json!(bytes.len()));
    let files = client.simulator.expected_files(id).await.unwrap();
    assert_eq!(files[1].landing, simulator::Landing::Refused);
}

/// A list that grows looks whole each time; pages whose order changes have one file twice and another never.
#[tokio::test]
async fn a_list_can_mislead_and_agree_with_its_total() {
    let client = Client::with_faults(json!({ "output_files": { "growing_calls": 1 } })).await;
    let id = client.run().await;
    for files in [5, 6] {
        let list = body(&client, id).await;
        assert_eq!(
            (list["items"].as_array().unwrap().len(), list["totalItems"].as_u64()),
            (files, Some(files as u64))
        );
    }

    let switches = json!({ "output_files": { "page_size": 3, "unstable_pages": 1 } });
    let client = Client::with_faults(switches).await;
    let id = client.run().await;
    for names_in_all in [3, 6] {
        let mut names = BTreeSet::new();
        for query in ["", "?offset=3"] {
            let page = client.json(&format!("{FILES}/{id}/outputFiles{query}")).await;
            let items = page["items"].as_array().unwrap();
            names.extend(items.iter().map(|item| item["fileName"].as_str().unwrap().to_owned()));
        }
        assert_eq!(names.len(), names_in_all);
    }
}

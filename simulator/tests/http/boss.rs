//! Export definitions and groups.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{BOSS, Client};

fn definitions() -> String {
    format!("{BOSS}/exportDefinitions")
}

fn groups() -> String {
    format!("{BOSS}/exportGroupDefinitions")
}

fn group_of(name: &str, definition: &str) -> Value {
    json!({ "name": name, "groupedExtracts": { "items": [{ "name": definition }] } })
}

fn filtered(collection: &str, name: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("$filter", &format!("name='{}'", name.replace('\'', "''")))
        .append_pair("$fields", "exportGroupId,name")
        .finish();
    format!("{collection}?{query}")
}

/// Oracle: "Get extract group ID": found by name, with an 18-digit id that is a string.
#[tokio::test]
async fn what_is_created_is_found_by_name() {
    let client = Client::with_faults(json!({})).await;
    let name = "O'Hare Carriers";
    let created = client.post(&definitions(), &json!({ "name": name, "owner": "me" })).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = created.headers()["location"].to_str().unwrap().to_owned();
    let found = client.json(&location).await;
    assert_eq!((&found["name"], &found["owner"]), (&json!(name), &json!("me")));

    let created = client.post(&groups(), &group_of("Carriers Group", name)).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let id = created.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let body = client.json(&filtered(&groups(), "Carriers Group")).await;
    assert_eq!(body["hasMore"], false);
    let item = &body["items"][0];
    assert_eq!(item["exportGroupId"], json!(id));
    assert_eq!((id.len(), item["name"].as_str()), (15, Some("Carriers Group")));
    assert!(item["$context"]["links"]["$self"]["href"].as_str().unwrap().ends_with(&id));
    assert!(item.get("groupedExtracts").is_none(), "$fields names what is answered: {item}");

    let body = client.json(&filtered(&definitions(), name)).await;
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
    let body = client.json(&filtered(&definitions(), "o'hare carriers")).await;
    assert_eq!(body["items"], json!([]));
}

#[tokio::test]
async fn names_are_unique_over_both_collections() {
    for (answer, status) in [("bad_request", StatusCode::BAD_REQUEST), ("conflict", StatusCode::CONFLICT)] {
        let client = Client::with_faults(json!({ "boss": { "duplicate": answer } })).await;
        client.post(&definitions(), &json!({ "name": "A" })).await.unwrap();
        client.post(&groups(), &group_of("B", "A")).await.unwrap();
        let cases = [
            (definitions(), "A", "already exists"),
            (groups(), "A", "already exists"),
            (definitions(), "B", "cannot have the same name as existing extract group"),
            (groups(), "B", "constraint on name was violated"),
        ];
        for (collection, name, text) in cases {
            let refused = client.post(&collection, &json!({ "name": name })).await.unwrap();
            assert_eq!(refused.status(), status);
            let body: Value = refused.json().await.unwrap();
            assert!(body["detail"].as_str().unwrap().contains(text), "{body}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_created_is_refused() {
    let client = Client::with_faults(json!({})).await;
    for body in [json!({}), json!({ "name": "" }), group_of("G", "unknown")] {
        let refused = client.post(&groups(), &body).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(
        client.get(&format!("{}?$filter=owner='x'", groups())).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(client.get(&format!("{}/1", groups())).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(client.get(&format!("{BOSS}/somethingElse")).await.status(), StatusCode::NOT_FOUND);
}

/// BOSS answers 25 items unless asked otherwise.
#[tokio::test]
async fn collections_are_paged() {
    let client = Client::with_faults(json!({ "boss": { "ignore_filter": true } })).await;
    for number in 0..30 {
        client.post(&definitions(), &json!({ "name": format!("D{number}") })).await.unwrap();
    }
    let page = async |query: &str| {
        let body = client.json(&format!("{}?{query}", definitions())).await;
        (body["items"].as_array().unwrap().len(), body["hasMore"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (25, true));
    assert_eq!(page("$offset=25").await, (5, false));
    assert_eq!(page("$offset=40").await, (0, false));
    assert_eq!(page("$limit=10&$offset=20").await, (10, false));
    assert_eq!(page("$filter=name='D1'").await, (25, true));
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_resource_was_created() {
    let client = Client::with_faults(json!({ "boss": { "create_then_drop": 1 } })).await;
    assert!(client.post(&definitions(), &json!({ "name": "A" })).await.is_err());
    let body = client.json(&filtered(&definitions(), "A")).await;
    assert_eq!(body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_location_can_take_any_form() {
    let client = Client::with_faults(json!({ "boss": { "location": "explicit_port" } })).await;
    let created = client.post(&definitions(), &json!({ "name": "A" })).await.unwrap();
    let location = created.headers()["location"].to_str().unwrap();
    assert!(location.starts_with("https://") && location.contains(":443/api/boss/"), "{location}");
}

/// What was just created may not be found at once, and a query is a text.
#[tokio::test]
async fn a_search_can_lag_and_a_query_must_be_a_text() {
    let client = Client::with_faults(json!({ "boss": { "lag_calls": 1 } })).await;
    let body = |query: Value| json!({ "name": "A", "bossArtifacts": { "extractionQuery": query } });
    let refused = client.post(&definitions(), &body(json!({ "viewQueries": {} }))).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let created = client.post(&definitions(), &body(json!("{}"))).await.unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    for found in [0, 1] {
        let items = client.json(&filtered(&definitions(), "A")).await["items"].clone();
        assert_eq!(items.as_array().unwrap().len(), found);
    }
}

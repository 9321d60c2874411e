//! Fusion's REST resources: their warts as they are documented, and their faults.

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use simulator::credentials::{PASSWORD, REST_SCOPE, SAML_ASSERTION, USERNAME};
use simulator::{RestScenario, Scenario, Simulator};

use crate::client::Client;

const INVOICES: &str = "/fscmRestApi/resources/11.13.18.05/invoices";

async fn client() -> Client {
    let rest = RestScenario { rows: 1_200, ..RestScenario::default() };
    Client::of(Simulator::builder().scenario(Scenario { rest, ..Scenario::default() })).await
}

async fn ask(client: &Client, framework: u8, target: &str) -> Response {
    let token = client.token(REST_SCOPE).await;
    let url = format!("{}{target}", client.simulator.base_url());
    let request = client.http.get(url).bearer_auth(token);
    request.header("REST-Framework-Version", framework.to_string()).send().await.unwrap()
}

async fn json(client: &Client, framework: u8, query: &str) -> Value {
    let answer = ask(client, framework, &format!("{INVOICES}?{query}")).await;
    assert_eq!(answer.status(), StatusCode::OK, "{query}");
    answer.json().await.unwrap()
}

/// The wart that hides rows: 500 gives 499, and says that these are all.
#[tokio::test]
async fn a_limit_beyond_499_gives_499_and_a_total_that_is_not_true() {
    let client = client().await;
    let page = json(&client, 4, "limit=500&totalResults=true").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 499);
    assert_eq!((&page["totalResults"], &page["hasMore"]), (&json!(499), &json!(true)));
    let page = json(&client, 4, "limit=499&totalResults=true").await;
    assert_eq!(page["totalResults"], 1_200);
}

/// Without a limit a page has 25 rows; the last page says that nothing follows.
#[tokio::test]
async fn a_page_has_25_rows_unless_it_is_asked_for_more() {
    let client = client().await;
    let page = json(&client, 4, "").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["hasMore"]), (25, &json!(true)));
    let page = json(&client, 4, "offset=1199").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["hasMore"]), (1, &json!(false)));
}

/// Children are arrays before version 3, and collections with 25 rows from there on.
#[tokio::test]
async fn the_form_of_children_depends_on_the_framework_version() {
    let client = client().await;
    let query = "orderBy=InvoiceId:asc&limit=1&expand=invoiceLines&onlyData=true";
    let of = async |framework| json(&client, framework, query).await["items"][0]["invoiceLines"].clone();
    assert_eq!(of(2).await.as_array().unwrap().len(), 60);
    let lines = of(3).await;
    assert_eq!((lines["items"].as_array().unwrap().len(), &lines["hasMore"]), (25, &json!(true)));
}

/// Versions before 4 refuse in plain text, later ones in `o:errorDetails`.
#[tokio::test]
async fn refusals_depend_on_the_framework_version() {
    let client = client().await;
    for framework in [1, 4] {
        let answer = ask(&client, framework, &format!("{INVOICES}?fields=Colour")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let body = answer.text().await.unwrap();
        assert!(body.contains("Colour is no attribute of invoices"), "{body}");
        assert_eq!(kind == "text/plain", framework == 1, "{kind}");
        assert_eq!(body.contains("o:errorDetails"), framework == 4, "{body}");
    }
    assert_eq!(
        ask(&client, 4, "/fscmRestApi/resources/latest/nothing").await.status(),
        StatusCode::NOT_FOUND
    );
}

/// A user's password opens REST resources; a wrong one, or a token for something else, does not.
#[tokio::test]
async fn rest_resources_take_basic_and_tokens_of_their_scope() {
    let client = client().await;
    let url = format!("{}{INVOICES}", client.simulator.base_url());
    for (password, status) in [(PASSWORD, StatusCode::OK), ("wrong", StatusCode::UNAUTHORIZED)] {
        let answer = client.http.get(&url).basic_auth(USERNAME, Some(password)).send().await.unwrap();
        assert_eq!(answer.status(), status);
    }
    assert_eq!(client.get(INVOICES).await.status(), StatusCode::FORBIDDEN, "a token for saas-batch");
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

/// The grants that only REST resources need: a SAML assertion; a refresh token that is good once.
#[tokio::test]
async fn saml_assertions_and_refresh_tokens_that_are_good_once() {
    use base64::Engine as _;
    let client = client().await;
    client.simulator.set_faults(crate::client::faults(json!({ "token": { "refresh_once": true } }))).unwrap();
    let assertion = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(SAML_ASSERTION);
    let saml = "urn:ietf:params:oauth:grant-type:saml2-bearer";
    let form = [("grant_type", saml), ("assertion", assertion.as_str()), ("scope", REST_SCOPE)];
    assert_eq!(client.ask_token(&form).await.status(), StatusCode::OK);
    let token = client.simulator.refresh_token(REST_SCOPE).unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let answer: Value = client.ask_token(&form).await.json().await.unwrap();
    assert!(answer["refresh_token"].as_str().is_some_and(|next| next != token));
    assert_eq!(client.ask_token(&form).await.status(), StatusCode::BAD_REQUEST);
}

/// Switched on, version 1 is as documented: it knows neither `orderBy` nor `onlyData`, and cuts arrays without a word.
#[tokio::test]
async fn framework_1_can_be_as_plain_as_documented() {
    let rest = RestScenario { rows: 100, ..RestScenario::default() };
    let faults = json!({ "rest": { "plain_framework_1": true, "cut_arrays": true } });
    let simulator = Simulator::builder()
        .scenario(Scenario { rest, ..Scenario::default() })
        .faults(serde_json::from_value(faults).unwrap());
    let client = Client::of(simulator).await;
    let query = "orderBy=InvoiceId:asc&limit=100&expand=invoiceLines&onlyData=true";
    let keys = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|row| row["InvoiceId"].as_u64().unwrap()).collect()
    };
    let page = json(&client, 1, query).await;
    assert!(!keys(&page).is_sorted() && page["items"][0]["links"].is_array());
    let page = json(&client, 2, query).await;
    assert!(keys(&page).is_sorted() && page["items"][0]["links"].is_null());
    assert_eq!(page["items"][0]["invoiceLines"].as_array().unwrap().len(), 25);
}

/// Switched on, rows are where their links say, and not where their keys do.
#[tokio::test]
async fn rows_can_be_at_a_hash_of_their_keys() {
    let faults = json!({ "rest": { "hashed_addresses": true } });
    let client = Client::of(Simulator::builder().faults(serde_json::from_value(faults).unwrap())).await;
    let row = json(&client, 4, "orderBy=InvoiceId:asc&limit=1").await["items"][0].clone();
    let told = row["links"][0]["href"].as_str().unwrap().to_owned();
    let told = told.strip_prefix(client.simulator.base_url()).unwrap();
    let lines = ask(&client, 4, &format!("{told}/child/invoiceLines")).await;
    assert_eq!(lines.status(), StatusCode::OK);
    let lines = ask(&client, 4, &format!("{INVOICES}/{}/child/invoiceLines", row["InvoiceId"])).await;
    assert_eq!(lines.status(), StatusCode::NOT_FOUND);
}

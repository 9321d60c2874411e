//! The token endpoint, and what tokens are good for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use landfall_http::RsaKey;
use reqwest::StatusCode;
use serde_json::{Value, json};
use simulator::credentials::{
    AUDIENCE, BATCH_SCOPE, BOSS_SCOPE, CLIENT_ID, CLIENT_SECRET, KEY_ID, PASSWORD, PRIVATE_KEY_PEM, USERNAME,
};

use crate::client::{BOSS, Client, JOBS};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The moment at which the tests' clock stands.
const NOW: i64 = 1_795_240_800;

fn assertion(changes: &Value) -> String {
    let mut claims =
        json!({ "sub": USERNAME, "iss": CLIENT_ID, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300 });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    signed(&json!({ "alg": "RS256", "kid": KEY_ID }), &claims)
}

fn signed(header: &Value, claims: &Value) -> String {
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = RsaKey::from_pem(&PRIVATE_KEY_PEM.into()).unwrap().sign_sha256(parts.as_bytes()).unwrap();
    format!("{parts}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn refusal(client: &Client, form: &[(&str, &str)]) -> (StatusCode, String) {
    let answer = client.ask_token(form).await;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert!(body["error_description"].is_string() && body["ecid"].is_string(), "{body}");
    (status, body["error"].as_str().unwrap().to_owned())
}

async fn good(client: &Client, form: &[(&str, &str)]) -> Value {
    let answer = client.ask_token(form).await;
    assert_eq!(answer.status(), StatusCode::OK, "{form:?}");
    let body: Value = answer.json().await.unwrap();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    body
}

#[tokio::test]
async fn each_grant_yields_a_token() {
    let client = Client::with_faults(json!({})).await;
    let scope = ("scope", BATCH_SCOPE);
    good(&client, &[("grant_type", "client_credentials"), scope]).await;
    good(&client, &[("grant_type", "password"), ("username", USERNAME), ("password", PASSWORD), scope]).await;
    good(&client, &[("grant_type", JWT_BEARER), ("assertion", &assertion(&json!({}))), scope]).await;
}

#[tokio::test]
async fn a_refresh_token_is_had_for_offline_access_and_renews_its_own_scope() {
    let client = Client::with_faults(json!({})).await;
    let scope = format!("{BATCH_SCOPE} offline_access");
    let body = good(&client, &[("grant_type", "client_credentials"), ("scope", &scope)]).await;
    let refresh = body["refresh_token"].as_str().unwrap();
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    good(&client, &grant).await;
    let wider = [grant[0], grant[1], ("scope", BOSS_SCOPE)];
    assert_eq!(refusal(&client, &wider).await, (StatusCode::BAD_REQUEST, "invalid_scope".to_owned()));
    let access = body["access_token"].as_str().unwrap();
    let wrong = [("grant_type", "refresh_token"), ("refresh_token", access)];
    assert_eq!(refusal(&client, &wrong).await.1, "invalid_grant");
}

#[tokio::test]
async fn a_client_authenticates_by_header_by_body_or_by_assertion() {
    let client = Client::with_faults(json!({})).await;
    let grant = [("grant_type", "client_credentials"), ("scope", BATCH_SCOPE)];
    let own = assertion(&json!({ "sub": CLIENT_ID }));
    let by_body = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    let by_assertion = [("client_assertion_type", CLIENT_JWT), ("client_assertion", own.as_str())];
    for extra in [by_body, by_assertion] {
        let form = [grant, extra].concat();
        let answer = client.http.post(client.simulator.token_url()).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{extra:?}");
    }
    let anonymous = client.http.post(client.simulator.token_url()).form(&grant).send().await.unwrap();
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    let wrong = client.http.post(client.simulator.token_url()).basic_auth(CLIENT_ID, Some("wrong"));
    let body: Value = wrong.form(&grant).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["error"], "invalid_client");

    client.simulator.set_faults(crate::client::faults(json!({ "token": { "basic_only": true } }))).unwrap();
    let form = [grant, by_body].concat();
    let answer = client.http.post(client.simulator.token_url()).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_wrong_with_a_grant_is_named() {
    let client =
        Client::with_faults(json!({ "token": { "allowed_grants": ["password", "jwt_bearer"] } })).await;
    let scope = ("scope", BATCH_SCOPE);
    let password = [("grant_type", "password"), ("username", USERNAME)];
    let bad = StatusCode::BAD_REQUEST;
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[password[0], password[1], ("password", "wrong"), scope], "invalid_grant"),
        (&[password[0], password[1], ("password", PASSWORD), ("scope", "urn:x")], "invalid_scope"),
        (&[password[0], password[1], ("password", PASSWORD)], "invalid_scope"),
        (&[("grant_type", "client_credentials"), scope], "unauthorized_client"),
        (&[("grant_type", "implicit"), scope], "unsupported_grant_type"),
    ];
    for (form, error) in cases {
        assert_eq!(refusal(&client, form).await, (bad, error.to_owned()), "{form:?}");
    }
    let both = format!("{BATCH_SCOPE} {BOSS_SCOPE}");
    let form = [password[0], password[1], ("password", PASSWORD), ("scope", both.as_str())];
    assert_eq!(refusal(&client, &form).await, (bad, "invalid_scope".to_owned()));
}

/// Assertions are checked for real, or a client could send anything and pass.
#[tokio::test]
async fn a_user_assertion_is_checked_claim_by_claim() {
    let client = Client::with_faults(json!({})).await;
    for changes in [
        json!({ "sub": "someone.else@example.com" }),
        json!({ "iss": "another-client" }),
        json!({ "aud": "https://elsewhere.example.com/" }),
        json!({ "exp": NOW }),
        json!({ "iat": NOW + 3600 }),
    ] {
        let assertion = assertion(&changes);
        let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("scope", BATCH_SCOPE)];
        assert_eq!(refusal(&client, &form).await.1, "invalid_grant", "{changes}");
    }
    let good = assertion(&json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let unsigned = URL_SAFE_NO_PAD.encode(json!({ "alg": "none", "kid": KEY_ID }).to_string());
    let others = URL_SAFE_NO_PAD.encode(json!({ "sub": USERNAME }).to_string());
    for forged in [
        format!("{header}.{claims}.{}", &signature[..signature.len() - 4]),
        format!("{header}.{others}.{signature}"),
        format!("{unsigned}.{claims}."),
        format!("{header}.{claims}"),
    ] {
        let form = [("grant_type", JWT_BEARER), ("assertion", forged.as_str()), ("scope", BATCH_SCOPE)];
        assert_eq!(refusal(&client, &form).await.1, "invalid_grant", "{forged}");
    }
}

#[tokio::test]
async fn an_assertion_that_names_no_key_is_refused() {
    let client = Client::with_faults(json!({})).await;
    let claims = json!({ "sub": USERNAME, "iss": CLIENT_ID, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300 });
    let assertion = signed(&json!({ "alg": "RS256" }), &claims);
    let form = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str()), ("scope", BATCH_SCOPE)];
    assert_eq!(refusal(&client, &form).await.1, "invalid_grant");
}

#[tokio::test]
async fn a_token_is_good_for_one_audience() {
    let client = Client::with_faults(json!({})).await;
    let batch = client.token(BATCH_SCOPE).await;
    let boss = client.token(BOSS_SCOPE).await;
    let ask = async |path: &str, token: &str| {
        let url = format!("{}{path}", client.simulator.base_url());
        client.http.get(url).bearer_auth(token).send().await.unwrap().status()
    };
    let definitions = format!("{BOSS}/exportDefinitions");
    assert_eq!(ask(JOBS, &batch).await, StatusCode::OK);
    assert_eq!(ask(&definitions, &boss).await, StatusCode::OK);
    assert_eq!(ask(JOBS, &boss).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(&definitions, &batch).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(JOBS, "made-up").await, StatusCode::UNAUTHORIZED);
    let url = format!("{}{JOBS}", client.simulator.base_url());
    assert_eq!(client.http.get(url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_expires() {
    let client = Client::with_faults(json!({})).await;
    client.clock.advance(SignedDuration::from_secs(3599));
    assert_eq!(client.get(JOBS).await.status(), StatusCode::OK);
    client.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(client.get(JOBS).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_can_be_short_lived_and_counted_in_milliseconds() {
    let client =
        Client::with_faults(json!({ "token": { "lifetime_seconds": 60, "expires_in_milliseconds": true } }))
            .await;
    let answer = client.ask_token(&[("grant_type", "client_credentials"), ("scope", BATCH_SCOPE)]).await;
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["expires_in"], 60_000);
}

/// A 401 in the middle of a run: every token issued so far is revoked, once.
#[tokio::test]
async fn tokens_can_be_revoked_once_after_some_requests() {
    let client = Client::with_faults(json!({ "token": { "revoke_after_requests": 2 } })).await;
    assert_eq!(client.get(JOBS).await.status(), StatusCode::OK);
    assert_eq!(client.get(JOBS).await.status(), StatusCode::OK);
    assert_eq!(client.get(JOBS).await.status(), StatusCode::UNAUTHORIZED);
    let renewed = client.token(BATCH_SCOPE).await;
    for _ in 0..4 {
        let url = format!("{}{JOBS}", client.simulator.base_url());
        assert_eq!(client.http.get(url).bearer_auth(&renewed).send().await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_endpoint_throttles_fails_and_shows_a_login_page() {
    let client = Client::with_faults(json!({ "token": { "outage": {
        "throttle": { "times": 1, "retry_after_seconds": 7 }, "unavailable": 1, "login_page": 1,
    } } }))
    .await;
    let form = [("grant_type", "client_credentials"), ("scope", BATCH_SCOPE)];
    assert_eq!(client.ask_token(&form).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let throttled = client.ask_token(&form).await;
    assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(throttled.headers()["retry-after"], "7");
    let page = client.ask_token(&form).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()["content-type"], "text/html;charset=UTF-8");
    good(&client, &form).await;

    client
        .simulator
        .set_faults(crate::client::faults(json!({ "token": { "outage": { "throttle": { "times": 1 } } } })))
        .unwrap();
    let throttled = client.ask_token(&form).await;
    assert_eq!(throttled.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(!throttled.headers().contains_key("retry-after"));
}

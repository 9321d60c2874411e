//! A client that asks what a test wants to know, and forgives nothing.

use std::sync::Arc;

use reqwest::header::LOCATION;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use simulator::{Builder, Faults, ManualClock, MemberSize, Scenario, Simulator, credentials};

pub(crate) const JOBS: &str = "/api/saas-batch/jobscheduler/v1/jobRequests";
pub(crate) const FILES: &str = "/api/saas-batch/jobfilemanager/v1/jobRequests";
pub(crate) const BOSS: &str = "/api/boss/data/objects/ora/commonBoss/dataExport/v1";

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) simulator: Simulator,
    pub(crate) clock: Arc<ManualClock>,
    batch_token: String,
    boss_token: String,
}

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::starting_at("2026-11-21T06:00:00Z".parse().unwrap()))
}

pub(crate) fn small() -> Scenario {
    Scenario { member_size: MemberSize::Rows(20), ..Scenario::default() }
}

pub(crate) fn faults(json: Value) -> Faults {
    serde_json::from_value(json).unwrap()
}

impl Client {
    /// A pod with these switches, and tokens that were had before they were set.
    pub(crate) async fn with_faults(json: Value) -> Self {
        let client = Self::of(Simulator::builder().scenario(small())).await;
        client.simulator.set_faults(faults(json)).unwrap();
        client
    }

    pub(crate) async fn of(builder: Builder) -> Self {
        let clock = clock();
        let simulator = builder.clock(clock.clone()).start(0).await.unwrap();
        let http =
            landfall_http::client_builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut client =
            Self { http, simulator, clock, batch_token: String::new(), boss_token: String::new() };
        client.batch_token = client.token(credentials::BATCH_SCOPE).await;
        client.boss_token = client.token(credentials::BOSS_SCOPE).await;
        client
    }

    pub(crate) async fn token(&self, scope: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let answer = self.ask_token(&form).await;
        let body: Value = answer.json().await.unwrap();
        body["access_token"].as_str().unwrap_or_default().to_owned()
    }

    /// A token request of a client that authenticates by Basic.
    pub(crate) async fn ask_token(&self, form: &[(&str, &str)]) -> Response {
        self.http
            .post(self.simulator.token_url())
            .basic_auth(credentials::CLIENT_ID, Some(credentials::CLIENT_SECRET))
            .form(form)
            .send()
            .await
            .unwrap()
    }

    /// A request with the token that its API wants; `target` is a path or a URL.
    pub(crate) fn request(&self, method: Method, target: &str) -> RequestBuilder {
        let url = if target.starts_with('/') {
            format!("{}{target}", self.simulator.base_url())
        } else {
            target.to_owned()
        };
        let token = if target.contains("/api/boss/") { &self.boss_token } else { &self.batch_token };
        self.http.request(method, url).bearer_auth(token)
    }

    pub(crate) async fn get(&self, target: &str) -> Response {
        self.request(Method::GET, target).send().await.unwrap()
    }

    pub(crate) async fn json(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.status(), StatusCode::OK, "{target}");
        answer.json().await.unwrap()
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> reqwest::Result<Response> {
        self.request(Method::POST, target).json(body).send().await
    }

    /// Submits, and takes the id from the `Location`.
    pub(crate) async fn submit(&self, request: &Value) -> u64 {
        let answer = self.post(JOBS, request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
        location.rsplit('/').next().unwrap().parse().unwrap()
    }

    /// Polls until the job has succeeded.
    pub(crate) async fn finish(&self, id: u64) {
        for _ in 0..50 {
            let body = self.json(&format!("{JOBS}/{id}")).await;
            if body["jobDetails"]["jobProgress"]["completed"] == json!(true) {
                return;
            }
        }
        panic!("job {id} does not end");
    }

    /// A job that has succeeded.
    pub(crate) async fn run(&self) -> u64 {
        let id = self.submit(&export("run-1")).await;
        self.finish(id).await;
        id
    }

    pub(crate) async fn output_files(&self, id: u64) -> Vec<Value> {
        self.json(&format!("{FILES}/{id}/outputFiles")).await["items"].as_array().unwrap().clone()
    }
}

/// The documented body of a full extract.
pub(crate) fn export(run_key: &str) -> Value {
    json!({
        "serviceName": "boss",
        "jobDefinitionName": "DataExport",
        "description": format!("{run_key}::SimpleCarriers::Full::Immediate"),
        "requestParameters": {
            "submit.argument1": "SimpleCarriers",
            "submit.argument2": "Full Data Extract",
        },
    })
}

pub(crate) fn incremental(run_key: &str) -> Value {
    let mut request = export(run_key);
    request["requestParameters"]["submit.argument2"] = json!("Incremental Data Extract");
    request
}

pub(crate) fn href(item: &Value) -> String {
    item["$context"]["links"]["enclosure"]["href"].as_str().unwrap().to_owned()
}

//! A Fusion pod, as one connection reaches it: data extraction and REST resources have the same address and the same
//! client, and a scope each.

use serde_json::{Value, json};

use crate::credentials::{BATCH_SCOPE, BOSS_SCOPE, CLIENT_ID, CLIENT_SECRET, REST_SCOPE};
use crate::endpoints::Endpoints;

/// What the connection to a pod is called in examples.
pub(crate) const CONNECTION_NAME: &str = "fusion-demo";

/// The settings of a connection to the pod.
pub(crate) fn connection(endpoints: &Endpoints) -> Value {
    json!({
        "type": "fusion",
        "base_url": endpoints.base_url,
        "auth": {
            "grant": "client_credentials",
            "token_url": endpoints.token_url,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        },
        "scopes": { "batch": BATCH_SCOPE, "boss": BOSS_SCOPE, "rest": REST_SCOPE },
    })
}

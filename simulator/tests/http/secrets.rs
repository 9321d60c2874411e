//! Promise 7: what the simulator writes holds no secret that it was sent.

use serde_json::json;
use simulator::credentials::{BATCH_SCOPE, CLIENT_SECRET, PASSWORD, USERNAME};
use simulator::{JOURNAL_FILE, Simulator};

use crate::client::{Client, href, small};

#[tokio::test]
async fn neither_journal_nor_state_holds_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Simulator::builder().scenario(small()).data(Some(folder.path().to_owned()));
    let client = Client::of(builder).await;
    let token = client.token(BATCH_SCOPE).await;
    let form =
        [("grant_type", "password"), ("username", USERNAME), ("password", PASSWORD), ("scope", BATCH_SCOPE)];
    client.ask_token(&form).await;
    let url = format!("{}?client_secret={}", client.simulator.token_url(), "planted-secret");
    client.http.post(url).form(&form).send().await.unwrap();
    let id = client.run().await;
    client.get(&href(&client.output_files(id).await[0])).await.bytes().await.unwrap();

    let journal = std::fs::read_to_string(folder.path().join(JOURNAL_FILE)).unwrap();
    let state = std::fs::read_to_string(folder.path().join("state.json")).unwrap();
    let in_memory = json!(client.simulator.journal().requests()).to_string();
    assert!(journal.lines().count() > 8);
    for secret in [token.as_str(), CLIENT_SECRET, PASSWORD, "planted-secret", "Bearer", "Basic"] {
        for written in [&journal, &state, &in_memory] {
            assert!(!written.contains(secret), "{secret}");
        }
    }
}

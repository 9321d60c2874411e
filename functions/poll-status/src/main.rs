//! The step `poll-status` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("poll-status", &landfall_systems::SYSTEMS, poll_status::poll_status).await
}

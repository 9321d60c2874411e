//! The step `poll-status` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::PollStatus, &landfall_systems::SYSTEMS, poll_status::poll_status).await
}

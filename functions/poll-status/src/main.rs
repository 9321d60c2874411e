//! The step `poll-status` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("poll-status", poll_status::poll_status).await
}

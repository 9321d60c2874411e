//! The step `submit` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("submit", submit::submit).await
}

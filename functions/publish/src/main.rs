//! The step `publish` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("publish", publish::publish).await
}

//! The step `take-in` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("take-in", take_in::take_in).await
}

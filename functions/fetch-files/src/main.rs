//! The step `fetch-files` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("fetch-files", fetch_files::fetch_files).await
}

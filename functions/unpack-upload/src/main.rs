//! The step `unpack-upload` as a Lambda function.

use landfall::lambda;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::serve("unpack-upload", unpack_upload::unpack_upload).await
}

//! The step `verify` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::Verify, &landfall_systems::KINDS_ALONE, verify::verify).await
}

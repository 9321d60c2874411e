//! The step `publish` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::Publish, &landfall_systems::KINDS_ALONE, publish::publish).await
}

//! The step `submit` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::Submit, &landfall_systems::SYSTEMS, submit::submit).await
}

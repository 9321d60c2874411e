//! The step `sweep` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::Sweep, &landfall_systems::SYSTEMS, sweep::sweep).await
}

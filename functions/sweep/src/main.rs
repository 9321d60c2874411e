//! The step `sweep` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("sweep", &landfall_systems::SYSTEMS, sweep::sweep).await
}

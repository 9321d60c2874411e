//! The step `publish` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("publish", &landfall_systems::KINDS_ALONE, publish::publish).await
}

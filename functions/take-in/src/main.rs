//! The step `take-in` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("take-in", &landfall_systems::SYSTEMS, take_in::take_in).await
}

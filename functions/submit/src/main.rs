//! The step `submit` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("submit", &landfall_systems::SYSTEMS, submit::submit).await
}

//! The step `fetch-files` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("fetch-files", &landfall_systems::SYSTEMS, fetch_files::fetch_files).await
}

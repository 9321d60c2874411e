//! The step `fetch-files` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::FetchFiles, &landfall_systems::SYSTEMS, fetch_files::fetch_files).await
}

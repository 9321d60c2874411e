//! The step `unpack-upload` as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve("unpack-upload", &landfall_systems::KINDS_ALONE, unpack_upload::unpack_upload).await
}

//! The step `unpack-upload` as a Lambda function.

use landfall::Step;

#[tokio::main]
async fn main() -> Result<(), landfall_edge::RuntimeError> {
    landfall_edge::serve(Step::UnpackUpload, &landfall_systems::KINDS_ALONE, unpack_upload::unpack_upload)
        .await
}

//! Oracle Fusion.

pub mod extract;
pub struct FusionExtractSource;
impl FusionExtractSource { pub fn new(_: &crate::job::ConnectionName, _: &crate::config::FusionConnection, _: std::sync::Arc<dyn crate::clock::Clock>) -> crate::Result<Self> { unimplemented!() } }
#[async_trait::async_trait]
impl super::Source for FusionExtractSource {
    fn accepts(&self, _: &super::Export) -> crate::Result<()> { unimplemented!() }
    async fn submit(&self, _: &super::Export, _: &crate::job::RunKey) -> crate::Result<super::Submission> { unimplemented!() }
    async fn find(&self, _: &super::Export, _: &crate::job::RunKey) -> crate::Result<Option<crate::job::JobRequestId>> { unimplemented!() }
    async fn describe(&self, _: &crate::job::JobRequestId) -> crate::Result<super::Export> { unimplemented!() }
    async fn status(&self, _: &crate::job::JobRecord) -> crate::Result<super::JobStatus> { unimplemented!() }
    async fn explain(&self, _: &crate::job::JobRecord) -> crate::Result<Option<String>> { unimplemented!() }
    async fn output_files(&self, _: &crate::job::JobRecord) -> crate::Result<Vec<crate::job::OutputFile>> { unimplemented!() }
    async fn open(&self, _: &crate::job::JobRecord, _: &crate::job::OutputFile, _: Option<&super::ResumeAt>) -> crate::Result<super::Download> { unimplemented!() }
}

//! Staged files whose bytes are gone, or are others by now, although a record says that they are staged.

use futures::TryStreamExt as _;
use landfall::job::StagedFile;
use landfall::state::keys;
use landfall::{Error, Result, landed};

use crate::download::Fetch;

impl Fetch<'_> {
    /// Whether a staged file need not be fetched: its bytes are there, or all of it has landed.
    pub(crate) async fn is_needed_no_more(&self, staged: &StagedFile) -> Result<bool> {
        let key = keys::staged(&self.job.job(), staged.ordinal);
        let found = self.work.store().head(&key).await?;
        let is_it = |crc: Option<_>| crc.is_none_or(|crc| crc == staged.crc64nvme);
        if found.as_ref().is_some_and(|info| info.size == staged.size && is_it(info.crc64nvme)) {
            return Ok(true);
        }
        let landed = landed::of_file(self.context, self.work, self.job, staged.ordinal).await?;
        let has_manifest = self.context.has_landed(&self.job.destination, &self.job.landing_prefix);
        if landed.is_some_and(|landed| landed.gone.is_empty()) || has_manifest.await? {
            return Ok(true);
        }
        tracing::warn!(file.name = staged.name, "the staged file is gone: it is fetched again");
        if found.is_some() {
            self.work.store().delete(&key).await?;
        }
        Ok(false)
    }

    /// Forgets the record of a file that was staged before, if what was fetched now is something else.
    ///
    /// # Errors
    /// `IntegrityError` where something of what was staged before has landed.
    pub(crate) async fn forget_other(&self, before: &StagedFile, now: &StagedFile) -> Result<()> {
        if (before.size, before.sha256) == (now.size, now.sha256) {
            return Ok(());
        }
        let (job, ordinal) = (self.job.job(), before.ordinal);
        let checkpoints = self.work.store().list(&keys::unpack_checkpoints(&job, ordinal)).try_next().await?;
        if checkpoints.is_some() || self.work.receipt(&job, ordinal).await?.is_some() {
            self.work.store().delete(&keys::staged(&job, ordinal)).await?;
            return Err(Error::integrity(format!(
                "the staged {} is gone, and its source gives other bytes now than those of which a part has landed: run \
                 the export again under another run_key",
                before.name
            )));
        }
        Ok(self.work.store().delete(&keys::staged_record(&job, ordinal)).await?)
    }
}

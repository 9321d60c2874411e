//! What has come of a file when the time is up: less than a part cannot be a part of an upload, so it is put beside
//! it. However slowly a file comes, each invocation goes on where the one before it stopped.

use bytes::Bytes;
use landfall::Result;
use landfall::checksum::Crc64Nvme;
use landfall::contract::ResumeAt;
use landfall::job::OutputFile;
use landfall::state::{Document, keys};
use landfall_store::{Condition, ObjectWriter};
use serde::{Deserialize, Serialize};

use crate::download::Fetch;

/// The bytes of a file behind its full parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tail {
    /// Where they begin in the file.
    pub offset: u64,
    /// How many they are.
    pub size: u64,
    crc64nvme: Crc64Nvme,
    /// What the source called this version of the file.
    pub validator: String,
}

impl Document for Tail {}

impl Fetch<'_> {
    /// Puts away what has come of a file, up to a place in it; whether the next invocation can go on there.
    pub(crate) async fn put_away(
        &self,
        file: &OutputFile,
        writer: &mut ObjectWriter,
        validator: Option<&str>,
        received: u64,
    ) -> Result<bool> {
        let Some(validator) = validator else { return Ok(false) };
        let unsent = writer.take_unsent();
        let put = async {
            match unsent {
                Some(bytes) => self.put_tail(file, bytes, validator, received).await,
                None => Ok(()),
            }
        };
        let settle = async { Ok(writer.settle().await?) };
        tokio::select! {
            biased;
            put = async { tokio::try_join!(put, settle) } => put.map(|_| true),
            () = self.invocation.over() => Ok(false),
        }
    }

    async fn put_tail(&self, file: &OutputFile, bytes: Bytes, validator: &str, received: u64) -> Result<()> {
        let job = self.job.job();
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let tail = Tail {
            offset: received.saturating_sub(size),
            size,
            crc64nvme: Crc64Nvme::of(&bytes),
            validator: validator.to_owned(),
        };
        self.work.store().put(&keys::fetch_tail(&job, file.ordinal), bytes, Condition::Always).await?;
        Ok(self.work.save_checkpoint(&keys::fetch_tail_record(&job, file.ordinal), &tail).await?)
    }

    /// What was put away of a file, if it is what comes behind what is stored of it.
    pub(crate) async fn tail(
        &self,
        file: &OutputFile,
        stored: Option<&ResumeAt>,
    ) -> Result<Option<(Tail, Bytes)>> {
        let job = self.job.job();
        let record = keys::fetch_tail_record(&job, file.ordinal);
        let Some(tail) = self.work.checkpoint::<Tail>(&record).await? else { return Ok(None) };
        let follows = match stored {
            Some(stored) => tail.offset == stored.offset && tail.validator == stored.validator,
            None => tail.offset == 0,
        };
        let store = self.work.store();
        // It was put away for being less than a part.
        let max = u64::try_from(store.part_bytes(file.size)).unwrap_or(u64::MAX);
        if !follows || tail.size > max {
            return Ok(None);
        }
        let bytes = store.read(&keys::fetch_tail(&job, file.ordinal), max).await?;
        // Another invocation may have written over one of the two.
        let bytes = bytes.map(|object| object.bytes).filter(|bytes| Crc64Nvme::of(bytes) == tail.crc64nvme);
        Ok(bytes.map(|bytes| (tail, bytes)))
    }

    /// Forgets what was put away of a file.
    pub(crate) async fn forget_tail(&self, file: &OutputFile) -> Result<()> {
        Ok(self.work.store().delete(&keys::fetch_tail_record(&self.job.job(), file.ordinal)).await?)
    }
}

//! What an event reads from this machine: put into the work bucket, since no function reads a file that an event names.

use std::path::Path;

use futures::TryStreamExt as _;
use landfall::contract::{Disk as _, DiskFile};
use landfall::event::RunEvent;
use landfall::state::keys;
use landfall::{Error, Result};
use landfall_store::ObjectWriter;

use crate::disk::{Hashed, ThisDisk, hash_in_background};
use crate::machine::LocalRuntime;

/// The event with what it reads from this machine brought to where functions read it. The object's key follows from its
/// bytes, so that the same event is the same run wherever its file lies.
pub(crate) async fn bring(machine: &LocalRuntime, event: RunEvent) -> Result<RunEvent> {
    let export = machine.context().spec(&event.export)?;
    match export.local_input() {
        Some(path) => {
            let key = put(machine, Path::new(path)).await?;
            Ok(RunEvent { export: export.with_input(key).with_tables_of(&event.export), ..event })
        }
        None => Ok(event),
    }
}

/// The event as [`bring`] makes it, and what would be brought. Nothing is put anywhere.
pub(crate) async fn would_bring(
    machine: &LocalRuntime,
    event: RunEvent,
) -> Result<(RunEvent, Option<String>)> {
    let export = machine.context().spec(&event.export)?;
    let Some(path) = export.local_input() else { return Ok((event, None)) };
    let Hashed { file, .. } = read(machine, Path::new(path)).await?;
    let said = format!("{path} ({} bytes) would be put into the work bucket", file.size);
    let export = export.with_input(key(&file)).with_tables_of(&event.export);
    Ok((RunEvent { export, ..event }, Some(said)))
}

async fn read(machine: &LocalRuntime, path: &Path) -> Result<Hashed> {
    machine.progress().stage(format!("reading {}", path.display()));
    hash_in_background(path).await
}

fn key(file: &DiskFile) -> String {
    format!("{}{}", keys::INPUTS, file.sha256)
}

async fn put(machine: &LocalRuntime, path: &Path) -> Result<String> {
    let Hashed { checksums, file } = read(machine, path).await?;
    let key = key(&file);
    let work = machine.context().work().await?;
    if work.store().head(&key).await?.is_some_and(|object| object.size == file.size) {
        return Ok(key);
    }
    let mut writer = ObjectWriter::new(work.store(), &key, machine.context().budget(), Some(file.size));
    if let Err(error) = copy(machine, &file, &mut writer).await {
        writer.abandon().await;
        return Err(error);
    }
    let sealed =
        writer.seal(|sealed| match sealed.size == file.size && sealed.crc64nvme == checksums.crc64nvme {
            true => Ok(()),
            false => Err(Error::integrity(format!(
                "{} changed while it was being read: run the command again",
                path.display()
            ))),
        });
    sealed.await?;
    Ok(key)
}

async fn copy(machine: &LocalRuntime, file: &DiskFile, writer: &mut ObjectWriter) -> Result<()> {
    let mut body = ThisDisk { again: "run it" }.open(file, None).await?.body;
    while let Some(bytes) = body.try_next().await? {
        writer.write(&bytes).await?;
        machine.context().observer().fetched(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall::event::parse;
    use serde_json::json;

    use super::*;
    use crate::arguments::LocalOptions;
    use crate::progress::Progress;

    /// A file's ids are in the work bucket under the SHA-256 of its bytes, however often it is run; a file that is not
    /// there is the event's fault.
    #[tokio::test]
    async fn a_file_becomes_an_object() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ids.csv");
        std::fs::write(&file, "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a\n").unwrap();
        let on = LocalOptions { data: folder.path().join("data"), config: None, json: false };
        let machine = LocalRuntime::for_files(&on, None, &Arc::new(Progress::silent())).await.unwrap();
        let event = |path: &str| -> RunEvent {
            parse(json!({
                "connection": "folio-demo",
                "export": { "kind": "folio_export", "profile": "P", "records": { "file": path } },
                "destination": "lake",
                "run_key": "r",
            }))
            .unwrap()
        };
        let brought = bring(&machine, event(file.to_str().unwrap())).await.unwrap();
        let key = brought.export.body()["records"]["object"].as_str().unwrap();
        let digits = key.strip_prefix("inputs/").unwrap();
        assert_eq!(digits.len(), 64, "{key}");
        let kept = std::fs::read_to_string(on.data.join("work").join(key)).unwrap();
        assert_eq!(kept, "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a\n");
        assert_eq!(bring(&machine, event(file.to_str().unwrap())).await.unwrap(), brought);
        let missing = bring(&machine, event("no/such/file")).await.unwrap_err();
        assert_eq!(missing.error_type().name(), "InvalidEvent");
        machine.stop().await;
    }
}

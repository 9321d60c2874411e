//! Lands a job again of which something is gone or changed.

use landfall::Result;
use landfall::event::JobEvent;
use landfall::job::JobRecord;
use landfall::state::keys;
use verify::Finding;

use crate::machine::LocalRuntime;
use crate::run;

/// Deletes what is not what landed, then the manifest, as the job is not whole, and lands what is missing: from the staged
/// files, or from the source where those are gone. The manifest is the last that comes back, with the same bytes. It is
/// deleted last, too, so that whoever is stopped in the midst of it finds the same again.
pub(crate) async fn repair(machine: &LocalRuntime, record: &JobRecord, findings: &[Finding]) -> Result<()> {
    // Whom nobody can ask lands nothing: then nothing is deleted.
    machine.context().source(&record.connection).await?;
    let landing = machine.context().landing(&record.destination).await?.store;
    for finding in findings {
        // A manifest that somebody has changed may name what is not the job's.
        if let Finding::ObjectChanged { key, .. } = finding
            && key.starts_with(&record.landing_prefix)
        {
            landing.delete(key).await?;
        }
    }
    landing.delete(&keys::manifest(&record.landing_prefix)).await?;
    let event = JobEvent {
        connection: record.connection.clone(),
        job_request_id: record.job_request_id.clone(),
        destination: Some(record.destination.clone()),
    };
    Box::pin(run::resume(machine, &event)).await.map(drop)
}

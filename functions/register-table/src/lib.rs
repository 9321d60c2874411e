//! The step `register-table`: appends what a job has landed to a table, once.
//!
//! The story: the job's manifest says which of its objects are Parquet files, and of which table of the export's schema each
//! is. What the files' footers say of columns and values is all that a table needs to know. The table is loaded, or made. If
//! one of its snapshots names the job, that is the answer. Otherwise it is noted where the table stands, its schema is made to
//! hold the columns, and one snapshot is committed that has the files and names the job, on the condition that nobody has
//! committed meanwhile. Whatever comes of that, lost or refused, the table is looked at again before anything is repeated.

mod catalog;
mod columns;
mod commit;
mod data_file;
mod files;
mod landed;
mod registrar;
mod registration;
mod signing;

use std::collections::BTreeSet;

use landfall::clock::Deadline;
use landfall::config::TableSettings;
use landfall::context::Context;
use landfall::event::JobEvent;
use landfall::failure;
use landfall::job::JobRecord;
use landfall::registered::Registered;
use landfall::state::{Change, WorkState, keys};
use landfall::{Error, Result, Step};

use catalog::Catalog;
use registrar::{Mark, Registrar};
use registration::Record;

/// Appends what the job has landed to the tables that its destination names, or finds that they have it.
///
/// # Errors
/// `NotFound` where the job has not landed; `Conflict` where only a person can say whether the table has its rows;
/// `SchemaChanged` where the table cannot hold its columns.
pub async fn register_table(context: &Context, event: JobEvent, deadline: &Deadline) -> Result<Registered> {
    let work = context.work().await?;
    let job = work.job(&event.job()).await?.ok_or_else(|| {
        Error::not_found(format!(
            "nothing is kept of {}: it has never been landed from here, or that has expired, and nothing shows whether a table \
             has its rows",
            event.job()
        ))
    })?;
    let landing = context.landing(&job.destination).await?;
    let Some(settings) = &landing.destination.table else { return Ok(Registered { tables: Vec::new() }) };
    if landing.store.is_oci() {
        return Err(Error::unsupported(format!(
            "destination {} is in OCI Object Storage, whose objects no Iceberg table names: a table needs a bucket by S3's API",
            job.destination
        )));
    }
    let manifest_key = keys::manifest(&job.landing_prefix);
    let manifest = landed::manifest(&landing.store, &manifest_key).await?;
    let by_table = landed::by_table(&manifest)?;
    let export = context.export_path(&job.export);
    let names = by_table.keys().map(|number| name(settings, &job, &export, *number)).collect::<Vec<_>>();
    if names.iter().map(|name| &name.table).collect::<BTreeSet<_>>().len() < names.len() {
        return Err(Error::invalid_config(format!(
            "{} has landed {} tables of other columns each: destination {} must have {{table}} in table.name",
            job.job(),
            names.len(),
            job.destination
        )));
    }

    let clock = context.clock();
    let catalog_settings = context.catalog(&settings.catalog).await?;
    let catalog = Catalog::open(&settings.catalog, &catalog_settings, clock.clone()).await?;
    let mut tables = Vec::new();
    for ((number, objects), name) in std::iter::zip(&by_table, names) {
        let registrar = Registrar {
            context,
            deadline,
            catalog: &catalog,
            store: catalog_settings.store.as_ref().unwrap_or(&landing.destination.store),
            settings,
            record: Record::new(&work, clock.as_ref(), &job.job(), *number),
            mark: Mark::of(&job, &landing.store.object(&manifest_key)),
            since: job.since,
            of: name.of,
        };
        let files = landed::files(&landing.store, objects).await?;
        tables.push(registrar.register(&settings.namespace, &name.table, &files).await?);
    }
    note(context, &work, &job).await?;
    Ok(Registered { tables })
}

/// Notes with the job, for whoever looks, that its table has its rows; what the step had failed over is past.
async fn note(context: &Context, work: &WorkState, job: &JobRecord) -> Result<()> {
    failure::end(context, job, Step::RegisterTable).await?;
    if job.registered_at.is_some() {
        return Ok(());
    }
    let clock = context.clock();
    let change = |record: Option<JobRecord>| {
        std::future::ready(Ok(match record {
            Some(record) if record.registered_at.is_none() => {
                Change::Write(JobRecord { registered_at: Some(clock.now()), ..record }, ())
            }
            _ => Change::Keep(()),
        }))
    };
    work.update(&keys::job_record(&job.job()), clock.as_ref(), change).await
}

/// A table's name, and what it stands for.
#[derive(Debug)]
struct Name {
    table: String,
    /// What was put in the place of its fields: other values may come to the same name.
    of: Option<String>,
}

/// Catalogs take names of small letters, digits and underscores.
fn name(settings: &TableSettings, job: &JobRecord, export: &str, number: u32) -> Name {
    let number = number.to_string();
    let values = [("connection", job.connection.as_str()), ("export", export), ("table", &number)];
    let used: Vec<_> =
        values.into_iter().filter(|(field, _)| settings.name.contains(&format!("{{{field}}}"))).collect();
    let table = used.iter().fold(settings.name.clone(), |name, (field, value)| {
        let plain = |character: char| match character.to_ascii_lowercase() {
            character if character.is_ascii_alphanumeric() => character,
            _ => '_',
        };
        name.replace(&format!("{{{field}}}"), &value.chars().map(plain).collect::<String>())
    });
    let of = used.iter().map(|(_, value)| *value).collect::<Vec<_>>().join("/");
    Name { table, of: Some(of).filter(|of| !of.is_empty()) }
}

//! One command, from its arguments to its exit code.

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt as _;
use landfall::advice;
use landfall::clock::elapsed;
use landfall::event::{JobEvent, RunEvent, parse};
use landfall::job::JobRef;
use landfall::{AwaitsPerson, Error, ErrorType};
use landfall_systems::SYSTEMS;
use publish::Published;
use serde_json::Value;

use crate::arguments::{
    Arguments, Cancel, Check, Command, Dashboard, DescriptionAction, Descriptions, Forget, Invoke,
    LocalOptions, MakeReport, Prune, Register, Resume, Run, Serve, ShowSchema, Status, Sweep, Systems,
    Unpack, Verify,
};
use crate::disk::files_of;
use crate::failure::{Failure, worst};
use crate::invoke;
use crate::machine::LocalRuntime;
use crate::pipes::Pipes;
use crate::progress::Progress;
use crate::report::{FailureContext, Report};
use crate::run::Ran;
use crate::simulate::Subject;
use crate::stop::unless_stopped;
use crate::sweep::Landing;
use crate::unpack::Archive;
use crate::{
    cancel, check, dry_run, event, forget, help, init, inputs, pages, prune, register, run, schema, serve,
    simulate, sources, status, sweep, systems, unpack, verify,
};

/// Does what the arguments ask for; results go to `out`, the rest to the progress. Returns the exit code.
pub async fn execute(arguments: &Arguments, out: &mut (dyn Write + Send), progress: Arc<Progress>) -> u8 {
    match &arguments.command {
        Command::Init(arguments) => {
            let outcome = init::init(arguments).map_err(Failure::from);
            let outcome = outcome.and_then(|text| out.write_all(text.as_bytes()).map_err(Failure::Output));
            ended(outcome, &mut Report::new(out, &progress, false), FailureContext::default)
        }
        Command::Run(arguments) if arguments.dry_run => dry_run_command(arguments, out, &progress).await,
        Command::Run(arguments) => run_command(arguments, out, &progress).await,
        Command::Resume(arguments) => resume_command(arguments, out, &progress).await,
        Command::Register(arguments) => register_command(arguments, out, &progress).await,
        Command::Cancel(arguments) => cancel_command(arguments, out, &progress).await,
        Command::Invoke(arguments) => invoke_command(arguments, out, &progress).await,
        Command::Serve(arguments) => serve_command(arguments, out, &progress).await,
        Command::Sweep(arguments) => sweep_command(arguments, out, &progress).await,
        Command::Unpack(arguments) => unpack_command(arguments, out, &progress).await,
        Command::Status(arguments) => status_command(arguments, out, &progress).await,
        Command::Schema(arguments) => schema_command(arguments, out, &progress).await,
        Command::Verify(arguments) => verify_command(arguments, out, &progress).await,
        Command::Report(arguments) => report_command(arguments, out, &progress).await,
        Command::Dashboard(arguments) => dashboard_command(arguments, out, &progress).await,
        Command::Forget(arguments) => forget_command(arguments, out, &progress).await,
        Command::Prune(arguments) => prune_command(arguments, out, &progress).await,
        Command::Check(arguments) => check_command(arguments, out, &progress).await,
        Command::Sources(arguments) => {
            let text = if arguments.json { sources::lines() } else { sources::text() };
            let outcome = out.write_all(text.as_bytes()).map_err(Failure::Output);
            ended(outcome, &mut Report::new(out, &progress, arguments.json), FailureContext::default)
        }
        Command::Completions(arguments) => {
            let outcome = help::completions(arguments, out).map_err(Failure::Output);
            ended(outcome, &mut Report::new(out, &progress, false), FailureContext::default)
        }
        Command::Man(arguments) => {
            let outcome = help::man(arguments).map_err(Failure::from);
            let outcome = outcome.and_then(|page| out.write_all(&page).map_err(Failure::Output));
            ended(outcome, &mut Report::new(out, &progress, false), FailureContext::default)
        }
        Command::Systems(arguments) => systems_command(arguments, out, &progress),
        Command::Simulate(arguments) => {
            let outcome = simulate::simulate(arguments, out).await;
            ended(outcome, &mut Report::new(out, &progress, false), FailureContext::default)
        }
    }
}

fn systems_command(arguments: &Descriptions, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let (text, came) = match &arguments.action {
        None if arguments.json => (systems::lines(), Ok(())),
        None => (systems::text(), Ok(())),
        Some(DescriptionAction::Check(arguments)) => systems::check(arguments),
        Some(DescriptionAction::Try(arguments)) => match systems::try_out(arguments) {
            Ok(text) => (text, Ok(())),
            Err(error) => (String::new(), Err(error)),
        },
    };
    let outcome = out.write_all(text.as_bytes()).map_err(Failure::Output).and(came.map_err(Failure::from));
    ended(outcome, &mut Report::new(out, progress, arguments.json), FailureContext::default)
}

async fn run_command(arguments: &Run, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let job = OnceLock::new();
    let connection = OnceLock::new();
    let pipes = OnceLock::new();
    let outcome = async {
        if let Some(opened) = Pipes::from_environment()? {
            progress.tells(pipes.get_or_init(|| Arc::new(opened)));
        }
        let event = event::read(&arguments.event)?;
        let subject = Subject::of_event(&event);
        let event: RunEvent = parse(event)?;
        let _ = connection.set(event.connection.to_string());
        let machine = LocalRuntime::for_run(&arguments.systems, &subject, progress).await?;
        on(machine, async |machine| {
            let since = machine.context().clock().now();
            let event = inputs::bring(machine, event).await?;
            let export = machine.context().systems().name(&event.export);
            let ran = run::run(machine, event, arguments.operator_answer(), &job).await?;
            let Some(job) = job.get() else { return Ok(()) };
            let published = match ran {
                Ran::Landed(published) => published,
                Ran::Recurring => {
                    let record = machine.context().job(job).await?;
                    let options = arguments.systems.as_options();
                    let sweep =
                        sweep::command(&job.connection, &export, &record.destination, record.since, &options);
                    return report.recurring(job, &sweep);
                }
            };
            if let Some(pipes) = pipes.get() {
                let destination = machine.context().job(job).await?.destination;
                let store = machine.context().landing(&destination).await?.store;
                pipes.landed(job, &published, &store.object(&published.manifest_key));
            }
            let took = elapsed(since, machine.context().clock().now());
            landed(machine, &mut report, (job, None), &published, took).await
        })
        .await
    }
    .await;
    let failed = outcome.as_ref().err().map(|failure| (failure.name(), failure.line()));
    let code = ended_with(outcome, &mut report, |failure| {
        let about = about_job(failure, job.get(), &arguments.systems);
        // Given again, it would say once more that there is no job, when there may be one by now.
        let is_said_already = arguments.no_job && job.get().is_none();
        let next = about.next.map(|next| match is_said_already {
            true => next.replace("the same command again", "the same command again without --no-job"),
            false => next,
        });
        FailureContext { connection: connection.get().cloned(), next, ..about }
    });
    if let Some(pipes) = pipes.get() {
        pipes.closed(failed);
    }
    code
}

async fn dry_run_command(arguments: &Run, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let connection = OnceLock::new();
    let mut code = 0;
    let outcome = async {
        let event = event::read(&arguments.event)?;
        let subject = Subject::of_event(&event);
        let event: RunEvent = parse(event)?;
        let _ = connection.set(event.connection.to_string());
        let machine = LocalRuntime::for_dry_run(&arguments.systems, &subject, progress).await?;
        on(machine, async |machine| {
            code = dry_run::dry_run(machine, event, &mut report).await?;
            Ok(())
        })
        .await
    }
    .await;
    let about = || FailureContext { connection: connection.get().cloned(), ..FailureContext::default() };
    worst(code, ended(outcome, &mut report, about))
}

async fn resume_command(arguments: &Resume, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let job = JobEvent {
        connection: arguments.connection.clone(),
        job_request_id: arguments.job_request_id.clone(),
        destination: arguments.destination.clone(),
    };
    let outcome = async {
        let Systems { simulate, machine, .. } = &arguments.systems;
        let machine = match SYSTEMS.built_in(&job.connection) {
            Some(_) if !simulate => LocalRuntime::for_files(machine, None, progress).await?,
            _ => {
                let subject = Subject::of_job(&job);
                LocalRuntime::for_run(&arguments.systems, &subject, progress).await?.reading_files()
            }
        };
        on(machine, async |machine| {
            if arguments.allow_empty {
                machine.context().allow_empty(&job).await?;
            }
            if let Some(rule) = arguments.on_schema_change {
                machine.context().on_schema_change(&job, rule.into()).await?;
            }
            let since = machine.context().clock().now();
            let published = run::resume(machine, &job).await?;
            let took = elapsed(since, machine.context().clock().now());
            landed(machine, &mut report, (&job, None), &published, took).await
        })
        .await
    }
    .await;
    ended_with(outcome, &mut report, |failure| about_job(failure, Some(&job), &arguments.systems))
}

async fn register_command(
    arguments: &Register,
    out: &mut (dyn Write + Send),
    progress: &Arc<Progress>,
) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let job = JobEvent {
        connection: arguments.connection.clone(),
        job_request_id: arguments.job_request_id.clone(),
        destination: None,
    };
    let work = async |machine: &LocalRuntime| {
        register::has_table(machine, &job).await?;
        let registered = register::register(machine, &job).await?;
        report.registered(&job, &registered)
    };
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome =
        outcome.unwrap_or_else(|| Err(Error::not_found(format!("{} is not known here", job.job())).into()));
    ended(outcome, &mut report, || FailureContext {
        connection: Some(job.connection.to_string()),
        job_request_id: Some(job.job_request_id.to_string()),
        ..FailureContext::default()
    })
}

/// Tells that a job has landed, and appends it to the table that its destination names.
async fn landed(
    machine: &LocalRuntime,
    report: &mut Report<'_>,
    (job, file): (&JobEvent, Option<&Path>),
    published: &Published,
    took: Duration,
) -> Result<(), Failure> {
    report.landed(machine, job, file, published, took).await?;
    match published.register_table {
        true => report.registered(job, &register::register_landed(machine, job).await?),
        false => Ok(()),
    }
}

async fn cancel_command(arguments: &Cancel, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let (connection, id) = (&arguments.connection, &arguments.job_request_id);
    let outcome = async {
        let subject = match id.clone() {
            Some(id) => Subject::Job(JobRef { connection: connection.clone(), job_request_id: id }),
            None => Subject::Connection,
        };
        let machine = LocalRuntime::for_run(&arguments.systems, &subject, progress).await?;
        on(machine, async |machine| cancel::cancel(machine, arguments, &mut report).await).await
    }
    .await;
    ended(outcome, &mut report, || FailureContext {
        connection: Some(connection.to_string()),
        job_request_id: id.as_ref().map(ToString::to_string),
        ..FailureContext::default()
    })
}

async fn invoke_command(arguments: &Invoke, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let about = OnceLock::new();
    let outcome = async {
        let event = event::read(&arguments.event)?;
        let _ = about.set(about_event(&event));
        let machine = LocalRuntime::for_run(&arguments.systems, &Subject::of_event(&event), progress).await?;
        on(machine, async |machine| {
            let result = invoke::invoke(machine, arguments.function, event, machine.deadline()).await?;
            report.result(&result)
        })
        .await
    }
    .await;
    ended(outcome, &mut report, || about.into_inner().unwrap_or_default())
}

/// Stopped is how it ends.
async fn serve_command(arguments: &Serve, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let outcome = async {
        let machine = LocalRuntime::for_run(&arguments.systems, &Subject::Connection, progress).await?;
        match on(machine, async |machine| match serve::serve(machine, arguments, out).await? {}).await {
            Err(Failure::Stopped(_)) => Ok(()),
            outcome => outcome,
        }
    }
    .await;
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    ended(outcome, &mut report, FailureContext::default)
}

async fn check_command(arguments: &Check, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let mut code = 0;
    let outcome = async {
        let machine = LocalRuntime::for_run(&arguments.systems, &Subject::Connection, progress).await?;
        on(machine, async |machine| {
            code = check::check(machine, arguments, &mut report).await?;
            Ok(())
        })
        .await
    }
    .await;
    let about =
        || FailureContext { connection: Some(arguments.connection.to_string()), ..FailureContext::default() };
    worst(code, ended(outcome, &mut report, about))
}

/// Lands every job that is found, also where one fails. What is reported is noted as told by the call that goes on.
async fn sweep_command(arguments: &Sweep, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let mut code = 0;
    // A signal may come at any of them.
    let at = RefCell::new(None);
    let outcome = async {
        let machine = LocalRuntime::for_run(&arguments.systems, &Subject::Connection, progress).await?;
        on(machine, async |machine| {
            let event = sweep::event(machine, arguments);
            let mut next = None;
            loop {
                let is_first = next.is_none();
                let swept = sweep::find(machine, &event, next).await?;
                report.swept(&arguments.connection, &swept, is_first)?;
                code = worst(code, sweep::exit_code(&swept));
                next = swept.next.clone();
                let mut landing = Landing::of(swept.jobs);
                while let Some(job) = landing.next(machine).await {
                    at.replace(Some(job.clone()));
                    let landed = land_one(machine, &mut landing, &job, &mut report).await;
                    let about = |failure: &Failure| about_job(failure, Some(&job), &arguments.systems);
                    code = worst(code, ended_with(landed, &mut report, about));
                }
                if next.is_none() {
                    return Ok(());
                }
            }
        })
        .await
    }
    .await;
    let about = |failure: &Failure| FailureContext {
        connection: Some(arguments.connection.to_string()),
        ..about_job(failure, at.into_inner().as_ref(), &arguments.systems)
    };
    worst(code, ended_with(outcome, &mut report, about))
}

async fn land_one(
    machine: &LocalRuntime,
    landing: &mut Landing,
    job: &JobEvent,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let since = machine.context().clock().now();
    let Some(published) = landing.land(machine, job).await? else { return Ok(()) };
    let took = elapsed(since, machine.context().clock().now());
    landed(machine, report, (job, None), &published, took).await
}

/// Lands every file, also where one fails.
async fn unpack_command(arguments: &Unpack, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let mut code = 0;
    // A signal may come at any of them.
    let at = RefCell::new(FailureContext::default());
    let outcome = async {
        let form = arguments.form.map(Into::into);
        let mut machine = LocalRuntime::for_files(&arguments.machine, form, progress).await?;
        if arguments.columns {
            machine = machine.observing_columns();
        }
        on(machine, async |machine| {
            for named in &arguments.archives {
                let files = match files_of(named) {
                    Ok(files) => files,
                    Err(error) => {
                        code = worst(code, ended(Err(error.into()), &mut report, || about_file(named)));
                        continue;
                    }
                };
                for path in &files {
                    at.replace(about_file(path));
                    let unpacked = Box::pin(unpack_one(machine, path, arguments, &mut report)).await;
                    code = worst(code, ended(unpacked, &mut report, || about_file(path)));
                }
            }
            Ok(())
        })
        .await
    }
    .await;
    let next = "to continue: run the same command again".to_owned();
    worst(code, ended(outcome, &mut report, || FailureContext { next: Some(next), ..at.into_inner() }))
}

async fn unpack_one(
    machine: &LocalRuntime,
    path: &Path,
    arguments: &Unpack,
    report: &mut Report<'_>,
) -> Result<(), Failure> {
    let since = machine.context().clock().now();
    machine.progress().stage(format!("reading {}", path.display()));
    let archive = Archive::read(path, &arguments.destination).await?;
    let (job, published) = Box::pin(unpack::unpack(machine, archive, arguments.form.map(Into::into))).await?;
    let took = elapsed(since, machine.context().clock().now());
    landed(machine, report, (&job, Some(path)), &published, took).await
}

async fn status_command(arguments: &Status, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| status::show(machine, arguments, &mut report).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| status::show_nothing(arguments, &mut report));
    ended(outcome, &mut report, || FailureContext {
        connection: arguments.connection.as_ref().map(ToString::to_string),
        job_request_id: arguments.job_request_id.as_ref().map(ToString::to_string),
        ..FailureContext::default()
    })
}

async fn schema_command(
    arguments: &ShowSchema,
    out: &mut (dyn Write + Send),
    progress: &Arc<Progress>,
) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| schema::show(machine, arguments, &mut report).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| Err(schema::unknown(arguments).into()));
    let connection = Some(arguments.connection.to_string());
    ended(outcome, &mut report, || FailureContext { connection, ..FailureContext::default() })
}

async fn verify_command(arguments: &Verify, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.systems.machine.json);
    let mut code = 0;
    let outcome = async {
        let machine = match arguments.repair {
            true => Some(LocalRuntime::for_repair(&arguments.systems, progress).await?),
            false => LocalRuntime::for_status(&arguments.systems.machine, progress).await?,
        };
        let Some(machine) = machine else { return verify::verify_nothing(&mut report) };
        on(machine, async |machine| {
            code = verify::verify(machine, arguments, &mut report).await?;
            Ok(())
        })
        .await
    }
    .await;
    // What keeps all from being looked at is not what is found.
    let failed = outcome.is_err();
    let code_of_failure = ended(outcome, &mut report, || FailureContext {
        connection: arguments.connection.as_ref().map(ToString::to_string),
        job_request_id: arguments.job_request_id.as_ref().map(ToString::to_string),
        ..FailureContext::default()
    });
    match failed {
        true => code_of_failure.max(2),
        false => code,
    }
}

async fn report_command(
    arguments: &MakeReport,
    out: &mut (dyn Write + Send),
    progress: &Arc<Progress>,
) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| Box::pin(pages::report(machine, arguments, &mut report)).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| Err(pages::report_nothing(arguments)));
    ended(outcome, &mut report, || FailureContext {
        connection: Some(arguments.connection.to_string()),
        job_request_id: Some(arguments.job_request_id.to_string()),
        ..FailureContext::default()
    })
}

async fn dashboard_command(
    arguments: &Dashboard,
    out: &mut (dyn Write + Send),
    progress: &Arc<Progress>,
) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| pages::dashboard(machine, arguments, &mut report).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| Err(pages::dashboard_of_nothing(arguments)));
    ended(outcome, &mut report, FailureContext::default)
}

async fn forget_command(arguments: &Forget, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| forget::forget(machine, arguments, &mut report).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| Err(forget::forget_nothing(arguments)));
    ended(outcome, &mut report, || FailureContext {
        connection: Some(arguments.connection.to_string()),
        job_request_id: arguments.job_request_id.as_ref().map(ToString::to_string),
        ..FailureContext::default()
    })
}

async fn prune_command(arguments: &Prune, out: &mut (dyn Write + Send), progress: &Arc<Progress>) -> u8 {
    let mut report = Report::new(out, progress, arguments.machine.json);
    let work = async |machine: &LocalRuntime| prune::prune(machine, arguments, &mut report).await;
    let outcome = on_what_is_kept(&arguments.machine, progress, work).await;
    let outcome = outcome.unwrap_or_else(|| report.words("nothing is left behind\n"));
    ended(outcome, &mut report, || FailureContext {
        connection: arguments.connection.as_ref().map(ToString::to_string),
        ..FailureContext::default()
    })
}

/// Works on what is kept on a machine; `None` where nothing is.
async fn on_what_is_kept(
    local: &LocalOptions,
    progress: &Arc<Progress>,
    work: impl AsyncFnOnce(&LocalRuntime) -> Result<(), Failure>,
) -> Option<Result<(), Failure>> {
    match LocalRuntime::for_status(local, progress).await {
        Ok(Some(machine)) => Some(on(machine, work).await),
        Ok(None) => None,
        Err(error) => Some(Err(error.into())),
    }
}

/// Works on a machine until the work is done or a signal comes, and stops the machine either way.
async fn on(
    machine: LocalRuntime,
    work: impl AsyncFnOnce(&LocalRuntime) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Its type forgotten: it holds those of every step.
    let outcome = unless_stopped(work(&machine).boxed_local()).await;
    machine.stop().await;
    outcome
}

fn ended(
    outcome: Result<(), Failure>,
    report: &mut Report<'_>,
    about: impl FnOnce() -> FailureContext,
) -> u8 {
    ended_with(outcome, report, |_| about())
}

fn ended_with(
    outcome: Result<(), Failure>,
    report: &mut Report<'_>,
    about: impl FnOnce(&Failure) -> FailureContext,
) -> u8 {
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            report.failed(&failure, &about(&failure));
            failure.exit_code()
        }
    }
}

fn about_event(event: &Value) -> FailureContext {
    let text = |field: &str| event.get(field).and_then(Value::as_str).map(str::to_owned);
    FailureContext {
        connection: text("connection"),
        job_request_id: text("job_request_id"),
        ..FailureContext::default()
    }
}

fn about_file(path: &Path) -> FailureContext {
    FailureContext { archive: Some(path.display().to_string()), ..FailureContext::default() }
}

/// What a failed run is about, and how to continue it.
fn about_job(failure: &Failure, job: Option<&JobEvent>, systems: &Systems) -> FailureContext {
    FailureContext {
        connection: job.map(|job| job.connection.to_string()),
        job_request_id: job.map(|job| job.job_request_id.to_string()),
        archive: None,
        next: next_of_landed(failure, job, systems)
            .or_else(|| next_step(failure, job, &systems.as_options())),
    }
}

/// What helps a job that has landed and is not in its table.
fn next_of_landed(failure: &Failure, job: Option<&JobEvent>, systems: &Systems) -> Option<String> {
    let Failure::Landfall(error) = failure else { return None };
    error.cause::<register::NotInTable>()?;
    let JobEvent { connection, job_request_id, .. } = job?;
    let options = systems.machine.as_options();
    Some(format!("to append it: landfall register {connection} {job_request_id}{options}"))
}

fn next_step(failure: &Failure, job: Option<&JobEvent>, options: &str) -> Option<String> {
    let resume = match job {
        Some(JobEvent { connection, job_request_id, destination }) => {
            let destination = destination.as_ref().map(|name| format!(" --destination {name}"));
            let destination = destination.unwrap_or_default();
            format!("landfall resume {connection} {job_request_id}{destination}{options}")
        }
        None => "run the same command again".to_owned(),
    };
    let error = match failure {
        Failure::Stopped(_) => return Some(format!("to continue: {resume}")),
        Failure::Output(_) => return None,
        Failure::Landfall(error) => error,
    };
    let name = error.error_type();
    let awaits_person = error.cause::<AwaitsPerson>().is_some();
    let option = if name == ErrorType::SchemaChanged { advice::IF_RIGHT } else { "" };
    let mut next = format!("to {}: {resume}{option}", advice::continuing(name, awaits_person)?);
    if name == ErrorType::JobFailed && !awaits_person {
        next.push_str("\nto submit a new job: run with another run_key");
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Signal;

    fn job() -> JobEvent {
        JobEvent {
            connection: "fusion-demo".parse().unwrap(),
            job_request_id: "44055".parse().unwrap(),
            destination: None,
        }
    }

    /// Promise 2: whoever is stopped sees the command that continues, or that the same one does.
    #[test]
    fn how_to_continue_is_said() {
        let stopped = Failure::Stopped(Signal::Interrupt);
        assert_eq!(
            next_step(&stopped, Some(&job()), " --simulate").unwrap(),
            "to continue: landfall resume fusion-demo 44055 --simulate"
        );
        assert!(next_step(&stopped, None, "").unwrap().contains("the same command again"));
        let elsewhere = JobEvent { destination: Some("lake".parse().unwrap()), ..job() };
        let throttled = Failure::from(Error::throttled("slow down"));
        assert!(
            next_step(&throttled, Some(&elsewhere), "")
                .unwrap()
                .ends_with("landfall resume fusion-demo 44055 --destination lake")
        );
    }

    /// The command that is proposed is one that helps for the error: it continues where the error table says so. A job
    /// that has failed can be restarted, too; while it waits for a person, no second one is to be started.
    #[test]
    fn what_is_proposed_is_what_the_error_table_says() {
        for error in ErrorType::ALL.iter().filter(|error| **error != ErrorType::JobFailed) {
            let next = next_step(&Failure::from(error.error("what happened")), Some(&job()), "");
            assert_eq!(next.is_some(), error.continues(), "{}: {next:?}", error.name());
            assert!(next.is_none_or(|next| next.contains("landfall resume fusion-demo 44055")));
        }
        let failed = Failure::from(Error::job_failed("it is over"));
        assert!(next_step(&failed, Some(&job()), "").unwrap().contains("another run_key"));
        let waits = Failure::from(Error::job_failed("it waits").because(AwaitsPerson));
        let next = next_step(&waits, Some(&job()), "").unwrap();
        assert!(next.contains("landfall resume") && !next.contains("another run_key"), "{next}");
    }

    /// Where the same call cannot help, the message alone says what to do.
    #[test]
    fn a_refusal_names_no_command_to_continue() {
        let refused = Failure::from(Error::unsafe_archive("a member leaves its prefix"));
        assert_eq!(next_step(&refused, Some(&job()), ""), None);
    }
}

//! What the command line takes.

// These comments are what `--help` prints, where backticks would only be in the way.
#![expect(clippy::doc_markdown)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use landfall::form::LandedForm;
use landfall::job::{ConnectionName, DestinationName, JobRequestId, RunKey};
use landfall::schema::OnSchemaChange;
use landfall::step::Step;
use submit::OperatorAnswer;
use url::Url;

use crate::init;
use crate::schema::Dialect;
use crate::status::State;

/// Run export jobs of SaaS systems and land their files, unpacked and verified, in object storage.
#[derive(Debug, Parser)]
#[command(name = "landfall", version = VERSION.as_str(), after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Log to stderr as JSON lines instead of showing progress; LANDFALL_LOG sets the level
    #[arg(long, global = true)]
    pub(crate) log: bool,
}

impl Arguments {
    /// Whether there are logs in the place of progress: a server makes none.
    pub(crate) fn logs(&self) -> bool {
        self.log || matches!(self.command, Command::Serve(_))
    }
}

/// The commit that an archive of the sources is made from, where version control fills it in; a placeholder in a checkout.
const ARCHIVED: &str = include_str!("commit.txt");

/// The version, with the commit that it was built from: as the build says (`LANDFALL_COMMIT`), or the archive.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let archived = Some(ARCHIVED.trim()).filter(|commit| !commit.starts_with('$'));
    let version = env!("CARGO_PKG_VERSION");
    match option_env!("LANDFALL_COMMIT").filter(|commit| !commit.is_empty()).or(archived) {
        Some(commit) => format!("{version} ({commit})"),
        None => version.to_owned(),
    }
});

const EXIT_CODES: &str = "\
Exit codes: 0 landed; 1 the job or the run failed; 2 wrong usage, event or configuration;
3 refused (UnsafeArchive, Unsupported, LimitExceeded, IntegrityError, SchemaChanged); 130 stopped by Ctrl-C, 143 by SIGTERM.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a configuration and an event of a system into this folder, to be filled in
    #[command(after_help = "Example:\n  landfall init fusion_extract --folder oracle")]
    Init(Init),
    /// Submit a run's job, wait for it, and land its files
    #[command(
        after_help = "Examples:\n  landfall run event.json --config landfall.toml\n  landfall run event.json --config landfall.toml --dry-run\n  landfall run events/run-fusion-extract.json --simulate"
    )]
    Run(Run),
    /// Continue a job that was submitted before, by landfall or in the source's own user interface
    #[command(after_help = "Example:\n  landfall resume fusion-prod 44046 --config landfall.toml")]
    Resume(Resume),
    /// Ask the source to cancel a job that has not ended
    #[command(after_help = "Example:\n  landfall cancel fusion-prod 44046 --dry-run --config landfall.toml")]
    Cancel(Cancel),
    /// Call one function once, as Lambda would, and print its result as JSON
    #[command(after_help = "Example:\n  landfall invoke poll-status job.json --config landfall.toml")]
    Invoke(Invoke),
    /// Serve the functions by HTTP (POST /submit with its event, and so on) until stopped, or one of them to OCI Functions
    #[command(after_help = "Example:\n  landfall serve --listen 127.0.0.1:8080 --config landfall.toml")]
    Serve(Serve),
    /// Land jobs that have ended at the source and have not landed, whoever submitted them
    #[command(
        after_help = "Example:\n  landfall sweep fusion-prod --export SimpleCarriers --destination lake --since 2026-11-01T00:00:00Z"
    )]
    Sweep(Sweep),
    /// Land local files: unpacked, verified, one job and one manifest per file
    #[command(after_help = "Example:\n  landfall unpack delivered.zip --form gzip")]
    Unpack(Unpack),
    /// Show runs and jobs, how far they are, and what happens next; changes nothing and calls no source
    #[command(
        after_help = "Examples:\n  landfall status --state failed --since 2026-11-21T00:00:00Z\n  landfall status fusion-prod 44046 --json"
    )]
    Status(Status),
    /// Show what is known of an export's columns: its versions, how they differ, and SQL that reads what has landed
    #[command(after_help = "Example:\n  landfall schema fusion-prod SimpleCarriers --sql duckdb")]
    Schema(ShowSchema),
    /// Hold what has landed against its manifests: what is gone, changed or missing is told; changes nothing without --repair
    #[command(after_help = "Example:\n  landfall verify fusion-prod --since 2026-11-01T00:00:00Z --read")]
    Verify(Verify),
    /// Write the report of a job: a page that tells people what has landed, or what has failed; changes nothing else
    #[command(after_help = "Example:\n  landfall report fusion-prod 44046 --open")]
    Report(MakeReport),
    /// Write a page of all exports: how fresh they are, what has failed, how much has landed; changes nothing else
    #[command(after_help = "Example:\n  landfall dashboard --open")]
    Dashboard(Dashboard),
    /// Delete what is kept of a run that surely has no job, or of a job that is over; what has landed stays
    #[command(after_help = "Example:\n  landfall forget fusion-prod --run carriers-2026-11-21T06 --dry-run")]
    Forget(Forget),
    /// Delete what jobs that are over have left behind: staged files, checkpoints, unfinished uploads
    #[command(after_help = "Example:\n  landfall prune fusion-prod --dry-run")]
    Prune(Prune),
    /// List the supported systems, and what landfall supports of each
    #[command(after_help = "Example:\n  landfall sources --json")]
    Sources(Sources),
    /// List the systems that are described in a file, or look at a description
    #[command(after_help = "Example:\n  landfall systems check things.toml")]
    Systems(Descriptions),
    /// Test a connection, and the buckets it needs, without changing anything at the source
    #[command(
        after_help = "Example:\n  landfall check fusion-prod --destination lake --config landfall.toml"
    )]
    Check(Check),
    /// Print the completions of a shell, to be put where it looks for them
    #[command(after_help = "Example:\n  landfall completions bash")]
    Completions(Completions),
    /// Print a man page: of landfall, or of one command
    #[command(after_help = "Example:\n  landfall man run")]
    Man(Man),
    /// Serve the simulated source systems and a local store until stopped
    #[command(after_help = "Example:\n  landfall simulate --port 8765")]
    Simulate(Simulate),
}

/// `landfall init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The system: what an event calls its export's kind, or a system that landfall has a description of
    #[arg(value_parser = PossibleValuesParser::new(init::systems()))]
    pub(crate) system: String,
    /// The folder that the files are written into
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// `landfall run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The run event: a JSON file, or - for stdin
    pub(crate) event: PathBuf,
    /// The run's job, which you have found at the source after a submission whose outcome was unknown
    #[arg(long, value_name = "JOB_REQUEST_ID", conflicts_with = "no_job")]
    pub(crate) job: Option<JobRequestId>,
    /// Submit again after a submission whose outcome was unknown: you have checked that the run has no job at the source
    #[arg(long)]
    pub(crate) no_job: bool,
    /// Check all that can be checked and print what would be done, and change nothing
    #[arg(long, conflicts_with_all = ["job", "no_job"])]
    pub(crate) dry_run: bool,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall resume`.
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The connection that the job runs on
    pub(crate) connection: ConnectionName,
    /// The job's id at the source
    pub(crate) job_request_id: JobRequestId,
    /// The destination; needed for a job that landfall did not submit
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<DestinationName>,
    /// The job may land empty: you have checked that it is right that it has no output
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// What becomes of columns that do not fit the export's schema: you have looked at the change, and it is right
    #[arg(long, value_name = "RULE")]
    pub(crate) on_schema_change: Option<SchemaRule>,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall cancel`.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The connection that the job runs on
    pub(crate) connection: ConnectionName,
    /// The job's id at the source
    #[arg(required_unless_present = "run")]
    pub(crate) job_request_id: Option<JobRequestId>,
    /// The run whose job it is, instead of the job's id
    #[arg(long, value_name = "RUN_KEY", conflicts_with = "job_request_id")]
    pub(crate) run: Option<RunKey>,
    /// Print the call that would be made, and make none
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask whether to
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall invoke`.
#[derive(Debug, Args)]
pub(crate) struct Invoke {
    /// The function to call
    #[arg(value_parser = functions())]
    pub(crate) function: Step,
    /// Its event: a JSON file, or - for stdin
    pub(crate) event: PathBuf,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; from other than this machine, callers send LANDFALL_SERVE_SECRET as Authorization: Bearer
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// How long a call may last whose caller sends no Fn-Deadline: what is not done by then says complete: false
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    pub(crate) seconds: u64,
    /// The function that is served to OCI Functions, where FN_LISTENER is set; LANDFALL_FUNCTION where it is not named
    #[arg(long, value_name = "NAME", value_parser = functions())]
    pub(crate) function: Option<Step>,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall sweep`.
#[derive(Debug, Args)]
pub(crate) struct Sweep {
    /// The connection whose jobs to sweep
    pub(crate) connection: ConnectionName,
    /// An export whose jobs to land; repeat the option for more exports, * for all
    #[arg(long = "export", value_name = "NAME", required = true)]
    pub(crate) exports: Vec<String>,
    /// The destination of jobs that landfall did not submit
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: DestinationName,
    /// Only jobs that ended at this time or later, for example 2026-11-21T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Jobs without output may land empty, whatever their exports say
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// Try jobs again, too, that could not land before
    #[arg(long)]
    pub(crate) again: bool,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall unpack`.
#[derive(Debug, Args)]
pub(crate) struct Unpack {
    /// Files, or folders of files: ZIP archives are unpacked, other files land as they are
    #[arg(required = true)]
    pub(crate) archives: Vec<PathBuf>,
    /// The destination
    #[arg(long, value_name = "NAME", default_value = "landing")]
    pub(crate) destination: DestinationName,
    /// The form in which the files land, instead of the destination's
    #[arg(long)]
    pub(crate) form: Option<Form>,
    /// Look at every value, and put the columns and their types into the manifest
    #[arg(long)]
    pub(crate) columns: bool,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this connection
    pub(crate) connection: Option<ConnectionName>,
    /// Only this job, in detail
    pub(crate) job_request_id: Option<JobRequestId>,
    /// Only runs and jobs of this export; repeat the option for more exports
    #[arg(long = "export", value_name = "NAME")]
    pub(crate) exports: Vec<String>,
    /// Only runs and jobs in this state; repeat the option for more states
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<State>,
    /// Only what was started at this time or later, for example 2026-11-21T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Where it is looked at.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall schema`.
#[derive(Debug, Args)]
pub(crate) struct ShowSchema {
    /// The connection that the export is on
    pub(crate) connection: ConnectionName,
    /// The export's name, as in the keys of what it has landed
    pub(crate) export: String,
    /// This version instead of the newest
    #[arg(long, value_name = "N")]
    pub(crate) number: Option<u32>,
    /// Print statements that make the tables and read what has landed
    #[arg(long, value_name = "DIALECT")]
    pub(crate) sql: Option<Dialect>,
    /// Read this job, instead of all that have landed, or of any
    #[arg(long, value_name = "JOB_REQUEST_ID", requires = "sql")]
    pub(crate) job: Option<JobRequestId>,
    /// Where it has landed; needed once what is kept of the job has expired
    #[arg(long, value_name = "NAME", requires = "sql")]
    pub(crate) destination: Option<DestinationName>,
    /// Where it is looked at.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Only this connection
    pub(crate) connection: Option<ConnectionName>,
    /// Only this job
    pub(crate) job_request_id: Option<JobRequestId>,
    /// Only jobs of this export; repeat the option for more exports
    #[arg(long = "export", value_name = "NAME")]
    pub(crate) exports: Vec<String>,
    /// Only jobs that were submitted at this time or later, for example 2026-11-21T06:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Timestamp>,
    /// Read every byte, instead of asking the store for sizes and checksums
    #[arg(long)]
    pub(crate) read: bool,
    /// Land again what is gone or changed: from the staged files, or from the source where it still has them
    #[arg(long)]
    pub(crate) repair: bool,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall report`.
#[derive(Debug, Args)]
pub(crate) struct MakeReport {
    /// The connection that the job runs on
    pub(crate) connection: ConnectionName,
    /// The job
    pub(crate) job_request_id: JobRequestId,
    /// What becomes of the page.
    #[command(flatten)]
    pub(crate) page: PageOptions,
    /// Where it is looked at.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall dashboard`.
#[derive(Debug, Args)]
pub(crate) struct Dashboard {
    /// What becomes of the page.
    #[command(flatten)]
    pub(crate) page: PageOptions,
    /// Where it is looked at.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// What becomes of a page.
#[derive(Debug, Args)]
pub(crate) struct PageOptions {
    /// Where the page is written, over what is there; - for stdout. Default: a file of this folder, named for what it is of
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Show it in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

/// `landfall forget`.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// The connection that the run or the job is on
    pub(crate) connection: ConnectionName,
    /// The job's id at the source; its run's record stays, so that its run key is never submitted again
    #[arg(required_unless_present = "run")]
    pub(crate) job_request_id: Option<JobRequestId>,
    /// The run, which has no job: its run key can be submitted again
    #[arg(long, value_name = "RUN_KEY", conflicts_with = "job_request_id")]
    pub(crate) run: Option<RunKey>,
    /// You have checked that the run has no job at the source
    #[arg(long, requires = "run")]
    pub(crate) no_job: bool,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask whether to
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where it is kept.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall prune`.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Only jobs of this connection
    pub(crate) connection: Option<ConnectionName>,
    /// Say what would be deleted, and delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask whether to
    #[arg(long)]
    pub(crate) yes: bool,
    /// Where it is kept.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// `landfall sources`.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `landfall systems`.
#[derive(Debug, Args)]
pub(crate) struct Descriptions {
    /// What to do with a description; without, those are listed that come with landfall
    #[command(subcommand)]
    pub(crate) action: Option<DescriptionAction>,
    /// Print one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with a description.
#[derive(Debug, Subcommand)]
pub(crate) enum DescriptionAction {
    /// Tell every mistake of a description, or what it promises
    Check(DescriptionCheck),
    /// Print each call that an event would make, and make none
    Try(DescriptionTry),
}

/// `landfall systems check`.
#[derive(Debug, Args)]
pub(crate) struct DescriptionCheck {
    /// The description: a TOML file, or the name of one that comes with landfall
    pub(crate) file: PathBuf,
}

/// `landfall systems try`.
#[derive(Debug, Args)]
pub(crate) struct DescriptionTry {
    /// The description: a TOML file, or the name of one that comes with landfall
    pub(crate) file: PathBuf,
    /// The run event: a JSON file, or - for stdin
    #[arg(long)]
    pub(crate) event: PathBuf,
    /// Where the API would be
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<Url>,
}

/// `landfall check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The connection to test
    pub(crate) connection: ConnectionName,
    /// A destination to test too: a probe object is written there and deleted
    #[arg(long, value_name = "NAME")]
    pub(crate) destination: Option<DestinationName>,
    /// Where it runs.
    #[command(flatten)]
    pub(crate) systems: Systems,
}

/// `landfall completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// `landfall man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command; landfall as a whole, if none is named
    pub(crate) command: Option<String>,
}

/// `landfall simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// The port on 127.0.0.1; 0 for any free port
    #[arg(long, default_value_t = 8765)]
    pub(crate) port: u16,
    /// Serve the store by OCI's own API, too, to a user whose profile is written below the data folder
    #[arg(long)]
    pub(crate) oci: bool,
    /// How the simulator behaves.
    #[command(flatten)]
    pub(crate) simulated: Simulated,
    /// The folder for the store (work, landing) and the simulator's jobs
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

/// A landed form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The content, unchanged
    Raw,
    /// A gzip file; what is deflated in an archive is not compressed again
    Gzip,
    /// A Zstandard frame
    Zstd,
    /// A Parquet file, of what has rows and columns; all else unchanged
    Parquet,
}

/// What becomes of columns that do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaRule {
    /// The job is not published
    Fail,
    /// The schema gets a version that keeps the new values as well
    Widen,
    /// Likewise, and what has changed is text
    Text,
}

impl From<SchemaRule> for OnSchemaChange {
    fn from(rule: SchemaRule) -> Self {
        match rule {
            SchemaRule::Fail => Self::Fail,
            SchemaRule::Widen => Self::Widen,
            SchemaRule::Text => Self::Text,
        }
    }
}

impl From<Form> for LandedForm {
    fn from(form: Form) -> Self {
        match form {
            Form::Raw => Self::Raw,
            Form::Gzip => Self::Gzip,
            Form::Zstd => Self::Zstd,
            Form::Parquet => Self::Parquet,
        }
    }
}

/// The functions, by the names that they are deployed under.
fn functions() -> impl TypedValueParser<Value = Step> {
    let names = PossibleValuesParser::new(Step::ALL.map(Step::name));
    names.try_map(|name| Step::ALL.into_iter().find(|step| step.name() == name).ok_or("it is none"))
}

/// The systems that a command works with.
#[derive(Debug, Clone, Args)]
pub(crate) struct Systems {
    /// Run against simulated source systems, which this command starts; every connection leads to them
    #[arg(long, conflicts_with = "config")]
    pub(crate) simulate: bool,
    /// How the simulator behaves.
    #[command(flatten)]
    pub(crate) simulated: Simulated,
    /// The local store and the configuration.
    #[command(flatten)]
    pub(crate) machine: LocalOptions,
}

/// How a simulator behaves.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Simulated {
    /// The simulator's faults, a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// The simulator's data, a JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
}

/// The local store and the configuration that a command works with.
#[derive(Debug, Clone, Args)]
pub(crate) struct LocalOptions {
    /// The folder for the local store (work, landing) and the simulator's jobs
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
    /// Connections and destinations, a TOML file; if it names neither a work bucket nor destinations, the local store is used
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print results and errors to stdout, one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// The default of `--data`.
const DATA: &str = "./landfall-data";

impl Run {
    /// What a person has found at the source.
    pub(crate) fn operator_answer(&self) -> Option<OperatorAnswer> {
        match (&self.job, self.no_job) {
            (Some(id), _) => Some(OperatorAnswer::Job(id.clone())),
            (None, true) => Some(OperatorAnswer::NoJob),
            (None, false) => None,
        }
    }
}

impl Verify {
    /// Whether it is of certain jobs, and not of all that there are.
    pub(crate) fn names_something(&self) -> bool {
        self.connection.is_some() || !self.exports.is_empty()
    }
}

impl Systems {
    /// The options that another command needs to work with the same systems.
    pub(crate) fn as_options(&self) -> String {
        let Simulated { faults, scenario } = &self.simulated;
        let simulate = if self.simulate { " --simulate" } else { "" };
        let simulated =
            [option("faults", faults.as_deref()), option("scenario", scenario.as_deref())].concat();
        let json = if self.machine.json { " --json" } else { "" };
        format!("{simulate}{simulated}{}{json}", self.machine.as_options())
    }
}

impl LocalOptions {
    /// The options that another command needs to work with the same buckets.
    pub(crate) fn as_options(&self) -> String {
        let data = Some(self.data.as_path()).filter(|data| *data != Path::new(DATA));
        [option("data", data), option("config", self.config.as_deref())].concat()
    }
}

/// A word as an option's value.
pub(crate) fn as_word(text: &str) -> String {
    quoted(text)
}

fn option(name: &str, path: Option<&Path>) -> String {
    path.map(|path| format!(" --{name} {}", quoted(&path.display().to_string()))).unwrap_or_default()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+@".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Command, ErrorKind> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        Arguments::try_parse_from(words).map(|arguments| arguments.command).map_err(|error| error.kind())
    }

    /// What the parser is made of holds together: no two options of one name, for instance.
    #[test]
    fn the_commands_are_well_formed() {
        Arguments::command().debug_assert();
    }

    /// Whoever asks for help on a command sees a line that can be given.
    #[test]
    fn every_command_has_an_example_that_parses() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut lines = help.lines();
            assert!(lines.next().is_some_and(|line| line.starts_with("Example")), "{}", command.get_name());
            for line in lines {
                assert!(line.trim().starts_with(&format!("landfall {}", command.get_name())), "{line}");
                assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
            }
        }
    }

    /// The version names the commit where the build, or the archive, says which it was.
    #[test]
    fn the_version_leads_with_the_packages() {
        assert!(VERSION.starts_with(env!("CARGO_PKG_VERSION")) && !VERSION.contains('$'), "{}", *VERSION);
    }

    /// The command line of the documentation, word for word.
    #[test]
    fn every_documented_form_parses() {
        for line in [
            "landfall init fusion_extract",
            "landfall init fhir-bulk --folder hospital",
            "landfall run events/run.json",
            "landfall run - --simulate --faults f.json --data D --json",
            "landfall run e.json --config c.toml --data D --json --log",
            "landfall resume fusion-demo 44055",
            "landfall resume fusion-demo 44055 --destination lake --config c.toml",
            "landfall invoke poll-status e.json --simulate",
            "landfall serve --config c.toml",
            "landfall serve --listen 0.0.0.0:80 --seconds 240 --function submit --simulate",
            "landfall unpack a.zip b.whl --destination lake --data D --json",
            "landfall unpack a.zip --form gzip",
            "landfall resume fusion-demo 44055 --on-schema-change widen",
            "landfall schema fusion-demo SimpleCarriers --number 2 --json",
            "landfall schema fusion-demo SimpleCarriers --sql duckdb --job 44055 --destination lake --data D",
            "landfall status",
            "landfall status fusion-demo --json",
            "landfall status --export A --export B --state failed --state waiting_for_source --since 2026-11-01T00:00:00Z",
            "landfall status fusion-demo 44046 --data D --config c.toml",
            "landfall forget pod 44046 --dry-run",
            "landfall forget pod --run carriers-2026-11-21T06 --no-job --yes --data D --json",
            "landfall prune",
            "landfall prune pod --yes --config c.toml",
            "landfall verify",
            "landfall verify fusion-demo --export A --since 2026-11-01T00:00:00Z --read --json",
            "landfall verify fusion-demo 44046 --repair --simulate --data D",
            "landfall run e.json --job 44055",
            "landfall run e.json --dry-run --json --config c.toml",
            "landfall run e.json --no-job --config c.toml",
            "landfall sweep fusion-demo --export A --export B --destination lake --since 2026-11-01T00:00:00Z",
            "landfall sweep fusion-demo --export * --destination lake --simulate",
            "landfall sweep fusion-demo --export * --destination lake --allow-empty --again",
            "landfall resume fusion-demo 44055 --allow-empty",
            "landfall cancel fhir-demo 7001 --dry-run",
            "landfall cancel fhir-demo --run patients-2026-11-21T06 --yes --config c.toml --json",
            "landfall check fusion-demo",
            "landfall check fusion-demo --destination lake --config c.toml --json",
            "landfall sources",
            "landfall sources --json",
            "landfall systems",
            "landfall systems --json",
            "landfall systems check things.toml",
            "landfall systems try fhir-bulk --event e.json --base-url https://fhir.example.org/r4",
            "landfall completions zsh",
            "landfall man",
            "landfall man status",
            "landfall simulate",
            "landfall simulate --port 0 --faults f.json --data D",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
        }
    }

    /// Defaults are those of the documentation.
    #[test]
    fn the_defaults_are_the_documented_ones() {
        let Ok(Command::Run(run)) = parse("landfall run e.json") else { panic!() };
        assert_eq!(run.systems.machine.data, PathBuf::from("./landfall-data"));
        assert!(!run.systems.simulate && !run.systems.machine.json);
        let Ok(Command::Simulate(simulate)) = parse("landfall simulate") else { panic!() };
        assert_eq!(simulate.port, 8765);
    }

    /// Wrong usage is refused by the parser, before anything is called.
    #[test]
    fn wrong_usage_is_refused() {
        assert_eq!(parse("landfall run").unwrap_err(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("landfall forget pod").unwrap_err(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("landfall forget pod 7 --run r").unwrap_err(), ErrorKind::ArgumentConflict);
        assert_eq!(parse("landfall unpack").unwrap_err(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("landfall unpack a.zip --form lz4").unwrap_err(), ErrorKind::InvalidValue);
        assert_eq!(parse("landfall invoke land e.json").unwrap_err(), ErrorKind::InvalidValue);
        assert_eq!(
            parse("landfall run e.json --simulate --config c.toml").unwrap_err(),
            ErrorKind::ArgumentConflict
        );
        assert_eq!(parse("landfall cancel pod").unwrap_err(), ErrorKind::MissingRequiredArgument);
        assert_eq!(parse("landfall cancel pod 7 --run r").unwrap_err(), ErrorKind::ArgumentConflict);
        assert_eq!(parse("landfall resume fusion-demo ../../etc").unwrap_err(), ErrorKind::ValueValidation);
        assert_eq!(parse("landfall simulate --port 70000").unwrap_err(), ErrorKind::ValueValidation);
    }

    /// The command that continues can be pasted into a shell.
    #[test]
    fn the_options_to_continue_with_are_those_that_were_given() {
        let options = |line: &str| match parse(line) {
            Ok(Command::Run(run)) => run.systems.as_options(),
            other => panic!("{other:?}"),
        };
        assert_eq!(options("landfall run e.json"), "");
        assert_eq!(
            options("landfall run e.json --simulate --faults it's.json --data D"),
            r" --simulate --faults 'it'\''s.json' --data D"
        );
        assert_eq!(options("landfall run e.json --config c.toml --json"), " --config c.toml --json");
    }
}

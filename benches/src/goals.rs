//! The goals, and what was measured of each.

use crate::contestants::{self, Contestant, Run};
use crate::end_to_end::{Export, Who};
use crate::report::{
    Bound, Goal, Section, Start, cpu, disk_mib, median, megabytes_a_second, mib, peak_mib, peak_of, up_mib,
    wall,
};
use crate::tables::Maker;

/// Holds the goals against what was measured.
pub(crate) fn all(sections: &[Section], starts: &[Start], makers: &[Maker], exports: &[Export]) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    use contestants::{GZIP, GZIP_COPIED, RAW, RAW_LARGE, SEEDS};
    let section = |name: &str| sections.iter().find(|section| section.name == name);
    let ratio = |name: &str, of: Contestant, to: Contestant, what: fn(&Run) -> f64| {
        section(name).and_then(|section| section.ratio(of, to, what))
    };
    let sent = |of: Contestant| {
        let section = section("large")?;
        Some(section.row(of)?.median(up_mib)? / mib(section.archive_bytes))
    };
    let landfall = || {
        let rows = sections.iter().flat_map(|section| &section.rows);
        // How much memory is taken follows from how much there is: what is bounded is a small function's.
        rows.filter(|row| matches!(row.contestant, Contestant::Landfall(form) if !form.has_much_memory()))
            .flat_map(|row| &row.runs)
    };
    let most = |what: fn(&Run) -> f64| landfall().map(what).max_by(f64::total_cmp);
    let (rclone, unspool) = (Contestant::RcloneExtract, Contestant::Unspool);
    let goal = |measure, bound, unit, measured| Goal { measure, bound, measured, unit };
    let own = makers.first();
    let zipped = starts.iter().filter_map(|start| start.zipped_bytes).max();
    vec![
        goal("wall of Python, large members, loopback", AtLeast(5.0), "x", ratio("large", SEEDS, RAW, wall)),
        goal(
            "wall of Python, large members, 20 ms, 2 GiB",
            AtLeast(12.0),
            "x",
            ratio("large-20ms", SEEDS, RAW_LARGE, wall),
        ),
        goal("wall of rclone extract, loopback", AtLeast(4.0), "x", ratio("large", rclone, RAW, wall)),
        goal(
            "wall of rclone extract, 20 ms, 2 GiB",
            AtLeast(8.0),
            "x",
            ratio("large-20ms", rclone, RAW_LARGE, wall),
        ),
        goal("wall of s3-unspool, large members", AtLeast(1.0), "x", ratio("large", unspool, RAW, wall)),
        goal("CPU of s3-unspool, large members", AtLeast(1.0), "x", ratio("large", unspool, RAW, cpu)),
        goal("wall of s3-unspool, small members", AtLeast(1.0), "x", ratio("small", unspool, RAW, wall)),
        goal("CPU of s3-unspool, small members", AtLeast(1.0), "x", ratio("small", unspool, RAW, cpu)),
        goal("wall of s3-unspool, one of 2 GiB", AtLeast(1.0), "x", ratio("single", unspool, RAW, wall)),
        goal("CPU of s3-unspool, one of 2 GiB", AtLeast(1.0), "x", ratio("single", unspool, RAW, cpu)),
        goal("CPU against the floor", AtMost(1.15), "x", ratio("large", RAW, Contestant::Floor, cpu)),
        goal(
            "CPU against decoding by the zip crate",
            AtMost(1.25),
            "x",
            ratio("large", RAW, Contestant::ZipCrate, cpu),
        ),
        goal("gzip: bytes sent against the archive's", AtMost(1.02), "x", sent(GZIP)),
        goal("gzip inside one store: bytes sent", AtMost(0.05), "x", sent(GZIP_COPIED)),
        goal("wall of Python, small members", AtLeast(12.0), "x", ratio("small", SEEDS, RAW, wall)),
        goal("peak memory, any archive, any form", AtMost(128.0), " MiB", most(peak_mib)),
        goal("disk bytes written", AtMost(0.0), " MiB", most(disk_mib)),
        goal("gzip: CPU against raw", AtMost(1.0), "x", ratio("large", GZIP, RAW, cpu)),
        goal("first poll of Python against a function's", AtLeast(40.0), "x", polls(starts)),
        goal("text to Parquet, typed, a core", AtLeast(40.0), " MB/s", own.and_then(megabytes_a_second)),
        goal("text to Parquet, peak memory", AtMost(128.0), " MiB", own.and_then(peak_of)),
        goal("largest function, zipped", AtMost(6.0), " MB", zipped.map(|bytes| mib(bytes) * 1.048_576)),
        goal("job's end to manifest, beyond 1.1 x the wire", AtMost(2.0), " s", beyond_wire(exports, false)),
        goal("the same, of an export that has run before", AtMost(2.0), " s", beyond_wire(exports, true)),
    ]
}

/// The most seconds that landfall takes beyond what the bytes need on the wire, and a tenth: the worst of the exports.
fn beyond_wire(exports: &[Export], has_run_before: bool) -> Option<f64> {
    let own = exports.iter().filter(|export| export.who == Who::Landfall);
    let of = |export: &Export| {
        let runs = if has_run_before { export.later() } else { export.first() };
        median(runs.iter().map(|run| run.seconds - 1.1 * run.wire_seconds))
    };
    own.filter_map(of).max_by(f64::total_cmp)
}

/// How many times as long as the slowest function Python takes to its first poll.
fn polls(starts: &[Start]) -> Option<f64> {
    let first_poll = |start: &Start| median(start.poll_milliseconds.iter().copied());
    let (functions, python): (Vec<_>, Vec<_>) =
        starts.iter().partition(|start| start.program_bytes.is_some());
    let slowest = functions.into_iter().filter_map(first_poll).max_by(f64::total_cmp)?;
    Some(first_poll(python.first()?)? / slowest)
}

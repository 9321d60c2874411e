//! The table: checks by stores.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};

use landfall_tests::say;

use super::bucket::TestBucket;
use super::gaps;

/// A check that takes longer on any store will not come to its end.
const LONGEST: Duration = Duration::from_secs(300);

/// One thing that landfall needs of a store.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// What, in a few words: the name of its line.
    pub(crate) name: &'static str,
    /// Panics where the store does not give it.
    pub(crate) run: fn(TestBucket) -> LocalBoxFuture<'static, ()>,
}

/// Names the functions that are checks, in words.
macro_rules! checks {
    ($($name:literal: $run:path),+ $(,)?) => {
        pub(crate) fn checks() -> Vec<$crate::conformance::table::Check> {
            vec![$($crate::conformance::table::Check { name: $name, run: |bucket| Box::pin($run(bucket)) }),+]
        }
    };
}
pub(crate) use checks;

#[derive(Debug, Clone)]
enum Cell {
    Green,
    /// It fails as it is known to: what landfall does about it, and how it fails.
    Gap(&'static str, String),
    /// It fails, and nobody has said so.
    Failed(String),
    /// A gap that is not there any more.
    Closed,
    /// It is about calls that the store does not have.
    NotAsked,
}

/// What came of the checks.
pub(crate) struct Table {
    stores: Vec<String>,
    lines: Vec<Line>,
}

/// What came of one check.
struct Line {
    check: &'static str,
    cells: Vec<Cell>,
    took: Duration,
}

/// The names of the stores.
struct Head<'a>(&'a Table);

/// What came of all of it, and the gaps.
struct Foot<'a>(&'a Table);

impl Table {
    pub(crate) fn of(stores: impl Iterator<Item = String>) -> Self {
        let table = Self { stores: stores.collect(), lines: Vec::new() };
        say(&Head(&table).to_string());
        table
    }

    /// Runs a check on every store, on all of them at once, and tells what came of it.
    pub(crate) async fn fill(&mut self, check: &Check, buckets: impl Iterator<Item = TestBucket>) {
        let began = Instant::now();
        let running = std::iter::zip(&self.stores, buckets).map(|(store, bucket)| async move {
            if !gaps::is_asked(store, check.name) {
                return None;
            }
            let run = tokio::time::timeout(LONGEST, (check.run)(bucket));
            Some(AssertUnwindSafe(run).catch_unwind().await)
        });
        let came = join_all(running).await;
        let cells = std::iter::zip(&self.stores, came).map(|(store, came)| {
            let Some(came) = came else { return Cell::NotAsked };
            let failed = match came {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(format!("it takes longer than {} s", LONGEST.as_secs())),
                Err(panic) => Some(said(panic)),
            };
            match (failed, gaps::of(store, check.name)) {
                (None, None) => Cell::Green,
                (None, Some(gap)) if gap.sometimes => Cell::Green,
                (None, Some(_)) => Cell::Closed,
                (Some(said), Some(gap)) => Cell::Gap(gap.about, said),
                (Some(said), None) => Cell::Failed(said),
            }
        });
        let line = Line { check: check.name, cells: cells.collect(), took: began.elapsed() };
        say(&line.to_string());
        self.lines.push(line);
    }

    /// Tells what came of all of it; returns what is neither green nor a gap that is named.
    pub(crate) fn end(self) -> Vec<String> {
        say(&Foot(&self).to_string());
        let mut wrong = Vec::new();
        for Line { check, cells, .. } in &self.lines {
            for (store, cell) in std::iter::zip(&self.stores, cells) {
                match cell {
                    Cell::Green | Cell::Gap(..) | Cell::NotAsked => {}
                    Cell::Failed(said) => wrong.push(format!("{store}: {check}: {said}")),
                    Cell::Closed => {
                        wrong.push(format!("{store}: {check}: this gap is closed, and still named"))
                    }
                }
            }
        }
        wrong
    }
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\n{:<70}", "what landfall needs of a store")?;
        self.0.stores.iter().try_for_each(|store| write!(formatter, " {store:<10}"))?;
        write!(formatter, " seconds")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:<70}", self.check)?;
        for cell in &self.cells {
            let word = match cell {
                Cell::Green => "ok",
                Cell::Gap(..) => "gap",
                Cell::Failed(_) => "FAILED",
                Cell::Closed => "CLOSED",
                Cell::NotAsked => "-",
            };
            write!(formatter, " {word:<10}")?;
        }
        write!(formatter, " {:7.1}", self.took.as_secs_f64())
    }
}

impl fmt::Display for Foot<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { stores, lines } = self.0;
        write!(formatter, "{:<70}", format!("of {} checks are ok", lines.len()))?;
        for store in 0..stores.len() {
            let green = lines.iter().filter(|line| matches!(line.cells.get(store), Some(Cell::Green)));
            write!(formatter, " {:<10}", green.count())?;
        }
        writeln!(formatter)?;
        for Line { check, cells, .. } in lines {
            for (store, cell) in std::iter::zip(stores, cells) {
                if let Cell::Gap(about, said) = cell {
                    writeln!(formatter, "gap of {store}: {check}\n  seen: {said}\n  landfall: {about}")?;
                }
            }
        }
        Ok(())
    }
}

/// The first line of what a check that failed has said.
fn said(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

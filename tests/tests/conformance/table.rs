//! The table: checks by stores.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};

use crate::gaps;
use crate::place::Place;

/// A check that takes longer on any store will not come to its end.
const LONGEST: Duration = Duration::from_secs(180);

/// One thing that landfall needs of a store.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// What, in a few words: the name of its line.
    pub(crate) name: &'static str,
    /// Panics where the store does not give it.
    pub(crate) run: fn(Place) -> LocalBoxFuture<'static, ()>,
}

/// Names the functions that are checks, in words.
macro_rules! checks {
    ($($name:literal: $run:path),+ $(,)?) => {
        pub(crate) fn checks() -> Vec<$crate::table::Check> {
            vec![$($crate::table::Check { name: $name, run: |place| Box::pin($run(place)) }),+]
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
}

/// What came of the checks.
pub(crate) struct Table {
    stores: Vec<String>,
    lines: Vec<(&'static str, Vec<Cell>, Duration)>,
}

impl Table {
    pub(crate) fn of(stores: impl Iterator<Item = String>) -> Self {
        Self { stores: stores.collect(), lines: Vec::new() }
    }

    /// Runs a check on every store, on all of them at once, and notes what came of it.
    pub(crate) async fn fill(&mut self, check: &Check, places: impl Iterator<Item = Place>) {
        let began = Instant::now();
        let running = places.map(|place| {
            let run = tokio::time::timeout(LONGEST, (check.run)(place));
            AssertUnwindSafe(run).catch_unwind()
        });
        let came = join_all(running).await;
        let cells = std::iter::zip(&self.stores, came).map(|(store, came)| {
            let failed = match came {
                Ok(Ok(())) => None,
                Ok(Err(_)) => Some(format!("it takes longer than {} s", LONGEST.as_secs())),
                Err(panic) => Some(said(panic)),
            };
            match (failed, gaps::of(store, check.name)) {
                (None, None) => Cell::Green,
                (None, Some(_)) => Cell::Closed,
                (Some(said), Some(about)) => Cell::Gap(about, said),
                (Some(said), None) => Cell::Failed(said),
            }
        });
        self.lines.push((check.name, cells.collect(), began.elapsed()));
    }

    /// What is neither green nor a gap that is named.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, cells, _) in &self.lines {
            for (store, cell) in std::iter::zip(&self.stores, cells) {
                match cell {
                    Cell::Green | Cell::Gap(..) => {}
                    Cell::Failed(said) => wrong.push(format!("{store}: {name}: {said}")),
                    Cell::Closed => wrong.push(format!("{store}: {name}: this gap is closed, and still named")),
                }
            }
        }
        wrong
    }

    fn count(&self, store: usize, counts: impl Fn(&Cell) -> bool) -> usize {
        self.lines.iter().filter(|(_, cells, _)| cells.get(store).is_some_and(&counts)).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\n{:<66}", "what landfall needs of a store")?;
        self.stores.iter().try_for_each(|store| write!(formatter, " {store:<10}"))?;
        writeln!(formatter, " seconds")?;
        for (name, cells, took) in &self.lines {
            write!(formatter, "{name:<66}")?;
            for cell in cells {
                let word = match cell {
                    Cell::Green => "ok",
                    Cell::Gap(..) => "gap",
                    Cell::Failed(_) => "FAILED",
                    Cell::Closed => "CLOSED",
                };
                write!(formatter, " {word:<10}")?;
            }
            writeln!(formatter, " {:5.1}", took.as_secs_f64())?;
        }
        write!(formatter, "{:<66}", format!("{} checks, of which are ok", self.lines.len()))?;
        for store in 0..self.stores.len() {
            write!(formatter, " {:<10}", self.count(store, |cell| matches!(cell, Cell::Green)))?;
        }
        writeln!(formatter)?;
        for (name, cells, _) in &self.lines {
            for (store, cell) in std::iter::zip(&self.stores, cells) {
                if let Cell::Gap(about, said) = cell {
                    writeln!(formatter, "gap of {store}: {name}\n  seen: {said}\n  landfall: {about}")?;
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

//! Small plots of an export's last jobs.

use landfall::usual::{Usual, median};
use maud::{Markup, html};

/// The plot's own units: a job is so wide, and the highest so high.
const WIDTH: u64 = 10;
const HEIGHT: u64 = 60;

/// Values of jobs, the newest last; of the page's own job, if it is one of them.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// What is plotted.
    pub(crate) title: &'static str,
    /// The values.
    pub(crate) values: Vec<u64>,
    /// Which of them is the job that the page is about.
    pub(crate) this: Option<usize>,
    /// A value in words.
    pub(crate) say: fn(u64) -> String,
}

impl Plot {
    /// What is usual before the job that the page is about.
    fn usual(&self) -> Option<Usual> {
        Usual::of(self.values.get(..self.this?)?)
    }

    /// Whether that job is out of line, and what is usual; none where nobody can say.
    pub(crate) fn verdict(&self) -> Option<(bool, Usual)> {
        let (usual, value) = (self.usual()?, *self.values.get(self.this?)?);
        Some((usual.is_far_from(value), usual))
    }

    fn median(&self) -> u64 {
        self.usual().map_or_else(|| median(self.values.iter().copied()), |usual| usual.median)
    }

    /// What the plot shows, for whoever does not see it.
    fn words(&self) -> String {
        let values = || self.values.iter().copied();
        let (least, most) = (values().min().unwrap_or_default(), values().max().unwrap_or_default());
        let say = self.say;
        let jobs = self.values.len();
        let all = format!(
            "{} of {jobs} jobs: from {} to {}, median {}",
            self.title,
            say(least),
            say(most),
            say(self.median())
        );
        match self.this.and_then(|at| self.values.get(at)) {
            Some(this) => format!("{all}; this job {}", say(*this)),
            None => all,
        }
    }

    /// The plot with its words.
    pub(crate) fn figure(&self) -> Markup {
        let is_far = self.verdict().is_some_and(|(is_far, _)| is_far);
        let say = self.say;
        let newest = self.this.unwrap_or(self.values.len().saturating_sub(1));
        html! {
            figure {
                (self.bars(is_far))
                figcaption {
                    strong { (self.title) ": " }
                    @if let Some(value) = self.values.get(newest) { (say(*value)) }
                    span class="soft" { ", median " (say(self.median())) }
                    @if let Some((is_far, _)) = self.verdict() {
                        @if is_far { " – " strong { "out of line" } } @else { " – in line" }
                    }
                }
            }
        }
    }

    fn bars(&self, is_far: bool) -> Markup {
        // Few jobs are as wide as many, so that plots can be compared.
        let columns = self.values.len().max(landfall::usual::JOBS);
        let width = WIDTH.saturating_mul(u64::try_from(columns).unwrap_or(u64::MAX));
        let most = self.values.iter().copied().chain([self.median()]).max().unwrap_or_default();
        let height = |value: u64| height(value, most);
        let class = |at: usize| match (self.this == Some(at), is_far) {
            (true, true) => "far",
            (true, false) => "this",
            (false, _) => "bar",
        };
        let median_at = HEIGHT - height(self.median());
        html! {
            svg viewBox={ "0 0 " (width) " " (HEIGHT + 2) } role="img" aria-label=(self.words()) {
                @for (at, value) in self.values.iter().enumerate() {
                    rect class=(class(at)) x=(WIDTH.saturating_mul(u64::try_from(at).unwrap_or_default()) + 1)
                        y=(HEIGHT - height(*value)) width=(WIDTH - 2) height=(height(*value)) {}
                }
                line class="ground" x1="0" x2=(width) y1=(HEIGHT + 1) y2=(HEIGHT + 1) {}
                line class="median" x1="0" x2=(width) y1=(median_at) y2=(median_at) {}
            }
        }
    }
}

/// How high a value stands; one at least where it is not 0.
fn height(value: u64, most: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(HEIGHT)).checked_div(u128::from(most)).unwrap_or_default();
    u64::try_from(scaled).unwrap_or(HEIGHT).clamp(u64::from(value > 0), HEIGHT)
}

//! How far a run is, on stderr: a bar on a terminal, plain lines elsewhere, a few seconds apart.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use landfall::clock::{Clock, SystemClock};
use landfall::observer::{Amounts, Observer};
use landfall_edge::telemetry;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The time between two plain lines of one stage.
const BETWEEN_LINES_MS: i64 = 5_000;

/// So many warnings are remembered.
const MAX_WARNED: usize = 1000;

/// How often a bar moves where nothing else moves it.
const TICK: Duration = Duration::from_millis(120);

/// Shows on stderr how far a run is.
pub struct Progress {
    show: Show,
    stderr: Mutex<Box<dyn Write + Send>>,
    clock: Arc<dyn Clock>,
    stage: Mutex<String>,
    fetching: Counts,
    unpacking: Counts,
    /// Which of the two is shown: files are unpacked while others are fetched.
    shows_unpacking: AtomicBool,
    /// The most bytes of the stage that a bar has shown.
    shown_bytes: AtomicU64,
    next_line_at: AtomicI64,
    /// The warnings that have been said: each is said once.
    warned: Mutex<HashSet<String>>,
}

enum Show {
    Nothing,
    /// In the logs, which are JSON lines.
    Logged,
    Lines,
    Bar(ProgressBar),
}

/// What has been done, and how much there is to do where that is known.
#[derive(Debug, Default)]
struct Counts {
    files: AtomicU64,
    files_in_all: AtomicU64,
    bytes: AtomicU64,
    bytes_in_all: AtomicU64,
    objects: AtomicU64,
    objects_in_all: AtomicU64,
}

/// Progress as this process shows it, and its logs: either JSON lines and nothing else, or progress with the
/// warnings between.
pub(crate) fn for_process(log: bool) -> Progress {
    if log || std::env::var_os("LANDFALL_LOG").is_some() {
        telemetry::log_json();
        return Progress::new(Show::Logged, Box::new(io::sink()), Arc::new(SystemClock));
    }
    match io::stderr().is_terminal() {
        true => Progress::bar(ProgressBar::new_spinner()),
        false => Progress::lines(Box::new(io::stderr()), Arc::new(SystemClock)),
    }
}

/// Shows warnings between the progress, unless somebody has set another subscriber already.
pub(crate) fn show_warnings(progress: &Arc<Progress>) {
    if matches!(progress.show, Show::Nothing | Show::Logged) {
        return;
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_writer(Warnings(Arc::clone(progress)))
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .compact()
        .finish()
        .with(filter_fn(|line| !telemetry::is_of_a_client(line)));
    let _ = subscriber.try_init();
}

impl Progress {
    /// Shows nothing of the progress; what is said still goes to stderr.
    pub fn silent() -> Self {
        Self::new(Show::Nothing, Box::new(io::stderr()), Arc::new(SystemClock))
    }

    /// Writes plain lines: one a stage, and at most one every few seconds in it.
    pub fn lines(stderr: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        Self::new(Show::Lines, stderr, clock)
    }

    fn bar(bar: ProgressBar) -> Self {
        Self::new(Show::Bar(bar), Box::new(io::stderr()), Arc::new(SystemClock))
    }

    fn new(show: Show, stderr: Box<dyn Write + Send>, clock: Arc<dyn Clock>) -> Self {
        Self {
            show,
            stderr: Mutex::new(stderr),
            clock,
            stage: Mutex::default(),
            fetching: Counts::default(),
            unpacking: Counts::default(),
            shows_unpacking: AtomicBool::new(false),
            shown_bytes: AtomicU64::new(0),
            next_line_at: AtomicI64::new(0),
            warned: Mutex::default(),
        }
    }

    /// A new stage begins, with nothing done of it.
    pub(crate) fn stage(&self, stage: impl Into<String>) {
        self.fetching.reset();
        self.unpacking.reset();
        self.shows_unpacking.store(false, Ordering::Relaxed);
        self.begin(stage.into());
    }

    /// All files have come, and what is left is to unpack them: some of that may be done.
    pub(crate) fn stage_of_unpacking(&self) {
        self.shows_unpacking.store(true, Ordering::Relaxed);
        self.begin("unpacking files".to_owned());
        self.expect_bytes(&self.unpacking);
        self.moved(&self.unpacking, 0);
    }

    fn begin(&self, stage: String) {
        match &self.show {
            Show::Nothing | Show::Logged => {}
            Show::Lines => {
                self.write(&stage);
                self.next_line_at.store(self.now().saturating_add(BETWEEN_LINES_MS), Ordering::Relaxed);
            }
            Show::Bar(bar) => {
                self.shown_bytes.store(0, Ordering::Relaxed);
                bar.set_style(spinner());
                bar.unset_length();
                bar.reset();
                bar.set_message(stage.clone());
                bar.enable_steady_tick(TICK);
            }
        }
        *locked(&self.stage) = stage;
    }

    /// Where the stage stands, in words.
    pub(crate) fn at(&self, state: &str) {
        match &self.show {
            Show::Nothing | Show::Logged => {}
            Show::Lines if self.a_line_is_due() => self.write(&format!("{}: {state}", locked(&self.stage))),
            Show::Lines => {}
            Show::Bar(bar) => bar.set_message(format!("{}: {state}", locked(&self.stage))),
        }
    }

    /// Says something on stderr, whatever else is shown there.
    pub(crate) fn say(&self, text: &str) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| self.write(text)),
            Show::Logged => tracing::info!("{text}"),
            Show::Nothing | Show::Lines => self.write(text),
        }
    }

    /// Says what has failed, and what to do about it.
    pub(crate) fn say_failure(&self, error: &str, next: Option<&str>) {
        if matches!(self.show, Show::Logged) {
            return tracing::error!(next, "{error}");
        }
        self.say(&format!("error: {error}"));
        if let Some(next) = next {
            self.say(next);
        }
    }

    /// Nothing moves any more.
    pub(crate) fn end(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }

    fn is_shown(&self, counts: &Counts) -> bool {
        std::ptr::eq(counts, &raw const self.unpacking) == self.shows_unpacking.load(Ordering::Relaxed)
    }

    fn moved(&self, counts: &Counts, bytes: u64) {
        let bytes = counts.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        match &self.show {
            Show::Lines if self.is_shown(counts) && self.a_line_is_due() => {
                self.write(&format!("{}: {counts}", locked(&self.stage)));
            }
            // Never back: what is done again, or counted again, has been shown.
            Show::Bar(bar) if self.is_shown(counts) => {
                let shown = self.shown_bytes.fetch_max(bytes, Ordering::Relaxed);
                bar.set_position(shown.max(bytes));
            }
            Show::Nothing | Show::Logged | Show::Lines | Show::Bar(_) => {}
        }
    }

    fn expect_bytes(&self, counts: &Counts) {
        let bytes_in_all = counts.bytes_in_all.load(Ordering::Relaxed);
        if let Show::Bar(bar) = &self.show
            && bytes_in_all > 0
            && self.is_shown(counts)
        {
            bar.set_style(bytes_bar());
            bar.set_length(bytes_in_all);
        }
    }

    /// Whether a line may be written now; if so, the next may be only in a few seconds.
    fn a_line_is_due(&self) -> bool {
        let (now, at) = (self.now(), self.next_line_at.load(Ordering::Relaxed));
        let next = now.saturating_add(BETWEEN_LINES_MS);
        now >= at
            && self.next_line_at.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// Progress is no result: where stderr does not take it, the run goes on.
    fn write(&self, line: &str) {
        let mut stderr = locked(&self.stderr);
        let _ = writeln!(stderr, "{line}");
        let _ = stderr.flush();
    }
}

impl Observer for Progress {
    fn files_listed(&self, files: u64, bytes: Option<u64>) {
        // Called by every call that continues the list: what is there already is counted again then.
        self.fetching.reset();
        self.fetching.files_in_all.store(files, Ordering::Relaxed);
        self.fetching.bytes_in_all.store(bytes.unwrap_or(0), Ordering::Relaxed);
        self.expect_bytes(&self.fetching);
    }

    fn fetched(&self, bytes: u64) {
        self.moved(&self.fetching, bytes);
    }

    fn file_fetched(&self) {
        let files = self.fetching.files.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let in_all = self.fetching.files_in_all.load(Ordering::Relaxed);
        if let Show::Bar(bar) = &self.show
            && in_all > 1
            && self.is_shown(&self.fetching)
        {
            bar.set_message(format!("{}: {files} of {in_all} files", locked(&self.stage)));
        }
        self.moved(&self.fetching, 0);
    }

    fn members_listed(&self, members: u64, bytes: u64) {
        self.unpacking.objects_in_all.fetch_add(members, Ordering::Relaxed);
        self.unpacking.bytes_in_all.fetch_add(bytes, Ordering::Relaxed);
        self.expect_bytes(&self.unpacking);
    }

    fn unpacked(&self, bytes: u64) {
        self.moved(&self.unpacking, bytes);
    }

    fn landed(&self) {
        self.unpacking.objects.fetch_add(1, Ordering::Relaxed);
        self.moved(&self.unpacking, 0);
    }

    fn taken_back(&self, amounts: Amounts) {
        let Amounts { fetched_bytes, unpacked_bytes, objects, listed_objects, listed_bytes } = amounts;
        for (count, amount) in [
            (&self.fetching.bytes, fetched_bytes),
            (&self.unpacking.bytes, unpacked_bytes),
            (&self.unpacking.objects, objects),
            (&self.unpacking.objects_in_all, listed_objects),
            (&self.unpacking.bytes_in_all, listed_bytes),
        ] {
            let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                Some(count.saturating_sub(amount))
            });
        }
        self.expect_bytes(&self.unpacking);
    }
}

impl Counts {
    fn reset(&self) {
        let Self { files, files_in_all, bytes, bytes_in_all, objects, objects_in_all } = self;
        for count in [files, files_in_all, bytes, bytes_in_all, objects, objects_in_all] {
            count.store(0, Ordering::Relaxed);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        if count(&self.files_in_all) > 1 {
            let (files, in_all) = (count(&self.files), count(&self.files_in_all));
            write!(formatter, "{} of {} files, ", HumanCount(files), HumanCount(in_all))?;
        }
        write!(formatter, "{}", HumanBytes(count(&self.bytes)))?;
        if count(&self.bytes_in_all) > 0 {
            write!(formatter, " of {}", HumanBytes(count(&self.bytes_in_all)))?;
        }
        if count(&self.objects_in_all) > 0 {
            let (objects, in_all) = (count(&self.objects), count(&self.objects_in_all));
            write!(formatter, ", {} of {} objects", HumanCount(objects), HumanCount(in_all))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Progress")
            .field("fetching", &self.fetching)
            .field("unpacking", &self.unpacking)
            .finish_non_exhaustive()
    }
}

fn spinner() -> ProgressStyle {
    // A wide message takes the room that is left, and no more.
    ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bytes_bar() -> ProgressStyle {
    const TEMPLATE: &str =
        "{spinner} {wide_msg} {percent} %, {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left";
    ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the log's warnings are written: between the progress, a whole one at a time.
struct Warnings(Arc<Progress>);

impl<'a> MakeWriter<'a> for Warnings {
    type Writer = Warning;

    fn make_writer(&'a self) -> Warning {
        Warning { progress: Arc::clone(&self.0), text: Vec::new() }
    }
}

struct Warning {
    progress: Arc<Progress>,
    text: Vec<u8>,
}

impl Write for Warning {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Warning {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let text = text.trim();
        let mut warned = locked(&self.progress.warned);
        let is_new = warned.len() >= MAX_WARNED || warned.insert(text.to_owned());
        drop(warned);
        if !text.is_empty() && is_new {
            self.progress.say(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{ProgressDrawTarget, TermLike};
    use jiff::Timestamp;
    use landfall::clock::ManualClock;
    use landfall::observer::Tally;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shared {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    fn plain() -> (Progress, Arc<ManualClock>, Shared) {
        let (clock, written) = (Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)), Shared::default());
        (Progress::lines(Box::new(written.clone()), clock.clone()), clock, written)
    }

    /// Where stderr is no terminal there is a line a stage, and one every few seconds, however much happens.
    #[test]
    fn plain_lines_are_few() {
        let (progress, clock, written) = plain();
        progress.stage("fetching");
        progress.files_listed(2, Some(4 << 20));
        for _ in 0..1024 {
            progress.fetched(1024);
        }
        progress.file_fetched();
        assert_eq!(written.lines(), ["fetching"]);

        clock.advance(Duration::from_secs(5));
        progress.fetched(1 << 20);
        progress.fetched(1);
        assert_eq!(written.lines(), ["fetching", "fetching: 1 of 2 files, 2.00 MiB of 4.00 MiB"]);

        // What is unpacked meanwhile is shown once all have come.
        progress.members_listed(3, 100);
        progress.unpacked(60);
        clock.advance(Duration::from_secs(5));
        progress.fetched(0);
        progress.stage_of_unpacking();
        progress.files_listed(2, Some(4 << 20));
        progress.members_listed(1, 24);
        progress.unpacked(2);
        clock.advance(Duration::from_secs(5));
        progress.landed();
        assert_eq!(
            written.lines()[2..],
            [
                "fetching: 1 of 2 files, 2.00 MiB of 4.00 MiB",
                "unpacking files",
                "unpacking files: 62 B of 124 B, 1 of 4 objects"
            ]
        );
    }

    /// What a call finds done already is counted once.
    #[test]
    fn a_list_that_is_continued_is_counted_once() {
        let (progress, clock, written) = plain();
        progress.stage("fetching");
        progress.files_listed(2, Some(100));
        progress.fetched(60);
        progress.file_fetched();
        progress.files_listed(2, Some(100));
        progress.fetched(60);
        clock.advance(Duration::from_secs(5));
        progress.file_fetched();
        assert_eq!(written.lines()[1], "fetching: 1 of 2 files, 60 B of 100 B");
    }

    /// What a failed attempt has done is not counted a second time when another one does it again: neither the bytes of one
    /// object nor those of a whole call, nor what that call was to do.
    #[test]
    fn what_is_done_again_is_counted_once() {
        let (progress, clock, written) = plain();
        progress.stage_of_unpacking();
        let observer: Arc<dyn Observer> = Arc::new(progress);
        for is_last in [false, true] {
            let call = Tally::new(&observer);
            call.members_listed(2, 100);
            call.unpacked(30);
            call.take_back(30);
            call.unpacked(40);
            call.landed();
            if is_last {
                call.keep();
            }
        }
        clock.advance(Duration::from_secs(5));
        observer.unpacked(1);
        assert_eq!(written.lines()[1..], ["unpacking files: 41 B of 100 B, 1 of 2 objects"]);
    }

    /// How a poll stands is shown as seldom as the rest; what a person has to know is always said.
    #[test]
    fn states_are_rate_limited_and_words_are_not() {
        let (progress, clock, written) = plain();
        progress.stage("waiting for job 1 on pod");
        progress.at("RUNNING");
        progress.say("submit: Throttled: slow down; retrying in 2 s");
        progress.say("again");
        clock.advance(Duration::from_secs(6));
        progress.at("RUNNING, 40 %");
        progress.at("RUNNING, 41 %");
        assert_eq!(
            written.lines(),
            [
                "waiting for job 1 on pod",
                "submit: Throttled: slow down; retrying in 2 s",
                "again",
                "waiting for job 1 on pod: RUNNING, 40 %",
            ]
        );
    }

    /// A warning of the log is one line between the others.
    #[test]
    fn a_warning_is_written_whole() {
        let (progress, _, written) = plain();
        let warnings = Warnings(Arc::new(progress));
        let mut warning = warnings.make_writer();
        warning.write_all(b" WARN the source ").unwrap();
        warning.write_all(b"was slow\n").unwrap();
        assert!(written.lines().is_empty());
        drop(warning);
        assert_eq!(written.lines(), ["WARN the source was slow"]);
        // One line a fault, and not one a poll.
        warnings.make_writer().write_all(b" WARN the source was slow\n").unwrap();
        assert_eq!(written.lines().len(), 1);
    }

    /// A terminal of 80 columns, as far as one line is drawn on it.
    #[derive(Debug, Clone, Default)]
    struct Terminal(Arc<Mutex<String>>);

    impl Terminal {
        fn line(&self) -> String {
            self.0.lock().unwrap().trim_end().to_owned()
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            80
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// On a terminal, the line of a stage is as wide as that at most, and what it shows of the bytes never goes back.
    #[test]
    fn a_bar_fits_its_line_and_does_not_jump_back() {
        let terminal = Terminal::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let progress = Progress::bar(ProgressBar::with_draw_target(None, target));
        progress.stage(format!("waiting for job {} on {}", "4".repeat(60), "p".repeat(60)));
        let Show::Bar(bar) = &progress.show else { panic!() };
        let shown = || {
            bar.force_draw();
            let line = terminal.line();
            assert!(line.chars().count() <= 80 && !line.contains('\n'), "{line:?}");
            line
        };
        assert!(shown().contains("waiting for job 444"));
        progress.stage("fetching files");
        progress.files_listed(2000, Some(40 << 30));
        progress.fetched(30 << 30);
        progress.file_fetched();
        assert!(shown().contains("75 %, 30.00 GiB of 40.00 GiB"));
        // Another call counts anew what is there.
        progress.files_listed(2000, Some(40 << 30));
        progress.fetched(10 << 30);
        assert!(shown().contains("75 %, 30.00 GiB"));
        progress.taken_back(Amounts { fetched_bytes: 10 << 30, ..Amounts::default() });
        assert!(shown().contains("75 %, 30.00 GiB"));
        // What has been unpacked meanwhile is shown at once when that is what is left to do.
        progress.members_listed(4, 8 << 30);
        progress.unpacked(2 << 30);
        assert!(shown().contains("75 %, 30.00 GiB"));
        progress.stage_of_unpacking();
        assert!(shown().contains("25 %, 2.00 GiB of 8.00 GiB"));
        progress.end();
        assert_eq!(terminal.line(), "");
    }
}

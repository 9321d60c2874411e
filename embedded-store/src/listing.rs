//! Listing keys in S3's order (that of their UTF-8 bytes), a page at a time.
//!
//! Nothing is indexed: the folders are walked in the order of their keys from where the page begins, and of one folder
//! a level no more keys are in memory at a time than a portion has. What a page leaves of a walk is kept for the next one,
//! as long as no folder changes: a folder of very many files is read a few times, and not once a page.

use std::collections::{BinaryHeap, VecDeque};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::keys::{ESCAPED_FOLDER, is_plain_component, key_of_escaped};

/// How many of a folder's entries are read at once, once it has shown that it does not fit a page: some MB of names.
const PORTION: usize = 50_000;

/// How many walks are kept for their next page.
const KEPT_WALKS: usize = 4;

/// A folder that has changed so recently may change once more without its time telling.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// What a page is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    pub(crate) delimiter: Option<String>,
    /// Only keys after this one.
    pub(crate) after: Option<String>,
    /// Only this key and those after it.
    pub(crate) from: Option<String>,
    /// Whether `after` is a common prefix that an earlier page has shown: nothing below it is shown again.
    pub(crate) after_is_prefix: bool,
    pub(crate) max: usize,
}

/// One line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item<T> {
    Key(String, T),
    CommonPrefix(String),
}

impl<T> Item<T> {
    /// The key or the common prefix.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Key(name, _) | Self::CommonPrefix(name) => name,
        }
    }
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<Item<T>>,
    pub(crate) truncated: bool,
}

/// Keys in order, with something that is known of each.
pub(crate) trait Keys {
    type Value;

    /// The next key.
    fn next(&mut self) -> io::Result<Option<(String, Self::Value)>>;

    /// Says that no key that begins with `prefix` is wanted any more.
    fn pass(&mut self, prefix: &str) {
        let _ = prefix;
    }

    /// Takes back a key, which begins the next page.
    fn put_back(&mut self, key: String) {
        let _ = key;
    }
}

impl<T> Keys for VecDeque<(String, T)> {
    type Value = T;

    fn next(&mut self) -> io::Result<Option<(String, T)>> {
        Ok(self.pop_front())
    }
}

/// Reads one page. `value` says what is shown of a key, or that it is not there any more.
///
/// # Errors
/// The keys cannot be read, or `value` fails.
pub(crate) fn page<K: Keys, T, E: From<io::Error>>(
    keys: &mut K,
    query: &Query,
    mut value: impl FnMut(&str, K::Value) -> Result<Option<T>, E>,
) -> Result<Page<T>, E> {
    let mut items: Vec<Item<T>> = Vec::new();
    if query.max == 0 {
        return Ok(Page { items, truncated: false });
    }
    while let Some((key, known)) = keys.next()? {
        if !is_wanted(&key, query) {
            continue;
        }
        let common = common_prefix(&key, query);
        if let Some(common) = common
            && items.last().is_some_and(|last| last.name() == common)
        {
            continue;
        }
        if items.len() == query.max {
            keys.put_back(key);
            return Ok(Page { items, truncated: true });
        }
        if let Some(common) = common {
            keys.pass(common);
            items.push(Item::CommonPrefix(common.to_owned()));
        } else if let Some(shown) = value(&key, known)? {
            items.push(Item::Key(key, shown));
        }
    }
    Ok(Page { items, truncated: false })
}

fn is_wanted(key: &str, query: &Query) -> bool {
    let is_before = query.from.as_ref().is_some_and(|from| key < from.as_str());
    let Some(after) = &query.after else { return key.starts_with(&query.prefix) && !is_before };
    let shown = query.after_is_prefix && key.starts_with(after);
    key.starts_with(&query.prefix) && key > after.as_str() && !shown && !is_before
}

fn common_prefix<'key>(key: &'key str, query: &Query) -> Option<&'key str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(&query.prefix)?;
    let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

/// Walks that pages have left off.
#[derive(Debug, Default)]
pub(crate) struct Walks(Mutex<VecDeque<Walk>>);

impl Walks {
    /// A walk for a page: one that was left off where the page begins, or else a new one.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub(crate) fn begin(&self, bucket: &Path, query: &Query) -> io::Result<Walk> {
        let kept = {
            let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = walks.iter().position(|walk| walk.bucket == bucket && walk.query == *query);
            at.and_then(|at| walks.remove(at))
        };
        match kept.filter(Walk::is_current) {
            Some(walk) => Ok(Walk { escaped: escaped_keys(bucket)?, ..walk }),
            None => Walk::new(bucket, query),
        }
    }

    /// Keeps a walk whose page has ended with this item, for the page behind it.
    pub(crate) fn keep<T>(&self, mut walk: Walk, last: &Item<T>) {
        walk.query.after = Some(last.name().to_owned());
        walk.query.after_is_prefix = matches!(last, Item::CommonPrefix(_));
        let mut walks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if walks.len() >= KEPT_WALKS {
            walks.pop_front();
        }
        walks.push_back(walk);
    }
}

/// The keys of a bucket.
#[derive(Debug)]
pub(crate) struct Walk {
    bucket: PathBuf,
    query: Query,
    /// From the outermost folder inwards.
    plain: Vec<Folder>,
    /// No key that begins with this is wanted any more.
    passed: Option<String>,
    /// A plain key that was read but not yet given out.
    ahead: Option<String>,
    escaped: VecDeque<String>,
}

/// A folder that is being walked.
#[derive(Debug)]
struct Folder {
    /// What its keys begin with.
    prefix: String,
    path: PathBuf,
    /// Its next entries, in order: a file's key, or a folder's with `/` at its end. Ordered by that, a walk yields keys in
    /// order.
    entries: VecDeque<String>,
    /// The last of them, where there are more.
    last: Option<String>,
    /// When it had last changed as they were read, where a later change would show.
    changed: Option<SystemTime>,
}

impl Folder {
    fn is_current(&self) -> bool {
        self.changed.is_some() && self.changed == changed(&self.path)
    }

    /// The path of an entry that is a folder.
    fn path_of(&self, entry: &str) -> PathBuf {
        let name = entry.strip_prefix(&self.prefix).unwrap_or(entry);
        self.path.join(name.trim_end_matches('/'))
    }
}

impl Walk {
    /// # Errors
    /// A folder cannot be read.
    pub(crate) fn new(bucket: &Path, query: &Query) -> io::Result<Self> {
        // The deepest folder that every key with this prefix is below.
        let start = query.prefix.rfind('/').and_then(|end| query.prefix.get(..=end)).unwrap_or_default();
        let below = start.split_terminator('/').all(is_plain_component);
        let mut walk = Self {
            bucket: bucket.to_owned(),
            query: query.clone(),
            plain: Vec::new(),
            passed: None,
            ahead: None,
            escaped: escaped_keys(bucket)?,
        };
        if below {
            walk.enter(start, &bucket.join(start))?;
        }
        Ok(walk)
    }

    /// Whether what has been read and not been given out is still what there is.
    fn is_current(&self) -> bool {
        self.plain.iter().all(Folder::is_current)
    }

    fn next_plain(&mut self) -> io::Result<Option<String>> {
        while let Some(mut folder) = self.plain.pop() {
            match folder.entries.pop_front() {
                None if folder.last.is_some() => {
                    self.read(&mut folder)?;
                    self.plain.push(folder);
                }
                None => {}
                Some(entry) if entry.ends_with('/') => {
                    let path = folder.path_of(&entry);
                    self.plain.push(folder);
                    self.enter(&entry, &path)?;
                }
                Some(entry) => {
                    self.plain.push(folder);
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    fn enter(&mut self, prefix: &str, path: &Path) -> io::Result<()> {
        let (prefix, path) = (prefix.to_owned(), path.to_owned());
        let mut folder = Folder { prefix, path, entries: VecDeque::new(), last: None, changed: None };
        self.read(&mut folder)?;
        self.plain.push(folder);
        Ok(())
    }

    /// Reads a folder's next entries: those that come first, as many as a page may need.
    fn read(&self, folder: &mut Folder) -> io::Result<()> {
        let after = folder.last.take();
        let of_a_page = self.query.max.saturating_add(1);
        let at_once = if after.is_some() { of_a_page.max(PORTION) } else { of_a_page };
        folder.changed = changed(&folder.path);
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        let read = read_folder(&folder.prefix, &folder.path, |entry| {
            let is_later = after.as_ref().is_none_or(|after| entry > after.as_str());
            let is_among_first =
                first.len() < at_once || first.peek().is_some_and(|last| entry < last.as_str());
            if is_later && is_among_first && self.may_hold_wanted(entry) {
                first.push(entry.to_owned());
                if first.len() > at_once {
                    first.pop();
                }
            }
        });
        match read {
            // Deleted meanwhile, or never there: it holds no keys.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            read => read?,
        }
        folder.last = first.peek().filter(|_| first.len() >= at_once).cloned();
        folder.entries = first.into_sorted_vec().into();
        Ok(())
    }

    fn may_hold_wanted(&self, entry: &str) -> bool {
        let Query { prefix, after, after_is_prefix, from, .. } = &self.query;
        let is_folder = entry.ends_with('/');
        if from.as_ref().is_some_and(|from| entry < from.as_str() && !(is_folder && from.starts_with(entry)))
        {
            return false;
        }
        let has_prefix = entry.starts_with(prefix) || is_folder && prefix.starts_with(entry);
        let is_passed = self.passed.as_ref().is_some_and(|passed| entry.starts_with(passed));
        let Some(after) = after else { return has_prefix && !is_passed };
        let shown = *after_is_prefix && entry.starts_with(after);
        let beyond = entry > after.as_str() || is_folder && after.starts_with(entry);
        has_prefix && beyond && !shown && !is_passed
    }
}

impl Keys for Walk {
    type Value = ();

    fn next(&mut self) -> io::Result<Option<(String, ())>> {
        if self.ahead.is_none() {
            self.ahead = self.next_plain()?;
        }
        let escaped_first = match (&self.ahead, self.escaped.front()) {
            (Some(plain), Some(escaped)) => {
                if plain == escaped {
                    // The plain place has precedence, and the key is one.
                    self.escaped.pop_front();
                    return Ok(self.ahead.take().map(|key| (key, ())));
                }
                escaped < plain
            }
            (plain, _) => plain.is_none(),
        };
        let key = if escaped_first { self.escaped.pop_front() } else { self.ahead.take() };
        Ok(key.map(|key| (key, ())))
    }

    fn pass(&mut self, prefix: &str) {
        if self.ahead.as_ref().is_some_and(|key| key.starts_with(prefix)) {
            self.ahead = None;
        }
        for folder in &mut self.plain {
            while folder.entries.front().is_some_and(|entry| entry.starts_with(prefix)) {
                folder.entries.pop_front();
            }
        }
        self.passed = Some(prefix.to_owned());
        while self.escaped.front().is_some_and(|key| key.starts_with(prefix)) {
            self.escaped.pop_front();
        }
    }

    fn put_back(&mut self, key: String) {
        // With a plain one ahead it was an escaped one: those are read anew for each page.
        self.ahead.get_or_insert(key);
    }
}

/// When a folder has changed, if it is so long ago that another change would show.
fn changed(path: &Path) -> Option<SystemTime> {
    let changed = fs::metadata(path).ok()?.modified().ok()?;
    let age = SystemTime::now().duration_since(changed).ok()?;
    (age > CLOCK_TICK).then_some(changed)
}

/// Takes the files and folders that have keys; links and devices have none.
fn read_folder(prefix: &str, path: &Path, mut take: impl FnMut(&str)) -> io::Result<()> {
    // One text for all: a folder may have very many files, of which few are wanted.
    let mut key = String::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_plain_component(name)) else { continue };
        if prefix.is_empty() && name == ESCAPED_FOLDER {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_file() || kind.is_dir() {
            key.clear();
            key.push_str(prefix);
            key.push_str(name);
            key.push_str(if kind.is_dir() { "/" } else { "" });
            take(&key);
        }
    }
    Ok(())
}

fn escaped_keys(bucket: &Path) -> io::Result<VecDeque<String>> {
    let mut keys = Vec::new();
    let mut folders = vec![bucket.join(ESCAPED_FOLDER)];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                keys.extend(entry.path().strip_prefix(bucket).ok().and_then(key_of_escaped));
            }
        }
    }
    keys.sort_unstable();
    Ok(keys.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{escaped_path, plain_path};

    fn bucket(keys: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for key in keys {
            let path = dir.path().join(plain_path(key).unwrap_or_else(|| escaped_path(key)));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        dir
    }

    fn list(bucket: &Path, query: &Query) -> Page<()> {
        let mut walk = Walk::new(bucket, query).unwrap();
        page(&mut walk, query, |_, ()| Ok::<_, io::Error>(Some(()))).unwrap()
    }

    /// Makes a folder one that has not changed for long.
    fn settle(folder: &Path) {
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        fs::File::open(folder).unwrap().set_modified(long_ago).unwrap();
    }

    fn names(page: &Page<()>) -> Vec<&str> {
        page.items.iter().map(Item::name).collect()
    }

    fn all() -> Query {
        Query { max: 1000, ..Query::default() }
    }

    /// S3 lists in the order of UTF-8 bytes, in which `a-` and `a.` come before `a/`.
    #[test]
    fn keys_come_in_the_order_of_their_bytes() {
        let keys = ["a", "a-b", "a.b", "a//b", "a/b", "a/b/", "a/é", "a0", "b", "%escaped", "ü", "Z"];
        let keys: Vec<&str> = keys.into_iter().filter(|key| !["a", "a/b"].contains(key)).collect();
        let dir = bucket(&keys);
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(names(&list(dir.path(), &all())), sorted);
    }

    /// Promise 6: a folder of many files is read in portions, and those are the whole of it: also where most of them are
    /// folders without a key, or are passed over.
    #[test]
    fn a_folder_that_does_not_fit_is_read_on() {
        let keys: Vec<String> = (0..20).map(|n| format!("a/{n:02}")).collect();
        let dir = bucket(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        for empty in 0..30 {
            fs::create_dir_all(dir.path().join(format!("a/0-{empty}/none"))).unwrap();
        }
        let query = Query { max: 3, ..Query::default() };
        let mut walk = Walk::new(dir.path(), &query).unwrap();
        let mut found = Vec::new();
        while let Some((key, ())) = walk.next().unwrap() {
            found.push(key);
        }
        assert_eq!(found, keys);

        let mut walk = Walk::new(dir.path(), &query).unwrap();
        assert_eq!(walk.next().unwrap().map(|(key, ())| key).as_deref(), Some("a/00"));
        walk.pass("a/0");
        assert_eq!(walk.next().unwrap().map(|(key, ())| key).as_deref(), Some("a/10"));
    }

    /// Promise 6: a page goes on with what the one before it has read, and sees what has come and gone since.
    #[test]
    fn a_walk_that_was_left_off_is_gone_on_with_unless_a_folder_has_changed() {
        let keys: Vec<String> = (0..40).map(|n| format!("a/{n:02}")).collect();
        let dir = bucket(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let walks = Walks::default();
        let turn = |query: &Query| {
            let mut walk = walks.begin(dir.path(), query).unwrap();
            let was_kept = !walk.plain.is_empty() && walk.ahead.is_some();
            let page = page(&mut walk, query, |_, ()| Ok::<_, io::Error>(Some(()))).unwrap();
            let next = Query { after: page.items.last().map(|item| item.name().to_owned()), ..query.clone() };
            walks.keep(walk, page.items.last().unwrap());
            (was_kept, names(&page).iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), next)
        };
        settle(&dir.path().join("a"));
        let first = Query { prefix: "a/".to_owned(), max: 10, ..Query::default() };
        let (was_kept, found, second) = turn(&first);
        assert_eq!((was_kept, found.as_slice()), (false, &keys[..10]));
        let (was_kept, found, third) = turn(&second);
        assert_eq!((was_kept, found.as_slice()), (true, &keys[10..20]));
        // One that comes beyond is seen.
        fs::write(dir.path().join("a/20-new"), b"").unwrap();
        let (was_kept, found, _) = turn(&third);
        assert_eq!((was_kept, &found[..2]), (false, &["a/20".to_owned(), "a/20-new".to_owned()][..]));
        // Another prefix, or another place, is another walk.
        settle(&dir.path().join("a"));
        turn(&first);
        assert!(!turn(&Query { prefix: "a".to_owned(), ..second }).0);
        assert!(!turn(&third).0);
    }

    /// Promise 5: pages of any size, put together, are the whole list, with and without a delimiter.
    #[test]
    fn pages_add_up_to_the_list() {
        let keys = ["a", "b/1", "b/2", "b/c/3", "b/c/4", "b//5", "c", "d/6", "d/7", "e/"];
        let dir = bucket(&keys);
        ["", "b", "b/c", "d"].iter().for_each(|folder| settle(&dir.path().join(folder)));
        for (prefix, delimiter) in
            [("", None), ("", Some("/")), ("b/", Some("/")), ("b", None), ("", Some("/c"))]
        {
            let query = Query { prefix: prefix.to_owned(), delimiter: delimiter.map(str::to_owned), ..all() };
            let whole = list(dir.path(), &query);
            let walks = Walks::default();
            for max in 1..=keys.len() {
                let mut query = Query { max, ..query.clone() };
                let mut found = Vec::new();
                loop {
                    let mut walk = walks.begin(dir.path(), &query).unwrap();
                    let page = page(&mut walk, &query, |_, ()| Ok::<_, io::Error>(Some(()))).unwrap();
                    assert!(page.items.len() <= max);
                    let last = page.items.last();
                    if let Some(last) = last {
                        walks.keep(walk, last);
                    }
                    query.after_is_prefix = matches!(last, Some(Item::CommonPrefix(_)));
                    query.after = last.map(|item| item.name().to_owned());
                    found.extend(page.items);
                    if !page.truncated {
                        break;
                    }
                }
                assert_eq!(found, whole.items, "prefix {prefix:?}, delimiter {delimiter:?}, {max} a page");
            }
        }
    }

    #[test]
    fn a_delimiter_groups_what_follows_the_prefix() {
        let dir = bucket(&["a", "b/1", "b/2", "b/c/3", "x-y-z"]);
        let grouped = |prefix: &str, delimiter: &str| {
            let query = Query { prefix: prefix.to_owned(), delimiter: Some(delimiter.to_owned()), ..all() };
            list(dir.path(), &query).items
        };
        let key = |name: &str| Item::Key(name.to_owned(), ());
        let common = |name: &str| Item::CommonPrefix(name.to_owned());
        assert_eq!(grouped("", "/"), [key("a"), common("b/"), key("x-y-z")]);
        assert_eq!(grouped("b/", "/"), [key("b/1"), key("b/2"), common("b/c/")]);
        assert_eq!(grouped("x", "-"), [common("x-")]);
        assert_eq!(grouped("nothing/", "/"), []);
        assert_eq!(grouped("../", "/"), []);
    }

    /// Folders that hold no object are no common prefix.
    #[test]
    fn empty_folders_are_not_shown() {
        let dir = bucket(&["a/b"]);
        fs::create_dir_all(dir.path().join("empty/deep")).unwrap();
        let query = Query { delimiter: Some("/".to_owned()), ..all() };
        assert_eq!(names(&list(dir.path(), &query)), ["a/"]);
    }

    #[test]
    fn keys_that_are_gone_do_not_count() {
        let dir = bucket(&["a", "b", "c"]);
        let query = Query { max: 2, ..all() };
        let mut walk = Walk::new(dir.path(), &query).unwrap();
        let page = page(&mut walk, &query, |key, ()| Ok::<_, io::Error>((key != "a").then_some(()))).unwrap();
        assert_eq!((names(&page), page.truncated), (vec!["b", "c"], false));
    }
}

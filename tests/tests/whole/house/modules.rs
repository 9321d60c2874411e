//! The files of a crate and who takes names from whom among them, read from their text.
//!
//! A room is a file. There is an arrow from one to another if the first names something that the second defines: in a
//! `use`, or in a path that begins with `crate`, `self`, `super`, a module below it or one that it has imported. A child
//! that takes from its parent has an arrow like any other, and so has a parent that takes from its child.
//!
//! What only hands names on is no room on the way: a name is followed through `use` to the file that defines it, `mod`
//! is no arrow, and a `pub use` is one only where its own file names what it hands on. Tests, and what is compiled for
//! tests alone, are left out.

use std::collections::{BTreeMap, BTreeSet};

/// How many `use`s a name is followed through.
const MAX_HOPS: usize = 8;

/// Who takes from whom, by the names of their modules, and an example of what.
pub(super) type Arrows = BTreeMap<(String, String), String>;

/// One name that a `use` brings in.
struct Import {
    path: Vec<String>,
    name: String,
    hands_on: bool,
}

/// A file as a module: what it is made of.
#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    imports: Vec<Import>,
    /// Its words, without `use`s and tests.
    words: Vec<String>,
}

/// The modules of a crate by their paths: the root is empty.
pub(super) struct Modules(BTreeMap<Vec<String>, Module>);

impl Modules {
    /// Reads a crate from its root file on. A file is asked for by its path below `src`.
    pub(super) fn read(root: &str, file: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut modules = BTreeMap::new();
        let mut open = vec![(Vec::new(), root.to_owned())];
        while let Some((path, text)) = open.pop() {
            let module = Module::read(&text);
            for child in &module.children {
                let mut path: Vec<String> = path.clone();
                path.push(child.clone());
                let stem = path.join("/");
                let text = file(&format!("{stem}.rs")).or_else(|| file(&format!("{stem}/mod.rs")));
                open.push((path, text.unwrap_or_else(|| panic!("no file of module {stem}"))));
            }
            modules.insert(path, module);
        }
        Self(modules)
    }

    /// Every arrow between two files.
    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (from, module) in &self.0 {
            let imported = module.imports.iter().filter(|import| {
                let is_module = self.module(from, &import.path).is_some();
                !is_module && (!import.hands_on || module.words.contains(&import.name))
            });
            let paths = imported.map(|import| import.path.clone()).chain(module.paths());
            for path in paths {
                if let Some(to) = self.definer(from, &path, MAX_HOPS).filter(|to| to != from) {
                    arrows.insert((name_of(from), name_of(&to)), path.join("::"));
                }
            }
        }
        arrows
    }

    /// The module that a path is the name of.
    fn module(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let (module, rest) = self.walk(from, path)?;
        rest.is_empty().then_some(module)
    }

    /// The module that defines what a path names; none where that is another crate's.
    fn definer(&self, from: &[String], path: &[String], hops: usize) -> Option<Vec<String>> {
        let (module, rest) = self.walk(from, path)?;
        let Some((name, below)) = rest.split_first() else { return Some(module) };
        let there = &self.0[&module];
        if hops == 0 || there.defines(name) {
            return Some(module);
        }
        let mut globs = Vec::new();
        for import in &there.imports {
            if import.name == *name {
                let on = import.path.iter().chain(below).cloned().collect::<Vec<_>>();
                return self.definer(&module, &on, hops - 1);
            }
            if import.name == "*" {
                globs.push(import.path.iter().chain(rest).cloned().collect::<Vec<_>>());
            }
        }
        let found = globs.iter().filter_map(|path| self.definer(&module, path, hops - 1));
        found.into_iter().find(|found| self.0[found].defines(name)).or(Some(module))
    }

    /// As far as a path leads through modules, and the names that are left of it.
    fn walk<'a>(&self, from: &[String], path: &'a [String]) -> Option<(Vec<String>, &'a [String])> {
        let (first, mut rest) = path.split_first()?;
        let mut module = from.to_vec();
        match first.as_str() {
            "crate" => module.clear(),
            "self" => {}
            "super" => drop(module.pop()?),
            name if self.0[from].children.contains(name) => module.push(name.to_owned()),
            name => {
                let import = self.0[from].imports.iter().find(|import| import.name == name)?;
                // An import that begins with its own name is another crate's.
                if import.path.first() == Some(first) {
                    return None;
                }
                module = self.module(from, &import.path)?;
            }
        }
        while let Some((name, below)) = rest.split_first() {
            match name.as_str() {
                "super" => drop(module.pop()?),
                name if self.0[&module].children.contains(name) => module.push(name.to_owned()),
                _ => break,
            }
            rest = below;
        }
        Some((module, rest))
    }
}

fn name_of(module: &[String]) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("::") }
}

impl Module {
    fn read(text: &str) -> Self {
        let words = without_tests(&words(text));
        let mut module = Self::default();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            match word.as_str() {
                "mod" if words.get(at + 2).is_some_and(|next| next == ";") => {
                    module.children.insert(words[at + 1].clone());
                    at += 2;
                }
                "use" => {
                    let hands_on =
                        matches!(at.checked_sub(1).map(|at| words[at].as_str()), Some("pub" | ")"));
                    at += 1;
                    at = read_tree(&words, at, &mut Vec::new(), hands_on, &mut module.imports);
                }
                _ => module.words.push(word.clone()),
            }
            at += 1;
        }
        module
    }

    fn defines(&self, name: &str) -> bool {
        const KINDS: [&str; 9] =
            ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "macro_rules"];
        self.words.windows(3).any(|words| {
            let [kind, next, then] = words else { return false };
            KINDS.contains(&kind.as_str()) && (next == name || (next == "!" && then == name))
        })
    }

    /// The paths that are written out where they are used.
    fn paths(&self) -> impl Iterator<Item = Vec<String>> + '_ {
        (0..self.words.len()).filter_map(|at| {
            let before = |words: usize| at.checked_sub(words).map(|at| self.words[at].as_str());
            // Who may see an item, `pub(in crate::…)`, takes nothing from there.
            let is_visibility = before(1) == Some("in") && before(2) == Some("(");
            let is_start = !is_visibility && !matches!(before(1), Some("::" | "."));
            let is_path = self.words.get(at + 1).is_some_and(|next| next == "::");
            if !(is_start && is_path && is_name(&self.words[at])) {
                return None;
            }
            let mut path = vec![self.words[at].clone()];
            let mut at = at + 1;
            while self.words.get(at).is_some_and(|word| word == "::") {
                let name = self.words.get(at + 1).filter(|name| is_name(name))?;
                path.push(name.clone());
                at += 2;
            }
            Some(path)
        })
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Reads what a `use` brings in below a prefix, and returns where it ends.
fn read_tree(
    words: &[String],
    mut at: usize,
    prefix: &mut Vec<String>,
    hands_on: bool,
    imports: &mut Vec<Import>,
) -> usize {
    let depth = prefix.len();
    loop {
        match words[at].as_str() {
            "::" => {}
            "{" => {
                at += 1;
                while words[at] != "}" {
                    at = read_tree(words, at, prefix, hands_on, imports);
                    if words[at] == "," {
                        at += 1;
                    }
                }
                prefix.truncate(depth);
                return at + 1;
            }
            name => prefix.push(name.to_owned()),
        }
        at += 1;
        if matches!(words[at].as_str(), "as" | "," | "}" | ";") {
            break;
        }
    }
    let mut path = prefix.clone();
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if name == "*" {
        path.pop();
    }
    if words[at] == "as" {
        name = words[at + 1].clone();
        at += 2;
    }
    imports.push(Import { path, name, hands_on });
    prefix.truncate(depth);
    at
}

/// The words and signs of a source; without comments, texts and lifetimes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = text_length(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            words.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                words.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    words
}

/// How long the text, character or lifetime is that a source goes on with.
fn text_length(rest: &str) -> Option<usize> {
    let unprefixed = rest.trim_start_matches('b');
    if rest.len() - unprefixed.len() > 1 {
        return None;
    }
    let prefix = rest.len() - unprefixed.len();
    let quoted = |text: &str, quote: char| {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, next)| {
            let ends = *next == quote && !escaped;
            escaped = *next == '\\' && !escaped;
            ends
        });
        end.map_or(text.len(), |(at, _)| at + 1)
    };
    if let Some(raw) = unprefixed.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let opened = raw[hashes..].strip_prefix('"')?;
        return Some(prefix + 1 + hashes + 1 + opened.find(&end)? + end.len());
    }
    match unprefixed.chars().next()? {
        '"' => Some(prefix + quoted(unprefixed, '"')),
        '\'' => {
            let mut next = unprefixed.chars().skip(1);
            let (first, second) = (next.next()?, next.next()?);
            let is_lifetime = first != '\\' && second != '\'';
            Some(prefix + if is_lifetime { 1 } else { quoted(unprefixed, '\'') })
        }
        _ => None,
    }
}

/// The words without those of tests, and of what is compiled for tests alone.
fn without_tests(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at] == "#" && words.get(at + 1).is_some_and(|next| next == "[") {
            let end = group_end(words, at + 1);
            let attribute = &words[at + 2..end];
            let has = |word: &str| attribute.iter().any(|found| found == word);
            let is_test = attribute.first().is_some_and(|first| first == "cfg") && has("test") && !has("not");
            at = if is_test { item_end(words, end + 1) } else { end };
        } else {
            kept.push(words[at].clone());
        }
        at += 1;
    }
    kept
}

/// Where a bracket closes that opens here.
fn group_end(words: &[String], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match words[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
        at += 1;
    }
}

/// Where an item ends that begins here: at its semicolon, or with its body.
fn item_end(words: &[String], mut at: usize) -> usize {
    let is_use = words[at..].iter().take_while(|word| *word != "{").any(|word| word == "use");
    loop {
        match words[at].as_str() {
            ";" => return at,
            "{" if !is_use => return group_end(words, at),
            "(" | "[" | "{" => at = group_end(words, at),
            _ => {}
        }
        at += 1;
    }
}

/// The circles: sets of modules each of which reaches all others of its set.
pub(super) fn circles(arrows: &Arrows) -> Vec<BTreeSet<String>> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, _) in arrows.keys() {
        let mut open = vec![from.as_str()];
        let seen = reached.entry(from).or_default();
        while let Some(room) = open.pop() {
            for (_, to) in arrows.keys().filter(|(from, _)| from == room) {
                if seen.insert(to) {
                    open.push(to);
                }
            }
        }
    }
    let mut circles = BTreeSet::new();
    for (room, seen) in &reached {
        let back = |other: &&&str| reached.get(**other).is_some_and(|seen| seen.contains(room));
        let circle: BTreeSet<String> = seen.iter().filter(back).map(|&room| room.to_owned()).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

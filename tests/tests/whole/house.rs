//! The house is as it was drawn: arrows between crates point down only, and no two modules of a crate need each other.
//!
//! What counts as an arrow between modules is said in `house/modules.rs`.

mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::modules::{Arrows, Modules, circles};

/// The crates that are deployed, and what of the workspace each may depend on.
const FLOORS: [(&str, &[&str]); 8] = [
    ("landfall-zip", &[]),
    ("landfall-http", &[]),
    ("landfall-store", &["landfall-http"]),
    ("landfall", &["landfall-http", "landfall-store", "landfall-zip"]),
    ("landfall-parquet", &["landfall"]),
    ("landfall-report", &["landfall", "landfall-store"]),
    ("landfall-systems", &["landfall", "landfall-http", "landfall-store", "landfall-zip"]),
    ("landfall-edge", &["landfall"]),
];

/// What a function may depend on: every shared crate, and no other function.
const SHARED: [&str; 8] = [
    "landfall",
    "landfall-edge",
    "landfall-http",
    "landfall-parquet",
    "landfall-report",
    "landfall-store",
    "landfall-systems",
    "landfall-zip",
];

/// What only one machine needs, and tests.
const NEVER_DEPLOYED: [&str; 5] =
    ["simulator", "embedded-store", "landfall-cli", "landfall-tests", "benches"];

/// A member of the workspace.
struct Member {
    folder: PathBuf,
    /// What it is built with; what only its tests need is left out.
    dependencies: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn manifest(folder: &Path) -> toml::Table {
    table(&folder.join("Cargo.toml"))
}

fn table(path: &Path) -> toml::Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The workspace's members by name.
fn members() -> BTreeMap<String, Member> {
    let workspace = manifest(&root());
    let folders = workspace["workspace"]["members"].as_array().unwrap().iter();
    let members = folders.map(|folder| {
        let folder = root().join(folder.as_str().unwrap());
        let manifest = manifest(&folder);
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let mut dependencies = BTreeSet::new();
        for section in ["dependencies", "build-dependencies"] {
            let named = manifest.get(section).and_then(toml::Value::as_table);
            dependencies.extend(named.into_iter().flat_map(|named| named.keys().cloned()));
        }
        (name, Member { folder, dependencies })
    });
    members.collect()
}

/// The functions, by their place in the workspace.
fn functions(members: &BTreeMap<String, Member>) -> BTreeSet<&str> {
    let functions = root().join("functions");
    let of_functions = members.iter().filter(|(_, member)| member.folder.starts_with(&functions));
    of_functions.map(|(name, _)| name.as_str()).collect()
}

/// A floor knows only floors below it, a function no other function; nothing that is deployed is built with what stands
/// in for others on one machine.
#[test]
fn arrows_between_crates_point_down() {
    let members = members();
    let functions = functions(&members);
    let allowed = |name: &str| match FLOORS.iter().find(|(floor, _)| *floor == name) {
        Some((_, below)) => *below,
        None => &SHARED,
    };
    let mut wrong = Vec::new();
    for name in FLOORS.iter().map(|(name, _)| *name).chain(functions.iter().copied()) {
        let needed = members[name].dependencies.iter().filter(|needed| members.contains_key(*needed));
        let above = needed.filter(|needed| !allowed(name).contains(&needed.as_str()));
        wrong.extend(above.map(|needed| format!("{name} -> {needed}")));
    }
    assert!(wrong.is_empty(), "arrows that point up or sideways: {wrong:#?}");
    let deployed = FLOORS.iter().map(|(name, _)| *name).chain(functions.iter().copied());
    for name in deployed.chain(["landfall-functions"]) {
        for kept_out in NEVER_DEPLOYED {
            assert!(members.contains_key(kept_out), "{kept_out} is no member any more");
            assert!(!members[name].dependencies.contains(kept_out), "{name} is deployed with {kept_out}");
        }
    }
}

/// One TLS stack on one cryptography: a feature that is switched on anywhere would bring another one unseen.
#[test]
fn there_is_one_tls_stack() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let packages = table(&root().join(lock));
        let packages = packages["package"].as_array().unwrap();
        let count = |name| packages.iter().filter(|package| package["name"].as_str() == Some(name)).count();
        for only in ["hyper", "ring", "rustls"] {
            assert_eq!(count(only), 1, "{only} in {lock}");
        }
        for other in ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"] {
            assert_eq!(count(other), 0, "{other} in {lock}");
        }
    }
}

/// How a step is called is the edge's affair: Lambda's runtime is nobody else's dependency.
#[test]
fn lambda_is_known_at_the_edge_alone() {
    let members = members();
    let knows = members.iter().filter(|(_, member)| member.dependencies.contains("lambda_runtime"));
    assert_eq!(knows.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["landfall-edge"]);
}

/// Whoever writes a test where none is looked for hears of it.
#[test]
fn no_test_stands_where_none_is_run() {
    let mut silent = 0;
    for member in members().values() {
        let manifest = manifest(&member.folder);
        let library = manifest.get("lib").and_then(toml::Value::as_table);
        let untested =
            |library: &&toml::Table| library.get("test").and_then(toml::Value::as_bool) == Some(false);
        let Some(library) = library.filter(untested) else { continue };
        let path = library.get("path").and_then(toml::Value::as_str).unwrap_or("src/lib.rs");
        let folder = member.folder.join(path);
        let folder = folder.parent().and_then(|folder| folder.strip_prefix(root()).ok()).unwrap();
        let mut found = super::docs::files(folder.to_str().unwrap(), ".rs");
        found.retain(|file| std::fs::read_to_string(root().join(file)).unwrap().contains("#[cfg(test)]"));
        assert!(found.is_empty(), "tests that are never run, for lack of `test = true`: {found:?}");
        silent += 1;
    }
    assert!(silent > 0, "nothing was looked at");
}

/// The arrows between the files of a crate, from each of its roots.
fn arrows(folder: &Path) -> Vec<Arrows> {
    let read = |file: &str| std::fs::read_to_string(folder.join("src").join(file)).ok();
    let roots = ["lib.rs", "main.rs"].into_iter().filter_map(read);
    roots.map(|root| Modules::read(&root, &read).arrows()).collect()
}

/// No two modules of a crate need each other, be it through others: each can be read, tested and moved after those below
/// it.
#[test]
fn no_modules_form_a_circle() {
    let mut found = Vec::new();
    let mut counted = 0;
    for (name, member) in members() {
        for arrows in arrows(&member.folder) {
            counted += arrows.len();
            for circle in circles(&arrows) {
                let is_inside = |module: &String| circle.contains(module);
                let inside = arrows.iter().filter(|((from, to), _)| is_inside(from) && is_inside(to));
                let inside = inside.map(|((from, to), what)| format!("  {from} -> {to}: {what}"));
                found.push(format!("{name}:\n{}", inside.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(counted > 500, "only {counted} arrows were seen: the reader is blind");
    assert!(found.is_empty(), "modules that need each other:\n{}", found.join("\n"));
}

/// Reads a crate that is made up.
fn made(files: &[(&str, &str)]) -> Arrows {
    let read = |file: &str| files.iter().find(|(name, _)| *name == file).map(|(_, text)| (*text).to_owned());
    Modules::read(&read("lib.rs").unwrap(), &read).arrows()
}

fn arrow(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

/// The test of circles sees one, however its names are spelled: a use, a path, a child that asks its parent.
#[test]
fn a_circle_is_seen() {
    let through_use = made(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::{self, B}; pub struct A(B);"),
        ("b.rs", "pub struct B; impl B { fn a(&self) -> Option<super::a::A> { None } }"),
    ]);
    assert_eq!(through_use.into_keys().collect::<Vec<_>>(), [arrow("a", "b"), arrow("b", "a")]);
    let with_parent = made(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod child; use child::Child; pub(crate) struct Parent(Child);"),
        ("a/child.rs", "pub(super) struct Child; fn of(_: &super::Parent) {}"),
    ]);
    assert_eq!(circles(&with_parent), [BTreeSet::from(["a".to_owned(), "a::child".to_owned()])]);
    let through_module = made(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b; pub fn f() { b::g() }"),
        ("b.rs", "use crate::a; pub fn g() { a::f() }"),
    ]);
    assert_eq!(circles(&through_module).len(), 1);
}

/// What only hands names on is no room on the way, and tests may look where they like.
#[test]
fn handing_on_is_no_arrow() {
    let arrows = made(&[
        ("lib.rs", "mod a; pub use a::{A, B};"),
        ("a.rs", "mod x; mod y; pub use x::A; pub use y::B; #[cfg(test)] mod tests { use super::x; }"),
        ("a/x.rs", "pub struct A; // crate::a::y::B\nconst TEXT: &str = \"crate::a::y::B\"; // it's 'text\n"),
        ("a/y.rs", "use crate::A; pub struct B(A); pub(in crate::a) fn f<'a>(_: &'a u8) -> char { '\\'' }"),
    ]);
    assert_eq!(arrows.into_keys().collect::<Vec<_>>(), [arrow("a::y", "a::x")]);
}

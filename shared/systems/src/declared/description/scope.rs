//! Which names may stand in a template, by where it is.

use std::collections::BTreeMap;

use super::reader::{Node, meant};
use crate::declared::template::Template;

/// The names that stand for something in a place, and whether they always do.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope(BTreeMap<String, bool>);

impl Scope {
    /// The same with another name.
    pub(super) fn and(&self, name: &str, always: bool) -> Self {
        let mut scope = self.clone();
        scope.0.insert(name.to_owned(), always);
        scope
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A template as it is written, its names checked.
    pub(super) fn template(&self, node: &Node<'_>, may_be_left_out: bool) -> Option<Template> {
        let text = node.text()?;
        let template = match Template::parse(text) {
            Ok(template) => template,
            Err(reason) => {
                node.fault(reason);
                return None;
            }
        };
        for name in template.names() {
            match self.0.get(name) {
                Some(true) => {}
                Some(false) if may_be_left_out && template.alone().is_some() => {}
                Some(false) => node.fault(format!(
                    "{{{name}}} may stand for nothing: give it a default, or let it stand alone where a value may be left out"
                )),
                None => {
                    let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                    let meant = meant(name, known.iter().copied());
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    node.fault(format!("nothing is called {{{name}}} here{meant} (names: {known})"));
                }
            }
        }
        Some(template)
    }
}

//! Which names may stand in a template, by where it is.

use std::collections::BTreeMap;

use crate::declared::call::Call;
use crate::declared::template::Template;
use crate::tables::{Reader, meant};

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

    /// The same with others, which always stand for something.
    pub(super) fn and_all<'n>(&self, names: impl Iterator<Item = &'n String>) -> Self {
        names.fold(self.clone(), |scope, name| scope.and(name, true))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Looks at the names of a template: whether there are such, and whether they stand for something.
    pub(super) fn template(&self, reader: &Reader<'_>, template: &Template, may_be_left_out: bool) {
        let fault = |reason: String| reader.fault_at(template.at(), reason);
        for name in
            self.0.keys().filter(|name| template.has_text(|text| text.contains(&format!("{{{name}}}"))))
        {
            fault(format!(
                "{{{{{name}}}}} is the text {{{name}}}, and not what {name} stands for: write {{{name}}}"
            ));
        }
        for name in template.names() {
            match self.0.get(name) {
                Some(true) => {}
                Some(false) if may_be_left_out && template.alone().is_some() => {}
                Some(false) => fault(format!(
                    "{{{name}}} may stand for nothing: give it a default, or let it stand alone where a value may be left out"
                )),
                None => {
                    let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                    let meant = meant(name, known.iter().copied());
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    fault(format!("nothing is called {{{name}}} here{meant} (names: {known})"));
                }
            }
        }
    }

    /// The same of all templates of a call, and whether its path is one.
    pub(super) fn call(&self, reader: &Reader<'_>, call: &Call) {
        let target = &call.target;
        if target.has_text(|text| text.contains("://")) {
            let reason = "this is a path below base_url, or below its host with a slash before it: the host is the connection's";
            reader.fault_at(target.at(), reason);
        } else if target.has_text(|text| text.contains(['?', '#'])) {
            reader.fault_at(target.at(), "a path has no ? and no #: say parameters with query = { … }");
        }
        for (template, may_be_left_out) in call.templates() {
            self.template(reader, template, may_be_left_out);
        }
    }
}

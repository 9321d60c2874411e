//! What may stand in a description, said once: how it is read, and its form for editors, as JSON Schema.

use std::collections::BTreeMap;

use http::HeaderName;
use serde_json::Value;

use super::reader::{Fields, Node, written};

/// What may stand somewhere in a description.
pub(crate) trait Read: Sized {
    /// Its form.
    const FORM: Form;

    /// What stands there; nothing where it is no such thing, which is told then.
    fn read(node: &Node<'_>) -> Option<Self>;
}

/// A table whose keys are known.
pub(crate) trait Keys: Sized {
    /// Its form.
    const TABLE: TableForm;

    /// What its keys say.
    fn of(fields: Fields<'_>) -> Self;
}

/// The form of what may stand somewhere.
#[derive(Debug)]
pub enum Form {
    /// A text.
    Text,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// Anything.
    Any,
    /// One of a closed list of words.
    Words(fn() -> Vec<&'static str>),
    /// One of these, or a list of them.
    Several(&'static Form),
    /// A table whose keys the author chooses.
    Entries(&'static Form),
    /// What is called so, and is for this.
    Called(&'static str, &'static str, &'static Form),
    /// A table.
    Table(&'static TableForm),
    /// One of several.
    OneOf(&'static [Form]),
}

/// The form of a table: it has these keys and no others.
#[derive(Debug)]
pub struct TableForm {
    /// What it is called.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [KeyForm],
}

/// A key of a table.
#[derive(Debug)]
pub struct KeyForm {
    pub(crate) name: &'static str,
    pub(crate) how: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it has.
    pub form: Form,
}

impl KeyForm {
    /// The key.
    pub fn name(&self) -> &'static str {
        written(self.name)
    }

    /// Whether it must be there.
    pub fn is_needed(&self) -> bool {
        self.how == "needed"
    }
}

/// One of a closed list of words.
pub(crate) trait Words: Copy + 'static {
    /// The words, and what each stands for.
    const WORDS: &'static [(&'static str, Self)];
}

/// Says the keys of a table: what each is for, whether it is `needed`, `maybe` there, or stands for something usual where it
/// is not said (`or`), and what it is. What can be wrong between them is looked at in the end, by `|table, fields| …`.
macro_rules! keys {
    (
        $(#[doc = $about:literal])+
        $vis:vis struct $name:ident {
            $($(#[doc = $doc:literal])+ $key:ident: $how:ident $type:ty $(= $usual:expr)?,)+
        }
        $(|$read:ident, $fields:ident| $check:expr)?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Default, PartialEq)]
        $vis struct $name {
            $($(#[doc = $doc])+ $vis $key: $crate::tables::form::stands!($how $type),)+
        }

        impl $crate::tables::form::Keys for $name {
            const TABLE: $crate::tables::form::TableForm =
                $crate::tables::form::TableForm {
                    name: stringify!($name),
                    about: concat!($($about),+),
                    keys: &[$($crate::tables::form::KeyForm {
                        name: stringify!($key),
                        how: stringify!($how),
                        about: concat!($($doc),+),
                        form: <$type as $crate::tables::form::Read>::FORM,
                    }),+],
                };

            fn of(fields: $crate::tables::reader::Fields<'_>) -> Self {
                let read = Self { $($key: fields.$how(stringify!($key) $(, $usual)?),)+ };
                $(
                    let mut read = read;
                    let ($read, $fields) = (&mut read, &fields);
                    $check;
                )?
                fields.finish();
                read
            }
        }
    };
}

/// The same, of a table that is nothing else besides.
macro_rules! table {
    ($(#[doc = $about:literal])+ $vis:vis struct $name:ident { $($keys:tt)+ } $($check:tt)*) => {
        $crate::tables::form::keys! {
            $(#[doc = $about])+ $vis struct $name { $($keys)+ } $($check)*
        }

        impl $crate::tables::form::Read for $name {
            const FORM: $crate::tables::form::Form =
                $crate::tables::form::Form::Table(
                    &<Self as $crate::tables::form::Keys>::TABLE,
                );

            fn read(node: &$crate::tables::reader::Node<'_>) -> Option<Self> {
                node.fields().map(<Self as $crate::tables::form::Keys>::of)
            }
        }
    };
}

/// What a key is in its table.
macro_rules! stands {
    (maybe $type:ty) => { Option<$type> };
    ($how:ident $type:ty) => { $type };
}

pub(crate) use {keys, stands, table};

impl Fields<'_> {
    /// What a key says, if it is there.
    pub(crate) fn maybe<T: Read>(&self, key: &'static str) -> Option<T> {
        T::read(&self.ask(key)?)
    }

    /// What a key says; something usual where it is not there.
    pub(crate) fn or<T: Read>(&self, key: &'static str, usual: T) -> T {
        self.maybe(key).unwrap_or(usual)
    }

    /// What a key says that must be there.
    pub(crate) fn needed<T: Read + Default>(&self, key: &'static str) -> T {
        match self.ask(key) {
            Some(node) => T::read(&node).unwrap_or_default(),
            None => {
                self.fault(format!("{} is missing", written(key)));
                T::default()
            }
        }
    }

    /// The way that is chosen of several, by which the other keys go.
    pub(crate) fn by<T: Read>(&self) -> Option<T> {
        if self.node("by").is_none() {
            self.fault("by is missing");
        }
        T::read(&self.node("by")?)
    }
}

impl<T: Words> Read for T {
    const FORM: Form = Form::Words(|| T::WORDS.iter().map(|(word, _)| *word).collect());

    fn read(node: &Node<'_>) -> Option<Self> {
        node.word(T::WORDS)
    }
}

impl Read for String {
    const FORM: Form = Form::Text;

    fn read(node: &Node<'_>) -> Option<Self> {
        node.text().map(str::to_owned)
    }
}

impl Read for bool {
    const FORM: Form = Form::Flag;

    fn read(node: &Node<'_>) -> Option<Self> {
        node.flag()
    }
}

impl Read for u64 {
    const FORM: Form = Form::Number;

    fn read(node: &Node<'_>) -> Option<Self> {
        let found = node.json().as_u64();
        if found.is_none() {
            node.fault("a whole number is wanted here");
        }
        found
    }
}

impl Read for Value {
    const FORM: Form = Form::Any;

    fn read(node: &Node<'_>) -> Option<Self> {
        Some(node.json())
    }
}

impl Read for HeaderName {
    const FORM: Form = Form::Text;

    fn read(node: &Node<'_>) -> Option<Self> {
        let name = node.text()?;
        let parsed = name.parse();
        parsed.map_err(|_| node.fault(format!("{name:?} is not a header's name"))).ok()
    }
}

impl<T: Read> Read for Vec<T> {
    const FORM: Form = Form::Several(&T::FORM);

    fn read(node: &Node<'_>) -> Option<Self> {
        Some(node.several().iter().filter_map(T::read).collect())
    }
}

/// A table whose keys the author chooses.
impl<T: Read> Read for Vec<(String, T)> {
    const FORM: Form = Form::Entries(&T::FORM);

    fn read(node: &Node<'_>) -> Option<Self> {
        let entries = node.fields()?.entries();
        Some(entries.iter().filter_map(|(name, node)| Some((name.text.to_owned(), T::read(node)?))).collect())
    }
}

impl<T: Read> Read for BTreeMap<String, T> {
    const FORM: Form = Form::Entries(&T::FORM);

    fn read(node: &Node<'_>) -> Option<Self> {
        Vec::read(node).map(|entries: Vec<(String, T)>| entries.into_iter().collect())
    }
}

//! TOML tables whose keys are said once, and that are read as a whole: every mistake is found at once, with its place and
//! what was meant, and the form of what may stand there is known to whoever writes schemas and documentation.

pub(crate) mod form;
pub(crate) mod reader;

pub(crate) use self::form::{Form, Keys, Read, Words, keys, table};
pub(crate) use self::reader::{Fields, Name, Node, Reader, Spot, meant};

#![doc = include_str!("../README.md")]

mod central;
mod characters;
mod decoder;
mod distinct;
mod document;
mod encoding;
mod end;
mod error;
mod extra;
mod host;
mod kind;
mod layout;
mod limits;
mod local;
mod member;
mod name;
mod read;
mod stream;
mod wire;

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod mutation_tests;

pub use decoder::{Decoded, MemberDecoder};
pub use document::is_document;
pub use encoding::{NameEncoding, UnknownEncoding};
pub use error::{ArchiveError, Header, NameFault, RefusalKind};
pub use kind::{Kind, SNIFF_BYTES, sniff};
pub use limits::Limits;
pub use member::{Directory, Member, Method};
pub use name::MemberName;
pub use read::{ReadAt, ReadDirectoryError, read_directory, reread_directory};
pub use stream::Step;

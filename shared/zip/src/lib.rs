//! ZIP archives from anyone: found, checked as a whole, and inflated within limits.
//!
//! The central directory is read first and decides; every local header must agree with it, every byte before it
//! must belong to one member, and nothing may be readable in two ways. Only then does any data count, and each
//! member counts only when [`MemberDecoder::finish`] says so. Facts are from PKWARE's APPNOTE 6.3.10.
//!
//! ```text
//! sniff -> read_directory -> for each file: ranged reads -> MemberDecoder -> finish
//! ```
//!
//! What is legal and accepted: ZIP64 in every form, data descriptors with and without signature, single-segment
//! marks, folders, a few stray bytes behind the end, small gaps that hide no record. What is refused: see
//! [`ArchiveError`], one variant a reason. Times, comments and permissions are not looked at: they do not land.

mod central;
mod characters;
mod decoder;
mod distinct;
mod end;
mod error;
mod extra;
mod kind;
mod layout;
mod limits;
mod local;
mod member;
mod name;
mod read;
mod wire;

#[cfg(test)]
mod agreement_tests;
#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod mutation_tests;

pub use decoder::{Decoded, MemberDecoder, Step};
pub use error::{ArchiveError, Header, NameFault, RefusalKind};
pub use kind::{Kind, SNIFF_BYTES, sniff};
pub use limits::Limits;
pub use member::{Directory, Member, Method};
pub use name::MemberName;
pub use read::{ReadAt, ReadDirectoryError, read_directory, reread_directory};

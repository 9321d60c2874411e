//! What a job's files hold, in a form that a landing can be compared with.

use std::io::{self, Cursor, Read};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tables::{TableReader, TableSpec};

/// One output file of a job: what the source serves, and what a correct landing of it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedFile {
    /// Its place in the list of files, from 1.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// When the job made it.
    pub time_created: Timestamp,
    /// What becomes of it.
    pub landing: Landing,
}

/// What a correct landing makes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Landing {
    /// An archive: these members, and nothing else.
    Members(Vec<ExpectedMember>),
    /// No archive: the file itself.
    Copied,
    /// Nothing: it has to be refused.
    Refused,
}

/// One member of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedMember {
    /// Its name in the archive.
    pub name: String,
    /// Its bytes, unpacked.
    pub size: u64,
    /// The CRC-32 of its bytes.
    pub crc32: u32,
    /// The SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Rows of data without a header, where it is a table.
    pub rows: Option<u64>,
    pub(super) recipe: Recipe,
}

impl ExpectedMember {
    /// The member's bytes, made again as they are read: nothing grows with their number.
    pub fn reader(&self) -> MemberReader {
        self.recipe.reader()
    }
}

/// How a member's bytes are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Recipe {
    Table(TableSpec),
    Text(String),
}

impl Recipe {
    pub(super) fn reader(&self) -> MemberReader {
        MemberReader(match self {
            Self::Table(spec) => Source::Table(Box::new(TableReader::new(spec))),
            Self::Text(text) => Source::Text(Cursor::new(text.clone().into_bytes())),
        })
    }
}

/// Reads the bytes of a member.
pub struct MemberReader(Source);

enum Source {
    Table(Box<TableReader>),
    Text(Cursor<Vec<u8>>),
}

impl MemberReader {
    pub(super) fn rows(&self) -> Option<u64> {
        match &self.0 {
            Source::Table(table) => Some(table.rows()),
            Source::Text(_) => None,
        }
    }
}

impl Read for MemberReader {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Source::Table(reader) => reader.read(target),
            Source::Text(reader) => reader.read(target),
        }
    }
}

/// A member that is still to be written.
pub(super) struct MemberPlan {
    pub(super) name: String,
    pub(super) recipe: Recipe,
}

/// Passes bytes on and takes their size and checksums.
pub(super) struct Digested<R> {
    pub(super) inner: R,
    pub(super) size: u64,
    pub(super) crc32: crc32fast::Hasher,
    sha256: Sha256,
}

impl<R> Digested<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, size: 0, crc32: crc32fast::Hasher::new(), sha256: Sha256::new() }
    }

    pub(super) fn sha256(self) -> String {
        hex::encode(self.sha256.finalize())
    }
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(target)?;
        let bytes = target.get(..count).unwrap_or_default();
        self.crc32.update(bytes);
        self.sha256.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(count).map_err(io::Error::other)?);
        Ok(count)
    }
}

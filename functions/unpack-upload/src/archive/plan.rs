//! What one member becomes, where, and by what: decided once, before any of it is read.

use bytes::Bytes;
use landfall::form::JobForm;
use landfall::rows::Table;
use landfall::{Error, Result};
use landfall_zip::{Kind, Limits, Member, MemberDecoder, sniff};

use super::compressed::NamesTaken;
use crate::content::Content;
use crate::form::{self, ContentDigest, RowsToWrite};
use crate::parts::{CopyRange, Parts};
use crate::pipeline::{EncodedObject, Pieces};
use crate::refusal::refused;
use crate::task::Task;

/// How a member lands.
pub(crate) struct MemberPlan<'a> {
    /// The member.
    pub member: &'a Member,
    /// The key that it lands under.
    pub key: String,
    /// The most bytes that its object can have.
    pub max_bytes: u64,
    /// Which of those the store itself copies: where source and destination are one store, and it has not shown that
    /// it does not copy ranges.
    pub copy_range: Option<CopyRange>,
    form: JobForm,
    /// Whether it lands as it is, and by another plan, should it be compressed already.
    may_be_compressed: bool,
    /// What is known of its rows, where it lands in a form for tables.
    rows: Option<RowsToWrite>,
}

/// So many bytes of a member's data show what its content begins with, in all but odd cases.
const FIRST_BYTES: usize = 512;

/// The longest mark that compressed content begins with: that of an archive's segment, and a header's behind it.
const MARK_BYTES: usize = 8;

impl<'a> MemberPlan<'a> {
    /// Plans how a member lands in the job's form.
    pub(crate) fn of(task: &Task<'_>, taken: &NamesTaken, member: &'a Member) -> Self {
        let (form, rows) = form::of_content(task, member.name());
        let is_as_it_is = task.job.form.is_for_tables() && (form.is_raw() || taken.has(member));
        if is_as_it_is {
            return Self::in_form(task, member, JobForm::Raw, task.member_key_as_it_is(member.name()));
        }
        Self {
            may_be_compressed: !form.is_raw() && !taken.has(member),
            rows,
            ..Self::in_form(task, member, form, task.member_key(member.name()))
        }
    }

    /// Whether all of it is looked through, for its columns, before it lands.
    pub(crate) fn is_to_be_looked_at(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.are_to_be_looked_at(self.member.size()))
    }

    /// The same member, where its rows were expected to be of types that are known, and are not, or it is no table.
    pub(crate) fn with_misfit(&self) -> Option<Self> {
        let rows = self.rows.as_ref().filter(|rows| rows.are_expected(self.member.size()))?;
        Some(Self { rows: Some(rows.with_misfit()), ..self.without_copying() })
    }

    /// The same member, which has been looked through, and has this table.
    pub(crate) fn with(&self, table: Box<Table>) -> Self {
        Self { rows: self.rows.as_ref().map(|rows| rows.with(table)), ..self.without_copying() }
    }

    /// Plans how the member lands as it is.
    pub(crate) fn as_it_is(&self, task: &Task<'_>) -> Self {
        Self::in_form(task, self.member, JobForm::Raw, task.member_key_as_it_is(self.member.name()))
    }

    fn in_form(task: &Task<'_>, member: &'a Member, form: JobForm, key: String) -> Self {
        let landing = &task.landing.store;
        let may_copy = landing.is_one_store_with(task.staged.store()) && landing.copies_ranges();
        Self {
            member,
            key,
            max_bytes: form::max_member_bytes(form, member),
            copy_range: form::copy_range(form, member).filter(|_| may_copy),
            form,
            may_be_compressed: false,
            rows: None,
        }
    }

    /// The same member, uploaded as a whole.
    pub(crate) fn without_copying(&self) -> Self {
        Self { key: self.key.clone(), copy_range: None, rows: self.rows.clone(), ..*self }
    }

    /// An error about the member.
    pub(crate) fn failed(&self, error: Error) -> Error {
        error.while_doing(format_args!("member {:?}", self.member.name()))
    }

    /// What makes its object.
    pub(crate) fn encoding(&self, task: &Task<'_>) -> MemberEncoding {
        let content = match &self.rows {
            Some(RowsToWrite::Known(rows)) => Content::of_known_columns(task, rows.format),
            _ => Content::named(task, self.member.name()),
        };
        MemberEncoding {
            member: self.member.clone(),
            form: self.form,
            may_be_compressed: self.may_be_compressed,
            rows: self.rows.clone(),
            content,
            max_bytes: self.max_bytes,
        }
    }
}

/// What makes a member's object, on a thread that may block. Its data is decoded whatever the form, so that its size
/// and CRC-32 are known to hold.
pub(crate) struct MemberEncoding {
    member: Member,
    form: JobForm,
    may_be_compressed: bool,
    rows: Option<RowsToWrite>,
    content: Content,
    /// The most bytes that the object can have.
    pub max_bytes: u64,
}

impl MemberEncoding {
    /// A decoder that it can run with.
    pub(crate) fn decoder(&self, limits: &Limits) -> MemberDecoder {
        MemberDecoder::new(&self.member, limits)
    }

    /// Looks through what the archive has of the member; returns its table, if it has one that it can land as. `None` where
    /// it is to land as it is.
    pub(crate) fn look(
        mut self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
    ) -> Result<Option<Box<Table>>> {
        let mut first_pieces = Vec::new();
        if self.is_compressed(decoder, pieces, &mut first_pieces) {
            return Ok(None);
        }
        let mut first_pieces = first_pieces.into_iter();
        while let Some(piece) = first_pieces.next().or_else(|| pieces.next()) {
            form::decode(decoder, &piece, |bytes| self.content.inspect(bytes))?;
        }
        decoder.finish().map_err(refused)?;
        let (rows, _) = self.content.finish()?;
        Ok(rows.filter(|rows| form::is_table(Some(rows))).and_then(|rows| rows.table))
    }

    /// Whether it is compressed already; the pieces that show it are kept.
    fn is_compressed(
        &self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
        first_pieces: &mut Vec<Bytes>,
    ) -> bool {
        decoder.restart(&self.member);
        let data = self.member.data_range();
        pieces.skip_to(data.start);
        let is_compressed = self.may_be_compressed && is_compressed(decoder, pieces, data.end, first_pieces);
        decoder.restart(&self.member);
        is_compressed
    }

    /// Makes parts of what the archive has of the member; `None` where it is compressed already, or no table in a form for
    /// tables, and is to land as it is, and where it is not what was expected. The pieces may begin before that and go on
    /// behind it.
    pub(crate) fn run(
        mut self,
        decoder: &mut MemberDecoder,
        pieces: &mut Pieces,
        mut parts: Parts,
    ) -> Result<Option<EncodedObject>> {
        let end = self.member.data_range().end;
        let mut first_pieces = Vec::new();
        if self.is_compressed(decoder, pieces, &mut first_pieces) {
            return Ok(None);
        }
        let mut encoder = form::member_encoder(self.form, &self.member, self.rows.as_ref())?;
        let mut first_pieces = first_pieces.into_iter();
        while let Some(piece) = first_pieces.next().or_else(|| pieces.next_before(end)) {
            encoder.take(&piece, decoder, &mut self.content, &mut parts)?;
            if encoder.has_misfit() {
                return Ok(None);
            }
        }
        let decoded = decoder.finish().map_err(refused)?;
        let content = ContentDigest { size: decoded.size, crc32: decoded.crc32 };
        let (rows, reported) = self.content.finish()?;
        let rows = match self.rows {
            Some(how) => rows.map(|counted| how.complete(counted)),
            None => rows,
        };
        if self.form.is_for_tables() && !form::is_table(rows.as_ref()) {
            return Ok(None);
        }
        encoder.finish(content, rows.as_ref(), &mut parts)?;
        if encoder.has_misfit() {
            return Ok(None);
        }
        Ok(Some(EncodedObject { form: self.form, content, parts: parts.finish()?, rows, reported }))
    }
}

/// Whether the content of the member that the decoder is at begins as compressed content does. The pieces that show it
/// are kept. What cannot be decoded is not compressed content: what is wrong with it, decoding all of it will say.
fn is_compressed(
    decoder: &mut MemberDecoder,
    pieces: &mut Pieces,
    end: u64,
    first_pieces: &mut Vec<Bytes>,
) -> bool {
    let mut beginning = Vec::new();
    while let Some(piece) = pieces.next_before(end) {
        first_pieces.push(piece.clone());
        for part in piece.chunks(FIRST_BYTES) {
            let mut room = [0; 64];
            let Ok(step) = decoder.decode(part, &mut room) else { return false };
            beginning.extend_from_slice(room.get(..step.produced).unwrap_or_default());
            if beginning.len() >= MARK_BYTES {
                return is_marked(&beginning);
            }
        }
    }
    is_marked(&beginning)
}

/// Whether content that begins so is compressed: as a whole, or inside, as an archive is and a document of that form.
fn is_marked(beginning: &[u8]) -> bool {
    matches!(sniff(beginning), Kind::Gzip | Kind::Zstd | Kind::Zip | Kind::EmptyZip)
}

//! Documents that are ZIP archives only inside: office documents, books, programs. Whoever asks for one wants the file,
//! not its parts.

use futures::stream::StreamExt as _;

use super::central::CentralHeader;
use super::limits::Limits;
use super::member::{Directory, Method};
use super::read::{ReadAt, ReadDirectoryError, in_windows, read_end};

/// Parts that make an archive a document, at its top: of Office Open XML and everything else in open packaging (`.xlsx`,
/// `.docx`, `.pptx`, `.nupkg`), of Java (`.jar`, `.war`), of EPUB and of Open Document, which many tools write without the
/// `mimetype` where it should be, and of Android (`.apk`, signed or not). Some of their readers do not look at the case.
const PARTS: [&[u8]; 5] = [
    b"[Content_Types].xml",
    b"META-INF/MANIFEST.MF",
    b"META-INF/container.xml",
    b"META-INF/manifest.xml",
    b"AndroidManifest.xml",
];

/// The first member, stored, of Open Document (`.odt`, `.ods`), EPUB and others that follow them.
const MIMETYPE: &[u8] = b"mimetype";

impl Directory {
    /// Whether the archive is a document, by what is inside.
    pub fn is_document(&self) -> bool {
        let mut marks = Marks::default();
        for member in self.members() {
            let is_stored = member.method() == Method::Stored;
            marks.note(member.name().as_bytes(), member.header_offset, is_stored);
        }
        marks.are_a_documents()
    }
}

/// Whether an archive that [`read_directory`](crate::read_directory) refuses is a document, by the names in its central
/// directory: as long as nobody opens it, it may hold anything, such as a signature between its members and its
/// directory.
///
/// # Errors
/// Those of the reads alone. A file whose directory is not found is no document.
pub async fn is_document<R: ReadAt>(
    archive: &R,
    limits: &Limits,
) -> Result<bool, ReadDirectoryError<R::Error>> {
    let end = match read_end(archive).await {
        Ok(end) if end.directory_size <= limits.directory_bytes => end,
        Ok(_) | Err(ReadDirectoryError::Refused(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut marks = Marks::default();
    let mut carry = Vec::new();
    let mut windows = in_windows(archive, end.directory_range());
    while let Some(window) = windows.next().await {
        carry.extend_from_slice(&window?);
        let mut rest = carry.as_slice();
        while let Some((header, after)) = CentralHeader::at_front(rest) {
            marks.note(header.name, header.offset(), header.method == Method::Stored.number());
            rest = after;
        }
        carry = rest.to_vec();
    }
    Ok(marks.are_a_documents())
}

/// What was seen of the members.
#[derive(Default)]
struct Marks {
    has_part: bool,
    /// Where the first member is, and whether it is a stored `mimetype`.
    first: Option<(u64, bool)>,
}

impl Marks {
    fn note(&mut self, name: &[u8], offset: u64, is_stored: bool) {
        self.has_part |= PARTS.iter().any(|part| name.eq_ignore_ascii_case(part));
        if self.first.is_none_or(|(first, _)| offset < first) {
            self.first = Some((offset, is_stored && name == MIMETYPE));
        }
    }

    fn are_a_documents(&self) -> bool {
        self.has_part || self.first.is_some_and(|(_, is_mimetype)| is_mimetype)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::executor::block_on;

    use super::*;
    use crate::fixture::{Archive, Entry, TEXT};
    use crate::{NameEncoding, read_directory};

    /// Whether it is a document, found both ways.
    fn found(archive: &Archive) -> bool {
        let (bytes, limits) = (Bytes::from(archive.build()), Limits::default());
        let read = block_on(read_directory(&bytes, &limits, NameEncoding::default())).unwrap();
        let seen = block_on(is_document(&bytes, &limits)).unwrap();
        assert_eq!(read.is_document(), seen);
        seen
    }

    fn of(names: &[&str]) -> Archive {
        Archive::of(names.iter().map(|name| match name.ends_with('/') {
            true => Entry::stored(name.as_bytes(), b""),
            false => Entry::deflated(name.as_bytes(), TEXT),
        }))
    }

    /// What is inside decides, wherever writers put it, and not what is deeper inside.
    #[test]
    fn a_document_is_told_by_its_parts() {
        for names in [
            &["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"][..],
            &["xl/workbook.xml", "xl/vbaProject.bin", "[Content_Types].xml"],
            &["META-INF/", "META-INF/MANIFEST.MF", "A.class"],
            &["A.class", "meta-inf/manifest.mf"],
            // By tools that compress the `mimetype`, or put it elsewhere.
            &["mimetype", "META-INF/container.xml", "OEBPS/a.xhtml"],
            &["content.xml", "mimetype", "META-INF/manifest.xml"],
            &["AndroidManifest.xml", "classes.dex"],
        ] {
            assert!(found(&of(names)), "{names:?}");
        }
        for names in [
            &["a.csv"][..],
            &["export/META-INF/MANIFEST.MF", "export/[Content_Types].xml"],
            &["META-INF/", "META-INF/notes.txt"],
            &["MANIFEST.MF", "content_types.xml"],
        ] {
            assert!(!found(&of(names)), "{names:?}");
        }
    }

    /// Open Document and EPUB: the first member in the file, wherever the directory lists it, and never compressed.
    #[test]
    fn a_mimetype_is_the_first_member_and_stored() {
        let mimetype = || Entry::stored(b"mimetype", b"application/epub+zip");
        let other = || Entry::deflated(b"content.xml", TEXT);
        assert!(found(&Archive::of([mimetype(), other()])));
        assert!(!found(&Archive::of([other(), mimetype()])));
        assert!(!found(&Archive::of([Entry::deflated(b"mimetype", b"application/epub+zip"), other()])));
    }

    /// A document stays one where an archive would be refused: nobody opens it.
    #[test]
    fn a_document_may_hold_what_an_archive_may_not() {
        let mut signed = of(&["META-INF/MANIFEST.MF", "A.class"]);
        signed.gap = vec![7; 100_000];
        let mut doubled = of(&["META-INF/LICENSE", "META-INF/LICENSE", "META-INF/MANIFEST.MF"]);
        doubled.entries[0].data.clear();
        let refused = [signed, doubled, of(&["../a", "[Content_Types].xml"])];
        for archive in refused {
            let (bytes, limits) = (Bytes::from(archive.build()), Limits::default());
            assert!(block_on(read_directory(&bytes, &limits, NameEncoding::default())).is_err());
            assert!(block_on(is_document(&bytes, &limits)).unwrap());
        }
        let cut = Bytes::from(of(&["[Content_Types].xml"]).build()).slice(..60);
        assert!(!block_on(is_document(&cut, &Limits::default())).unwrap());
    }
}

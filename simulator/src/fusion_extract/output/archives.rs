//! One archive of a job: written by one of several producers, or spoilt in one of many ways.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::expected::{Digested, ExpectedMember, Landing, MemberPlan, MemberReader, Recipe};
use crate::fusion_extract::faults::ArchiveKind;
use crate::fusion_extract::scenario::{MemberSize, Producer};
use crate::response::LOGIN_PAGE;
use crate::zip_writer::{Entry, Layout, Method, Quirks, ZipWriter};

const BUFFER_BYTES: usize = 256 * 1024;
/// What a bomb unpacks to.
const BOMB_BYTES: u64 = 1 << 30;
/// What a member of understated size unpacks to, and what it declares.
const UNDERSTATED_BYTES: (u64, u64) = (8 << 20, 1_000);
/// Enough of an archive's end to hit the central directory: the end record and half of an entry.
const CUT_FROM_END: u64 = 22 + 23;
const SYMLINK_MODE: u32 = 0o120_777;

/// Writes the archive and says what a correct landing makes of it.
pub(super) fn write(
    file: File,
    producer: Producer,
    kind: ArchiveKind,
    members: Vec<MemberPlan>,
) -> io::Result<Landing> {
    match kind {
        ArchiveKind::Sound | ArchiveKind::ZipNamedJson => match producer {
            Producer::ZipCrate => write_with_zip_crate(file, members),
            other => write_sound(file, other, members),
        },
        ArchiveKind::ZeroByteMember => {
            let mut members = members;
            members.push(MemberPlan { name: "empty.csv".to_owned(), recipe: Recipe::Text(String::new()) });
            write_sound(file, producer, members)
        }
        ArchiveKind::DirectoryEntries => write_with_directories(file, members),
        ArchiveKind::NotAZip => write_text(file, "RESULT\nthis was never an archive\n", Landing::Copied),
        ArchiveKind::Gzip => write_gzip(file),
        ArchiveKind::HtmlPage => write_text(file, LOGIN_PAGE, Landing::Refused),
        ArchiveKind::EmptyFile => write_text(file, "", Landing::Refused),
        ArchiveKind::EmptyArchive => {
            ZipWriter::new(BufWriter::new(file)).finish()?;
            Ok(Landing::Refused)
        }
        ArchiveKind::FoldersAlone => {
            write_with_directories(file, Vec::new())?;
            Ok(Landing::Refused)
        }
        ArchiveKind::TruncatedCentralDirectory => {
            let whole = file.try_clone()?;
            write_sound(file, producer_with_own_writer(producer), members)?;
            let size = whole.metadata()?.len();
            whole.set_len(size.saturating_sub(CUT_FROM_END))?;
            Ok(Landing::Refused)
        }
        hostile => write_hostile(file, hostile, members),
    }
}

fn producer_with_own_writer(producer: Producer) -> Producer {
    if producer == Producer::ZipCrate { Producer::JavaStream } else { producer }
}

fn write_with_zip_crate(file: File, members: Vec<MemberPlan>) -> io::Result<Landing> {
    let mut archive = zip::ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    let mut written = Vec::with_capacity(members.len());
    for member in members {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .large_file(is_large(&member.recipe));
        archive.start_file(member.name.as_str(), options)?;
        let mut data = Digested::new(member.recipe.reader());
        io::copy(&mut data, &mut archive)?;
        written.push(describe(member, data));
    }
    archive.finish()?.flush()?;
    Ok(Landing::Members(written))
}

fn write_sound(file: File, producer: Producer, members: Vec<MemberPlan>) -> io::Result<Landing> {
    let mut archive = ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    let written = members
        .into_iter()
        .map(|member| add_sound(&mut archive, producer, member))
        .collect::<io::Result<Vec<_>>>()?;
    archive.finish()?;
    Ok(Landing::Members(written))
}

fn add_sound<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    producer: Producer,
    member: MemberPlan,
) -> io::Result<ExpectedMember> {
    let header = if is_large(&member.recipe) { Layout::Zip64Header } else { Layout::Header };
    let (method, layout) = match producer {
        Producer::ZipCrate => (Method::Deflated, header),
        Producer::JavaStream => (Method::Deflated, Layout::Descriptor { signature: true }),
        Producer::AlwaysZip64 => (Method::Deflated, Layout::Zip64Header),
        Producer::Stored => (Method::Stored, header),
        Producer::BareDescriptor => (Method::Deflated, Layout::Descriptor { signature: false }),
    };
    let mut data = Digested::new(member.recipe.reader());
    archive.add(&Entry { name: &member.name, method, layout, quirks: Quirks::default() }, &mut data)?;
    Ok(describe(member, data))
}

/// Whether four bytes may not hold the size; a row more or less is no matter.
fn is_large(recipe: &Recipe) -> bool {
    const NEARLY_4_GIB: u64 = 0xFFF0_0000;
    match recipe {
        Recipe::Table(spec) => match spec.size {
            MemberSize::Bytes(bytes) => bytes >= NEARLY_4_GIB,
            // No row is longer than a kilobyte.
            MemberSize::Rows(rows) => rows >= NEARLY_4_GIB / 1024,
        },
        Recipe::Text(_) => false,
    }
}

fn describe(member: MemberPlan, data: Digested<MemberReader>) -> ExpectedMember {
    ExpectedMember {
        name: member.name,
        size: data.size,
        crc32: data.crc32.clone().finalize(),
        rows: data.inner.rows(),
        sha256: data.sha256(),
        recipe: member.recipe,
    }
}

fn write_with_directories(file: File, members: Vec<MemberPlan>) -> io::Result<Landing> {
    let mut archive = ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    let mut written = Vec::new();
    for name in ["data/", "data/empty/"] {
        archive.add(&plain(name), &mut io::empty())?;
    }
    for member in members {
        let member = MemberPlan { name: format!("data/{}", member.name), recipe: member.recipe };
        written.push(add_sound(&mut archive, Producer::AlwaysZip64, member)?);
    }
    archive.finish()?;
    Ok(Landing::Members(written))
}

fn plain(name: &str) -> Entry<'_> {
    Entry { name, method: Method::Stored, layout: Layout::Header, quirks: Quirks::default() }
}

fn deflated(name: &str, quirks: Quirks) -> Entry<'_> {
    Entry { name, method: Method::Deflated, layout: Layout::Header, quirks }
}

fn write_text(mut file: File, text: &str, landing: Landing) -> io::Result<Landing> {
    file.write_all(text.as_bytes())?;
    Ok(landing)
}

fn write_gzip(file: File) -> io::Result<Landing> {
    let mut encoder = GzEncoder::new(file, Compression::default());
    encoder.write_all(b"RESULT\na gzip file is not an archive: it lands as it is\n")?;
    encoder.finish()?;
    Ok(Landing::Copied)
}

/// Sound members first, then what makes the whole archive unacceptable.
fn write_hostile(file: File, kind: ArchiveKind, members: Vec<MemberPlan>) -> io::Result<Landing> {
    let mut archive = ZipWriter::new(BufWriter::with_capacity(BUFFER_BYTES, file));
    for member in members {
        add_sound(&mut archive, Producer::JavaStream, member)?;
    }
    let mut rows: &[u8] = b"CARRIERID\n300100000000000\n";
    match kind {
        ArchiveKind::ZipSlip => archive.add(&plain("../../outside.csv"), &mut rows)?,
        ArchiveKind::AbsolutePath => archive.add(&plain("/etc/outside.csv"), &mut rows)?,
        ArchiveKind::BackslashPath => archive.add(&plain("..\\outside.csv"), &mut rows)?,
        ArchiveKind::DuplicateNames => {
            archive.add(&plain("twice.csv"), &mut rows)?;
            archive.add(&plain("twice.csv"), &mut &b"CARRIERID\n300100000000001\n"[..])?;
        }
        ArchiveKind::Bomb => {
            let mut zeros = io::repeat(0).take(BOMB_BYTES);
            archive.add(&deflated("bomb.csv", Quirks::default()), &mut zeros)?;
        }
        ArchiveKind::UnderstatedSize => {
            let quirks = Quirks { declared_size: Some(UNDERSTATED_BYTES.1), ..Quirks::default() };
            archive.add(&deflated("small.csv", quirks), &mut io::repeat(b'0').take(UNDERSTATED_BYTES.0))?;
        }
        ArchiveKind::Encrypted => {
            let quirks = Quirks { encrypted: true, ..Quirks::default() };
            archive.add(&deflated("secret.csv", quirks), &mut rows)?;
        }
        ArchiveKind::Symlink => {
            let quirks = Quirks { unix_mode: Some(SYMLINK_MODE), ..Quirks::default() };
            archive.add(&Entry { quirks, ..plain("link.csv") }, &mut &b"/etc/passwd"[..])?;
        }
        ArchiveKind::BadCrc => {
            let quirks = Quirks { wrong_crc: true, ..Quirks::default() };
            archive.add(&deflated("damaged.csv", quirks), &mut rows)?;
        }
        // The only kind left that is written here.
        _ => {
            archive.add(&plain("one.csv"), &mut rows)?;
            archive.add_overlapping("two.csv");
        }
    }
    archive.finish()?;
    Ok(Landing::Refused)
}

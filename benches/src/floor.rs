//! The floor: what landing cannot cost less than. Inflate and CRC-32 of the same bytes from memory, and the same
//! bytes read and written by a bare HTTP client; nothing else.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use http::Method;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use zip::{CompressionMethod, ZipArchive};

use crate::data::{each_piece, read_members};
use crate::failure::{Failure, Result, While as _};
use crate::wire::Connection;

/// Inflating into less at a time costs more; into more at a time, nothing less.
const STEP_BYTES: usize = 256 << 10;
/// What is read and written at a time: the size of landfall's parts.
const PART_BYTES: u64 = 8 << 20;

/// The floor's CPU seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Floor {
    /// Inflate and CRC-32.
    pub(crate) decode_seconds: f64,
    /// Reading the archive and writing its members by HTTP.
    pub(crate) transfer_seconds: f64,
}

struct Member {
    data: Bytes,
    is_deflated: bool,
    size: u64,
    crc32: u32,
}

/// Measures the floor of an archive that the sink serves under a path.
pub(crate) async fn measure(archive: &Path, port: u16, served_at: &str) -> Result<Floor> {
    let (members, archive_bytes) = load(archive)?;
    let began = cpu_seconds();
    for member in &members {
        decode(member)?;
    }
    let decoded = cpu_seconds();
    transfer(&members, archive_bytes, port, served_at).await?;
    let transferred = cpu_seconds();
    Ok(Floor { decode_seconds: decoded - began, transfer_seconds: transferred - decoded })
}

/// Reads every member by the `zip` crate and forgets it.
pub(crate) fn decode_by_zip_crate(archive: &Path) -> Result<()> {
    read_members(archive, |member| each_piece(member, |_| ()))
}

fn load(path: &Path) -> Result<(Vec<Member>, u64)> {
    let bytes = Bytes::from(std::fs::read(path).while_doing("reading the archive")?);
    let file = File::open(path).while_doing("reading the archive")?;
    let mut archive = ZipArchive::new(BufReader::new(file)).while_doing("reading the archive's directory")?;
    let mut members = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let member = archive.by_index_raw(index).while_doing("reading the archive's directory")?;
        let start = member.data_start().unwrap_or_default();
        let range = position(start)?..position(start + member.compressed_size())?;
        if range.end > bytes.len() {
            return Err(Failure::new("a member ends behind the archive's end"));
        }
        members.push(Member {
            data: bytes.slice(range),
            is_deflated: member.compression() == CompressionMethod::Deflated,
            size: member.size(),
            crc32: member.crc32(),
        });
    }
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok((members, length))
}

fn position(offset: u64) -> Result<usize> {
    usize::try_from(offset).while_doing("placing a member")
}

fn decode(member: &Member) -> Result<()> {
    let mut crc32 = crc32fast::Hasher::new();
    if member.is_deflated {
        inflate(&member.data, &mut crc32)?;
    } else {
        member.data.chunks(STEP_BYTES).for_each(|piece| crc32.update(piece));
    }
    match crc32.finalize() == member.crc32 {
        true => Ok(()),
        false => Err(Failure::new("the floor has inflated something else")),
    }
}

fn inflate(mut data: &[u8], crc32: &mut crc32fast::Hasher) -> Result<()> {
    let mut inflater = Decompress::new(false);
    let mut buffer = vec![0; STEP_BYTES];
    loop {
        let (consumed, produced) = (inflater.total_in(), inflater.total_out());
        let status =
            inflater.decompress(data, &mut buffer, FlushDecompress::None).while_doing("inflating")?;
        let consumed = position(inflater.total_in() - consumed)?;
        let produced = position(inflater.total_out() - produced)?;
        data = data.get(consumed..).unwrap_or_default();
        crc32.update(buffer.get(..produced).unwrap_or_default());
        if status == Status::StreamEnd {
            return Ok(());
        }
        if consumed == 0 && produced == 0 {
            return Err(Failure::new("a member's data ends early"));
        }
    }
}

async fn transfer(members: &[Member], archive_bytes: u64, port: u16, served_at: &str) -> Result<()> {
    let mut connection = Connection::open(port).await?;
    let mut offset = 0;
    while offset < archive_bytes {
        let end = archive_bytes.min(offset + PART_BYTES);
        let range = Some(format!("bytes={offset}-{}", end - 1));
        connection.send(Method::GET, served_at, range, Bytes::new(), drop).await?;
        offset = end;
    }
    let part = Bytes::from(vec![b'x'; position(PART_BYTES)?]);
    for member in members {
        let mut left = member.size;
        while left > 0 {
            let now = left.min(PART_BYTES);
            let body = part.slice(..position(now)?);
            connection.send(Method::PUT, "/floor/part", None, body, drop).await?;
            left -= now;
        }
    }
    Ok(())
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    let seconds = u32::try_from(time.tv_sec).unwrap_or(u32::MAX);
    f64::from(seconds) + f64::from(nanoseconds) / 1e9
}

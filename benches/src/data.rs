//! What is landed: archives of ERP-like CSV, made once by the simulator's generator and kept.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use crc_fast::{CrcAlgorithm, Digest};
use landfall::checksum::Hasher;
use serde::{Deserialize, Serialize};
use simulator::{Landing, MemberSize, Producer, Scenario};
use zip::ZipArchive;

use crate::failure::{Failure, Result, While as _};

const MIB: u64 = 1 << 20;
const READ_BYTES: usize = 256 << 10;
/// What `--quick` divides every archive's bytes by: members get smaller where they are few, else fewer.
const QUICK: u32 = 16;

/// An archive to land.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dataset {
    /// Its name, for `--only`.
    pub(crate) name: &'static str,
    members: u32,
    member_bytes: u64,
    producer: Producer,
}

/// Every archive that there is. The first makes sure that a contestant works at all.
pub(crate) const DATASETS: [Dataset; 7] = [
    Dataset { name: "probe", members: 3, member_bytes: 9 * MIB, producer: Producer::JavaStream },
    Dataset { name: "large", members: 8, member_bytes: 128 * MIB, producer: Producer::JavaStream },
    Dataset { name: "single", members: 1, member_bytes: 2048 * MIB, producer: Producer::JavaStream },
    Dataset { name: "small", members: 10_000, member_bytes: 10_000, producer: Producer::ZipCrate },
    Dataset { name: "tiny", members: 100_000, member_bytes: 1_000, producer: Producer::ZipCrate },
    Dataset { name: "stored", members: 8, member_bytes: 32 * MIB, producer: Producer::Stored },
    Dataset { name: "zip64", members: 8, member_bytes: 32 * MIB, producer: Producer::AlwaysZip64 },
];

/// An archive that has been made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Archive {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Its bytes.
    pub(crate) archive_bytes: u64,
    /// Their CRC-64/NVME, in hex.
    pub(crate) crc64nvme: String,
    /// Their SHA-256, in hex.
    pub(crate) sha256: String,
    /// How many members it has.
    pub(crate) members: u64,
    /// Their bytes, inflated.
    pub(crate) bytes: u64,
    /// The sum of their CRC-64/NVME modulo 2^64, as the sink has it of what has landed.
    pub(crate) digest: u64,
}

impl Dataset {
    /// The dataset of a name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = DATASETS.into_iter().find(|dataset| dataset.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = DATASETS.iter().map(|dataset| dataset.name).collect();
            Failure::new(format!("there is no archive {name:?}: there are {}", names.join(", ")))
        })
    }

    fn scaled(self, is_quick: bool) -> Self {
        match (is_quick && self.name != "probe", self.members > u32::from(u8::MAX)) {
            (false, _) => self,
            (true, true) => Self { members: self.members / QUICK, ..self },
            (true, false) => Self { member_bytes: self.member_bytes / u64::from(QUICK), ..self },
        }
    }

    /// What it is, in words.
    pub(crate) fn about(self, is_quick: bool) -> String {
        let Self { members, member_bytes, producer, .. } = self.scaled(is_quick);
        let size = match member_bytes {
            bytes if bytes >= MIB => format!("{} MiB", bytes / MIB),
            bytes => format!("{} KB", bytes / 1000),
        };
        let kind = match producer {
            Producer::Stored => ", stored",
            Producer::AlwaysZip64 => ", ZIP64",
            Producer::JavaStream => ", deflated, as Java streams it",
            Producer::ZipCrate | Producer::BareDescriptor => ", deflated",
        };
        format!("{members} x {size}{kind}")
    }

    fn folder(self, folder: &Path, is_quick: bool) -> PathBuf {
        folder.join(if is_quick { format!("{}-quick", self.name) } else { self.name.to_owned() })
    }

    /// The archive: the one that is there, or a new one. A process of its own makes it, so that what it needs
    /// of memory is not taken for that of the contestants, who are started by this one.
    pub(crate) fn archive(self, folder: &Path, is_quick: bool) -> Result<Archive> {
        let folder = self.folder(folder, is_quick);
        let record = folder.join("archive.json");
        if !record.exists() {
            eprintln!("making {}: {}", self.name, self.about(is_quick));
            fs::create_dir_all(&folder).while_doing("making a folder for data")?;
            let program = std::env::current_exe().while_doing("finding this program")?;
            let mut command = Command::new(program);
            command.arg("make").arg(self.name).arg(&folder);
            if is_quick {
                command.arg("--quick");
            }
            crate::measure::run(&mut command)?;
        }
        let text = fs::read(&record).while_doing(format_args!("reading {}", record.display()))?;
        serde_json::from_slice(&text).while_doing(format_args!("reading {}", record.display()))
    }

    /// Makes the archive into a folder, and its record last.
    pub(crate) fn make(self, folder: &Path, is_quick: bool) -> Result<()> {
        let Self { members, member_bytes, producer, .. } = self.scaled(is_quick);
        let scenario = Scenario {
            views: vec!["costDistributionExtract".to_owned()],
            members_per_chunk: members,
            member_size: MemberSize::Bytes(member_bytes),
            producers: vec![producer],
            ..Scenario::default()
        };
        let path = folder.join("archive.zip");
        let landing = simulator::write_archive(&path, &scenario).while_doing("writing an archive")?;
        let Landing::Members(expected) = landing else {
            return Err(Failure::new("the simulator has made no archive of members"));
        };
        let digest = sum_of_members(&path)?;
        let checksums = checksums(&path)?;
        let archive = Archive {
            path,
            archive_bytes: checksums.size,
            crc64nvme: checksums.crc64nvme.to_string(),
            sha256: checksums.sha256.map(|sha256| sha256.to_string()).unwrap_or_default(),
            members: u64::from(members),
            bytes: expected.iter().map(|member| member.size).sum(),
            digest,
        };
        let text = serde_json::to_vec_pretty(&archive).while_doing("describing an archive")?;
        fs::write(folder.join("archive.json"), text).while_doing("describing an archive")
    }
}

fn checksums(path: &Path) -> Result<landfall::checksum::Checksums> {
    let mut file = File::open(path).while_doing("reading an archive")?;
    let mut hasher = Hasher::new(true);
    each_piece(&mut file, |piece| hasher.update(piece))?;
    Ok(hasher.finish())
}

fn sum_of_members(path: &Path) -> Result<u64> {
    let mut sum: u64 = 0;
    read_members(path, |member| {
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        each_piece(member, |piece| digest.update(piece))?;
        sum = sum.wrapping_add(digest.finalize());
        Ok(())
    })?;
    Ok(sum)
}

/// Reads every member of an archive by the `zip` crate, which checks each one's CRC-32.
pub(crate) fn read_members(path: &Path, mut read: impl FnMut(&mut dyn Read) -> Result<()>) -> Result<()> {
    let file = File::open(path).while_doing("opening an archive")?;
    let mut archive =
        ZipArchive::new(BufReader::with_capacity(READ_BYTES, file)).while_doing("opening an archive")?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).while_doing("opening a member")?;
        read(&mut member)?;
    }
    Ok(())
}

/// Hands on what a reader reads, piece by piece.
pub(crate) fn each_piece(reader: &mut dyn Read, mut take: impl FnMut(&[u8])) -> Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = reader.read(&mut buffer).while_doing("reading")?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => take(piece),
            _ => return Ok(()),
        }
    }
}

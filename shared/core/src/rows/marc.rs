//! Records of MARC 21 in its exchange form, ISO 2709, checked as they are counted.
//!
//! A record begins with a leader of 24 bytes: its length in five digits, and from the 13th byte on in five digits where
//! its data begins. Between leader and data is the directory, entries of 12 bytes and a field terminator. A record ends
//! with a field terminator and a record terminator; nothing stands between two records. (ISO 2709:2008, 4; MARC 21
//! Specifications for Record Structure.)

use memchr::memchr;

use super::broken::{BrokenRecord, BrokenRecords, OnBrokenRecord, RowCount};
use super::error::RowError;

const LEADER: usize = 24;
const ENTRY: u64 = 12;
const FIELD_TERMINATOR: u8 = 0x1e;
const RECORD_TERMINATOR: u8 = 0x1d;
/// A leader, an empty directory's terminator, and the record's.
const SHORTEST: u64 = 26;

/// Counts records in constant memory; the file may be cut anywhere.
///
/// Where broken records are listed, such a one goes to its first record terminator, wherever its leader says that it ends:
/// the next record begins behind that.
#[derive(Debug, Clone, Default)]
pub(super) struct MarcRecords {
    on_broken: OnBrokenRecord,
    records: u64,
    broken: BrokenRecords,
    /// Where the current record begins in the file.
    begins_at: u64,
    /// How many bytes of the current record have come.
    seen: u64,
    leader: Vec<u8>,
    current: Option<Leader>,
    last: u8,
    /// Whether the current record is broken, and its end is looked for.
    is_skipping: bool,
}

/// What of a leader is needed.
#[derive(Debug, Clone, Copy)]
struct Leader {
    length: u64,
    data_at: u64,
}

impl MarcRecords {
    pub(super) fn new(on_broken: OnBrokenRecord) -> Self {
        Self { on_broken, ..Self::default() }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), RowError> {
        while !bytes.is_empty() {
            bytes = match self.current {
                _ if self.is_skipping => self.skip_broken(bytes),
                None => self.take_leader(bytes)?,
                Some(leader) => self.take_rest(bytes, leader)?,
            };
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<RowCount, RowError> {
        if self.seen > 0 && !self.is_skipping {
            self.note("the file ends in the middle of it".to_owned())?;
        }
        let broken_records = (self.broken.count > 0).then(|| Box::new(self.broken));
        Ok(RowCount { rows: self.records, broken_records, table: None })
    }

    fn take_leader<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], RowError> {
        let missing = LEADER.saturating_sub(self.leader.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(missing);
        self.leader.extend_from_slice(head);
        self.seen = self.seen.saturating_add(length(head));
        if self.leader.len() < LEADER {
            return Ok(rest);
        }
        let leader = std::mem::take(&mut self.leader);
        match Leader::read(&leader) {
            Ok(read) => self.current = Some(read),
            Err(reason) => {
                self.note(reason)?;
                // It may end within what was taken for its leader.
                self.seen = 0;
                self.is_skipping = true;
                let behind = self.skip_broken(&leader);
                self.leader.extend_from_slice(behind);
                self.seen = self.seen.saturating_add(length(behind));
            }
        }
        Ok(rest)
    }

    /// Takes what follows the leader, as far as the current record goes.
    fn take_rest<'a>(&mut self, bytes: &'a [u8], leader: Leader) -> Result<&'a [u8], RowError> {
        let missing = usize::try_from(leader.length.saturating_sub(self.seen)).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at(missing.min(bytes.len()));
        let from = self.seen;
        let before_last = part.len().checked_sub(2).and_then(|at| part.get(at)).copied().unwrap_or(self.last);
        self.last = part.last().copied().unwrap_or(self.last);
        if let Err(reason) = leader.check(part, from, [before_last, self.last]) {
            self.note(reason)?;
            self.is_skipping = true;
            return Ok(self.skip_broken(bytes));
        }
        self.seen = from.saturating_add(length(part));
        if self.seen == leader.length {
            self.records = self.records.saturating_add(1);
            self.begin_next();
        }
        Ok(rest)
    }

    /// Skips to behind the record terminator that ends a broken record.
    fn skip_broken<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = memchr(RECORD_TERMINATOR, bytes).map(|at| at.saturating_add(1));
        let (skipped, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.seen = self.seen.saturating_add(length(skipped));
        if end.is_some() {
            self.begin_next();
        }
        rest
    }

    fn begin_next(&mut self) {
        self.begins_at = self.begins_at.saturating_add(self.seen);
        self.seen = 0;
        self.current = None;
        self.last = 0;
        self.is_skipping = false;
    }

    /// Notes that the current record is broken; the error where that is one.
    fn note(&mut self, reason: String) -> Result<(), RowError> {
        let record = self.records.saturating_add(self.broken.count).saturating_add(1);
        let begins_at = self.begins_at;
        match self.on_broken {
            OnBrokenRecord::Refuse => Err(RowError::Marc { record, begins_at, reason }),
            OnBrokenRecord::LandAndList => {
                self.broken.add(BrokenRecord { record, begins_at, reason });
                Ok(())
            }
        }
    }
}

impl Leader {
    /// Reads a leader, or says what is wrong with it.
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let number = |at: usize, what: &str| {
            digits(bytes.get(at..at.saturating_add(5)).unwrap_or_default())
                .ok_or_else(|| format!("its leader has no {what} in digits"))
        };
        let leader = Self { length: number(0, "length")?, data_at: number(12, "base address of data")? };
        let directory = leader.data_at.checked_sub(SHORTEST - 1);
        let fits = leader.length >= SHORTEST
            && leader.data_at < leader.length
            && directory.is_some_and(|bytes| bytes.is_multiple_of(ENTRY));
        match fits {
            true => Ok(leader),
            false => Err(format!(
                "its leader has a length of {} and data from byte {} on, which is not possible",
                leader.length, leader.data_at
            )),
        }
    }

    /// Checks a part of the record, which begins `from` bytes behind its beginning; `last` are the last two bytes by then.
    fn check(self, part: &[u8], from: u64, last: [u8; 2]) -> Result<(), String> {
        let is_whole = from.saturating_add(length(part)) == self.length;
        let inner = part.get(..part.len().saturating_sub(usize::from(is_whole))).unwrap_or_default();
        let end = memchr(RECORD_TERMINATOR, inner);
        // Of two faults the first one is told, however the bytes come.
        self.check_directory_end(end.and_then(|at| part.get(..=at)).unwrap_or(part), from)?;
        if let Some(at) = end {
            return Err(format!(
                "it ends after {} bytes, and its leader says {}",
                from.saturating_add(length(inner.get(..=at).unwrap_or_default())),
                self.length
            ));
        }
        match is_whole && last != [FIELD_TERMINATOR, RECORD_TERMINATOR] {
            true => Err(format!(
                "its {} bytes do not end with a field terminator and a record terminator",
                self.length
            )),
            false => Ok(()),
        }
    }

    fn check_directory_end(self, part: &[u8], from: u64) -> Result<(), String> {
        let at = self.data_at.saturating_sub(1).checked_sub(from).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| part.get(at)) {
            Some(&byte) if byte != FIELD_TERMINATOR => {
                Err("its directory does not end where its data begins".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    text.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with one field that holds this.
    pub(crate) fn record(content: &[u8]) -> Vec<u8> {
        let field = [b"00", &[0x1f][..], b"a", content, &[FIELD_TERMINATOR]].concat();
        let data_at = LEADER + 12 + 1;
        let whole = data_at + field.len() + 1;
        let mut record = format!("{whole:05}nam a22{data_at:05}   4500").into_bytes();
        record.extend_from_slice(format!("245{:04}{:05}", field.len(), 0).as_bytes());
        record.push(FIELD_TERMINATOR);
        record.extend_from_slice(&field);
        record.push(RECORD_TERMINATOR);
        record
    }

    fn count(chunks: &[&[u8]]) -> Result<u64, RowError> {
        let mut records = MarcRecords::default();
        for chunk in chunks {
            records.push(chunk)?;
        }
        Ok(records.finish()?.rows)
    }

    /// The whole records, and the broken ones that are listed.
    fn listed(pieces: &[&[u8]]) -> (u64, Vec<(u64, u64)>) {
        let mut records = MarcRecords::new(OnBrokenRecord::LandAndList);
        pieces.iter().for_each(|piece| records.push(piece).unwrap());
        let RowCount { rows, broken_records, .. } = records.finish().unwrap();
        let broken = broken_records.unwrap_or_default();
        assert!(broken.count == broken.first.len() as u64 || broken.first.len() == 20);
        (rows, broken.first.into_iter().map(|broken| (broken.record, broken.begins_at)).collect())
    }

    /// Records are counted, however the file is cut.
    #[test]
    fn records_are_counted_wherever_the_file_is_cut() {
        let file = [record(b"one"), record("zwei \u{1f4da}".as_bytes()), record(&[b'x'; 5000])].concat();
        assert_eq!(count(&[&file]).unwrap(), 3);
        assert_eq!(count(&[]).unwrap(), 0);
        let bytes: Vec<&[u8]> = file.chunks(1).collect();
        assert_eq!(count(&bytes).unwrap(), 3);
        for cut in 1..200 {
            let (one, other) = file.split_at(cut);
            assert_eq!(count(&[one, other]).unwrap(), 3, "{cut}");
        }
    }

    /// Promise 5: a file that is cut, shifted or damaged is told from a whole one, with its record.
    #[test]
    fn damage_is_named_with_its_record() {
        let good = record(b"good");
        let damaged = |change: fn(&mut Vec<u8>)| {
            let mut bad = record(b"damaged");
            change(&mut bad);
            [good.clone(), bad, good.clone()].concat()
        };
        for (file, said) in [
            (damaged(|bad| bad.truncate(bad.len() - 9)), "do not end"),
            (damaged(|bad| bad[..5].copy_from_slice(b"99999")), "it ends after"),
            (damaged(|bad| bad[..5].copy_from_slice(b"0004x")), "no length in digits"),
            (damaged(|bad| bad[..5].copy_from_slice(b"00012")), "not possible"),
            (damaged(|bad| bad[12..17].copy_from_slice(b"00038")), "not possible"),
            (damaged(|bad| bad[36] = b'x'), "directory"),
            (damaged(|bad| bad[30..37].copy_from_slice(b"\x1dxxxxxx")), "it ends after 31 bytes"),
            (damaged(|bad| *bad.last_mut().unwrap() = b'\n'), "do not end"),
            (damaged(|bad| bad[45] = RECORD_TERMINATOR), "it ends after"),
            (damaged(|bad| bad.push(b'\n')), "no length in digits"),
            (damaged(|bad| bad.insert(0, b' ')), "no length in digits"),
        ] {
            let error = count(&[&file]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.starts_with("MARC record 2") || error.starts_with("MARC record 3"), "{error}");
            let bytes: Vec<&[u8]> = file.chunks(1).collect();
            assert_eq!(count(&bytes).unwrap_err().to_string(), error);
        }
        let error = count(&[&good[..good.len() - 1]]).unwrap_err().to_string();
        assert_eq!(error, "MARC record 1, at byte 0, is broken: the file ends in the middle of it");
    }
    /// Promise 5: where broken records are listed, the others are found nevertheless, however the file is cut.
    #[test]
    fn behind_a_broken_record_the_next_one_is_found() {
        let (good, next) = (record(b"good"), record("sch\u{f6}n".as_bytes()));
        let at = good.len() as u64;
        // An odd character of three bytes in the leader, not counted and counted.
        let mut uncounted = record(b"odd");
        uncounted.splice(18..19, *b"\xef\xbf\xbd");
        let mut counted = uncounted.clone();
        counted[..5].copy_from_slice(format!("{:05}", uncounted.len()).as_bytes());
        let damaged = |change: fn(&mut Vec<u8>)| {
            let mut bad = record(b"damaged");
            change(&mut bad);
            bad
        };
        for bad in [
            uncounted,
            counted,
            damaged(|bad| bad[..5].copy_from_slice(b"99999")),
            damaged(|bad| bad[..5].copy_from_slice(b"00026")),
            damaged(|bad| bad[..5].copy_from_slice(b"0004x")),
            damaged(|bad| bad[12..17].copy_from_slice(b"00038")),
            damaged(|bad| bad[36] = b'x'),
            damaged(|bad| bad.insert(40, b'x')),
            damaged(|bad| _ = bad.remove(40)),
            b"junk\x1d".to_vec(),
            b"junk of more than a leader's bytes\x1d".to_vec(),
            vec![RECORD_TERMINATOR],
        ] {
            let file = [&good[..], &bad, &next, &good].concat();
            for length in [1, 7, 24, file.len()] {
                let pieces: Vec<&[u8]> = file.chunks(length).collect();
                assert_eq!(listed(&pieces), (3, vec![(2, at)]), "{:?}", String::from_utf8_lossy(&bad));
            }
            let both = [&bad[..], &good, &bad].concat();
            assert_eq!(listed(&[&both]), (1, vec![(1, 0), (3, bad.len() as u64 + at)]));
        }
        // A file that ends early ends in a broken record.
        assert_eq!(listed(&[&good, &next[..9]]), (1, vec![(2, at)]));
        assert_eq!(listed(&[&good, &next[..next.len() - 1]]), (1, vec![(2, at)]));
        assert_eq!(listed(&[&good, &next]), (2, vec![]));
        assert_eq!(listed(&[&b"\x1d".repeat(100)]).1.len(), 20);
    }
}

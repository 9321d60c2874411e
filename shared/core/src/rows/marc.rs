//! Records of MARC 21 in its exchange form, ISO 2709, checked as they are counted.
//!
//! A record begins with a leader of 24 bytes: its length in five digits, and from the 13th byte on in five digits where
//! its data begins. Between leader and data is the directory, entries of 12 bytes and a field terminator. A record ends
//! with a field terminator and a record terminator; nothing stands between two records. (ISO 2709:2008, 4; MARC 21
//! Specifications for Record Structure.)

use memchr::memchr;

use super::error::RowError;

const LEADER: usize = 24;
const ENTRY: u64 = 12;
const FIELD_TERMINATOR: u8 = 0x1e;
const RECORD_TERMINATOR: u8 = 0x1d;
/// A leader, an empty directory's terminator, and the record's.
const SHORTEST: u64 = 26;

/// Counts records in constant memory; the file may be cut anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct MarcRecords {
    records: u64,
    /// Where the current record begins in the file.
    begins_at: u64,
    /// How many bytes of the current record have come.
    seen: u64,
    leader: Vec<u8>,
    current: Option<Leader>,
    last: u8,
}

/// What of a leader is needed.
#[derive(Debug, Clone, Copy)]
struct Leader {
    length: u64,
    data_at: u64,
}

impl MarcRecords {
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), RowError> {
        while !bytes.is_empty() {
            bytes = match self.current {
                None => self.take_leader(bytes)?,
                Some(leader) => self.take_rest(bytes, leader)?,
            };
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<u64, RowError> {
        match self.seen {
            0 => Ok(self.records),
            _ => Err(self.broken("the file ends in the middle of it".to_owned())),
        }
    }

    fn take_leader<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], RowError> {
        let missing = LEADER.saturating_sub(self.leader.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(missing);
        self.leader.extend_from_slice(head);
        self.seen = self.seen.saturating_add(length(head));
        if self.leader.len() == LEADER {
            self.current = Some(self.read_leader()?);
            self.leader.clear();
        }
        Ok(rest)
    }

    fn read_leader(&self) -> Result<Leader, RowError> {
        let number = |at: usize, what: &str| {
            digits(self.leader.get(at..at.saturating_add(5)).unwrap_or_default())
                .ok_or_else(|| self.broken(format!("its leader has no {what} in digits")))
        };
        let leader = Leader { length: number(0, "length")?, data_at: number(12, "base address of data")? };
        let directory = leader.data_at.checked_sub(SHORTEST - 1);
        let fits = leader.length >= SHORTEST
            && leader.data_at < leader.length
            && directory.is_some_and(|bytes| bytes.is_multiple_of(ENTRY));
        match fits {
            true => Ok(leader),
            false => Err(self.broken(format!(
                "its leader has a length of {} and data from byte {} on, which is not possible",
                leader.length, leader.data_at
            ))),
        }
    }

    /// Takes what follows the leader, as far as the current record goes.
    fn take_rest<'a>(&mut self, bytes: &'a [u8], leader: Leader) -> Result<&'a [u8], RowError> {
        let missing = usize::try_from(leader.length.saturating_sub(self.seen)).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at(missing.min(bytes.len()));
        let from = self.seen;
        self.seen = self.seen.saturating_add(length(part));
        let before_last = part.len().checked_sub(2).and_then(|at| part.get(at)).copied().unwrap_or(self.last);
        self.last = part.last().copied().unwrap_or(self.last);
        let is_whole = self.seen == leader.length;
        let inner = part.get(..part.len().saturating_sub(usize::from(is_whole))).unwrap_or_default();
        let end = memchr(RECORD_TERMINATOR, inner);
        // Of two faults the first one is told, however the bytes come.
        self.check_directory_end(end.and_then(|at| part.get(..=at)).unwrap_or(part), from, leader)?;
        if let Some(at) = end {
            return Err(self.broken(format!(
                "it ends after {} bytes, and its leader says {}",
                from.saturating_add(length(inner.get(..=at).unwrap_or_default())),
                leader.length
            )));
        }
        if is_whole {
            if self.last != RECORD_TERMINATOR || before_last != FIELD_TERMINATOR {
                return Err(self.broken(format!(
                    "its {} bytes do not end with a field terminator and a record terminator",
                    leader.length
                )));
            }
            self.records = self.records.saturating_add(1);
            self.begins_at = self.begins_at.saturating_add(leader.length);
            self.seen = 0;
            self.current = None;
        }
        Ok(rest)
    }

    fn check_directory_end(&self, part: &[u8], from: u64, leader: Leader) -> Result<(), RowError> {
        let at = leader.data_at.saturating_sub(1).checked_sub(from).and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| part.get(at)) {
            Some(&byte) if byte != FIELD_TERMINATOR => {
                Err(self.broken("its directory does not end where its data begins".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, reason: String) -> RowError {
        RowError::Marc { record: self.records.saturating_add(1), begins_at: self.begins_at, reason }
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
        records.finish()
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
}

//! Records as FOLIO exports them: MARC 21 in its exchange form (ISO 2709), and JSON lines for linked data.

use fastrand::Rng;

const FIELD: u8 = 0x1e;
const RECORD: u8 = 0x1d;
const SUBFIELD: char = '\u{1f}';
const WORDS: [&str; 12] = [
    "annals",
    "Bücher",
    "catalogue",
    "dictionary",
    "éditions",
    "folios",
    "gazette",
    "history",
    "incunabula",
    "journal",
    "кодекс",
    "letters",
];

/// The record of an id: the same seed and id give the same bytes.
pub(super) fn record(seed: u64, id: &str, about: u32) -> Vec<u8> {
    let mut rng = rng(seed, id);
    let number = rng.u32(..);
    let mut fields: Vec<(&str, String)> = vec![
        ("001", format!("in{number:011}")),
        ("005", "20260424101819.8".to_owned()),
        ("008", "260424s2026    xx            000 0 eng d".to_owned()),
        ("245", format!("10{SUBFIELD}a{}", phrase(&mut rng, 60))),
    ];
    let mut left = usize::try_from(about).unwrap_or(usize::MAX).clamp(300, 90_000).saturating_sub(300);
    while left > 0 {
        let note = phrase(&mut rng, left.min(400));
        left = left.saturating_sub(note.len() + 16);
        fields.push(("500", format!("  {SUBFIELD}a{note}")));
    }
    fields.push(("999", format!("ff{SUBFIELD}i{id}")));
    assemble(&fields)
}

/// The same as a line of JSON.
pub(super) fn line(seed: u64, id: &str) -> Vec<u8> {
    let title = phrase(&mut rng(seed, id), 60);
    format!("{}\n", serde_json::json!({ "@type": "Instance", "id": id, "title": title })).into_bytes()
}

fn rng(seed: u64, id: &str) -> Rng {
    let digits = id.bytes().fold(seed, |mixed, byte| mixed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
    Rng::with_seed(digits)
}

fn phrase(rng: &mut Rng, about: usize) -> String {
    let mut phrase = String::new();
    while phrase.len() < about {
        if !phrase.is_empty() {
            phrase.push(' ');
        }
        phrase.push_str(rng.choice(WORDS).unwrap_or("word"));
    }
    phrase
}

fn assemble(fields: &[(&str, String)]) -> Vec<u8> {
    let mut directory = String::new();
    let mut data = Vec::new();
    for (tag, content) in fields {
        directory.push_str(&format!("{tag}{:04}{:05}", content.len() + 1, data.len()));
        data.extend_from_slice(content.as_bytes());
        data.push(FIELD);
    }
    let data_at = 24 + directory.len() + 1;
    let length = data_at + data.len() + 1;
    let mut record = format!("{length:05}nam a22{data_at:05}   4500{directory}").into_bytes();
    record.push(FIELD);
    record.append(&mut data);
    record.push(RECORD);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What another reader of MARC relies on: length, directory and terminators agree.
    #[test]
    fn a_record_is_as_long_as_it_says_and_its_fields_are_where_it_says() {
        for about in [1, 900, 20_000] {
            let record = record(1, "6f7f3cd7-9f24-42eb-ae91-91af1cd54d0a", about);
            let number = |from: usize, to: usize| -> usize {
                std::str::from_utf8(&record[from..to]).unwrap().parse().unwrap()
            };
            assert_eq!(number(0, 5), record.len());
            assert_eq!(record.last(), Some(&RECORD));
            let data_at = number(12, 17);
            assert_eq!(record[data_at - 1], FIELD);
            let mut end = data_at;
            for entry in (24..data_at - 1).step_by(12) {
                let (length, start) = (number(entry + 3, entry + 7), number(entry + 7, entry + 12));
                assert_eq!(data_at + start, end);
                end += length;
                assert_eq!(record[end - 1], FIELD);
            }
            assert_eq!(end + 1, record.len());
        }
        assert_eq!(record(1, "a", 900), record(1, "a", 900));
        assert_ne!(record(1, "a", 900), record(2, "a", 900));
    }
}

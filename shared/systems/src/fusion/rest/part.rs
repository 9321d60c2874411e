//! Which rows a file has, as the job's list of files keeps it.

use serde::{Deserialize, Serialize};

use super::describe::{KeyAttribute, KeyAttributes};
use super::query::{Key, KeyRange, KeyValue};
use super::several::OneOrMany;
use landfall::error::{Error, Result};
use landfall::job::OutputFile;

/// Which rows a file has: what the source needs to find them again. Of a key of several fields each entry is a list.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// The key's field.
    key: OneOrMany<String>,
    /// Whether keys are numbers.
    numeric: OneOrMany<bool>,
    /// The last key before its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<OneOrMany<String>>,
    /// The last key of its rows; none for the last file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    through: Option<OneOrMany<String>>,
    /// How many rows there were when the list was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
}

/// The file of a range of keys, of so many rows where that is known.
pub(super) fn file(
    key: &KeyAttributes,
    range: &KeyRange,
    rows: Option<usize>,
    index: usize,
) -> Result<OutputFile> {
    let too_many =
        || Error::limit_exceeded("the rows make more files than can be counted: raise export.pages_per_file");
    let ordinal = u32::try_from(index).map_err(|_| too_many())?;
    let texts = |key: &Key| key.0.iter().map(KeyValue::to_string).collect::<Vec<_>>().into();
    let part = Part {
        key: key.0.iter().map(|attribute| attribute.name.clone()).collect::<Vec<_>>().into(),
        numeric: key.0.iter().map(|attribute| attribute.is_numeric).collect::<Vec<_>>().into(),
        after: range.after.as_ref().map(texts),
        through: range.through.as_ref().map(texts),
        rows,
    };
    let locator = serde_json::to_string(&part)
        .map_err(|error| Error::contract_broken("a key cannot be written down").because(error))?;
    Ok(OutputFile {
        is_log: false,
        ordinal,
        name: format!("part-{:05}.ndjson", index.saturating_add(1)),
        size: None,
        sha256: None,
        locator: Some(locator),
    })
}

/// What a file of the frozen list says of its rows.
pub(super) fn read(file: &OutputFile) -> Result<(KeyAttributes, KeyRange, Option<usize>)> {
    let wrong =
        |why: String| Error::contract_broken(format!("{} of the job's list has no rows: {why}", file.name));
    let part: Part = serde_json::from_str(file.locator.as_deref().unwrap_or_default())
        .map_err(|error| wrong(error.to_string()))?;
    let (names, numeric): (Vec<String>, Vec<bool>) = (part.key.into(), part.numeric.into());
    if names.is_empty() || names.len() != numeric.len() {
        return Err(wrong("its key has other fields than types".to_owned()));
    }
    let attributes =
        std::iter::zip(names, numeric).map(|(name, is_numeric)| KeyAttribute { name, is_numeric });
    let attributes: Vec<KeyAttribute> = attributes.collect();
    let key = |texts: Option<OneOrMany<String>>| {
        texts.map(|texts| parse(&attributes, &Vec::from(texts))).transpose().map_err(wrong)
    };
    let range = KeyRange { after: key(part.after)?, through: key(part.through)? };
    Ok((KeyAttributes(attributes), range, part.rows))
}

fn parse(attributes: &[KeyAttribute], texts: &[String]) -> Result<Key, String> {
    if attributes.len() != texts.len() {
        return Err("a key has other values than fields".to_owned());
    }
    let values = std::iter::zip(attributes, texts)
        .map(|(attribute, text)| KeyValue::parse(text, attribute.is_numeric));
    values.collect::<Result<_, _>>().map(Key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn key_of(names: &[(&str, bool)]) -> KeyAttributes {
        let attribute = |(name, is_numeric): &(&str, bool)| KeyAttribute {
            name: (*name).to_owned(),
            is_numeric: *is_numeric,
        };
        KeyAttributes(names.iter().map(attribute).collect())
    }

    fn written(file: &OutputFile) -> Value {
        serde_json::from_str(file.locator.as_deref().unwrap()).unwrap()
    }

    /// Promise 2: a file's rows are found again by what was written; a key of one field is written as releases before this
    /// one read it.
    #[test]
    fn a_files_rows_are_found_again() {
        let one = key_of(&[("InvoiceId", true)]);
        let range = KeyRange { after: None, through: Some(Key::number(7)) };
        let kept = file(&one, &range, Some(499), 0).unwrap();
        assert_eq!(
            written(&kept),
            json!({ "key": "InvoiceId", "numeric": true, "through": "7", "rows": 499 })
        );
        assert_eq!(read(&kept).unwrap(), (one, range, Some(499)));

        let several = key_of(&[("TypeId", true), ("Code", false)]);
        let after = Key(vec![KeyValue::Number(7), KeyValue::Text("O'B, C".to_owned())]);
        let range = KeyRange { after: Some(after), through: None };
        let kept = file(&several, &range, None, 1).unwrap();
        assert_eq!(
            written(&kept),
            json!({ "key": ["TypeId", "Code"], "numeric": [true, false], "after": ["7", "O'B, C"] })
        );
        assert_eq!(read(&kept).unwrap(), (several, range, None));
    }

    /// A list that says of a key another number of values than of fields is none.
    #[test]
    fn a_key_has_as_many_values_as_fields() {
        let usual = file(&key_of(&[("A", true)]), &KeyRange::default(), None, 0).unwrap();
        for locator in [
            json!({ "key": ["A", "B"], "numeric": true }),
            json!({ "key": [], "numeric": [] }),
            json!({ "key": ["A", "B"], "numeric": [true, false], "after": "7" }),
            json!({ "key": "A", "numeric": true, "after": ["7", "8"] }),
            json!({ "key": "A", "numeric": true, "through": "x" }),
        ] {
            let wrong = OutputFile { locator: Some(locator.to_string()), ..usual.clone() };
            let error = read(&wrong).unwrap_err();
            assert_eq!(error.error_type().name(), "ContractBroken", "{locator}");
        }
    }
}

//! `finder`: a predefined query by its name, with the values of its variables.

use crate::fusion_rest::rows::{Kind, Resource, Row};

/// The variable that a finder takes, and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finder {
    Status(String),
    Title(String),
}

impl Finder {
    /// Reads `FindByStatus;Status=OPEN`; the reason why it is none. No text is no finder.
    pub(super) fn read(text: &str, kind: Kind) -> Result<Option<Self>, String> {
        let (name, rest) = text.split_once(';').unwrap_or((text, ""));
        let value = |variable: &str| {
            let variables = variables(rest)?;
            let found = variables.into_iter().find(|(name, _)| name == variable);
            found.map(|(_, value)| value).ok_or_else(|| format!("The finder {name} needs {variable}."))
        };
        match (name, kind) {
            ("", _) => Ok(None),
            ("FindByStatus", Kind::Root(Resource::Invoices)) => Ok(Some(Self::Status(value("Status")?))),
            ("FindByTitle", Kind::Root(Resource::Assignments)) => Ok(Some(Self::Title(value("Title")?))),
            _ => Err(format!("The finder {name} is not defined.")),
        }
    }

    pub(super) fn finds(&self, row: &Row) -> bool {
        match self {
            Self::Status(status) => row.status() == status,
            Self::Title(title) => row.title() == title,
        }
    }
}

/// `A=1,B="two, or three"`: what separates variables, and a finder from them, must be in quotation marks.
fn variables(mut rest: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let wrong = || format!("The finder's variables are not understood from {rest} on.");
        let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').ok_or_else(wrong)?;
                (value, after)
            }
            None => {
                let end = after.find([',', ';', '=', '"']).unwrap_or(after.len());
                after.split_at(end)
            }
        };
        variables.push((name.to_owned(), value.to_owned()));
        rest = match after.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if after.is_empty() => "",
            _ => return Err(wrong()),
        };
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that is not in quotation marks ends where the next thing begins, and is never taken for more.
    #[test]
    fn values_are_read_whole_or_not_at_all() {
        let read = |text: &str| {
            let variables = variables(text)?;
            Ok::<_, String>(
                variables.into_iter().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>(),
            )
        };
        assert_eq!(read("A=1,B=two words").unwrap(), ["A:1", "B:two words"]);
        assert_eq!(read("A=\"x, y; z=1\",B=2").unwrap(), ["A:x, y; z=1", "B:2"]);
        for wrong in ["A", "A=x;y", "A=x=y", "A=x,y", "A=\"x", "A=\"x\"y", "A=x,", "A=a\"b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

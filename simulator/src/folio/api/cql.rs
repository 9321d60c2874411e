//! As much of CQL as clients of the data export send.

/// Conditions that all hold, each a field and the values that it may have; and the field that gives the order, perhaps
/// the last one first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conditions {
    all: Vec<(String, Vec<String>)>,
    order: Option<String>,
    pub(super) is_descending: bool,
}

impl Conditions {
    /// `None` where it is not one of the forms that are known.
    pub(super) fn parse(query: Option<&str>) -> Option<Self> {
        let query = query.unwrap_or("").trim();
        let (conditions, order) = match query.to_ascii_lowercase().find("sortby") {
            Some(at) if !query.get(..at)?.trim_end().ends_with('=') => {
                (query.get(..at)?, Some(query.get(at..)?.get("sortby".len()..)?))
            }
            _ => (query, None),
        };
        let is_descending = order.is_some_and(|order| order.contains("/sort.descending"));
        let order = order.map(|order| order.split('/').next().unwrap_or(order).trim().to_owned());
        let conditions = conditions.trim();
        let all = match conditions {
            "" | "cql.allRecords=1" => Vec::new(),
            _ => conditions.split(" and ").map(condition).collect::<Option<_>>()?,
        };
        Some(Self { all, order, is_descending })
    }

    /// The field by which the list is to be ordered. Only lists that have clients who ask for an order keep to it.
    pub(super) fn order(&self) -> Option<&str> {
        self.order.as_deref()
    }

    /// Whether these fields, by name, satisfy all conditions. A field that is not there satisfies none.
    pub(super) fn hold(&self, fields: &[(&str, &str)]) -> bool {
        self.all.iter().all(|(name, values)| {
            fields.iter().any(|(field, value)| field == name && values.iter().any(|wanted| wanted == value))
        })
    }

    /// The value that a field must have, where there is one alone.
    pub(super) fn value_of(&self, field: &str) -> Option<&str> {
        match self.all.iter().find(|(name, _)| name == field) {
            Some((_, values)) => values.first().filter(|_| values.len() == 1).map(String::as_str),
            None => None,
        }
    }
}

fn condition(text: &str) -> Option<(String, Vec<String>)> {
    let text = text.trim();
    let (name, value) = text.split_once("==").or_else(|| text.split_once('='))?;
    let value = value.trim();
    let values = match value.strip_prefix('(').and_then(|list| list.strip_suffix(')')) {
        Some(list) => list.split(" or ").map(term).collect::<Option<_>>()?,
        None => vec![term(value)?],
    };
    Some((name.trim().to_owned(), values))
}

/// A term, with or without quotes.
fn term(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_prefix('"').map_or(Some(text), |rest| rest.strip_suffix('"'))?;
    if inner.is_empty() || (!text.starts_with('"') && inner.contains([' ', '(', ')', '"'])) {
        return None;
    }
    let mut term = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        term.push(if character == '\\' { characters.next()? } else { character });
    }
    Some(term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let holds =
            |query: &str, fields: &[(&str, &str)]| Conditions::parse(Some(query)).unwrap().hold(fields);
        let job = [("id", "7"), ("status", "FAIL")];
        assert!(holds("id==7", &job) && holds("id==\"7\"", &job) && holds("id==7 and status==FAIL", &job));
        assert!(holds("status=(FAIL or COMPLETED) sortby completedDate/sort.descending", &job));
        assert!(!holds("id==8", &job) && !holds("name==x", &job));
        assert!(holds("name==\"a \\\"b\\\" \\*\"", &[("name", "a \"b\" *")]));
        assert!(holds("", &job));
        let order = |query: &str| Conditions::parse(Some(query)).unwrap().order;
        assert_eq!(order("id==7 sortBy createdDate/sort.descending").as_deref(), Some("createdDate"));
        assert_eq!((order("id==7"), order("name==sortby")), (None, None));
        assert_eq!(Conditions::parse(Some("id==((")), None);
        assert_eq!(Conditions::parse(Some("whatever")), None);
    }
}

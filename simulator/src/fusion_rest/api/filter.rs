//! `q`, in its two syntaxes: query by example, and from framework version 2 on row match expressions.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::fusion_rest::rows::{Kind, Row};

/// A condition on rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Is { attribute: String, operator: Operator, value: Value },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(i128),
    Time(Timestamp),
    Text(String),
}

impl Filter {
    /// Whether a row satisfies it.
    pub(super) fn holds(&self, row: &Row) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(row)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(row)),
            Self::Is { attribute, operator, value } => {
                compare(row, attribute, value).is_some_and(|ordering| operator.holds(ordering))
            }
        }
    }

    /// What keys must come after, as far as the filter says so: rows up to there need not be looked at.
    pub(super) fn after(&self, key: &str) -> Option<&Value> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.after(key)),
            Self::Is { attribute, operator: Operator::Greater, value } if attribute == key => Some(value),
            Self::Any(_) | Self::Is { .. } => None,
        }
    }

    /// What keys must not go beyond, as far as the filter says so.
    pub(super) fn through(&self, key: &str) -> Option<&Value> {
        match self {
            Self::All(filters) => filters.iter().find_map(|filter| filter.through(key)),
            Self::Is { attribute, operator: Operator::LessOrEqual, value } if attribute == key => Some(value),
            Self::Any(_) | Self::Is { .. } => None,
        }
    }
}

impl Operator {
    fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "=" => Self::Equal,
            "!=" | "<>" => Self::Unequal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Unequal => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn compare(row: &Row, attribute: &str, value: &Value) -> Option<Ordering> {
    match value {
        Value::Time(at) if attribute == "LastUpdateDate" => {
            Some(milliseconds(row.updated_at()).cmp(&milliseconds(*at)))
        }
        Value::Number(number) => Some(row.text(attribute).parse::<i128>().ok()?.cmp(number)),
        Value::Time(_) => None,
        Value::Text(text) if attribute == "Status" => Some(row.status().cmp(text.as_str())),
        Value::Text(text) => {
            let own: String = serde_json::from_str(&row.text(attribute)).ok()?;
            Some(own.as_str().cmp(text.as_str()))
        }
    }
}

/// The database keeps milliseconds.
fn milliseconds(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Reads a `q`; the reason why it cannot be.
pub(super) fn parse(q: &str, kind: Kind, framework: u8) -> Result<Filter, String> {
    let tokens = tokens(q)?;
    let filter = match framework {
        1 => by_example(&tokens, kind)?,
        _ => {
            let mut rest = tokens.as_slice();
            let filter = any(&mut rest, kind)?;
            match rest.first() {
                None => filter,
                Some(token) => return Err(format!("The expression is not understood from {token:?} on.")),
            }
        }
    };
    Ok(filter)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Symbol(String),
}

fn tokens(q: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = q.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            _ if character.is_whitespace() => {}
            '(' | ')' | ';' => tokens.push(Token::Symbol(character.to_string())),
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match rest.next() {
                        Some(next) if next == character && rest.peek() == Some(&character) => {
                            rest.next();
                            text.push(character);
                        }
                        Some(next) if next == character => break,
                        Some(next) => text.push(next),
                        None => return Err("A literal has no end.".to_owned()),
                    }
                }
                tokens.push(Token::Quoted(text));
            }
            '<' | '>' | '=' | '!' => {
                let mut symbol = character.to_string();
                while let Some(next) = rest.next_if(|next| "<>=".contains(*next)) {
                    symbol.push(next);
                }
                tokens.push(Token::Symbol(symbol));
            }
            _ => {
                let mut word = character.to_string();
                while let Some(next) =
                    rest.next_if(|next| !next.is_whitespace() && !"();'\"<>=!".contains(*next))
                {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// `Attribute>value and <=value;Other=value`
fn by_example(tokens: &[Token], kind: Kind) -> Result<Filter, String> {
    let mut all = Vec::new();
    for clause in tokens.split(|token| *token == Token::Symbol(";".to_owned())) {
        let Some((Token::Word(attribute), mut rest)) = clause.split_first() else {
            return Err("A clause names no attribute.".to_owned());
        };
        if all
            .iter()
            .any(|filter| matches!(filter, Filter::Is { attribute: other, .. } if other == attribute))
        {
            return Err(format!("The attribute {attribute} has two clauses."));
        }
        loop {
            all.push(condition(attribute, &mut rest, kind)?);
            match rest.split_first() {
                None => break,
                Some((Token::Word(word), more)) if word == "and" => rest = more,
                Some((token, _)) => return Err(format!("{token:?} is not understood.")),
            }
        }
    }
    Ok(Filter::All(all))
}

fn any(rest: &mut &[Token], kind: Kind) -> Result<Filter, String> {
    let mut filters = vec![every(rest, kind)?];
    while take_word(rest, "or") {
        filters.push(every(rest, kind)?);
    }
    Ok(match filters.len() {
        1 => filters.remove(0),
        _ => Filter::Any(filters),
    })
}

fn every(rest: &mut &[Token], kind: Kind) -> Result<Filter, String> {
    let mut filters = vec![one(rest, kind)?];
    while take_word(rest, "and") {
        filters.push(one(rest, kind)?);
    }
    Ok(Filter::All(filters))
}

fn one(rest: &mut &[Token], kind: Kind) -> Result<Filter, String> {
    match rest.split_first() {
        Some((Token::Symbol(symbol), more)) if symbol == "(" => {
            *rest = more;
            let filter = any(rest, kind)?;
            match rest.split_first() {
                Some((Token::Symbol(symbol), more)) if symbol == ")" => {
                    *rest = more;
                    Ok(filter)
                }
                _ => Err("A parenthesis is not closed.".to_owned()),
            }
        }
        Some((Token::Word(attribute), more)) => {
            *rest = more;
            condition(attribute, rest, kind)
        }
        _ => Err("An attribute is missing.".to_owned()),
    }
}

fn take_word(rest: &mut &[Token], word: &str) -> bool {
    match rest.split_first() {
        Some((Token::Word(found), more)) if found.eq_ignore_ascii_case(word) => {
            *rest = more;
            true
        }
        _ => false,
    }
}

fn condition(attribute: &str, rest: &mut &[Token], kind: Kind) -> Result<Filter, String> {
    let known = kind.attributes().iter().find(|(name, _)| *name == attribute);
    let Some((_, of_type)) = known else {
        return Err(format!("The attribute {attribute} is not queryable on {}.", kind.name()));
    };
    let [Token::Symbol(symbol), literal, more @ ..] = *rest else {
        return Err(format!("{attribute} needs an operator and a value."));
    };
    let operator = Operator::of(symbol).ok_or_else(|| format!("{symbol} is no operator."))?;
    let (Token::Word(text) | Token::Quoted(text)) = literal else {
        return Err(format!("{attribute} needs a value."));
    };
    let wrong = || format!("{text} is no value of {attribute}.");
    let value = match *of_type {
        "integer" | "number" => Value::Number(text.parse().map_err(|_| wrong())?),
        "datetime" => Value::Time(text.parse().map_err(|_| wrong())?),
        _ => Value::Text(text.clone()),
    };
    *rest = more;
    Ok(Filter::Is { attribute: attribute.to_owned(), operator, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fusion_rest::rows::Resource;

    const INVOICES: Kind = Kind::Root(Resource::Invoices);

    /// The two syntaxes say the same, and neither is taken for the other.
    #[test]
    fn each_framework_version_has_its_own_syntax() {
        let example = "Status=OPEN;InvoiceId> 5 and <= 10;LastUpdateDate>= '2026-11-21T06:00:00.000+00:00'";
        let expression = "(Status = 'OPEN') and InvoiceId > 5 and InvoiceId <= 10";
        assert!(parse(example, INVOICES, 1).is_ok());
        assert!(parse(example, INVOICES, 2).is_err());
        assert!(parse(expression, INVOICES, 4).is_ok());
        assert!(parse(expression, INVOICES, 1).is_err());
        let filter = parse(expression, INVOICES, 4).unwrap();
        assert_eq!(filter.after("InvoiceId"), Some(&Value::Number(5)));
        assert_eq!(filter.through("InvoiceId"), Some(&Value::Number(10)));
    }

    /// What no attribute is, is refused with its name.
    #[test]
    fn unknown_attributes_are_refused() {
        assert!(parse("Colour = 'red'", INVOICES, 4).unwrap_err().contains("Colour"));
        assert!(parse("InvoiceId = ten", INVOICES, 4).is_err());
        assert!(parse("(Status = 'OPEN'", INVOICES, 4).is_err());
    }

    /// An apostrophe in a text is doubled.
    #[test]
    fn apostrophes_are_doubled() {
        let lookups = Kind::Root(Resource::Lookups);
        let filter = parse("LookupCode > 'O''Brien-1'", lookups, 4).unwrap();
        assert_eq!(filter.after("LookupCode"), Some(&Value::Text("O'Brien-1".to_owned())));
    }
}

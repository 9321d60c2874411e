//! What every page has: its head, its look, its foot; and the parts that pages are made of.

use std::fmt::Display;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::words;

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded, nothing runs, whatever stands on the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page as one file.
pub(crate) fn page(title: &str, head: &Markup, body: &Markup) -> String {
    let title = words::text(title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (head) }
                main { (body) }
                footer { p { "Made by landfall. The manifest is what counts: this page only tells of it." } }
            }
        }
    };
    page.into_string()
}

/// A part of a page under a heading; nothing where there is nothing to say.
pub(crate) fn section(id: &str, heading: &str, content: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (heading) }
            (content)
        }
    }
}

/// A text that is none of ours.
pub(crate) fn foreign(text: &str) -> Markup {
    html! { bdi { (words::text(text)) } }
}

/// A name, a key, a number of a stranger's making, as it is written.
pub(crate) fn code(text: &str) -> Markup {
    html! { code { bdi { (words::text(text)) } } }
}

/// Text in its own lines: a command, a statement, a log.
pub(crate) fn block(text: &str) -> Markup {
    html! { pre { code { (words::text(text)) } } }
}

/// Facts by name.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl class="facts" {
            @for (name, value) in facts {
                div { dt { (name) } dd { (value) } }
            }
        }
    }
}

/// A figure that stands out.
pub(crate) fn figure(name: &str, value: impl Display, beside: Option<&str>) -> Markup {
    html! {
        div {
            dt { (name) }
            dd { (value.to_string()) @if let Some(beside) = beside { span class="beside" { (beside) } } }
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Of text.
    Text(&'static str),
    /// Of numbers, which stand below each other.
    Number(&'static str),
    /// Of what is short, and not to be broken.
    Short(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) | Self::Short(name) => name,
        }
    }

    fn class(self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Number(_) => Some("number"),
            Self::Short(_) => Some("short"),
        }
    }
}

/// A table; the first cell of a row names it. On a narrow page a row is a block, and each cell says what it is.
pub(crate) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    // Told to be a table also where it is laid out as blocks.
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th role="columnheader" scope="col" class=[column.class()] { (column.name()) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (at, (column, cell)) in std::iter::zip(columns, row).enumerate() {
                            @if at == 0 {
                                th role="rowheader" scope="row" { (cell) }
                            } @else {
                                td role="cell" class=[column.class()] data-name=(column.name()) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How something is, in a word; its colour says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Odd,
    /// Wrong.
    Bad,
    /// Neither.
    Plain,
}

/// The word.
pub(crate) fn badge(tone: Tone, word: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Odd => "badge odd",
        Tone::Bad => "badge bad",
        Tone::Plain => "badge",
    };
    html! { span class=(class) { (words::text(word)) } }
}

/// Something that a person should read.
pub(crate) fn note(tone: Tone, content: &Markup) -> Markup {
    let class = match tone {
        Tone::Good => "note good",
        Tone::Odd => "note odd",
        Tone::Bad => "note bad",
        Tone::Plain => "note",
    };
    html! { div class=(class) { (content) } }
}

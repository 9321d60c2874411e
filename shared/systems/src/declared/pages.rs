//! A list on several pages, read to its end and never in a circle.

use std::collections::HashSet;

use landfall::error::{Error, Result};
use url::Url;

use super::api::Api;
use super::call::Call;
use super::description::Pages;
use super::take::Answered;
use super::template::Values;

/// The most pages of a list.
const MAX_PAGES: usize = 20_000;
/// The most entries of a list, over all of its pages.
const MAX_ENTRIES: usize = 1_000_000;

/// Reads every page of a list, the first of which may be there already. `visit` says how many entries a page has.
pub(super) async fn walk(
    api: &Api,
    call: &Call,
    values: &Values,
    pages: Option<&Pages>,
    first: Option<Answered>,
    visit: &mut (dyn FnMut(&Answered) -> Result<usize> + Send),
) -> Result<()> {
    let (mut values, mut at) = (values.clone(), None::<Url>);
    let mut page = match first {
        Some(first) => first,
        None => {
            start(&mut values, pages);
            api.read(call, &values, None).await?
        }
    };
    let (mut seen, mut entries) = (HashSet::new(), 0_usize);
    loop {
        let found = visit(&page)?;
        entries = entries.saturating_add(found);
        if entries > MAX_ENTRIES || seen.len() > MAX_PAGES {
            return Err(Error::limit_exceeded(format!(
                "a list of {} has more than {MAX_ENTRIES} entries or {MAX_PAGES} pages",
                page.url.path()
            )));
        }
        let Some(next) = next(&page, pages, found, entries)? else { return Ok(()) };
        if !seen.insert(next.clone()) {
            return Err(
                page.malformed("the next page", "it is one that has been read: the list leads in a circle")
            );
        }
        match next {
            Next::Link(url) => at = Some(url),
            Next::Token(token) => values.set("next", token),
        }
        let further = match pages {
            Some(Pages::Token { call: Some(further), .. }) => further,
            _ => call,
        };
        page = api.read(further, &values, at.as_ref()).await?;
    }
}

/// What `{next}` stands for on the first page.
fn start(values: &mut Values, pages: Option<&Pages>) {
    if matches!(pages, Some(Pages::Offset)) {
        values.set("next", 0);
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Next {
    Link(Url),
    Token(String),
}

fn next(page: &Answered, pages: Option<&Pages>, found: usize, entries: usize) -> Result<Option<Next>> {
    Ok(match pages {
        None => None,
        Some(Pages::Link(take)) => match take.text(page) {
            None => None,
            Some(link) => {
                let url = page
                    .url
                    .join(&link)
                    .map_err(|_| page.malformed("the next page", "its link is no URL"))?;
                // What the first page was asked for by is one that has been read, too.
                if url == page.url {
                    return Err(page.malformed("the next page", "it is this one: the list leads in a circle"));
                }
                Some(Next::Link(url))
            }
        },
        Some(Pages::Token { take, end, .. }) => match (take.text(page), end) {
            (Some(token), Some(end)) if token == *end => None,
            (Some(token), _) => Some(Next::Token(token)),
            (None, None) => None,
            (None, Some(end)) => {
                return Err(
                    page.malformed("the next page", &format!("neither where it is nor {end:?} is there"))
                );
            }
        },
        Some(Pages::Offset) => (found > 0).then(|| Next::Token(entries.to_string())),
    })
}

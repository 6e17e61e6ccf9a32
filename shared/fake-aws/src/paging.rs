//! Pages of a list, as AWS's APIs give them: a token leads to the next.

use crate::faults::CallFault;

const TOKEN_PREFIX: &str = "page-from-";

/// The part of a list that a caller asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    from: usize,
    size: usize,
}

/// What of the request cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadPage {
    /// The size of a page.
    Size,
    /// The token.
    Token,
}

impl Page {
    /// Of at most `largest` items, which is also what comes when none is asked for.
    pub(crate) fn of(
        size: Option<i64>,
        largest: u16,
        token: Option<&str>,
    ) -> Result<Page, BadPage> {
        let size = size.unwrap_or_else(|| largest.into());
        let size = u16::try_from(size).map_err(|_| BadPage::Size)?;
        if !(1..=largest).contains(&size) {
            return Err(BadPage::Size);
        }
        let from = match token {
            None => Some(0),
            Some(token) => token
                .strip_prefix(TOKEN_PREFIX)
                .and_then(|from| from.parse().ok()),
        };
        let from = from.ok_or(BadPage::Token)?;
        Ok(Page {
            from,
            size: size.into(),
        })
    }

    /// This page of `all`, and the token of the next, if there is one.
    pub(crate) fn cut<T>(self, all: Vec<T>, fault: Option<CallFault>) -> (Vec<T>, Option<String>) {
        let token = |from: usize| format!("{TOKEN_PREFIX}{from}");
        if fault == Some(CallFault::EmptyPage) {
            return (Vec::new(), Some(token(self.from)));
        }
        let next = self.from.saturating_add(self.size);
        let next = (next < all.len()).then(|| token(next));
        let page = all.into_iter().skip(self.from).take(self.size);
        (page.collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_to_the_end_and_an_empty_one_loses_nothing() {
        let all = || vec![1, 2, 3, 4, 5];
        let (mut found, mut token, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = Page::of(Some(2), 50, token.as_deref()).unwrap();
            let fault = (pages == 1).then_some(CallFault::EmptyPage);
            let (items, next) = page.cut(all(), fault);
            found.extend(items);
            pages += 1;
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), (all(), 4));
    }

    #[test]
    fn sizes_and_tokens_that_no_page_gave_are_refused() {
        for size in [0, 51, -1, i64::MAX] {
            assert_eq!(Page::of(Some(size), 50, None), Err(BadPage::Size));
        }
        for token in ["", "page-from-", "page-from--1", "5"] {
            assert_eq!(Page::of(None, 50, Some(token)), Err(BadPage::Token));
        }
        assert_eq!(Page::of(None, 50, None).unwrap().size, 50);
    }
}

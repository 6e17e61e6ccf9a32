//! Queries, paged to their end.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use domain::mutant;

use crate::{Store, StoreError};

/// The most pages of one query: 1,000 pages of up to 1 MB. Beyond it a
/// partition has outgrown its design, and half an answer would be a wrong one.
const MAX_PAGES: usize = 1_000;

impl Store {
    /// Every item of a query, page by page.
    pub(crate) async fn query_all(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = query
                .clone()
                .set_exclusive_start_key(start.take())
                .send()
                .await?;
            items.extend(page.items.unwrap_or_default());
            if mutant!(OnlyTheFirstPage) {
                items.truncate(1);
                return Ok(items);
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                Some(_) | None => return Ok(items),
            }
        }
        Err(StoreError::Refused(format!(
            "a query of more than {MAX_PAGES} pages"
        )))
    }
}

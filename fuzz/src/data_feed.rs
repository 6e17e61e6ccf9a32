//! The seller's data feeds: CSV files in a bucket, and S3's list of them.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};

use domain::ids::ProductCode;
use marketplace::DataFeeds;

use crate::surroundings::{Answering, PRODUCT, data_feeds, now, run};

/// What parts the files: the product feed, the agreements feed, the usage feed.
const PARTING: &str = "\n---\n";

/// What is read.
static TEXT: Mutex<String> = Mutex::new(String::new());

/// Built once: that takes longer than reading.
static FEEDS: LazyLock<DataFeeds> = LazyLock::new(|| {
    let answer = |address: &str| Some(answer(address, &TEXT.lock().unwrap()));
    data_feeds(&Answering(Arc::new(answer)))
});

/// Reads three files.
pub fn read(bytes: &[u8]) {
    *TEXT.lock().unwrap() = String::from_utf8_lossy(bytes).into_owned();
    let products = BTreeSet::from([ProductCode::parse(PRODUCT).unwrap()]);
    let days = ("2026-11-20".parse().unwrap(), "2026-11-22".parse().unwrap());
    if let Ok(feed) = run(FEEDS.usage(&products, days, now())) {
        assert!(
            feed.rows
                .iter()
                .all(|row| days.0 <= row.usage.day && row.usage.day <= days.1)
        );
    }
}

fn answer(address: &str, text: &str) -> Vec<u8> {
    let mut files = text.split(PARTING);
    let (products, agreements) = (files.next(), files.next());
    if let Some((_, query)) = address.split_once('?')
        && query.contains("list-type=2")
    {
        return list(query);
    }
    let file = if address.contains("productfeed") {
        products
    } else if address.contains("agreementfeed") {
        agreements
    } else {
        files.next()
    };
    file.unwrap_or_default().as_bytes().to_vec()
}

fn list(query: &str) -> Vec<u8> {
    let folder = ["productfeed_v1", "agreementfeed_v1", "dailyusagefeed_v1"]
        .into_iter()
        .find(|folder| query.contains(folder))
        .unwrap_or_default();
    let key = format!("{folder}/year=2026/month=11/data.csv");
    format!(
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>{key}</Key>\
         <LastModified>2026-11-22T09:00:00.000Z</LastModified><Size>1</Size></Contents>\
         </ListBucketResult>"
    )
    .into_bytes()
}

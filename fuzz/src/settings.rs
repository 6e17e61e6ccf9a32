//! Settings: lines of `NAME=value`.

use std::collections::BTreeMap;

use runtime::settings::{ALL, Reader};

/// Reads settings as every function does at its start.
pub fn read(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let set: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let variable = |name: &str| set.get(name).map(|value| (*value).to_owned());
    let mut reader = Reader::new(&variable);
    let (settings, site) = (reader.settings(), reader.site());
    let (sign_in, feeds) = (reader.sign_in(), reader.data_feeds());
    let all = settings.zip(site).zip(sign_in).zip(feeds);
    if let Err(invalid) = reader.finish(all) {
        let told = invalid.to_string();
        for problem in &invalid.problems {
            assert!(told.contains(problem.setting.name));
        }
        assert!(invalid.problems.len() <= ALL.len());
    }
}

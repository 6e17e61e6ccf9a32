//! The files of the feeds: one of each month in which something was delivered.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::{FeedFile, day_of, midnight_after};

/// The midnights at which feeds were delivered.
pub(super) struct Delivered {
    first: Timestamp,
    last: Timestamp,
}

impl Delivered {
    /// From the first midnight after an instant until now.
    pub(super) fn since(first: Timestamp, now: Timestamp) -> Self {
        Self {
            first: midnight_after(first),
            last: midnight_after(now)
                .saturating_sub(SignedDuration::from_hours(24))
                .unwrap_or(now),
        }
    }

    /// Writes a feed's files, one for each month in which something was delivered.
    pub(super) fn write(
        &self,
        files: &mut BTreeMap<String, FeedFile>,
        feed: &str,
        columns: &[&str],
        mut rows: Vec<(Timestamp, String)>,
    ) {
        rows.sort();
        let header = csv(columns);
        let mut begin = |day: Date, at: Timestamp| {
            let path = format!(
                "{feed}/year={:04}/month={:02}/data.csv",
                day.year(),
                day.month()
            );
            let text = header.clone();
            let file = files.entry(path.clone()).or_insert_with(|| FeedFile {
                modified_at: at,
                text,
            });
            file.modified_at = file.modified_at.max(at);
            path
        };
        let (mut day, last) = (day_of(self.first), day_of(self.last));
        while self.first <= self.last && day <= last {
            let end = day.last_of_month().min(last);
            let at = Offset::UTC.to_timestamp(end.at(0, 0, 0, 0));
            begin(day, at.unwrap_or(self.last));
            day = match day.last_of_month().tomorrow() {
                Ok(next) => next,
                Err(_) => break,
            };
        }
        let paths: Vec<String> = rows.iter().map(|(at, _)| begin(day_of(*at), *at)).collect();
        for (path, (_, row)) in paths.iter().zip(rows) {
            if let Some(file) = files.get_mut(path) {
                file.text.push_str(&row);
            }
        }
    }
}

/// A line as RFC 4180 has it, ended by a line feed.
pub(super) fn csv(fields: &[&str]) -> String {
    let fields = fields.iter().map(|field| {
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            (*field).to_owned()
        }
    });
    let mut line = fields.collect::<Vec<String>>().join(",");
    line.push('\n');
    line
}

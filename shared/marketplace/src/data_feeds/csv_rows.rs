//! CSV as it arrives, piece by piece: only whole rows are parsed, so that a
//! file is never held whole.

use csv::{ByteRecord, ReaderBuilder};

/// The longest row that is waited for, in bytes.
const MAX_ROW: usize = 1 << 20;

/// The bytes that came and are not parsed yet, and where they are in the file.
#[derive(Debug, Default)]
pub(super) struct CsvRows {
    waiting: Vec<u8>,
    /// How far what waits was looked through, and whether that ends within quotes.
    looked: usize,
    quoted: bool,
    /// Lines that were parsed.
    lines: u64,
    begun: bool,
}

/// Rows that are whole.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    records: Vec<(u64, ByteRecord)>,
    /// Whether the last of them may be cut off: no line feed ends it.
    open_ended: bool,
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// Its fields.
    pub(super) fields: &'a ByteRecord,
    /// Whether it may be cut off.
    pub(super) open_ended: bool,
}

/// Why bytes are no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unparsed {
    #[error("holds nothing, not even a header")]
    Empty,
    #[error("has a row of more than {MAX_ROW} bytes after line {0}")]
    TooLong(u64),
    #[error("is cut off within quotes after line {0}")]
    CutOff(u64),
    #[error("is no CSV after line {0}")]
    NotCsv(u64),
}

impl Parsed {
    /// The rows, in the file's order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let last = self.records.len();
        self.records
            .iter()
            .enumerate()
            .map(move |(n, (line, fields))| Row {
                line: *line,
                fields,
                open_ended: self.open_ended && n + 1 == last,
            })
    }
}

impl CsvRows {
    /// Takes the next bytes; the rows that are whole by them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Parsed, Unparsed> {
        self.waiting.extend_from_slice(bytes);
        if !self.begun && self.waiting.len() >= 3 {
            self.begun = true;
            if self.waiting.starts_with(b"\xef\xbb\xbf") {
                self.waiting.drain(..3);
            }
        }
        let mut whole = 0;
        for (place, byte) in self.waiting.iter().enumerate().skip(self.looked) {
            match byte {
                b'"' => self.quoted = !self.quoted,
                b'\n' if !self.quoted => whole = place + 1,
                _ => {}
            }
        }
        self.looked = self.waiting.len() - whole;
        let rest = self.waiting.split_off(whole);
        let rows = std::mem::replace(&mut self.waiting, rest);
        if self.waiting.len() > MAX_ROW {
            return Err(Unparsed::TooLong(self.lines));
        }
        self.parse(&rows, false)
    }

    /// Nothing comes any more; the row that no line feed ends.
    pub(super) fn finish(&mut self) -> Result<Parsed, Unparsed> {
        if self.quoted {
            return Err(Unparsed::CutOff(self.lines));
        }
        let rest = std::mem::take(&mut self.waiting);
        self.parse(&rest, !rest.is_empty())
    }

    fn parse(&mut self, bytes: &[u8], open_ended: bool) -> Result<Parsed, Unparsed> {
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes);
        let (mut records, mut counted) = (Vec::new(), 0);
        for record in reader.byte_records() {
            let record = record.map_err(|_| Unparsed::NotCsv(self.lines))?;
            let begins = record.position().map_or(0, csv::Position::byte);
            // The parser leaves the line feed of CRLF to the row after it.
            let mut rest = usize::try_from(begins).map_or(&[][..], |at| &bytes[at..]);
            while let [b'\r' | b'\n', after @ ..] = rest {
                rest = after;
            }
            let at = bytes.len() - rest.len();
            self.lines += line_feeds(&bytes[counted..at]);
            counted = at;
            records.push((self.lines + 1, record));
        }
        self.lines += line_feeds(&bytes[counted..]);
        Ok(Parsed {
            records,
            open_ended,
        })
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(feeds).unwrap_or(u64::MAX)
}

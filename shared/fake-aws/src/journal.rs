//! Keeps the state's history in a file: one line per commit.
//!
//! Invariant: a commit is in the file before it is applied, and so before
//! anything is answered that depends on it. A process killed while writing
//! leaves at most one unfinished last line, which nobody was told about: it
//! is cut off at the next start.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::state::{Change, Marketplace};

const FORMAT: &str = "fake-aws";
const VERSION: u32 = 2;
const FILE: &str = "marketplace.jsonl";

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory or a file in it cannot be made, read or written.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("another process is using it")]
    InUse,
    /// It was written by something else, or by another version.
    #[error("{FILE} is not in this version's format; start with an empty directory")]
    Format,
    /// It belongs to another seller or product.
    #[error("it was made for another {0}; start with an empty directory")]
    OtherProduct(&'static str),
    /// A line cannot be read.
    #[error("{FILE}, line {line}: {reason}")]
    Corrupt {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// First line of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    seller_account: String,
    product_code: String,
}

/// Where commits are kept, if anywhere.
#[derive(Debug)]
pub(crate) struct Journal {
    file: Option<File>,
    length: u64,
    lines: usize,
}

impl Journal {
    /// Keeps nothing.
    pub(crate) fn none() -> Journal {
        Journal {
            file: None,
            length: 0,
            lines: 0,
        }
    }

    /// Opens the journal in `directory`, making both if need be, and replays
    /// it into `state`.
    pub(crate) fn open(
        directory: &Path,
        config: &Config,
        state: &mut Marketplace,
    ) -> Result<Journal, JournalError> {
        let io = |action| move |source| JournalError::Io { action, source };
        std::fs::create_dir_all(directory).map_err(io("make the directory"))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(FILE))
            .map_err(io("open marketplace.jsonl"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::InUse),
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::Io {
                    action: "lock marketplace.jsonl",
                    source,
                });
            }
        }
        let (length, lines) = replay(&file, config, state)?;
        file.set_len(length)
            .map_err(io("cut off an unfinished line of marketplace.jsonl"))?;
        let mut journal = Journal {
            file: Some(file),
            length,
            lines,
        };
        if lines == 0 {
            let header = line(&header(config)).map_err(io("write marketplace.jsonl"))?;
            journal
                .write(&header)
                .map_err(io("write marketplace.jsonl"))?;
        }
        Ok(journal)
    }

    /// Keeps one commit. On failure nothing of it is kept.
    pub(crate) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        if self.file.is_none() || changes.is_empty() {
            return Ok(());
        }
        self.write(&line(&changes)?)
    }

    /// How many commits there are, the header included.
    pub(crate) fn lines(&self) -> usize {
        self.lines
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(self.length))?;
        if let Err(error) = file.write_all(line) {
            // A part of the line may have been written, as on a full disk.
            file.set_len(self.length)?;
            return Err(error);
        }
        self.length += u64::try_from(line.len()).unwrap_or(0);
        self.lines += 1;
        Ok(())
    }
}

fn header(config: &Config) -> Header {
    Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        seller_account: config.seller_account.clone(),
        product_code: config.product_code.clone(),
    }
}

fn line<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Length and number of the complete lines.
fn replay(
    file: &File,
    config: &Config,
    state: &mut Marketplace,
) -> Result<(u64, usize), JournalError> {
    let mut reader = BufReader::new(file);
    let (mut length, mut lines) = (0_u64, 0_usize);
    let mut text = Vec::new();
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text);
        let read = read.map_err(|source| JournalError::Io {
            action: "read marketplace.jsonl",
            source,
        })?;
        if text.last() != Some(&b'\n') {
            // Cut off only what this program can have begun to write.
            let ours =
                lines > 0 || line(&header(config)).is_ok_and(|header| header.starts_with(&text));
            return if ours {
                Ok((length, lines))
            } else {
                Err(JournalError::Format)
            };
        }
        lines += 1;
        length += u64::try_from(read).unwrap_or(0);
        if lines == 1 {
            check(&text, config)?;
            continue;
        }
        let changes: Vec<Change> =
            serde_json::from_slice(&text).map_err(|error| JournalError::Corrupt {
                line: lines,
                reason: error.to_string(),
            })?;
        for change in changes {
            state.apply(change);
        }
    }
}

fn check(text: &[u8], config: &Config) -> Result<(), JournalError> {
    let found: Header = serde_json::from_slice(text).map_err(|_| JournalError::Format)?;
    let expected = header(config);
    if (&found.format, found.version) != (&expected.format, expected.version) {
        return Err(JournalError::Format);
    }
    if found.seller_account != expected.seller_account {
        return Err(JournalError::OtherProduct("seller account"));
    }
    if found.product_code != expected.product_code {
        return Err(JournalError::OtherProduct("product code"));
    }
    Ok(())
}

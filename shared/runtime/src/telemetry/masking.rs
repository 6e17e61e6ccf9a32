//! AWS account ids and e-mail addresses, made unrecognisable as a record is written:
//! AWS names accounts in what it refuses, and keys of stored items may name people.

use std::borrow::Cow;
use std::io;

use super::Format;

/// How many digits an AWS account id has.
const ACCOUNT_DIGITS: usize = 12;

/// How many of them stay, to tell accounts apart by.
const KEPT_DIGITS: usize = 4;

/// Writes records with what they name of people and AWS accounts masked.
pub(super) struct Masked<W> {
    to: W,
    format: Format,
}

impl<W> Masked<W> {
    pub(super) fn new(to: W, format: Format) -> Self {
        Self { to, format }
    }
}

impl<W: io::Write> io::Write for Masked<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        self.to.write_all(masked(&text, self.format).as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A record, masked. In JSON only texts are: a number is an amount.
fn masked(record: &str, format: Format) -> String {
    match format {
        Format::Readable => masked_text(record),
        Format::Json => texts_and_others(record)
            .map(|(text, piece)| match text {
                true => Cow::Owned(masked_text(piece)),
                false => Cow::Borrowed(piece),
            })
            .collect(),
    }
}

/// The pieces of a JSON record, and whether each is the inside of a text.
fn texts_and_others(record: &str) -> impl Iterator<Item = (bool, &str)> {
    let (mut rest, mut inside) = (record, false);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // A quote belongs to what is before it.
        let (piece, after) = rest.split_at(end_of_piece(rest, inside));
        let whole = (inside, piece);
        (rest, inside) = (after, !inside);
        Some(whole)
    })
}

/// Behind the next quote that is not escaped.
fn end_of_piece(text: &str, inside: bool) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'"' && !escaped {
            return at + 1;
        }
        escaped = inside && byte == b'\\' && !escaped;
    }
    text.len()
}

fn masked_text(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word);
        told.push_str(&masked_word(word));
        let other = after.find(in_word).unwrap_or(after.len());
        let (other, after) = after.split_at(other);
        told.push_str(other);
        rest = after;
    }
    told
}

/// What an e-mail address, or an id with points and hyphens, may be made of.
fn in_word(c: char) -> bool {
    c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-@".contains(c)
}

fn masked_word(word: &str) -> Cow<'_, str> {
    if let Some((name, host)) = word.rsplit_once('@')
        && !name.is_empty()
        && host.contains('.')
    {
        return Cow::Owned(format!("•••@{}", masked_digits(host)));
    }
    masked_digits(word)
}

/// A word whose runs of just as many digits as an AWS account id has are masked,
/// unless hexadecimal digits stand beside them or they end a UUID.
fn masked_digits(word: &str) -> Cow<'_, str> {
    let bytes = word.as_bytes();
    let (mut told, mut copied, mut at) = (String::new(), 0, 0);
    while at < bytes.len() {
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit());
        let end = at + digits.count();
        let hexadecimal = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        let alone = !at.checked_sub(1).is_some_and(hexadecimal) && !hexadecimal(end);
        if end - at == ACCOUNT_DIGITS && alone && !ends_uuid(&bytes[..at]) {
            told.push_str(&word[copied..at]);
            told.push_str("••••••••");
            copied = end - KEPT_DIGITS;
        }
        at = end.max(at + 1);
    }
    told.push_str(&word[copied..]);
    if copied == 0 {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(told)
    }
}

/// Whether this is a UUID's beginning, up to its last hyphen.
fn ends_uuid(before: &[u8]) -> bool {
    let is_group = |group: &[u8]| group.len() == 4 && group.iter().all(u8::is_ascii_hexdigit);
    let mut groups = before.rsplit(|b| *b == b'-');
    groups.next() == Some(&[]) && groups.take(3).filter(|group| is_group(group)).count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(record: &str, expected: &str) {
        assert_eq!(masked(record, Format::Json), expected);
    }

    #[test]
    fn what_aws_says_of_an_account_is_masked() {
        check(
            r#"{"error":"User: arn:aws:sts::123456789012:assumed-role/r is not authorized on \"arn:aws:dynamodb:us-east-1:123456789012:table/Usage\"\n123456789012"}"#,
            r#"{"error":"User: arn:aws:sts::••••••••9012:assumed-role/r is not authorized on \"arn:aws:dynamodb:us-east-1:••••••••9012:table/Usage\"\n••••••••9012"}"#,
        );
    }

    #[test]
    fn whom_the_key_of_an_item_names_is_masked() {
        check(
            r#"{"store.key":"user#o'hara+x@mail.example.com","account.id":"acme-production"}"#,
            r#"{"store.key":"•••@mail.example.com","account.id":"acme-production"}"#,
        );
    }

    #[test]
    fn amounts_instants_and_ids_stay() {
        for record in [
            r#"{"invoice.billed_microusd":123456789012,"license.id":"l-12345678901234567890123456789012"}"#,
            r#"{"timestamp":"2026-11-22T10:15:00.123456Z","lambda.request_id":"0a1b2c3d-4e5f-4a6b-8c7d-123456789012"}"#,
            r#"{"license.id":"l-123456789012abcdef0123456789abcd","store.path":"C:\\","run.frozen":2}"#,
        ] {
            check(record, record);
        }
    }

    #[test]
    fn a_readable_record_is_masked_as_a_whole() {
        let told = masked("WARN buyer=123456789012 mia@example.com", Format::Readable);
        assert_eq!(told, "WARN buyer=••••••••9012 •••@example.com");
    }
}

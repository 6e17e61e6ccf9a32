//! Cloud accounts packed by what they are: AWS accounts are twelve digits,
//! Azure subscriptions UUIDs.

use crate::ids::CloudAccountId;
use crate::packing::{Reader, Undecodable, Writer};

const NONE: u8 = 0;
/// From [`NONE`] to this: so many bytes of text.
const LONGEST_TEXT: u8 = 128;
const TWELVE_DIGITS: u8 = 129;
const UUID: u8 = 130;

/// Where a UUID has its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

enum Form<'a> {
    TwelveDigits([u8; 5]),
    Uuid([u8; 16]),
    Text(&'a str),
}

impl<'a> Form<'a> {
    fn of(account: &'a CloudAccountId) -> Self {
        let text = account.as_str();
        if let Some(digits) = twelve_digits(text) {
            Self::TwelveDigits(digits)
        } else if let Some(uuid) = uuid(text) {
            Self::Uuid(uuid)
        } else {
            Self::Text(text)
        }
    }
}

/// How many bytes [`write`] takes.
pub(super) fn len(account: &CloudAccountId) -> usize {
    1 + match Form::of(account) {
        Form::TwelveDigits(digits) => digits.len(),
        Form::Uuid(uuid) => uuid.len(),
        Form::Text(text) => text.len(),
    }
}

pub(super) fn write(writer: &mut Writer, account: Option<&CloudAccountId>) {
    match account.map(Form::of) {
        None => writer.u8(NONE),
        Some(Form::TwelveDigits(digits)) => {
            writer.u8(TWELVE_DIGITS);
            writer.bytes(&digits);
        }
        Some(Form::Uuid(uuid)) => {
            writer.u8(UUID);
            writer.bytes(&uuid);
        }
        Some(Form::Text(text)) => writer.text(text),
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<CloudAccountId>, Undecodable> {
    const FIELD: &str = "cloud account";
    let text = match reader.u8(FIELD)? {
        NONE => return Ok(None),
        len @ 1..=LONGEST_TEXT => {
            let text = reader.take(usize::from(len), FIELD)?;
            let text = std::str::from_utf8(text).map_err(|_| Undecodable::Field(FIELD))?;
            text.to_owned()
        }
        TWELVE_DIGITS => {
            let digits: [u8; 5] = reader.array(FIELD)?;
            let number = digits
                .iter()
                .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{number:012}")
        }
        UUID => text_of(u128::from_be_bytes(reader.array(FIELD)?)),
        _ => return Err(Undecodable::Field(FIELD)),
    };
    let account = CloudAccountId::parse(text).map_err(|_| Undecodable::Field(FIELD))?;
    Ok(Some(account))
}

fn twelve_digits(text: &str) -> Option<[u8; 5]> {
    if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let [_, _, _, digits @ ..] = text.parse::<u64>().ok()?.to_be_bytes();
    Some(digits)
}

/// Only as it is commonly written, for it must come back as it was.
fn uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut bits: u128 = 0;
    for (place, byte) in text.bytes().enumerate() {
        let is_dash = DASHES.contains(&place);
        match byte {
            b'-' if is_dash => {}
            b'0'..=b'9' if !is_dash => bits = bits << 4 | u128::from(byte - b'0'),
            b'a'..=b'f' if !is_dash => bits = bits << 4 | u128::from(byte - b'a' + 10),
            _ => return None,
        }
    }
    Some(bits.to_be_bytes())
}

fn text_of(uuid: u128) -> String {
    let mut text = format!("{uuid:032x}");
    for place in DASHES {
        text.insert(place, '-');
    }
    text
}

//! Values packed into bytes: a version, the fields, and the first 4 bytes of
//! the SHA-256 of all that. Numbers are big-endian; a varint has seven bits a
//! byte, the lowest first.
//!
//! Reading checks every field; bytes of a newer version, cut short or changed
//! are an error, never a guess.

use sha2::{Digest, Sha256};

/// Bytes that stand around the fields: the version and the checksum.
pub(crate) const AROUND: usize = 1 + CHECKSUM;

const CHECKSUM: usize = 4;

/// Why packed bytes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// Of another version of its form, such as a newer program's.
    #[error("packed in version {found}, this program reads version {known}")]
    Version {
        /// The bytes' version.
        found: u8,
        /// The version that this program writes and reads.
        known: u8,
    },
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A field is cut short or has a value that is never written.
    #[error("the field {0} is not readable")]
    Field(&'static str),
}

/// Writes fields behind one another.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Begins with the form's version; `expected` bytes are made room for.
    pub(crate) fn new(version: u8, expected: usize) -> Self {
        let mut bytes = Vec::with_capacity(expected);
        bytes.push(version);
        Self { bytes }
    }

    /// Begins without a version: fields that are [`framed`] later.
    pub(crate) fn bare() -> Self {
        Self { bytes: Vec::new() }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn varint(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.u8(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.u8(u8::try_from(value).unwrap_or(0));
    }

    /// A varint that counts computers.
    pub(crate) fn count(&mut self, count: u32) {
        self.varint(usize::try_from(count).unwrap_or(usize::MAX));
    }

    /// A text of at most 255 bytes, as every identifier is.
    pub(crate) fn text(&mut self, text: &str) {
        self.u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes(text.as_bytes());
    }

    /// The bytes, with their checksum.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let checksum = checksum(&self.bytes);
        self.bytes(&checksum);
        self.bytes
    }
}

/// Fields with their version and checksum.
pub(crate) fn framed(version: u8, fields: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new(version, fields.len() + AROUND);
    writer.bytes(fields);
    writer.finish()
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(bytes).into();
    [a, b, c, d]
}

/// Reads fields from the front of packed bytes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The fields of what [`Writer::finish`] gave.
    pub(crate) fn of(bytes: &'a [u8], version: u8) -> Result<Self, Undecodable> {
        Ok(Self::within(fields(bytes, version)?))
    }

    /// Fields that stand without version and checksum.
    pub(crate) fn within(fields: &'a [u8]) -> Self {
        Self { rest: fields }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Result<(), Undecodable> {
        if self.is_at_end() {
            Ok(())
        } else {
            Err(Undecodable::Field("end"))
        }
    }

    pub(crate) fn take(
        &mut self,
        len: usize,
        field: &'static str,
    ) -> Result<&'a [u8], Undecodable> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Undecodable::Field(field))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Undecodable> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Undecodable::Field(field))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, Undecodable> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, Undecodable> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, Undecodable> {
        self.array(field).map(u64::from_be_bytes)
    }

    pub(crate) fn varint(&mut self, field: &'static str) -> Result<usize, Undecodable> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.u8(field)?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Undecodable::Field(field))
    }

    /// A varint that counts computers.
    pub(crate) fn count(&mut self, field: &'static str) -> Result<u32, Undecodable> {
        u32::try_from(self.varint(field)?).map_err(|_| Undecodable::Field(field))
    }

    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, Undecodable> {
        let len = usize::from(self.u8(field)?);
        std::str::from_utf8(self.take(len, field)?).map_err(|_| Undecodable::Field(field))
    }
}

/// The fields of packed bytes, whose version and checksum are right.
pub(crate) fn fields(bytes: &[u8], version: u8) -> Result<&[u8], Undecodable> {
    match bytes.first() {
        Some(found) if *found == version => {}
        Some(found) => {
            return Err(Undecodable::Version {
                found: *found,
                known: version,
            });
        }
        None => return Err(Undecodable::Field("version")),
    }
    let (body, sum) = bytes
        .split_last_chunk::<CHECKSUM>()
        .ok_or(Undecodable::Checksum)?;
    if checksum(body) == *sum {
        Ok(body.get(1..).unwrap_or_default())
    } else {
        Err(Undecodable::Checksum)
    }
}

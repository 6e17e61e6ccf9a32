//! The postings of an account-hour packed: a log that only grows at its end,
//! cut into pieces of which all but the last never change again. So an hour to
//! which thousands of late reports come one by one is not written anew by each.
//!
//! ```text
//! posting  u8 0 links follow | 1 the links of the posting before | 2 releases and links follow
//!          varint n, then n times 16 bytes               the licenses released
//!          varint n, then n times: 16 bytes license, u16 from, u16 until
//!          varint n, then n times text                   the reports
//! ```
//!
//! A piece is a stretch of that, wherever it was cut, framed and read as
//! [`crate::packing`] says.

use crate::ids::{LicenseId, ReportId};
use crate::ledger::account_hour::Posting;
use crate::ledger::attribution::LinkedSpan;
use crate::packing::{Reader, Undecodable, Writer, fields, framed};

/// The last piece is cut off after the posting with which it reaches this.
pub const CUT_AT_BYTES: usize = 16 * 1024;

/// The longest stretch of one piece.
pub const MOST_PIECE_BYTES: usize = 88 * 1024;

const VERSION: u8 = 1;

const LINKS_FOLLOW: u8 = 0;
const LINKS_AS_BEFORE: u8 = 1;
const RELEASES_FOLLOW: u8 = 2;

/// Packs postings into pieces, at least one. The pieces before the last are
/// the same, whatever postings are added behind.
pub fn pack_postings(postings: &[Posting]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut last = Writer::bare();
    let mut links_before: Option<&[LinkedSpan]> = None;
    for posting in postings {
        write_posting(&mut last, posting, links_before);
        links_before = Some(&posting.links);
        if last.as_bytes().len() >= CUT_AT_BYTES {
            pieces.extend(last.as_bytes().chunks(MOST_PIECE_BYTES).map(piece));
            last = Writer::bare();
        }
    }
    pieces.push(piece(last.as_bytes()));
    pieces
}

/// Reads what [`pack_postings`] wrote.
///
/// # Errors
/// [`Undecodable`] for bytes of another version, changed or cut short, and for
/// pieces that do not belong together.
pub fn unpack_postings<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Posting>, Undecodable> {
    let mut log = Vec::new();
    for piece in pieces {
        log.extend_from_slice(fields(piece, VERSION)?);
    }
    let mut reader = Reader::within(&log);
    let mut postings: Vec<Posting> = Vec::new();
    while !reader.is_at_end() {
        let mut releases = Vec::new();
        let links = match (reader.u8("links")?, postings.last()) {
            (LINKS_FOLLOW, _) => read_links(&mut reader)?,
            (LINKS_AS_BEFORE, Some(before)) => before.links.clone(),
            (RELEASES_FOLLOW, _) => {
                for _ in 0..reader.varint("releases")? {
                    releases.push(read_license(&mut reader)?);
                }
                read_links(&mut reader)?
            }
            _ => return Err(Undecodable::Field("links")),
        };
        let mut reports = Vec::new();
        for _ in 0..reader.varint("reports")? {
            let id = ReportId::parse(reader.text("reports")?);
            reports.push(id.map_err(|_| Undecodable::Field("reports"))?);
        }
        postings.push(Posting {
            reports,
            links,
            releases,
        });
    }
    Ok(postings)
}

fn piece(stretch: &[u8]) -> Vec<u8> {
    framed(VERSION, stretch)
}

fn write_posting(writer: &mut Writer, posting: &Posting, links_before: Option<&[LinkedSpan]>) {
    if !posting.releases.is_empty() {
        writer.u8(RELEASES_FOLLOW);
        writer.varint(posting.releases.len());
        for license in &posting.releases {
            writer.bytes(&license.to_bits().to_be_bytes());
        }
        write_links(writer, &posting.links);
    } else if links_before == Some(&posting.links) {
        writer.u8(LINKS_AS_BEFORE);
    } else {
        writer.u8(LINKS_FOLLOW);
        write_links(writer, &posting.links);
    }
    writer.varint(posting.reports.len());
    for id in &posting.reports {
        writer.text(id.as_str());
    }
}

fn write_links(writer: &mut Writer, links: &[LinkedSpan]) {
    writer.varint(links.len());
    for link in links {
        writer.bytes(&link.license.to_bits().to_be_bytes());
        writer.u16(link.from);
        writer.u16(link.until);
    }
}

fn read_license(reader: &mut Reader<'_>) -> Result<LicenseId, Undecodable> {
    let bits = u128::from_be_bytes(reader.array("license")?);
    Ok(LicenseId::from_bits(bits))
}

fn read_links(reader: &mut Reader<'_>) -> Result<Vec<LinkedSpan>, Undecodable> {
    let mut links = Vec::new();
    for _ in 0..reader.varint("links")? {
        links.push(LinkedSpan {
            license: read_license(reader)?,
            from: reader.u16("link")?,
            until: reader.u16("link")?,
        });
    }
    Ok(links)
}

//! Identifiers, parsed at the edge: a value of one of these types is well formed.
//!
//! None may contain `/`, `#` or a control character, so the store joins them
//! with those separators without two different lists of identifiers ever
//! giving the same key. They are cheap to clone.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier of the wanted kind.
///
/// Names the kind and the rule, never the text: it may be a secret or hold
/// what an attacker wants to see in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// What it should have been, such as `account id`.
    pub kind: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

/// Declares a string identifier with its rule.
macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the identifier.
            ///
            /// # Errors
            /// [`InvalidId`] names the rule that the text breaks.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId { kind: $kind, rule: $rule })
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Declares one line of text for people, see [`line`], of so many characters at most.
macro_rules! text_line {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses the text; white space around it is cut off.
            ///
            /// # Errors
            /// [`InvalidId`] when it is empty or too long, or has control characters
            /// or such as turn text around or are not seen.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, $crate::ids::InvalidId> {
                let text = $crate::ids::line(text.as_ref(), $max);
                text.map(|text| Self(text.to_owned())).ok_or($crate::ids::InvalidId {
                    kind: $kind,
                    rule: concat!("1 to ", $max, " characters that can be seen, no control characters"),
                })
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::ids::InvalidId;
            fn try_from(text: String) -> Result<Self, $crate::ids::InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(line: $name) -> String {
                line.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_line;

/// 1 to `max` bytes of `a-zA-Z0-9` and `-_.:@`.
fn is_token(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@'))
}

/// 1 to `max` bytes without control characters, `/` or `#`.
fn is_text(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text
            .chars()
            .all(|c| !c.is_control() && c != '/' && c != '#')
}

/// One line of text for people, without what turns the text around it or is not
/// to be seen: 1 to `max` characters, white space around it cut off. Joiners,
/// which emoji and some scripts need, may stand beside what is seen.
pub(crate) fn line(text: &str, max: usize) -> Option<&str> {
    let text = text.trim();
    let fits = (1..=max).contains(&text.chars().count());
    let joins = |c| matches!(c, '\u{200c}' | '\u{200d}');
    let seen = text.chars().any(|c| !joins(c) && !c.is_whitespace());
    let clean = !text.chars().any(|c| c.is_control() || is_format(c));
    (fits && seen && clean).then_some(text)
}

/// Unicode's format characters (category Cf) but for joiners, and its separators
/// of lines and paragraphs.
const fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'
            | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

string_id! {
    /// An account: the customer's subscription unit in the seller's product.
    AccountId, "account id", "1 to 64 characters of a-z A-Z 0-9 - _ . : @, not only points",
    |t| is_token(t, 64) && t.bytes().any(|b| b != b'.')
}
string_id! {
    /// A user: the verified e-mail address, in lower case.
    UserEmail, "e-mail address", "local@domain, at most 254 characters, lower case, no spaces, / or #",
    |t| is_text(t, 254)
        && !t.contains(char::is_whitespace)
        && !t.chars().any(|c| c.is_ascii_uppercase())
        && t.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.') && !domain.contains('@'))
}
string_id! {
    /// An AWS account id: 12 digits.
    AwsAccountId, "AWS account id", "12 digits", |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit())
}
string_id! {
    /// An AWS Marketplace agreement, `agmt-…`.
    AgreementId, "agreement id", "1 to 64 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 64)
}
string_id! {
    /// An AWS Marketplace offer, `offer-…`.
    OfferId, "offer id", "1 to 64 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 64)
}
string_id! {
    /// The product code under which AWS Marketplace knows a product.
    ProductCode, "product code", "1 to 255 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 255)
}
string_id! {
    /// AWS Marketplace's id of a product, `prod-…`, by which its agreements name it.
    ProductId, "product id", "1 to 64 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 64)
}
string_id! {
    /// By what messages of listings older than 2026-06-01 name a buyer of a product.
    CustomerIdentifier, "customer identifier", "1 to 255 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 255)
}
string_id! {
    /// The name of a request of support's: the day on which it was made and 16
    /// hexadecimal digits made of its content, such as `2026-11-22.0123456789abcdef`.
    SupportRequestId, "support request", "a day, a point and 16 hexadecimal digits",
    |t| t.split_once('.').is_some_and(|(day, digest)| {
        let digits = digest.len() == 16 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        digits && day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok()
    })
}
impl SupportRequestId {
    /// The name of what was asked for on the day of an instant, by the hexadecimal
    /// digest of its content.
    pub(crate) fn of(at: jiff::Timestamp, digest: &str) -> Self {
        Self(format!("{}.{}", at.strftime("%Y-%m-%d"), &digest[..16]).into())
    }

    /// The day, such as `2026-11-22`.
    pub fn day(&self) -> &str {
        self.0.split_once('.').map_or("", |(day, _)| day)
    }
}
string_id! {
    /// The id of an event or message, unique at its source.
    EventId, "event id", "1 to 128 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 128)
}
string_id! {
    /// A usage report's id, chosen by the product: unique within its account and hour.
    ReportId, "report id", "1 to 64 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 64)
}
string_id! {
    /// A dimension of the product as AWS Marketplace knows it, such as `medium`.
    Dimension, "dimension", "1 to 255 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 255)
}
impl Dimension {
    /// A dimension named in this crate's own source.
    pub(crate) fn literal(name: &str) -> Self {
        Self(name.into())
    }
}

string_id! {
    /// The customer's account at a cloud provider, used as the allocation tag `cloudAccountID`.
    CloudAccountId, "cloud account id", "1 to 128 characters of a-z A-Z 0-9 - _ . : @", |t| is_token(t, 128)
}
string_id! {
    /// The id of a computer's agent.
    AgentId, "agent id", "1 to 255 bytes without control characters, / or #", |t| is_text(t, 255)
}
string_id! {
    /// A computer's instance id at its provider.
    InstanceId, "instance id", "1 to 255 bytes without control characters, / or #", |t| is_text(t, 255)
}

/// A license's id: the `l-…` at the end of its ARN, by which licenses are
/// compared, because AWS sometimes omits the ARN's prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LicenseId(Arc<str>);

impl LicenseId {
    /// The license whose 32 digits are this number.
    pub(crate) fn from_bits(bits: u128) -> Self {
        Self(format!("l-{bits:032x}").into())
    }

    /// The 32 digits as a number, for packing.
    pub(crate) fn to_bits(&self) -> u128 {
        let digits = self.0.chars().skip(2);
        let values = digits.map(|digit| digit.to_digit(16).unwrap_or_default());
        values.fold(0, |bits, value| bits << 4 | u128::from(value))
    }

    /// Parses `l-` followed by 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is of another form.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        let text = text.into();
        let digits = text.strip_prefix("l-").unwrap_or_default();
        if digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidId {
                kind: "license id",
                rule: "l- and 32 hexadecimal digits",
            })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LicenseId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl From<LicenseId> for String {
    fn from(id: LicenseId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for LicenseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of an AWS Marketplace license,
/// `arn:aws:license-manager::<12 digits>:license:l-<32 hex>`, kept as AWS gave
/// it because that is what is sent back when usage is metered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LicenseArn {
    text: Arc<str>,
    id: LicenseId,
}

impl LicenseArn {
    /// Parses an ARN, with or without its `arn:` prefix.
    ///
    /// # Errors
    /// [`InvalidId`] when it does not end in a license id or is not license-manager's.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
        const INVALID: InvalidId = InvalidId {
            kind: "license ARN",
            rule: "arn:aws:license-manager::<12 digits>:license:l-<32 hexadecimal digits>",
        };
        let text = text.into();
        let (prefix, id) = text.rsplit_once(':').ok_or(INVALID)?;
        let id = LicenseId::parse(id).map_err(|_| INVALID)?;
        let owner = prefix
            .strip_prefix("arn:")
            .unwrap_or(prefix)
            .strip_suffix(":license")
            .and_then(|p| p.split_once(":license-manager::"))
            .map(|(_partition, owner)| owner)
            .ok_or(INVALID)?;
        AwsAccountId::parse(owner).map_err(|_| INVALID)?;
        Ok(Self {
            text: text.into(),
            id,
        })
    }

    /// The ARN as AWS gave it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The license's id, by which licenses are compared.
    pub fn id(&self) -> &LicenseId {
        &self.id
    }
}

impl TryFrom<String> for LicenseArn {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

impl From<LicenseArn> for String {
    fn from(arn: LicenseArn) -> String {
        arn.text.as_ref().to_owned()
    }
}

impl fmt::Display for LicenseArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The last digits of an AWS account id, for logs and for people who may not
/// see the whole: `••••••••9012`.
pub fn masked(id: &AwsAccountId) -> String {
    format!("••••••••{}", &id.as_str()[8..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_people_neither_hides_nor_turns_text_around() {
        assert_eq!(line("  Zoë & Söhne 👨‍👩‍👧 ", 100), Some("Zoë & Söhne 👨‍👩‍👧"));
        for text in [
            "",
            " ",
            "\u{feff}",
            "\u{200b}",
            "\u{200d}",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2028}b",
            "a\nb",
        ] {
            assert_eq!(line(text, 100), None, "{text:?}");
        }
        assert_eq!(line("abc", 2), None);
    }

    #[test]
    fn an_account_id_is_no_step_of_a_path() {
        for text in [".", ".."] {
            assert!(AccountId::parse(text).is_err(), "{text}");
        }
        assert!(AccountId::parse("a.b").is_ok());
    }

    const ID: &str = "l-0123456789abcdef0123456789abcdef";

    #[test]
    fn a_license_is_the_same_with_and_without_the_arn_prefix() {
        let full = LicenseArn::parse(format!(
            "arn:aws:license-manager::123456789012:license:{ID}"
        ));
        let bare = LicenseArn::parse(format!("aws:license-manager::123456789012:license:{ID}"));
        assert_eq!(full.unwrap().id(), bare.unwrap().id());
    }

    #[test]
    fn an_arn_of_another_service_is_refused() {
        for text in [
            format!("arn:aws:s3::123456789012:license:{ID}"),
            format!("arn:aws:license-manager::1234:license:{ID}"),
            "arn:aws:license-manager::123456789012:license:l-xyz".to_owned(),
            ID.to_owned(),
            String::new(),
        ] {
            assert!(LicenseArn::parse(text.clone()).is_err(), "{text}");
        }
    }

    #[test]
    fn no_identifier_holds_a_separator_of_the_keys() {
        for text in ["a/b", "a#b", "a\nb", ""] {
            assert!(AccountId::parse(text).is_err());
            assert!(AgentId::parse(text).is_err());
            assert!(InstanceId::parse(text).is_err());
            assert!(UserEmail::parse(format!("{text}@example.com")).is_err());
        }
    }

    #[test]
    fn an_error_never_repeats_the_text() {
        let error = AccountId::parse("secret/token").unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}

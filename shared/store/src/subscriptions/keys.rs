//! The keys of the `Subscriptions` table. No identifier contains `#`.

use domain::ids::{
    AccountId, AgreementId, AwsAccountId, CustomerIdentifier, LicenseId, ProductCode,
    SupportRequestId, UserEmail,
};
use domain::linking::Link;
use domain::reconciliation::run::RunOf;
use domain::sign_in::SecretHash;
use jiff::Timestamp;
use jiff::civil::Date;

pub(super) const ACCOUNT: &str = "account";
pub(super) const LICENSE: &str = "license";
pub(super) const USER: &str = "user";
pub(super) const SESSION: &str = "session";
pub(super) const PENDING: &str = "pending";
pub(super) const LINK: &str = "link#";
pub(super) const MEMBER: &str = "member#";
pub(super) const FACT: &str = "fact#";
pub(super) const AUDIT: &str = "audit#";
pub(super) const BOUGHT: &str = "license#";
pub(super) const REQUEST: &str = "request#";
pub(super) const OUTBOX: &str = "outbox#";
pub(super) const RECONCILIATION: &str = "reconciliation";
pub(super) const CATCHING_UP: &str = "catching-up";
pub(super) const RUN: &str = "run";
pub(super) const PART: &str = "part#";

const ACCOUNT_PREFIX: &str = "account#";

pub(super) fn account(id: &AccountId) -> String {
    format!("{ACCOUNT_PREFIX}{id}")
}

/// The account of a partition key that [`account`] made.
pub(super) fn account_of(pk: &str) -> Option<AccountId> {
    AccountId::parse(pk.strip_prefix(ACCOUNT_PREFIX)?).ok()
}

pub(super) fn license(id: &LicenseId) -> String {
    format!("license#{id}")
}

/// The license of a partition key that [`license`] made.
pub(super) fn license_of(pk: &str) -> Option<LicenseId> {
    LicenseId::parse(pk.strip_prefix("license#")?).ok()
}

pub(super) fn agreement(id: &AgreementId) -> String {
    format!("agreement#{id}")
}

/// A buyer of a product, as an older listing's messages name them.
pub(super) fn customer((product, customer): (&ProductCode, &CustomerIdentifier)) -> String {
    format!("customer#{product}#{customer}")
}

pub(super) fn buyer(id: &AwsAccountId) -> String {
    format!("buyer#{id}")
}

/// The partitions over which all licenses are spread.
pub(super) fn licenses() -> impl Iterator<Item = String> {
    (0..16_u8).map(|partition| format!("licenses#{partition:x}"))
}

/// The partition in which a license is found among all: ids end in hexadecimal.
pub(super) fn licenses_with(id: &LicenseId) -> String {
    let last = id.as_str().chars().next_back().unwrap_or('0');
    format!("licenses#{}", last.to_ascii_lowercase())
}

pub(super) fn reconciliation(day: Date) -> String {
    format!("reconciliation#{day}")
}

/// The month of a day, such as `2026-11`.
pub(super) fn reconciled_month(day: Date) -> String {
    format!("reconciliation#{}", day.strftime("%Y-%m"))
}

pub(super) fn reconciliation_run(of: RunOf) -> String {
    let of = match of {
        RunOf::Days => "days",
        RunOf::Month => "month",
    };
    format!("reconciliation-run#{of}")
}

pub(super) fn reconciliation_parts(of: RunOf, begun_at: Timestamp) -> String {
    format!("{}#{}", reconciliation_run(of), instant(begun_at))
}

pub(super) fn part(number: u32) -> String {
    format!("{PART}{number:08}")
}

pub(super) fn bought(license: &LicenseId) -> String {
    format!("{BOUGHT}{license}")
}

/// The partition of the requests that support made on a day, such as `2026-11-22`.
pub(super) fn support_requests(day: &str) -> String {
    format!("support-requests#{day}")
}

pub(super) fn support_request(id: &SupportRequestId) -> String {
    format!("{REQUEST}{}", id.as_str())
}

pub(super) fn unjoined(at: Timestamp) -> String {
    format!("unjoined#{}", at.strftime("%Y-%m-%d"))
}

pub(super) fn fact(key: &str) -> String {
    format!("{FACT}{key}")
}

pub(super) fn user(email: &UserEmail) -> String {
    format!("user#{email}")
}

pub(super) fn member_by_account(user: &UserEmail) -> String {
    format!("{MEMBER}{user}")
}

pub(super) fn member_by_user(account: &AccountId) -> String {
    format!("{MEMBER}{account}")
}

pub(super) fn link_by_account(link: &Link) -> String {
    format!(
        "{}#{}#{:012}",
        links_before(link.from),
        link.license,
        link.number
    )
}

pub(super) fn link_by_license(link: &Link) -> String {
    format!(
        "{}#{}#{:012}",
        links_before(link.from),
        link.account,
        link.number
    )
}

/// Sorts after every link that began before the instant, and before every
/// other one.
pub(super) fn links_before(at: Timestamp) -> String {
    format!("{LINK}{}", instant(at))
}

pub(super) fn audit(at: Timestamp, version: u64, digest: &str) -> String {
    format!("{AUDIT}{}#{version:012}#{digest}", instant(at))
}

pub(super) fn outbox(version: u64, index: usize) -> String {
    format!("{OUTBOX}{version:012}#{index:02}")
}

pub(super) fn registration(hash: &SecretHash) -> String {
    format!("registration#{}", hash.as_str())
}

pub(super) fn hand_over(hash: &SecretHash) -> String {
    format!("hand-over#{}", hash.as_str())
}

pub(super) fn sign_in_state(hash: &SecretHash) -> String {
    format!("sign-in-state#{}", hash.as_str())
}

pub(super) fn sign_in(hash: &SecretHash) -> String {
    format!("sign-in#{}", hash.as_str())
}

/// An instant as text that sorts by time.
pub(super) fn instant(at: Timestamp) -> String {
    format!("{at:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_sort_as_text() {
        let texts = [
            "2026-11-22T10:00:00Z",
            "2026-11-22T10:00:00.000000001Z",
            "2026-11-22T10:00:00.5Z",
            "2026-11-22T10:00:01Z",
            "2026-11-22T10:00:01.25Z",
        ];
        let keys: Vec<String> = texts
            .iter()
            .map(|text| instant(text.parse().unwrap()))
            .collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn every_license_is_in_a_partition_that_is_looked_through() {
        for last in "0123456789abcdef".chars() {
            let id = LicenseId::parse(format!("l-{:031x}{last}", 7)).unwrap();
            assert!(licenses().any(|partition| partition == licenses_with(&id)));
        }
    }

    #[test]
    fn an_account_is_found_again_in_its_key() {
        let id = AccountId::parse("north:office").unwrap();
        assert_eq!(account_of(&account(&id)), Some(id));
        assert_eq!(account_of("license#north"), None);
        let id = LicenseId::parse(format!("l-{:032x}", 1)).unwrap();
        assert_eq!(license_of(&license(&id)), Some(id));
        assert_eq!(license_of("account#north"), None);
    }
}

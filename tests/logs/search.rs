//! The search itself: by value, in every form in which a value travels, and by form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::secrets;

/// Nothing shorter is searched for within words: six digits are a part of an instant too.
const WITHIN_WORDS: usize = 8;

/// What no log may hold and this one does: the record, and why. By the secrets
/// that this process is told, those that never change, and by form.
pub(crate) fn found(log: &str) -> Vec<String> {
    found_in(log, secrets().iter().map(String::as_str))
}

/// The same, by these secrets.
pub(crate) fn found_in<'a>(log: &str, secrets: impl Iterator<Item = &'a str>) -> Vec<String> {
    let client_secret = fake_aws::Config::default().secret;
    let lasting = [
        client_secret.as_str(),
        local::USAGE_API_KEY,
        "secret-access-key",
    ];
    let forms: Vec<String> = secrets
        .flat_map(forms)
        .chain(lasting.into_iter().flat_map(forms))
        .collect();
    let mut found = Vec::new();
    for record in log.lines() {
        let secret = forms.iter().find(|form| holds(record, form));
        if let Some(secret) = secret {
            found.push(format!("the secret {secret}: {record}"));
        }
        found.extend(by_form(record).map(|what| format!("{what}: {record}")));
    }
    found
}

/// A secret as it is, in a URL, in JSON, and in base64 wherever it begins in what is encoded.
fn forms(secret: &str) -> Vec<String> {
    let url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::to_string(secret).unwrap();
    let mut forms = vec![
        secret.to_owned(),
        url.to_lowercase(),
        url,
        json.trim_matches('"').to_owned(),
    ];
    if secret.len() >= WITHIN_WORDS {
        for offset in 0..3 {
            let shifted = [&b"\0\0"[..offset], secret.as_bytes()].concat();
            // The letters that what is before and behind it has no part in.
            let inside = |encoded: String| {
                let whole = shifted.len() * 8 / 6;
                encoded[(offset * 4).div_ceil(3)..whole].to_owned()
            };
            forms.push(inside(STANDARD.encode(&shifted)));
            forms.push(inside(URL_SAFE.encode(&shifted)));
        }
        forms.push(STANDARD_NO_PAD.encode(secret));
        forms.push(URL_SAFE_NO_PAD.encode(secret));
    }
    forms.sort();
    forms.dedup();
    forms
}

fn holds(record: &str, form: &str) -> bool {
    if form.len() >= WITHIN_WORDS {
        return record.contains(form);
    }
    record
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| word == form)
}

/// What a record holds that looks like what no log may hold.
fn by_form(record: &str) -> impl Iterator<Item = &'static str> {
    let words = || record.split(|c: char| !c.is_ascii_alphanumeric() && !"._%+-@/=".contains(c));
    let looks = [
        ("an e-mail address", words().any(is_email)),
        ("an AWS account id", words().any(holds_account)),
        ("a token", words().any(is_token)),
    ];
    looks
        .into_iter()
        .filter_map(|(what, is)| is.then_some(what))
}

fn is_email(word: &str) -> bool {
    let word = word.replace("%40", "@");
    let parts = word.rsplit_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// Twelve digits, and none of an id's beside them.
fn holds_account(word: &str) -> bool {
    let digits = |part: &str| part.len() == 12 && part.bytes().all(|b| b.is_ascii_digit());
    // A UUID's last part may happen to be digits alone.
    let uuid = |part: &str| part.len() == 36 && part.matches('-').count() == 4;
    let parts = word.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    parts
        .filter(|part| !uuid(part))
        .any(|part| part.split('-').any(digits))
}

/// A JSON Web Token's beginning; a cookie of ours; or letters and digits as only
/// chance, or what encodes it, puts together.
fn is_token(word: &str) -> bool {
    let parts = word.split(['.', '%', '@']);
    let mixed = |part: &str| {
        part.len() >= 40
            && part.contains(|c: char| c.is_ascii_digit())
            && part.contains(|c: char| c.is_ascii_lowercase())
            && part.contains(|c: char| c.is_ascii_uppercase())
    };
    let cookie = |part: &str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    word.contains("eyJ") || parts.into_iter().any(|part| mixed(part) || cookie(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the functions write it, with this in it.
    fn planted(what: &str) -> String {
        super::super::begin();
        tracing::trace!(target: "app", planted = what, "planted: {what}");
        let log = super::super::take();
        assert_eq!(log.lines().count(), 1, "{log}");
        log
    }

    #[test]
    fn whatever_is_planted_in_the_log_is_found() {
        for planted_here in [
            "AQICAHh0aGlzIGlzIG5vIHRva2VuQQ+Zz/0thatAWS5makesAtAll==",
            "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "alice@example.com",
            "to=alice%40example.com&x=1",
            "777788889999",
            "arn:aws:license-manager::294406891311:license:l-0123456789abcdef0123456789abcdef",
            "cloud-777788889999-a",
            "local-usage-key",
        ] {
            let log = planted(planted_here);
            assert_eq!(found_in(&log, std::iter::empty()).len(), 1, "{log}");
        }
    }

    #[test]
    fn a_secret_is_found_in_each_form_in_which_it_travels() {
        let secret = "pa+ss/wo\"rd";
        let basic = STANDARD.encode(format!("client:{secret}"));
        let url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for sent in [secret, &basic, &url, &url.to_lowercase()] {
            let log = planted(sent);
            let found = found_in(&log, std::iter::once(secret));
            assert_eq!(found.len(), 1, "{sent}: {log}");
        }
        let log = planted("code=123456");
        assert_eq!(found_in(&log, std::iter::once("123456")).len(), 1, "{log}");
    }

    #[test]
    fn what_a_log_is_for_is_not_taken_for_a_secret() {
        let log = planted(
            "l-0123456789abcdef0123456789abcdef 0a1b2c3d-4e5f-4a6b-8c7d-123456789012 \
             2026-11-22T10:15:00Z acme-production ••••••••9999 1234567890123",
        );
        assert_eq!(
            found_in(&log, std::iter::once("123456")),
            Vec::<String>::new()
        );
    }
}

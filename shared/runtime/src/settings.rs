//! Settings: read once from the environment, checked all together.
//!
//! [`ALL`] is the list that documents them, that an error quotes, and that a
//! test holds against `template.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use app::{Rules, ZeroRecords};
use domain::catalog::Catalog;
use domain::ids::{AwsAccountId, ProductCode, ProductId};
use domain::ledger::deadline::CarryRules;
use domain::ledger::slot::AllocationLimit;
use domain::policy::{RepeatedGrace, SubscriptionPolicy, SupportApproval};
use jiff::SignedDuration;
use store::Tables;
use tracing::level_filters::LevelFilter;

/// A setting: an environment variable, and what it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    /// What it should look like.
    pub form: &'static str,
    /// What holds when it is not set; `None` when it must be.
    pub default: Option<&'static str>,
    /// Which functions read it.
    pub scope: Scope,
    /// Who sets it on AWS.
    pub set_by: SetBy,
}

/// Which functions read a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Every,
    /// Those that answer HTTP requests.
    Site,
    /// Those in whose pages users sign in.
    SignIn,
    /// The one that compares our usage with AWS's.
    Reconciliation,
}

/// Who sets a variable on AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// `template.yaml`.
    Template,
    /// Lambda itself.
    Lambda,
    /// Nobody, unless there is a reason to.
    Operator,
}

macro_rules! settings {
    ($($name:ident: $scope:ident, $set_by:ident, $default:expr, $meaning:literal, $form:literal;)*) => {
        $(
            const $name: Setting = Setting {
                name: stringify!($name),
                meaning: $meaning,
                form: $form,
                default: $default,
                scope: Scope::$scope,
                set_by: SetBy::$set_by,
            };
        )*
        /// Every setting there is.
        pub const ALL: &[Setting] = &[$($name),*];
    };
}

settings! {
    SUBSCRIPTIONS_TABLE: Every, Template, None,
        "the DynamoDB table of accounts, licenses and links", "a table's name";
    USAGE_TABLE: Every, Template, None,
        "the DynamoDB table of the ledger", "a table's name";
    SELLER_ACCOUNT: Every, Template, None,
        "the AWS account that sells: events of another one change nothing", "12 digits";
    PRODUCT_CODES: Every, Template, None,
        "the products sold here: tokens and events of another one change nothing",
        "product codes as AWS Marketplace knows them, separated by commas";
    PRODUCT_IDS: Every, Template, None,
        "by which ids AWS Marketplace's agreements name these products",
        "product ids (prod-…), separated by commas, one for each of PRODUCT_CODES and in its order";
    TRIAL_DAYS: Every, Operator, Some("30"),
        "how long a new account may try the product", "a whole number of days from 0 to 365";
    REPEATED_GRACE: Every, Operator, Some("granted"),
        "what the third grace of an account within 30 days does, beside raising an alarm",
        "granted or refused";
    SUPPORT_APPROVAL: Every, Template, Some("one"),
        "how many people of support it takes to unlink or transfer a license for a customer",
        "one, or two: a second person approves it";
    CATALOG: Every, Operator, Some(""),
        "what is sold: each tier's dimension and list price",
        "a JSON object of version, service and rates (tier, dimension, label, list_price_microusd), \
         Data Center the dearest, and where it is known service_subcategory, as FOCUS 1.2 names it; \
         empty for Workload Security's list prices";
    ALLOCATIONS_PER_RECORD: Every, Operator, Some("500"),
        "over how many cloud accounts a usage record is divided at most",
        "a whole number from 1 to 2500";
    CARRY_HOURS: Every, Operator, Some("96"),
        "for how many hours after its own usage that came late may still be billed",
        "a whole number of hours from 48 to 720";
    CARRY_ROOM_MINUTES: Every, Operator, Some("30"),
        "how long before an hour's deadline no more usage is put into it",
        "a whole number of minutes from 15 to 360";
    ZERO_RECORDS: Every, Operator, Some("off"),
        "whether AWS is told of an hour without usage by a record of 0", "off or sent";
    CALLS_AT_ONCE: Every, Operator, Some("4"),
        "how many calls to AWS's metering may be under way at once",
        "a whole number from 1 to 10";
    DATA_FEEDS_BUCKET: Reconciliation, Template, Some(""),
        "the S3 bucket to which AWS Marketplace delivers the seller's data feeds",
        "a bucket's name; empty when the seller is not enrolled";
    LOG_LEVEL: Every, Template, Some("info"),
        "how much is logged", "error, warn, info or debug";
    AWS_REGION: Every, Lambda, None,
        "the Region of the tables", "a Region, such as us-east-1";
    AWS_ENDPOINT_URL: Every, Operator, Some(""),
        "where AWS is called instead of at AWS, such as at the local stack",
        "http:// or https:// and a host; empty for AWS itself";
    PUBLIC_URL: Site, Template, None,
        "the address under which people reach the pages",
        "https:// and a host, without a slash at its end (http:// for localhost only)";
    PRODUCT_NAME: Site, Template, None,
        "the product's name, as customers know it", "a text of at most 100 characters";
    SUPPORT_EMAIL: Site, Template, None,
        "where customers may ask for help", "an e-mail address";
    SIGN_IN_ISSUER: SignIn, Template, None,
        "the OpenID Connect issuer that signs users in",
        "its https:// address, exactly as its tokens name it (http:// for localhost only)";
    SIGN_IN_CLIENT_ID: SignIn, Template, None,
        "our client id at the issuer", "a text";
    SIGN_IN_CLIENT_SECRET_ARN: SignIn, Template, None,
        "where our client secret at the issuer is kept",
        "the ARN of a Secrets Manager secret that holds it as a text";
    ORIGIN_SECRET_ARN: SignIn, Template, Some(""),
        "where the secret is kept that CloudFront shows, so that nobody gets past its firewall to the pages",
        "the ARN of a Secrets Manager secret that holds it as a text; empty without CloudFront";
    SIGN_IN_CREDENTIAL_METHODS: SignIn, Template, Some(""),
        "how a sign-in with credentials is told from single sign-on: the values of the token's \
         `amr` claim that mean one; empty for Cognito's `identities` claim",
        "values separated by commas, such as pwd,mfa; empty for an issuer of Amazon Cognito only";
    SIGN_IN_GROUPS_CLAIM: SignIn, Template, Some("cognito:groups"),
        "the claim of the token that names a user's groups", "a claim's name";
    SIGN_IN_SUPPORT_GROUP: SignIn, Template, Some("support"),
        "the group whose users are the seller's support", "a group's name";
}

/// What every function needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How AWS is called.
    pub aws: AwsSettings,
    /// The tables' names.
    pub tables: Tables,
    /// What the seller chose.
    pub app: app::Settings,
    /// How much is logged.
    pub log_level: LevelFilter,
}

/// How AWS is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSettings {
    /// The Region of the tables.
    pub region: String,
    /// Where AWS is called instead of at AWS.
    pub endpoint_url: Option<String>,
    /// How calls are signed.
    pub signing: Signing,
}

/// How calls to AWS are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// With the credentials that Lambda puts into the environment.
    FromEnvironment,
    /// Not at all: the local stack does not look at signatures.
    None,
}

/// What the functions that answer HTTP requests need to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteSettings {
    /// The address under which people reach the pages, without a slash at its end.
    pub public_url: String,
    /// The product's name, as customers know it.
    pub product_name: String,
    /// Where customers may ask for help.
    pub support_email: String,
}

/// What the functions in whose pages users sign in need to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInSettings {
    /// The OpenID Connect issuer.
    pub issuer: String,
    /// Our client id at the issuer.
    pub client_id: String,
    /// The ARN of the secret that holds our client secret.
    pub client_secret_arn: String,
    /// The ARN of the secret that only CloudFront knows besides, where it stands
    /// before the pages.
    pub origin_secret_arn: Option<String>,
    /// The `amr` values of a sign-in with credentials; empty: Cognito's rule.
    pub credential_methods: Vec<String>,
    /// The claim that names a user's groups.
    pub groups_claim: String,
    /// The group whose users are support.
    pub support_group: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSettings {
    /// The settings that are missing or wrong.
    pub problems: Vec<Problem>,
}

/// A setting that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub setting: Setting,
    /// Whether there is no value at all.
    pub missing: bool,
}

impl std::error::Error for InvalidSettings {}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings cannot be used:")?;
        for Problem { setting, missing } in &self.problems {
            let how = if *missing { "is not set" } else { "is wrong" };
            write!(
                f,
                "\n  {} {how}: {}; it should be {}",
                setting.name, setting.meaning, setting.form
            )?;
        }
        Ok(())
    }
}

/// Reads variables, and remembers what was wrong with them.
pub struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader of these variables.
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            variable,
            problems: Vec::new(),
        }
    }

    /// The setting's value, or its default's; notes a problem when there is
    /// none, or `parse` does not take it.
    fn read<T>(&mut self, setting: Setting, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let set = (self.variable)(setting.name).filter(|value| !value.is_empty());
        let value = set.as_deref().or(setting.default);
        let read = value.and_then(parse);
        if read.is_none() {
            self.problems.push(Problem {
                setting,
                missing: value.is_none(),
            });
        }
        read
    }

    /// What every function needs to know; `None` when something is wrong with it.
    pub fn settings(&mut self) -> Option<Settings> {
        let subscriptions = self.read(SUBSCRIPTIONS_TABLE, table_name);
        let usage = self.read(USAGE_TABLE, table_name);
        let seller = self.read(SELLER_ACCOUNT, |text| AwsAccountId::parse(text).ok());
        let products = self.read(PRODUCT_CODES, product_codes);
        let codes = (self.variable)(PRODUCT_CODES.name);
        let codes = codes.filter(|_| products.is_some());
        let product_ids = self.read(PRODUCT_IDS, |text| product_ids(codes.as_deref(), text));
        let trial = self.read(TRIAL_DAYS, days);
        let repeated_grace = self.read(REPEATED_GRACE, repeated_grace);
        let support_approval = self.read(SUPPORT_APPROVAL, support_approval);
        let catalog = self.read(CATALOG, catalog);
        let allocations = self.read(ALLOCATIONS_PER_RECORD, |text| {
            AllocationLimit::new(text.parse().ok()?)
        });
        let carry_hours = self.read(CARRY_HOURS, |text| number(text, 48, 720));
        let carry_room = self.read(CARRY_ROOM_MINUTES, |text| number(text, 15, 360));
        let zeros = self.read(ZERO_RECORDS, zero_records);
        let calls_at_once = self.read(CALLS_AT_ONCE, |text| number(text, 1, 10));
        let log_level = self.read(LOG_LEVEL, log_level);
        let region = self.read(AWS_REGION, token);
        let endpoint_url = self.read(AWS_ENDPOINT_URL, optional_url);
        Some(Settings {
            aws: AwsSettings {
                region: region?,
                endpoint_url: endpoint_url?,
                signing: Signing::FromEnvironment,
            },
            tables: Tables {
                subscriptions: subscriptions?,
                usage: usage?,
            },
            app: app::Settings {
                subscriptions: Arc::new(SubscriptionPolicy {
                    trial: trial?,
                    repeated_grace: repeated_grace?,
                    support_approval: support_approval?,
                    product_ids: product_ids?,
                    ..SubscriptionPolicy::new(seller?, products?)
                }),
                rules: Rules {
                    allocations: allocations?,
                    carry: CarryRules {
                        room: SignedDuration::from_mins(carry_room?),
                        hours: carry_hours?,
                    },
                    zeros: zeros?,
                    calls_at_once: calls_at_once?,
                    ..Rules::new(Arc::new(catalog?))
                },
            },
            log_level: log_level?,
        })
    }

    /// What answering HTTP requests needs; `None` when something is wrong with it.
    pub fn site(&mut self) -> Option<SiteSettings> {
        let public_url = self.read(PUBLIC_URL, origin);
        let product_name = self.read(PRODUCT_NAME, |text| short_text(text, 100));
        let support_email = self.read(SUPPORT_EMAIL, email);
        Some(SiteSettings {
            public_url: public_url?,
            product_name: product_name?,
            support_email: support_email?,
        })
    }

    /// What signing in needs; `None` when something is wrong with it.
    pub fn sign_in(&mut self) -> Option<SignInSettings> {
        let issuer = self.read(SIGN_IN_ISSUER, secure_url);
        let client_id = self.read(SIGN_IN_CLIENT_ID, |text| short_text(text, 256));
        let client_secret_arn = self.read(SIGN_IN_CLIENT_SECRET_ARN, secret_arn);
        let origin_secret_arn = self.read(ORIGIN_SECRET_ARN, optional_secret_arn);
        let told_apart = issuer.as_deref().is_none_or(tells_federation_apart);
        let credential_methods = self.read(SIGN_IN_CREDENTIAL_METHODS, |text| {
            list(text).filter(|methods| told_apart || !methods.is_empty())
        });
        let groups_claim = self.read(SIGN_IN_GROUPS_CLAIM, |text| short_text(text, 256));
        let support_group = self.read(SIGN_IN_SUPPORT_GROUP, |text| short_text(text, 256));
        Some(SignInSettings {
            issuer: issuer?,
            client_id: client_id?,
            client_secret_arn: client_secret_arn?,
            origin_secret_arn: origin_secret_arn?,
            credential_methods: credential_methods?,
            groups_claim: groups_claim?,
            support_group: support_group?,
        })
    }

    /// The bucket of data feeds, if there is one; `None` when something is wrong with it.
    pub fn data_feeds(&mut self) -> Option<Option<String>> {
        self.read(DATA_FEEDS_BUCKET, bucket)
    }

    /// What was read, unless something was wrong with any of it.
    ///
    /// # Errors
    /// [`InvalidSettings`] names every setting that is missing or wrong, not its value.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, InvalidSettings> {
        read.ok_or(InvalidSettings {
            problems: self.problems,
        })
    }
}

/// The value of an environment variable, if it is set and a text.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where settings are parsed, once"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// DynamoDB's rule: 3 to 255 of `a-zA-Z0-9_.-`; an ARN is not used here.
fn table_name(text: &str) -> Option<String> {
    let valid = (3..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    valid.then(|| text.to_owned())
}

/// S3's rule: 3 to 63 of `a-z0-9.-`, a letter or digit first and last.
fn bucket(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let valid = (3..=63).contains(&text.len())
        && text.bytes().all(|b| plain(&b) || matches!(b, b'.' | b'-'))
        && text.as_bytes().first().is_some_and(plain)
        && text.as_bytes().last().is_some_and(plain);
    valid.then(|| Some(text.to_owned()))
}

fn product_codes(text: &str) -> Option<BTreeSet<ProductCode>> {
    text.split(',')
        .map(|code| ProductCode::parse(code.trim()).ok())
        .collect()
}

/// The products by id, each the code at the same place of another list, which is
/// not looked at when it cannot be read itself.
fn product_ids(codes: Option<&str>, ids: &str) -> Option<BTreeMap<ProductId, ProductCode>> {
    let ids: Vec<ProductId> = ids
        .split(',')
        .map(|id| ProductId::parse(id.trim()).ok())
        .collect::<Option<_>>()?;
    let Some(codes) = codes else {
        return Some(BTreeMap::new());
    };
    let codes: Vec<ProductCode> = codes
        .split(',')
        .map(|code| ProductCode::parse(code.trim()).ok())
        .collect::<Option<_>>()?;
    let (products, same_count) = (ids.len(), ids.len() == codes.len());
    let by_id: BTreeMap<_, _> = ids.into_iter().zip(codes).collect();
    (same_count && by_id.len() == products).then_some(by_id)
}

fn days(text: &str) -> Option<SignedDuration> {
    number(text, 0, 365).map(|days: i64| SignedDuration::from_hours(days * 24))
}

fn repeated_grace(text: &str) -> Option<RepeatedGrace> {
    match text {
        "granted" => Some(RepeatedGrace::Granted),
        "refused" => Some(RepeatedGrace::Refused),
        _ => None,
    }
}

fn support_approval(text: &str) -> Option<SupportApproval> {
    match text {
        "one" => Some(SupportApproval::One),
        "two" => Some(SupportApproval::Two),
        _ => None,
    }
}

/// Whether an issuer's tokens tell single sign-on by the `identities` claim, so that
/// one without it is a sign-in with credentials: Cognito's, and the local one's. Of
/// any other issuer nothing can be concluded from a claim that it does not know.
fn tells_federation_apart(issuer: &str) -> bool {
    issuer.starts_with("https://cognito-idp.") || issuer.starts_with("http://")
}

/// A whole number between two, both included.
fn number<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    let number = text.parse().ok()?;
    (least <= number && number <= most).then_some(number)
}

fn zero_records(text: &str) -> Option<ZeroRecords> {
    match text {
        "off" => Some(ZeroRecords::Off),
        "sent" => Some(ZeroRecords::Sent),
        _ => None,
    }
}

fn catalog(text: &str) -> Option<Catalog> {
    if text.is_empty() {
        return Some(Catalog::workload_security());
    }
    serde_json::from_str(text).ok()
}

fn log_level(text: &str) -> Option<LevelFilter> {
    match text {
        "error" => Some(LevelFilter::ERROR),
        "warn" => Some(LevelFilter::WARN),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        _ => None,
    }
}

fn token(text: &str) -> Option<String> {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        .then(|| text.to_owned())
}

fn short_text(text: &str, max_chars: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= max_chars;
    (fits && !text.contains(char::is_control)).then(|| text.to_owned())
}

fn list(text: &str) -> Option<Vec<String>> {
    Some(
        text.split(',')
            .map(str::trim)
            .filter(|value| !value.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
    )
}

fn optional_url(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))?;
    has_host(host).then(|| Some(text.to_owned()))
}

/// `https://…`, or `http://` on this machine only.
fn secure_url(text: &str) -> Option<String> {
    let host = match text.strip_prefix("https://") {
        Some(host) => host,
        None => text.strip_prefix("http://").filter(|rest| {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            matches!(host, "localhost" | "127.0.0.1")
        })?,
    };
    has_host(host).then(|| text.to_owned())
}

/// A secure URL that is nothing but scheme, host and port.
fn origin(text: &str) -> Option<String> {
    let url = secure_url(text)?;
    let (_, host) = url.split_once("://")?;
    (!host.contains(['/', '?', '#'])).then_some(url)
}

fn has_host(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    !host.is_empty() && !rest.contains(char::is_whitespace) && !host.contains('@')
}

fn secret_arn(text: &str) -> Option<String> {
    (text.starts_with("arn:") && text.contains(":secretsmanager:") && text.contains(":secret:"))
        .then(|| text.to_owned())
}

fn optional_secret_arn(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    secret_arn(text).map(Some)
}

fn email(text: &str) -> Option<String> {
    let (name, host) = text.split_once('@')?;
    let valid = !name.is_empty()
        && host.contains('.')
        && !host.contains('@')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests;

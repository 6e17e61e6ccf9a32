use super::*;

const GOOD: &[(&str, &str)] = &[
    ("SUBSCRIPTIONS_TABLE", "Subscriptions"),
    ("USAGE_TABLE", "stack-Usage-1ABC"),
    ("SELLER_ACCOUNT", "123456789012"),
    ("PRODUCT_CODES", "prodcode, other"),
    ("PRODUCT_IDS", "prod-1, prod-2"),
    ("AWS_REGION", "us-east-1"),
    ("PUBLIC_URL", "https://marketplace.example.com"),
    (
        "SIGN_IN_ISSUER",
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC",
    ),
    ("SIGN_IN_CLIENT_ID", "client"),
    (
        "SIGN_IN_CLIENT_SECRET_ARN",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:sign-in-AbCdEf",
    ),
    ("PRODUCT_NAME", "Workload Security"),
    ("SUPPORT_EMAIL", "help@example.com"),
];

/// The good variables with some replaced; an empty value is as good as none.
fn variables(changed: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
    let changed: Vec<(String, String)> = GOOD
        .iter()
        .chain(changed)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    move |name| {
        let found = changed.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }
}

fn read(
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<(Settings, SiteSettings, SignInSettings), InvalidSettings> {
    let mut reader = Reader::new(variables);
    let (every, data_feeds) = (reader.settings(), reader.data_feeds());
    let (site, sign_in) = (reader.site(), reader.sign_in());
    reader.finish((|| data_feeds.and(Some((every?, site?, sign_in?))))())
}

/// What is wrong with the settings, by name.
fn wrong(changed: &[(&str, &str)]) -> Vec<&'static str> {
    read(&variables(changed))
        .err()
        .into_iter()
        .flat_map(|error| error.problems)
        .map(|problem| problem.setting.name)
        .collect()
}

#[test]
fn good_settings_are_read_with_their_defaults() {
    let (settings, site, sign_in) = read(&variables(&[])).unwrap();
    let subscriptions = settings.app.subscriptions;
    assert_eq!(subscriptions.products.len(), 2);
    assert_eq!(subscriptions.trial, SignedDuration::from_hours(30 * 24));
    assert_eq!(subscriptions.repeated_grace, RepeatedGrace::Granted);
    assert_eq!(subscriptions.support_approval, SupportApproval::One);
    let rules = settings.app.rules;
    assert_eq!(rules.carry, CarryRules::default());
    assert_eq!((rules.zeros, rules.calls_at_once), (ZeroRecords::Off, 4));
    assert_eq!(settings.log_level, LevelFilter::INFO);
    assert_eq!(settings.aws.endpoint_url, None);
    assert_eq!(site.product_name, "Workload Security");
    assert_eq!(sign_in.credential_methods, Vec::<String>::new());
    assert_eq!(sign_in.groups_claim, "cognito:groups");
    assert_eq!(sign_in.support_group, "support");
}

#[test]
fn every_wrong_value_is_refused_by_its_name() {
    for (name, value) in [
        ("SUBSCRIPTIONS_TABLE", "a b"),
        ("USAGE_TABLE", "ab"),
        ("SELLER_ACCOUNT", "1234"),
        ("PRODUCT_CODES", "a,,b"),
        ("PRODUCT_CODES", "a/b"),
        ("PRODUCT_IDS", "prod-1"),
        ("PRODUCT_IDS", "prod-1,prod-1"),
        ("PRODUCT_IDS", "prod-1,"),
        ("TRIAL_DAYS", "-1"),
        ("TRIAL_DAYS", "366"),
        ("TRIAL_DAYS", "a month"),
        ("REPEATED_GRACE", "sometimes"),
        ("SUPPORT_APPROVAL", "2"),
        ("CATALOG", "{}"),
        ("ALLOCATIONS_PER_RECORD", "0"),
        ("ALLOCATIONS_PER_RECORD", "2501"),
        ("CARRY_HOURS", "47"),
        ("CARRY_HOURS", "721"),
        ("CARRY_ROOM_MINUTES", "14"),
        ("CARRY_ROOM_MINUTES", "half an hour"),
        ("ZERO_RECORDS", "on"),
        ("CALLS_AT_ONCE", "0"),
        ("CALLS_AT_ONCE", "11"),
        ("DATA_FEEDS_BUCKET", "Feeds"),
        ("DATA_FEEDS_BUCKET", "s3://feeds"),
        ("DATA_FEEDS_BUCKET", "-feeds"),
        ("LOG_LEVEL", "trace"),
        ("AWS_REGION", "us east"),
        ("AWS_ENDPOINT_URL", "localhost:8090"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("PUBLIC_URL", "http://marketplace.example.com"),
        ("PUBLIC_URL", "https://marketplace.example.com/"),
        ("PUBLIC_URL", "http://localhost.example.com"),
        ("SIGN_IN_ISSUER", "http://issuer.example.com"),
        ("SIGN_IN_ISSUER", "https://user@issuer.example.com"),
        ("SIGN_IN_CLIENT_ID", "  "),
        ("SIGN_IN_CLIENT_SECRET_ARN", "the secret itself"),
        ("ORIGIN_SECRET_ARN", "the secret itself"),
        ("SIGN_IN_GROUPS_CLAIM", " "),
        ("SIGN_IN_SUPPORT_GROUP", "sup\u{7}port"),
        ("PRODUCT_NAME", " \t"),
        ("SUPPORT_EMAIL", "nobody"),
        ("SUPPORT_EMAIL", "a@b.example@c.example"),
    ] {
        assert_eq!(wrong(&[(name, value)]), [name], "{name}={value}");
    }
}

#[test]
fn a_seller_who_is_not_enrolled_in_data_feeds_has_no_bucket() {
    for (value, expected) in [("", None), ("feeds-1.example", Some("feeds-1.example"))] {
        let variable = |_: &str| Some(value.to_owned());
        let read = Reader::new(&variable).data_feeds().unwrap();
        assert_eq!(read.as_deref(), expected);
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for url in ["http://localhost:8080", "http://127.0.0.1:8080"] {
        assert_eq!(
            wrong(&[("PUBLIC_URL", url), ("SIGN_IN_ISSUER", url)]),
            [""; 0]
        );
    }
    assert_eq!(wrong(&[("AWS_ENDPOINT_URL", "http://fake:8090")]), [""; 0]);
}

#[test]
fn every_setting_without_a_default_is_missed_and_all_at_once() {
    let none = |_: &str| None;
    let missed: Vec<_> = read(&none)
        .unwrap_err()
        .problems
        .into_iter()
        .map(|problem| (problem.setting.name, problem.missing))
        .collect();
    let required: Vec<_> = ALL
        .iter()
        .filter(|setting| setting.default.is_none())
        .map(|setting| (setting.name, true))
        .collect();
    assert_eq!(missed, required);
}

#[test]
fn an_error_names_meaning_and_form_and_never_the_value() {
    let error = read(&variables(&[
        ("SELLER_ACCOUNT", "s3cret"),
        ("USAGE_TABLE", ""),
    ]))
    .unwrap_err();
    insta::assert_snapshot!(error, @"
    the settings cannot be used:
      USAGE_TABLE is not set: the DynamoDB table of the ledger; it should be a table's name
      SELLER_ACCOUNT is wrong: the AWS account that sells: events of another one change nothing; it should be 12 digits
    ");
}

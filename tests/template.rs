//! `template.yaml` says what the code says: functions, settings, tables, queues.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use runtime::aws::MARKETPLACE_REGION;
use runtime::http::ORIGIN_SECRET_HEADER;
use runtime::settings::{self, Reader, Scope, SetBy};
use serde_json::{Value, json};

use crate::project;

/// The template, no table being restored; intrinsic functions appear as their argument.
pub(crate) fn template() -> Value {
    chosen(whole_template(), false)
}

fn whole_template() -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&project::read("template.yaml"), options).unwrap()
}

/// What the template says when both tables are restored, or when none is.
fn chosen(value: Value, restored: bool) -> Value {
    let choose = |value| chosen(value, restored);
    match value {
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(condition), then, otherwise] if condition.ends_with("Restored") => {
                choose(if restored { then } else { otherwise }.clone())
            }
            _ => parts.into_iter().map(choose).collect(),
        },
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, choose(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The resources of a type, with their logical ids.
pub(crate) fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    template["Resources"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
        .collect()
}

/// The functions, with their logical ids.
pub(crate) fn functions(template: &Value) -> Vec<(&str, &Value)> {
    resources(template, "AWS::Serverless::Function")
}

/// The crate that a function is built from.
pub(crate) fn crate_of(function: &Value) -> &str {
    function["Metadata"]["BuildProperties"]["Binary"]
        .as_str()
        .unwrap()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object
        .as_object()
        .map(|object| object.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn there_is_one_function_one_role_and_one_log_group_for_each_crate() {
    let template = template();
    let crates: BTreeSet<String> = functions(&template)
        .iter()
        .map(|(_, function)| crate_of(function).to_owned())
        .collect();
    assert_eq!(crates, project::directories("functions"));
    let mut roles = BTreeSet::new();
    let mut logs = BTreeSet::new();
    for (id, function) in functions(&template) {
        assert_eq!(
            function["Metadata"]["BuildMethod"], "rust-cargolambda",
            "{id}"
        );
        let role = function["Properties"]["Role"].as_str().unwrap();
        let role = role.strip_suffix(".Arn").unwrap();
        let log = function["Properties"]["LoggingConfig"]["LogGroup"]
            .as_str()
            .unwrap();
        assert_eq!(
            template["Resources"][role]["Type"], "AWS::IAM::Role",
            "{id}"
        );
        assert_eq!(
            template["Resources"][log]["Type"], "AWS::Logs::LogGroup",
            "{id}"
        );
        assert!(
            roles.insert(role) && logs.insert(log),
            "{id} shares its role or log group"
        );
    }
}

/// The settings that a function's `main.rs` reads and the template is to set.
fn wanted_variables(name: &str) -> BTreeSet<String> {
    let main = project::read(format!("functions/{name}/src/main.rs"));
    let scopes: &[Scope] = if main.contains("runtime::start_pages(") {
        &[Scope::Every, Scope::Site, Scope::SignIn]
    } else if main.contains("runtime::start_site(") {
        &[Scope::Every, Scope::Site]
    } else if main.contains("runtime::start_reconciliation(") {
        &[Scope::Every, Scope::Reconciliation]
    } else {
        assert!(main.contains("runtime::start("), "{name} reads no settings");
        &[Scope::Every]
    };
    settings::ALL
        .iter()
        .filter(|setting| match setting.set_by {
            SetBy::Template => true,
            SetBy::Lambda => false,
            // By a parameter that may be empty. AWS itself is not called anywhere else.
            SetBy::Operator => setting.name != "AWS_ENDPOINT_URL",
        })
        .filter(|setting| scopes.contains(&setting.scope))
        .map(|setting| setting.name.to_owned())
        .collect()
}

#[test]
fn every_function_is_given_exactly_the_settings_that_it_reads() {
    let template = template();
    let global = keys(&template["Globals"]["Function"]["Environment"]["Variables"]);
    for (id, function) in functions(&template) {
        let own = keys(&function["Properties"]["Environment"]["Variables"]);
        let given: BTreeSet<String> = global.union(&own).cloned().collect();
        assert_eq!(given, wanted_variables(crate_of(function)), "{id}");
    }
}

/// The parameters that are passed on to a setting as they are.
fn passed_on(template: &Value) -> Vec<(String, String)> {
    let globals = &template["Globals"]["Function"];
    let functions = functions(template);
    let all = functions
        .iter()
        .map(|(_, function)| &function["Properties"])
        .chain([globals]);
    let variables = all.flat_map(|of| of["Environment"]["Variables"].as_object());
    let pairs = variables
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let is_parameter = |name: &str| template["Parameters"][name].is_object();
    pairs.filter(|(_, value)| is_parameter(value)).collect()
}

/// Whether a value is wrong for a setting, by the settings' own reader.
fn is_wrong(name: &str, value: &str) -> bool {
    let variable = |asked: &str| (asked == name).then(|| value.to_owned());
    let mut reader = Reader::new(&variable);
    let _ = (reader.settings(), reader.data_feeds());
    let _ = (reader.site(), reader.sign_in());
    let none: Option<()> = None;
    let problems = reader.finish(none).unwrap_err().problems;
    problems
        .iter()
        .any(|problem| problem.setting.name == name && !problem.missing)
}

#[test]
fn whatever_a_parameter_may_be_chosen_to_be_or_is_by_default_is_right_for_its_setting() {
    let template = template();
    let passed_on = passed_on(&template);
    assert!(passed_on.len() > 16, "{passed_on:?}");
    for (name, parameter) in passed_on {
        let described = &template["Parameters"][&parameter];
        let allowed = described["AllowedValues"].as_array();
        let values = allowed.into_iter().flatten().chain([&described["Default"]]);
        for value in values.filter_map(Value::as_str) {
            assert!(!is_wrong(&name, value), "{parameter}={value} for {name}");
        }
    }
    assert!(is_wrong("LOG_LEVEL", "loud") && is_wrong("PRODUCT_CODES", "a/b"));
}

/// The texts between `before` and the next `"`.
fn quoted_after(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_tables_have_the_indexes_that_the_store_asks_for_and_no_other() {
    let template = template();
    let mut indexes = BTreeSet::new();
    for (id, table) in resources(&template, "AWS::DynamoDB::Table") {
        let properties = &table["Properties"];
        assert_eq!(properties["KeySchema"][0]["AttributeName"], "pk", "{id}");
        assert_eq!(properties["KeySchema"][1]["AttributeName"], "sk", "{id}");
        assert_eq!(table["DeletionPolicy"], "Retain", "{id}");
        assert_eq!(table["UpdateReplacePolicy"], "Retain", "{id}");
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{id}");
        let recovery = &properties["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{id}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{id}");
        assert_eq!(
            properties["TimeToLiveSpecification"]["AttributeName"], "expires_at",
            "{id}"
        );
        for index in properties["GlobalSecondaryIndexes"].as_array().unwrap() {
            indexes.insert(index["IndexName"].as_str().unwrap().to_owned());
            assert_eq!(index["Projection"]["ProjectionType"], "KEYS_ONLY", "{id}");
        }
    }
    let sources = project::sources("shared/store/src");
    assert_eq!(indexes, quoted_after(&sources, ".index_name(\""));
    assert!(sources.contains("expires_at"));
}

#[test]
fn where_tables_are_restored_nothing_works_with_those_that_they_replace() {
    let mut template = chosen(whole_template(), true);
    for table in ["Subscriptions", "Usage"] {
        let own = template["Resources"].as_object_mut().unwrap().remove(table);
        assert_eq!(own.unwrap()["DeletionPolicy"], "Retain");
    }
    let text = template.to_string();
    for own in ["Subscriptions", "Usage"] {
        for named in [
            format!("\"{own}\""),
            format!("\"{own}."),
            format!("{{{own}."),
            format!("{{{own}}}"),
        ] {
            assert!(!text.contains(&named), "{named} is left in {text}");
        }
    }
    let settings = &template["Globals"]["Function"]["Environment"]["Variables"];
    // One parameter names the table and its stream: they cannot be of two tables.
    let stream = "RestoredSubscriptionsStreamArn";
    assert_eq!(
        settings["SUBSCRIPTIONS_TABLE"],
        json!([1, ["/", stream]]),
        "the second part of …:table/NAME/stream/LABEL"
    );
    assert_eq!(settings["USAGE_TABLE"], "RestoredUsageTable");
    let pipe = &template["Resources"]["OutboxPipe"]["Properties"];
    assert_eq!(pipe["Source"], stream);
    let told = &template["Outputs"]["SubscriptionsTable"]["Value"];
    assert_eq!(*told, settings["SUBSCRIPTIONS_TABLE"]);
}

#[test]
fn what_is_not_processed_ends_in_a_dead_letter_queue() {
    let template = template();
    for (id, function) in functions(&template) {
        for (name, event) in function["Properties"]["Events"].as_object().unwrap() {
            let properties = &event["Properties"];
            match event["Type"].as_str().unwrap() {
                "SQS" => {
                    assert_eq!(
                        properties["FunctionResponseTypes"][0], "ReportBatchItemFailures",
                        "{id} {name}"
                    );
                    let queue = properties["Queue"].as_str().unwrap();
                    let queue = &template["Resources"][queue.strip_suffix(".Arn").unwrap()];
                    let redrive = &queue["Properties"]["RedrivePolicy"];
                    assert!(redrive["deadLetterTargetArn"].is_string(), "{id} {name}");
                    // Otherwise a message comes again while it is still worked on.
                    let visible_after = queue["Properties"]["VisibilityTimeout"].as_u64().unwrap();
                    let time_out = function["Properties"]["Timeout"].as_u64().unwrap();
                    assert!(visible_after >= 6 * time_out, "{id} {name}");
                }
                "ScheduleV2" => {
                    assert!(
                        properties["DeadLetterConfig"]["Arn"].is_string(),
                        "{id} {name}"
                    );
                    assert_eq!(properties["RetryPolicy"]["MaximumEventAgeInSeconds"], 60);
                    let invoke = &function["Properties"]["EventInvokeConfig"];
                    assert_eq!(invoke["MaximumEventAgeInSeconds"], 60, "{id}");
                    assert!(invoke["DestinationConfig"]["OnFailure"]["Destination"].is_string());
                }
                "HttpApi" => {}
                other => panic!("{id} {name}: what happens to a failed event of type {other}?"),
            }
        }
    }
}

#[test]
fn cognito_has_people_sign_up_by_a_verified_address_and_sends_them_back_to_our_pages() {
    let template = template();
    let properties = |id: &str| template["Resources"][id]["Properties"].clone();
    let users = properties("SignInUsers");
    assert_eq!(
        users["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"],
        false
    );
    assert_eq!(users["UsernameAttributes"], json!(["email"]));
    assert_eq!(users["AutoVerifiedAttributes"], json!(["email"]));
    let changed = &users["UserAttributeUpdateSettings"];
    assert_eq!(
        changed["AttributesRequireVerificationBeforeUpdate"],
        json!(["email"])
    );
    let client = properties("SignInClient");
    assert_eq!(
        client["CallbackURLs"],
        json!(["${PublicUrl}/sign-in/callback"])
    );
    assert_eq!(
        client["AllowedOAuthScopes"],
        json!(["openid", "email", "profile"])
    );
    assert_eq!(client["AllowedOAuthFlows"], json!(["code"]));
    // Whoever comes by another provider has no credentials here.
    assert_eq!(client["SupportedIdentityProviders"], json!(["COGNITO"]));
    let group = settings::ALL
        .iter()
        .find(|setting| setting.name == "SIGN_IN_SUPPORT_GROUP")
        .and_then(|setting| setting.default);
    assert_eq!(properties("SignInSupport")["GroupName"].as_str(), group);
    assert_eq!(
        template["Resources"]["SignInUsers"]["DeletionPolicy"],
        "Retain"
    );
}

#[test]
fn there_is_one_submitter_at_a_time() {
    let template = template();
    let submitter = &template["Resources"]["UsageSubmissionFunction"]["Properties"];
    assert_eq!(submitter["ReservedConcurrentExecutions"], 1);
}

#[test]
fn usage_is_metered_in_one_region() {
    let template = template();
    let role = &template["Resources"]["UsageSubmissionRole"]["Properties"];
    let statements = &role["Policies"][0]["PolicyDocument"]["Statement"];
    let mut metering = statements
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| statement["Action"] == json!(["aws-marketplace:BatchMeterUsage"]));
    let condition = &metering.next().unwrap()["Condition"]["StringEquals"];
    assert_eq!(condition["aws:RequestedRegion"], MARKETPLACE_REGION);
}

/// A resource's properties.
fn properties<'a>(template: &'a Value, id: &str) -> &'a Value {
    &template["Resources"][id]["Properties"]
}

#[test]
fn what_stands_behind_the_firewall_is_asked_for_the_secret_that_it_shows() {
    let template = template();
    let origin = &properties(&template, "FrontDoor")["DistributionConfig"]["Origins"][0];
    let shown = &origin["OriginCustomHeaders"][0];
    assert_eq!(shown["HeaderName"], ORIGIN_SECRET_HEADER);
    let secret = shown["HeaderValue"].as_str().unwrap();
    assert_eq!(
        secret,
        "{{resolve:secretsmanager:${OriginSecret}:SecretString}}"
    );
    let firewall = properties(&template, "FrontDoor")["DistributionConfig"]["WebACLId"].clone();
    assert_eq!(firewall, "Firewall.Arn");
    // Every function with a route that asks for no signature checks it.
    for (id, function) in functions(&template) {
        let events = function["Properties"]["Events"].as_object().unwrap();
        let open = events.values().any(|event| {
            event["Type"] == "HttpApi" && event["Properties"]["Auth"]["Authorizer"] != "AWS_IAM"
        });
        let variables = &function["Properties"]["Environment"]["Variables"];
        let given = json!(["HasFirewall", "OriginSecret", ""]);
        let checks = variables["ORIGIN_SECRET_ARN"] == given;
        assert_eq!(open, checks, "{id}");
    }
}

#[test]
fn every_role_that_uses_a_table_may_use_the_sellers_own_key() {
    let template = template();
    let allowed = properties(&template, "TableKeyUse")["Roles"].as_array();
    let allowed: BTreeSet<&str> = allowed.unwrap().iter().filter_map(Value::as_str).collect();
    let roles = resources(&template, "AWS::IAM::Role");
    let using = |what: &str| {
        let mut found = BTreeSet::new();
        for (id, role) in &roles {
            if role["Properties"]["Policies"].to_string().contains(what) {
                found.insert(*id);
            }
        }
        found
    };
    // The pipe's own role has it from the start: the pipe reads as soon as it is made.
    let of_themselves = using("kms:Decrypt");
    assert_eq!(of_themselves, BTreeSet::from(["OutboxPipeRole"]));
    let allowed: BTreeSet<&str> = allowed.union(&of_themselves).copied().collect();
    assert_eq!(allowed, using("dynamodb:"));
}

#[test]
fn logs_are_kept_and_who_called_what_for_a_year_at_the_least() {
    let template = template();
    for (id, log) in resources(&template, "AWS::Logs::LogGroup") {
        let kept = log["Properties"]["RetentionInDays"].as_str().unwrap();
        let days = template["Parameters"][kept]["AllowedValues"].as_array();
        let fewest = days.unwrap().iter().filter_map(Value::as_u64).min();
        let audit = id == "ApiLogs";
        assert!(fewest >= Some(if audit { 365 } else { 30 }), "{id}");
    }
    let api = properties(&template, "Api");
    let access = &api["AccessLogSettings"];
    assert_eq!(access["DestinationArn"], "ApiLogs.Arn");
    // A sign-in's answer has its code in the query.
    let format: Value = serde_json::from_str(access["Format"].as_str().unwrap()).unwrap();
    assert!(!format.to_string().to_lowercase().contains("query"));
}

#[test]
fn the_api_is_throttled_and_takes_the_reports_of_the_load_that_is_aimed_at() {
    let template = template();
    let api = properties(&template, "Api");
    let limits =
        |of: &Value| [&of["ThrottlingRateLimit"], &of["ThrottlingBurstLimit"]].map(Value::as_u64);
    assert_eq!(limits(&api["DefaultRouteSettings"]), [Some(200), Some(400)]);
    let mut routes = BTreeSet::new();
    for (_, function) in functions(&template) {
        let events = function["Properties"]["Events"].as_object().unwrap();
        for event in events.values() {
            let of = &event["Properties"];
            if let (Some(method), Some(path)) = (of["Method"].as_str(), of["Path"].as_str()) {
                routes.insert(format!("{method} {path}"));
            }
        }
    }
    // API Gateway refuses settings of a route that is not there.
    let set = api["RouteSettings"].as_object().unwrap();
    assert!(set.keys().all(|route| routes.contains(route)), "{set:?}");
    assert_eq!(
        limits(&set["POST /api/usage-reports"]),
        [Some(1_000), Some(2_000)]
    );
}

/// Runs one of the tools that `./test` installs.
#[track_caller]
fn run(tool: PathBuf, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(tool)
        .args(arguments)
        .env("SAM_CLI_TELEMETRY", "0")
        .current_dir(project::root())
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), told.concat())
}

#[test]
fn cfn_lint_finds_nothing() {
    let (clean, told) = run(project::tool("cfn-lint"), &["--template", "template.yaml"]);
    assert!(clean && told.trim().is_empty(), "{told}");
}

#[test]
fn a_deployment_is_built_and_made_where_it_belongs_without_more_flags() {
    let settings = project::read("samconfig.toml");
    for line in [
        "beta_features = true",
        "lint = true",
        "region = \"us-east-1\"",
        "capabilities = \"CAPABILITY_IAM\"",
        "confirm_changeset = true",
    ] {
        assert!(settings.contains(line), "{line}");
    }
}

#[test]
fn sam_validates_the_template() {
    let sam = project::root().join("target/tools/sam/bin/sam");
    assert!(
        sam.exists(),
        "sam is not installed in target/tools: run ./test once"
    );
    let (valid, told) = run(sam, &["validate", "--lint"]);
    assert!(valid && told.contains("is a valid SAM Template"), "{told}");
}

#[test]
fn what_cannot_be_deployed_is_refused_before_anything_is_made() {
    let (right, told) = run(
        project::tool("python"),
        &["tests/deploy/check_parameters.py"],
    );
    println!("{told}");
    assert!(right && told.contains("as they should be"), "{told}");
}

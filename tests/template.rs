//! `template.yaml` says what the code says: functions, settings, tables, queues.

use std::collections::BTreeSet;
use std::process::Command;

use runtime::settings::{self, Scope, SetBy};
use serde_json::{Value, json};

use crate::project;

/// The template; intrinsic functions appear as their argument.
pub(crate) fn template() -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&project::read("template.yaml"), options).unwrap()
}

/// The resources of a type, with their logical ids.
fn resources<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
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
    let scopes: &[Scope] = if main.contains("runtime::start_pages()") {
        &[Scope::Every, Scope::Site, Scope::SignIn]
    } else if main.contains("runtime::start_site()") {
        &[Scope::Every, Scope::Site]
    } else if main.contains("runtime::start_reconciliation()") {
        &[Scope::Every, Scope::Reconciliation]
    } else {
        assert!(
            main.contains("runtime::start()"),
            "{name} reads no settings"
        );
        &[Scope::Every]
    };
    settings::ALL
        .iter()
        .filter(|setting| setting.set_by == SetBy::Template && scopes.contains(&setting.scope))
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
fn cfn_lint_finds_nothing() {
    let output = Command::new(project::tool("cfn-lint"))
        .args(["--template", "template.yaml"])
        .current_dir(project::root())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.trim().is_empty(), "{told}");
}

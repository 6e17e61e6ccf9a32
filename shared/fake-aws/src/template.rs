//! The tables of a CloudFormation or SAM template, as `CreateTable` requests.
//!
//! Only `AWS::DynamoDB::Table` resources are read. Intrinsic functions
//! (`!Ref`, `!Sub`, `Fn::If`, …) may stand anywhere in the file; in a
//! property that is used here they are refused, except in `TableName`, where
//! they mean that the table goes by its logical id.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use serde_saphyr::Tagged;

/// Why a template's tables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The text is not YAML, or not a template.
    #[error("not a readable template: {0}")]
    Unreadable(String),
    /// A table lacks a property or has one of another shape.
    #[error("table {table}: {property} {reason}")]
    Table {
        /// Logical id of the table.
        table: String,
        /// The property.
        property: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// One table of the template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Name by which clients know it.
    pub(crate) name: String,
    /// Body of a `CreateTable` request.
    pub(crate) create: Value,
    /// Attribute holding the item's expiry, if any.
    pub(crate) time_to_live: Option<String>,
}

#[derive(Deserialize)]
struct Template {
    #[serde(rename = "Resources", default)]
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Deserialize)]
struct TableTemplate {
    #[serde(rename = "Resources", default)]
    resources: BTreeMap<String, TableResource>,
}

/// Lenient: every resource is read through it, only tables are looked at.
#[derive(Deserialize)]
struct TableResource {
    #[serde(rename = "Properties", default)]
    properties: Option<Value>,
}

#[derive(Deserialize)]
struct NameTemplate {
    #[serde(rename = "Resources", default)]
    resources: BTreeMap<String, NameResource>,
}

#[derive(Deserialize)]
struct NameResource {
    #[serde(rename = "Properties", default)]
    properties: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(rename = "TableName", default)]
    table_name: Option<Tagged<IgnoredAny>>,
}

/// Every table of `text`, by logical id.
pub(crate) fn tables(text: &str) -> Result<Vec<Table>, TemplateError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let kinds: Template = parse(text)?;
    let properties: TableTemplate = parse(text)?;
    let names: NameTemplate = parse(text)?;
    let mut tables = Vec::new();
    for (id, resource) in &kinds.resources {
        if resource.kind != "AWS::DynamoDB::Table" {
            continue;
        }
        let found = properties.resources.get(id);
        let found = found.and_then(|resource| resource.properties.as_ref());
        let tagged = names
            .resources
            .get(id)
            .and_then(|resource| resource.properties.as_ref())
            .and_then(|named| named.table_name.as_ref())
            .is_some_and(|name| is_intrinsic(name.1.as_deref()));
        tables.push(table(id, found.unwrap_or(&Value::Null), tagged)?);
    }
    Ok(tables)
}

fn is_intrinsic(tag: Option<&str>) -> bool {
    tag.is_some_and(|tag| !tag.starts_with("tag:yaml.org"))
}

/// YAML as CloudFormation reads it: only `true` and `false` are booleans, so
/// that an attribute of type `N` stays a string.
fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TemplateError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| TemplateError::Unreadable(error.to_string()))
}

fn table(id: &str, properties: &Value, name_is_intrinsic: bool) -> Result<Table, TemplateError> {
    let refuse = |property, reason: &str| TemplateError::Table {
        table: id.to_owned(),
        property,
        reason: reason.to_owned(),
    };
    let name = match properties.get("TableName") {
        Some(Value::String(name)) if !name_is_intrinsic => name.clone(),
        _ => id.to_owned(),
    };
    let mut create = Map::new();
    create.insert("TableName".to_owned(), json!(name));
    for property in ["KeySchema", "AttributeDefinitions"] {
        let value = properties.get(property).filter(|value| value.is_array());
        let value = value.ok_or_else(|| refuse(property, "must be a list"))?;
        create.insert(property.to_owned(), value.clone());
    }
    for property in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        match properties.get(property) {
            None => {}
            Some(value @ Value::Array(_)) => {
                create.insert(property.to_owned(), value.clone());
            }
            Some(_) => return Err(refuse(property, "must be a list")),
        }
    }
    let billing = properties.get("BillingMode").cloned();
    create.insert(
        "BillingMode".to_owned(),
        billing.unwrap_or(json!("PROVISIONED")),
    );
    if let Some(throughput) = properties.get("ProvisionedThroughput") {
        create.insert("ProvisionedThroughput".to_owned(), throughput.clone());
    }
    if let Some(stream) = properties.get("StreamSpecification") {
        let view = stream.get("StreamViewType").and_then(Value::as_str);
        let view = view.ok_or_else(|| refuse("StreamSpecification", "needs a StreamViewType"))?;
        create.insert(
            "StreamSpecification".to_owned(),
            json!({"StreamEnabled": true, "StreamViewType": view}),
        );
    }
    Ok(Table {
        name,
        create: Value::Object(create),
        time_to_live: time_to_live(properties)
            .map_err(|reason| refuse("TimeToLiveSpecification", &reason))?,
    })
}

fn time_to_live(properties: &Value) -> Result<Option<String>, String> {
    let Some(specification) = properties.get("TimeToLiveSpecification") else {
        return Ok(None);
    };
    if specification.get("Enabled") == Some(&Value::Bool(false)) {
        return Ok(None);
    }
    match specification.get("AttributeName").and_then(Value::as_str) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err("needs an AttributeName".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Resources:
  Usage:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub "${AWS::StackName}-usage"
      BillingMode: PAY_PER_REQUEST
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: N}
        - {AttributeName: due, AttributeType: N}
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: due, KeyType: RANGE}]
          Projection: {ProjectionType: KEYS_ONLY}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
      SSESpecification: {SSEEnabled: true, KMSMasterKeyId: !GetAtt Key.Arn}
  Plain:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: plain-name
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
  Intake:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda}
    Properties:
      Role: !If [HasRole, !Ref Role, !Ref "AWS::NoValue"]
      TableName: {"Fn::Sub": "x"}
      Policies:
        - Statement:
            - Effect: Allow
              Action: [dynamodb:GetItem]
              Resource: !GetAtt Usage.Arn
Outputs:
  Api: {Value: !Sub "https://${Api}.example"}
"#;

    #[test]
    fn tables_are_read_beside_intrinsic_functions_of_every_form() {
        let tables = tables(TEMPLATE).unwrap();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["plain-name", "Usage"]);
        let usage = &tables[1];
        assert_eq!(usage.time_to_live.as_deref(), Some("expires_at"));
        assert_eq!(
            usage.create["AttributeDefinitions"][1]["AttributeType"],
            "N"
        );
        assert_eq!(usage.create["StreamSpecification"]["StreamEnabled"], true);
        assert_eq!(
            usage.create["GlobalSecondaryIndexes"][0]["IndexName"],
            "due"
        );
        assert_eq!(usage.create.get("SSESpecification"), None);
    }

    #[test]
    fn a_table_without_keys_is_refused_by_name() {
        let text = "Resources: {Broken: {Type: 'AWS::DynamoDB::Table', Properties: {}}}";
        let refused = tables(text).unwrap_err().to_string();
        assert_eq!(refused, "table Broken: KeySchema must be a list");
    }

    #[test]
    fn text_that_is_not_a_template_is_refused() {
        assert!(matches!(
            tables("Resources: ["),
            Err(TemplateError::Unreadable(_))
        ));
        assert!(matches!(
            tables("- a list"),
            Err(TemplateError::Unreadable(_))
        ));
        assert_eq!(tables("").unwrap(), []);
    }
}

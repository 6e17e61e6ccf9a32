//! Secrets Manager: `GetSecretValue`, the same text for every secret.

use serde::Deserialize;
use serde_json::Value;

use crate::Inner;
use crate::wire::{AwsError, Wire};

/// The longest `SecretId`, in characters.
const LONGEST_ID: usize = 2_048;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    #[serde(default)]
    secret_id: String,
}

impl Inner {
    /// `GetSecretValue`: every secret is there, and has one version.
    pub(crate) fn get_secret_value(&self, request: Value) -> Result<Wire, AwsError> {
        let invalid = |message: String| AwsError::refused("ValidationException", message);
        let request: GetSecretValue = serde_path_to_error::deserialize(request)
            .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))?;
        let id = request.secret_id;
        if id.is_empty() || id.chars().count() > LONGEST_ID {
            let message = format!("SecretId must be 1 to {LONGEST_ID} characters long.");
            return Err(invalid(message));
        }
        let (arn, name) = match id.split_once(":secret:") {
            Some((_, resource)) => (id.clone(), named(resource).to_owned()),
            None => (self.secret_arn(&id), id),
        };
        Ok(Wire::Struct(vec![
            ("ARN", Wire::text(arn)),
            ("Name", Wire::text(name)),
            (
                "VersionId",
                Wire::text("00000000-0000-4000-8000-000000000001"),
            ),
            ("SecretString", Wire::text(&self.config.secret)),
            ("VersionStages", Wire::List(vec![Wire::text("AWSCURRENT")])),
        ]))
    }

    fn secret_arn(&self, name: &str) -> String {
        let seller = &self.config.seller_account;
        format!("arn:aws:secretsmanager:us-east-1:{seller}:secret:{name}-AbCdEf")
    }
}

/// The name in an ARN's last part, which ends in a hyphen and six characters
/// of AWS's choice, unless they were left out.
fn named(resource: &str) -> &str {
    match resource.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name,
        Some(_) | None => resource,
    }
}

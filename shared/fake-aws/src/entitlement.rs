//! The entitlement API: `GetEntitlements`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Inner;
use crate::faults::CallFault;
use crate::lock;
use crate::paging::{BadPage, Page};
use crate::state::{Agreement, AgreementStatus};
use crate::terms::Entitled;
use crate::wire::{AwsError, Wire};

const LARGEST_PAGE: u16 = 25;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetEntitlements {
    #[serde(default)]
    product_code: String,
    #[serde(default)]
    filter: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    max_results: Option<i64>,
    #[serde(default)]
    next_token: Option<String>,
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::refused("InvalidParameterException", message)
}

impl Inner {
    /// `GetEntitlements`: what the contracts that go on entitle to, by page:
    /// nothing before an agreement begins, and of those that follow one another
    /// under one license that of the one that goes on. The
    /// values of one filter are unioned, the filters intersected.
    pub(crate) fn get_entitlements(
        &self,
        request: Value,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        let request: GetEntitlements = serde_path_to_error::deserialize(request)
            .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))?;
        if request.product_code != self.config.product_code {
            return Err(invalid("The product code is not one of this seller's."));
        }
        let page = Page::of(
            request.max_results,
            LARGEST_PAGE,
            request.next_token.as_deref(),
        );
        let page = page.map_err(|bad| match bad {
            BadPage::Size => invalid(format!("MaxResults must be 1 to {LARGEST_PAGE}.")),
            BadPage::Token => invalid("NextToken is invalid."),
        })?;
        let filter = request.filter.unwrap_or_default();
        check_filter(&filter)?;

        let kept = lock(&self.kept);
        let live = kept
            .state
            .agreements()
            .iter()
            .filter(|agreement| agreement.status == AgreementStatus::Active);
        let lags = fault == Some(CallFault::Lag);
        let matching: Vec<(&Agreement, &Entitled)> = live
            .flat_map(|agreement| {
                let contract = agreement.terms.terms.contract.as_ref();
                let entitlements = contract.map_or(&[][..], |contract| &contract.entitlements);
                entitlements
                    .iter()
                    .map(move |entitled| (agreement, entitled))
            })
            .filter(|(agreement, entitled)| !lags && matches(&filter, agreement, entitled))
            .collect();
        let (matching, next) = page.cut(matching, fault);
        let entitlements = matching
            .into_iter()
            .map(|(agreement, entitled)| self.entitlement(agreement, entitled));
        let mut answer = vec![("Entitlements", Wire::List(entitlements.collect()))];
        answer.extend(next.map(|next| ("NextToken", Wire::text(next))));
        Ok(Wire::Struct(answer))
    }

    fn entitlement(&self, agreement: &Agreement, entitled: &Entitled) -> Wire {
        let value = Wire::Struct(vec![("IntegerValue", Wire::Integer(entitled.value))]);
        let mut members = vec![
            ("ProductCode", Wire::text(&self.config.product_code)),
            ("Dimension", Wire::text(&entitled.dimension)),
            ("CustomerAWSAccountId", Wire::text(&agreement.buyer_account)),
            ("LicenseArn", Wire::text(&agreement.license_arn)),
            ("Value", value),
        ];
        if let Some(ends_at) = agreement.ends_at {
            members.push(("ExpirationDate", Wire::Time(ends_at)));
        }
        Wire::Struct(members)
    }
}

fn check_filter(filter: &BTreeMap<String, Vec<String>>) -> Result<(), AwsError> {
    for (name, values) in filter {
        let known = [
            "CUSTOMER_IDENTIFIER",
            "CUSTOMER_AWS_ACCOUNT_ID",
            "LICENSE_ARN",
            "DIMENSION",
        ];
        if !known.contains(&name.as_str()) {
            return Err(invalid(format!(
                "The filter {name:?} is not one of {}.",
                known.join(", ")
            )));
        }
        if values.is_empty() {
            return Err(invalid(format!("The filter {name} needs a value.")));
        }
    }
    if filter.contains_key("CUSTOMER_IDENTIFIER") && filter.contains_key("CUSTOMER_AWS_ACCOUNT_ID")
    {
        return Err(invalid(
            "CUSTOMER_IDENTIFIER and CUSTOMER_AWS_ACCOUNT_ID exclude each other.",
        ));
    }
    Ok(())
}

fn matches(
    filter: &BTreeMap<String, Vec<String>>,
    agreement: &Agreement,
    entitled: &Entitled,
) -> bool {
    filter.iter().all(|(name, values)| {
        let value = match name.as_str() {
            "CUSTOMER_AWS_ACCOUNT_ID" => &agreement.buyer_account,
            "LICENSE_ARN" => &agreement.license_arn,
            "DIMENSION" => &entitled.dimension,
            // Not populated for products identified by license.
            _ => return false,
        };
        values.contains(value)
    })
}

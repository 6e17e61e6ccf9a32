//! GetEntitlements: what a license is entitled to.

use aws_sdk_marketplaceentitlement::types as sdk;
use aws_sdk_marketplaceentitlement::types::GetEntitlementFilterName;
use domain::ids::{Dimension, LicenseArn, ProductCode};
use jiff::Timestamp;

use crate::Marketplace;
use crate::convert;
use crate::read_error::ReadError;

/// Entitlements in one answer: the most that AWS gives (Entitlement API model).
const PAGE_SIZE: i32 = 25;

/// The most pages that are followed; 1,000 entitlements of one license, were
/// every page full, is far beyond any product's dimensions.
const MAX_PAGES: usize = 40;

/// What a license is entitled to in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The contract's dimension.
    pub dimension: Dimension,
    /// How much.
    pub value: EntitlementValue,
    /// The least time until which it is valid: with auto-renewal, the renewal's
    /// date. `None` when AWS names none.
    pub expires_at: Option<Timestamp>,
}

/// The value of an entitlement, which AWS gives in one of several forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntitlementValue {
    /// A number of units.
    Units(u32),
    /// A number that is not a whole one, as a decimal text.
    Decimal(String),
    /// Entitled or not.
    Enabled(bool),
    /// A text.
    Text(String),
    /// None of the forms known to us.
    Unrecognized,
}

impl Marketplace {
    /// Everything that a license of this product is entitled to, in AWS's order:
    /// all pages, an empty one in between included.
    ///
    /// # Errors
    /// See [`ReadError`]. A part of the list is never returned.
    pub async fn get_entitlements(
        &self,
        product: &ProductCode,
        license: &LicenseArn,
    ) -> Result<Vec<Entitlement>, ReadError> {
        let mut entitlements = Vec::new();
        let mut next_token = None;
        for _ in 0..MAX_PAGES {
            let output = self
                .entitlement
                .get_entitlements()
                .product_code(product.as_str())
                .filter(
                    GetEntitlementFilterName::LicenseArn,
                    vec![license.as_str().to_owned()],
                )
                .max_results(PAGE_SIZE)
                .set_next_token(next_token.take())
                .send()
                .await
                .map_err(|error| convert::failure(&error))?;
            for entitlement in output.entitlements() {
                if let Some(entitlement) = of_license(entitlement, license)? {
                    entitlements.push(entitlement);
                }
            }
            next_token = convert::next_page(output.next_token());
            if next_token.is_none() {
                return Ok(entitlements);
            }
        }
        Err(ReadError::TooManyPages(MAX_PAGES))
    }
}

/// The entitlement, unless AWS names another license for it than was asked for.
fn of_license(
    entitlement: &sdk::Entitlement,
    license: &LicenseArn,
) -> Result<Option<Entitlement>, ReadError> {
    if let Some(arn) = entitlement.license_arn() {
        let named = LicenseArn::parse(arn).map_err(|_| ReadError::Incomplete("LicenseArn"))?;
        if named.id() != license.id() {
            return Ok(None);
        }
    }
    let dimension = entitlement
        .dimension()
        .and_then(|text| Dimension::parse(text).ok())
        .ok_or(ReadError::Incomplete("Dimension"))?;
    let expires_at = entitlement
        .expiration_date()
        .map(|date| convert::timestamp(date).ok_or(ReadError::Incomplete("ExpirationDate")))
        .transpose()?;
    Ok(Some(Entitlement {
        dimension,
        value: entitlement
            .value()
            .map_or(EntitlementValue::Unrecognized, value),
        expires_at,
    }))
}

fn value(value: &sdk::EntitlementValue) -> EntitlementValue {
    if let Some(units) = value.integer_value() {
        return u32::try_from(units)
            .map_or(EntitlementValue::Unrecognized, EntitlementValue::Units);
    }
    if let Some(enabled) = value.boolean_value() {
        return EntitlementValue::Enabled(enabled);
    }
    if let Some(text) = value.string_value() {
        return EntitlementValue::Text(text.to_owned());
    }
    match value.double_value() {
        // Written without a fraction, a double is as good as an integer.
        Some(number) => {
            let text = number.to_string();
            text.parse()
                .map_or(EntitlementValue::Decimal(text), EntitlementValue::Units)
        }
        None => EntitlementValue::Unrecognized,
    }
}

#[cfg(test)]
mod tests;

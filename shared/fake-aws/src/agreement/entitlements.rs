//! `GetAgreementEntitlements`: the license that an agreement grants, and
//! whether it is provisioned.
//!
//! AWS's documents do not say which status goes with which reason. Here a
//! license of a suspended buyer is deprovisioned until its account is
//! restored.

use serde_json::Value;

use super::{OfAgreement, find, page, paged, read};
use crate::Inner;
use crate::faults::CallFault;
use crate::lock;
use crate::state::{AgreementStatus, Marketplace};
use crate::wire::{AwsError, Wire};

impl Inner {
    /// `GetAgreementEntitlements`.
    pub(crate) fn get_agreement_entitlements(
        &self,
        request: Value,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        let request: OfAgreement = read(request)?;
        let page = page(request.max_results, request.next_token.as_deref())?;
        let kept = lock(&self.kept);
        let agreement = find(&kept.state, &request.agreement_id)?;
        let (status, reason) = provisioned(&kept.state, agreement.status, &agreement.buyer_account);
        let mut entitlement = vec![
            ("resource", self.resource()),
            ("type", Wire::text("License")),
            ("status", Wire::text(status)),
            ("licenseArn", Wire::text(&agreement.license_arn)),
        ];
        entitlement.extend(reason.map(|code| ("statusReasonCode", Wire::text(code))));
        let all = vec![Wire::Struct(entitlement)];
        Ok(paged("agreementEntitlements", page.cut(all, fault)))
    }
}

fn provisioned(
    state: &Marketplace,
    status: AgreementStatus,
    buyer_account: &str,
) -> (&'static str, Option<&'static str>) {
    match status {
        AgreementStatus::Scheduled => ("SCHEDULED", Some("FUTURE_START_DATE")),
        AgreementStatus::Active if state.is_suspended(buyer_account) => {
            ("DEPROVISIONED", Some("ACCOUNT_SUSPENDED"))
        }
        AgreementStatus::Active => ("PROVISIONED", None),
        AgreementStatus::Ended { .. } => ("DEPROVISIONED", Some("AGREEMENT_INACTIVE")),
    }
}

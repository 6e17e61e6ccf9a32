//! Billing adjustments, proposed: a file that a person looks at and sends.
//!
//! The file has the form of the input of `BatchCreateBillingAdjustmentRequest`
//! (AWS Marketplace Agreement Service, 2020-03-01), as
//! `aws marketplace-agreement batch-create-billing-adjustment-request
//! --cli-input-json file://FILE` takes it. Nothing here sends it.
//!
//! - An adjustment gives back what AWS has over, at the agreement's own rate, by
//!   its terms or else by the usage feed, which it names; rounded down, and never
//!   more than the invoice's `maxAdjustmentAmount`, nor what was given back of the
//!   month already.
//! - Its token follows from what it adjusts and nothing else, so that the same
//!   proposal sent twice is one request to AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ids::AgreementId;
use crate::money::Usd;

use super::amounts::{CURRENCY, InvoiceKind, InvoiceLine, Invoices};
use super::{Finding, Verdict, Whose};

/// The longest description that AWS takes, in characters.
const MAX_DESCRIPTION: usize = 500;

/// What `BatchCreateBillingAdjustmentRequest` takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdjustmentFile {
    /// One for each invoice.
    pub billing_adjustment_request_entries: Vec<Adjustment>,
}

/// One billing adjustment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adjustment {
    /// The agreement.
    pub agreement_id: AgreementId,
    /// The invoice of which something is given back.
    pub original_invoice_id: String,
    /// How much, as a decimal.
    pub adjustment_amount: String,
    /// The currency.
    pub currency_code: &'static str,
    /// Why, in AWS's words.
    pub adjustment_reason_code: &'static str,
    /// Why, in ours.
    pub description: String,
    /// Names the request: AWS takes it once.
    pub client_token: String,
}

/// What is proposed of a month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proposals {
    /// What a person may send.
    pub file: AdjustmentFile,
    /// What is over and not proposed, and why.
    pub left: Vec<(AgreementId, NotProposed)>,
}

/// Why something that AWS has over is not proposed to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum NotProposed {
    /// The agreement's own rate is not known.
    RateUnknown,
    /// The month's invoices could not be read.
    InvoicesUnread,
    /// There is no invoice of the month in US dollars yet.
    NotInvoiced,
    /// It costs nothing, or AWS has as much less on other days.
    NothingDue,
    /// AWS has invoiced the month as it was billed, whatever its days say.
    AsInvoiced,
    /// AWS has given back as much already.
    GivenBack,
    /// AWS allows no more to be given back of the month's invoices.
    NoRoom {
        /// How much is left.
        #[serde(rename = "left_microusd")]
        left: Usd,
    },
}

/// Proposes to give back what AWS has over in a month's findings; `invoices`
/// are the month's, by agreement, of which `as_invoiced` names those that are equal to
/// what was billed.
pub fn propose(
    findings: &[Finding],
    invoices: &BTreeMap<AgreementId, Invoices<'_>>,
    as_invoiced: &BTreeSet<AgreementId>,
) -> Proposals {
    let mut by_agreement: BTreeMap<&AgreementId, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        if let (Whose::Agreement(agreement), Verdict::Over { .. }) =
            (&finding.whose, &finding.verdict)
        {
            by_agreement.entry(agreement).or_default().push(finding);
        }
    }
    let mut proposals = Proposals::default();
    for (agreement, overs) in by_agreement {
        if as_invoiced.contains(agreement) {
            proposals.leave(agreement, NotProposed::AsInvoiced);
            continue;
        }
        let lines = match invoices.get(agreement) {
            Some(Invoices::Read(lines)) => lines,
            Some(Invoices::Unread(_)) => {
                proposals.leave(agreement, NotProposed::InvoicesUnread);
                continue;
            }
            None => {
                proposals.leave(agreement, NotProposed::NotInvoiced);
                continue;
            }
        };
        match amount(&overs, &lacking(agreement, findings)) {
            Some(due) => proposals.spread(agreement, due, &overs, lines),
            None => proposals.leave(agreement, NotProposed::RateUnknown),
        }
    }
    proposals
}

/// What AWS has less of under an agreement: a day's usage that stands under another
/// day is not to be given back.
fn lacking<'a>(agreement: &AgreementId, findings: &'a [Finding]) -> Vec<&'a Finding> {
    let of_agreement = findings.iter().filter(|finding| match &finding.whose {
        Whose::Agreement(whose) => whose == agreement,
        Whose::License(_) | Whose::UnknownAgreement(_) | Whose::Nobody => false,
    });
    let less = of_agreement.filter(|finding| match finding.verdict {
        Verdict::Missing { .. } | Verdict::Late { .. } => true,
        Verdict::Equal | Verdict::Over { .. } | Verdict::NotComparable { .. } => false,
    });
    less.collect()
}

/// What is over, and what is lacking, at the agreement's rates.
fn amount(overs: &[&Finding], lacking: &[&Finding]) -> Option<(Usd, Usd)> {
    let sum = |found: &[&Finding]| -> Option<Usd> { found.iter().map(|of| of.amount()).sum() };
    Some((sum(overs)?, sum(lacking)?))
}

impl Proposals {
    fn leave(&mut self, agreement: &AgreementId, why: NotProposed) {
        self.left.push((agreement.clone(), why));
    }

    /// Spreads an amount over the month's invoices, those with the most room first.
    fn spread(
        &mut self,
        agreement: &AgreementId,
        (over, lacking): (Usd, Usd),
        overs: &[&Finding],
        lines: &[InvoiceLine],
    ) {
        let amount = over.less(lacking);
        let (mut given, mut invoices) = (Usd::ZERO, Vec::new());
        for line in lines {
            let amount = line.amount.filter(|_| line.is_in_dollars());
            match (&line.kind, amount) {
                (InvoiceKind::Invoice, _) if line.is_in_dollars() => invoices.push(line),
                (InvoiceKind::Invoice, _) => {}
                (InvoiceKind::CreditMemo, Some(amount)) => given = given.plus(amount),
                // How much was given back already is not known.
                (InvoiceKind::CreditMemo, None) | (InvoiceKind::Unrecognized(_), _) => {
                    return self.leave(agreement, NotProposed::InvoicesUnread);
                }
            }
        }
        if amount == Usd::ZERO {
            return self.leave(agreement, NotProposed::NothingDue);
        }
        if invoices.is_empty() {
            return self.leave(agreement, NotProposed::NotInvoiced);
        }
        let mut left = amount.less(given);
        if left == Usd::ZERO {
            return self.leave(agreement, NotProposed::GivenBack);
        }
        invoices
            .sort_by(|a, b| (b.max_adjustment, &a.invoice).cmp(&(a.max_adjustment, &b.invoice)));
        for line in invoices {
            let part = left.min(line.max_adjustment.unwrap_or_default());
            if part > Usd::ZERO {
                let entry = adjustment(agreement, line, (part, given, lacking), overs);
                self.file.billing_adjustment_request_entries.push(entry);
                left = left.less(part);
            }
        }
        if left > Usd::ZERO {
            self.leave(agreement, NotProposed::NoRoom { left });
        }
    }
}

fn adjustment(
    agreement: &AgreementId,
    line: &InvoiceLine,
    (amount, given, lacking): (Usd, Usd, Usd),
    overs: &[&Finding],
) -> Adjustment {
    let mut said = String::new();
    for finding in overs {
        let units = finding.difference().unwrap_or_default();
        let _ = write!(said, "{} {} {units}", finding.day, finding.dimension);
        if let Some((rate, by)) = finding.price.told() {
            let _ = write!(said, " at {rate} ({by})");
        }
        said.push_str("; ");
    }
    // The same until AWS has given something back: two files that are sent one after
    // the other ask for it once.
    let adjusted = format!("{agreement}\n{}\n{given}", line.invoice);
    let token = Sha256::digest(adjusted.as_bytes());
    let said = said.trim_end_matches("; ");
    let less = if lacking == Usd::ZERO {
        String::new()
    } else {
        format!(", less {lacking} that other days or dimensions lack")
    };
    let description = format!("Usage metered beyond what was used, by day: {said}{less}");
    Adjustment {
        agreement_id: agreement.clone(),
        original_invoice_id: line.invoice.clone(),
        adjustment_amount: amount.to_string(),
        currency_code: CURRENCY,
        adjustment_reason_code: "INCORRECT_METERING",
        description: description.chars().take(MAX_DESCRIPTION).collect(),
        client_token: format!("{token:x}"),
    }
}

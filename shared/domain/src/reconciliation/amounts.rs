//! A month's amounts by agreement: our billed records at the agreement's rates
//! against AWS's invoices.
//!
//! AWS gives sellers the amounts of an agreement by invoice, not by dimension
//! (`ListAgreementInvoiceLineItems` groups by `INVOICE_ID` only), before tax.
//! The charges by dimension of `ListAgreementCharges` are for buyers.
//!
//! They are compared only when each of our units is priced at the agreement's own
//! rate, by its terms, else as the usage feed names it; and where something else
//! than usage may be in the invoice, more is not called over.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::after;
use crate::ids::AgreementId;
use crate::money::Usd;

use super::prices::{Price, PricedBy, Prices};
use super::{Agreements, OurRecord, Standing};

/// How long after a month's end its invoices may still come: AWS issues them on
/// the 2nd or 3rd.
pub const INVOICED_WITHIN: SignedDuration = SignedDuration::from_hours(5 * 24);

/// The currency in which rates are kept here.
pub const CURRENCY: &str = "USD";

/// A cent: AWS rounds amounts, and does not say where.
const CENT: Usd = Usd::from_micros(10_000);

/// What AWS has invoiced, or given back, of an agreement by one invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvoiceLine {
    /// The agreement.
    pub agreement: AgreementId,
    /// The invoice's id.
    pub invoice: String,
    /// Whether it takes or gives.
    pub kind: InvoiceKind,
    /// How much, before tax; `None` when it is no amount that we can read.
    pub amount: Option<Usd>,
    /// How much of it may be given back at most.
    pub max_adjustment: Option<Usd>,
    /// The currency of both.
    pub currency: Option<String>,
}

/// Whether an invoice takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvoiceKind {
    /// The buyer is to pay.
    Invoice,
    /// The buyer is given something back.
    CreditMemo,
    /// A kind that AWS added since.
    Unrecognized(String),
}

/// What AWS said of an agreement's invoices of a month.
#[derive(Debug, Clone, Copy)]
pub enum Invoices<'a> {
    /// All of them.
    Read(&'a [InvoiceLine]),
    /// They could not be read, for this reason.
    Unread(&'a str),
}

/// A month's amounts of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountFinding {
    /// The agreement.
    pub agreement: AgreementId,
    /// Our billed records at the rates known, exact, in millionths of a US dollar.
    pub billed_microusd: u64,
    /// What AWS has invoiced, in the same.
    pub invoiced_microusd: u64,
    /// What AWS has given back, in the same.
    pub credited_microusd: u64,
    /// Who says at which rates our records are billed.
    pub priced_by: BTreeSet<PricedBy>,
    /// What that means.
    pub verdict: AmountVerdict,
}

/// What a comparison of amounts means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum AmountVerdict {
    /// AWS has invoiced what we have billed, to the cent that AWS may round.
    Equal,
    /// AWS has invoiced nothing yet, and may still.
    Late,
    /// AWS has invoiced less.
    Missing {
        /// How much, in millionths of a US dollar.
        microusd: u64,
    },
    /// AWS has invoiced more.
    Over {
        /// How much, in millionths of a US dollar.
        microusd: u64,
    },
    /// It could not be compared.
    NotComparable {
        /// Why.
        obstacle: AmountObstacle,
    },
}

/// Why amounts could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum AmountObstacle {
    /// The invoices could not be read.
    InvoicesUnread {
        /// Why.
        reason: String,
    },
    /// An invoice is of a kind, an amount or a currency that is not understood.
    InvoiceNotUnderstood {
        /// Its id.
        invoice: String,
    },
    /// The agreement's own rates are not known.
    RatesUnknown,
    /// The outcome of some of our records is not known.
    OutcomeUnknown,
    /// AWS has invoiced more, and the agreement may have fixed payments.
    FixedPayments,
    /// AWS has invoiced more, and we have billed usage of which no agreement is known.
    PerhapsOurs,
    /// A license was under several agreements, and what AWS has invoiced less of under
    /// one it has invoiced more of under another.
    UnderAnother {
        /// The other agreement.
        agreement: AgreementId,
    },
    /// AWS has invoiced as much or more, and not every license of ours was looked at.
    LicensesUnseen,
}

/// An agreement whose month is compared.
#[derive(Debug, Clone, Copy)]
pub struct OfAgreement<'a> {
    /// The agreement.
    pub agreement: &'a AgreementId,
    /// Our records of the month under it.
    pub ours: &'a [OurRecord],
    /// Whether it may have fixed payments besides usage: it is a contract.
    pub fixed_payments: bool,
    /// Whether we have billed usage of which no agreement is known.
    pub strays: bool,
    /// Whether licenses of ours were not looked at.
    pub unseen: bool,
}

/// What AWS took and gave by invoices that are understood.
#[derive(Debug, Default)]
struct Sums {
    invoiced: Usd,
    credited: Usd,
}

/// Our side of an agreement's month.
#[derive(Debug, Default)]
struct Billed {
    amount: Usd,
    /// How many dimensions were used: AWS may round each.
    dimensions: usize,
    priced_by: BTreeSet<PricedBy>,
    /// Some of it is not at the agreement's own rate.
    inexact: bool,
    /// The outcome of some records is not known.
    uncertain: bool,
}

/// Compares an agreement's amounts of the month that ended at `month_end`.
pub fn compare_amounts(
    of: &OfAgreement<'_>,
    prices: &Prices,
    invoices: Invoices<'_>,
    month_end: Timestamp,
    now: Timestamp,
) -> AmountFinding {
    let billed = billed(of, prices);
    let read = match invoices {
        Invoices::Unread(reason) => Err(AmountObstacle::InvoicesUnread {
            reason: reason.to_owned(),
        }),
        Invoices::Read(lines) => sums(lines)
            .map(|sums| (sums, lines.is_empty()))
            .map_err(|invoice| AmountObstacle::InvoiceNotUnderstood { invoice }),
    };
    let (sums, verdict) = match read {
        Err(obstacle) => {
            let verdict = AmountVerdict::NotComparable { obstacle };
            (Sums::default(), verdict)
        }
        Ok((sums, none)) => {
            let may_come = now < after(month_end, INVOICED_WITHIN);
            let found = if none && may_come && billed.amount > Usd::ZERO {
                AmountVerdict::Late
            } else {
                verdict(&billed, &sums, of)
            };
            // A contract's fixed payment may be invoiced before its usage is.
            let verdict = match found {
                AmountVerdict::Missing { .. } if may_come => AmountVerdict::Late,
                found @ (AmountVerdict::Equal
                | AmountVerdict::Late
                | AmountVerdict::Missing { .. }
                | AmountVerdict::Over { .. }
                | AmountVerdict::NotComparable { .. }) => found,
            };
            (sums, verdict)
        }
    };
    AmountFinding {
        agreement: of.agreement.clone(),
        billed_microusd: billed.amount.micros(),
        invoiced_microusd: sums.invoiced.micros(),
        credited_microusd: sums.credited.micros(),
        priced_by: billed.priced_by,
        verdict,
    }
}

fn billed(of: &OfAgreement<'_>, prices: &Prices) -> Billed {
    let (mut billed, mut dimensions) = (Billed::default(), BTreeSet::new());
    for record in of.ours {
        match record.standing {
            Standing::Billed { .. } => {}
            Standing::Unknown | Standing::Conflict => {
                billed.uncertain = true;
                continue;
            }
        }
        dimensions.insert(&record.dimension);
        let price = match record.agreed {
            Some(rate) => Price::Agreed(rate),
            None => prices.of(of.agreement, &record.dimension, record.day),
        };
        billed.inexact |= price.of_agreement().is_none();
        if let Some((rate, by)) = price.told() {
            billed.priced_by.insert(by);
            billed.amount = billed.amount.plus(rate.times(record.units));
        }
    }
    billed.dimensions = dimensions.len();
    billed
}

fn verdict(billed: &Billed, sums: &Sums, of: &OfAgreement<'_>) -> AmountVerdict {
    let not_comparable = |obstacle| AmountVerdict::NotComparable { obstacle };
    if billed.inexact {
        return not_comparable(AmountObstacle::RatesUnknown);
    }
    if billed.uncertain {
        return not_comparable(AmountObstacle::OutcomeUnknown);
    }
    let apart = |a: Usd, b: Usd| a.less(b).plus(b.less(a));
    let room = CENT.times(billed.dimensions.try_into().unwrap_or(u64::MAX));
    let net = sums.invoiced.less(sums.credited);
    // What was given back may be for this, or for something else.
    let either = [sums.invoiced, net];
    if either
        .iter()
        .any(|amount| apart(*amount, billed.amount) <= room)
    {
        return if of.unseen {
            not_comparable(AmountObstacle::LicensesUnseen)
        } else {
            AmountVerdict::Equal
        };
    }
    let (missing, over) = (billed.amount.less(net), net.less(billed.amount));
    if over == Usd::ZERO {
        return AmountVerdict::Missing {
            microusd: missing.micros(),
        };
    }
    if of.fixed_payments {
        return not_comparable(AmountObstacle::FixedPayments);
    }
    if of.strays {
        return not_comparable(AmountObstacle::PerhapsOurs);
    }
    if of.unseen {
        return not_comparable(AmountObstacle::LicensesUnseen);
    }
    AmountVerdict::Over {
        microusd: over.micros(),
    }
}

/// Takes back the verdicts on agreements of one license of which AWS has invoiced
/// less under one and more under another: in the month of a renewal it does not
/// say on which side of it it puts usage.
pub fn take_back_moved(amounts: &mut [AmountFinding], agreements: &Agreements) {
    let differs = |verdict: &AmountVerdict| match verdict {
        AmountVerdict::Missing { .. } | AmountVerdict::Late => Some(false),
        AmountVerdict::Over { .. } => Some(true),
        AmountVerdict::Equal | AmountVerdict::NotComparable { .. } => None,
    };
    let moved = |of: &AmountFinding| -> Option<AgreementId> {
        let is_over = differs(&of.verdict)?;
        let mut others = agreements.of_the_licenses_of(&of.agreement);
        let other = others.find(|other| {
            let mut found = amounts.iter().filter(|found| found.agreement == **other);
            found.any(|found| differs(&found.verdict) == Some(!is_over))
        });
        other.cloned()
    };
    let moved: Vec<Option<AgreementId>> = amounts.iter().map(moved).collect();
    for (amount, other) in amounts.iter_mut().zip(moved) {
        if let Some(agreement) = other {
            let obstacle = AmountObstacle::UnderAnother { agreement };
            amount.verdict = AmountVerdict::NotComparable { obstacle };
        }
    }
}

/// What AWS took and gave, or the id of an invoice that is not understood.
fn sums(lines: &[InvoiceLine]) -> Result<Sums, String> {
    let mut sums = Sums::default();
    for line in lines {
        let amount = line.amount.filter(|_| line.is_in_dollars());
        match (&line.kind, amount) {
            (InvoiceKind::Invoice, Some(amount)) => sums.invoiced = sums.invoiced.plus(amount),
            (InvoiceKind::CreditMemo, Some(amount)) => sums.credited = sums.credited.plus(amount),
            (InvoiceKind::Unrecognized(_), _) | (_, None) => return Err(line.invoice.clone()),
        }
    }
    Ok(sums)
}

impl AmountVerdict {
    /// Whether what AWS has invoiced is known.
    pub const fn knows_invoices(&self) -> bool {
        match self {
            Self::NotComparable { obstacle } => match obstacle {
                AmountObstacle::InvoicesUnread { .. }
                | AmountObstacle::InvoiceNotUnderstood { .. } => false,
                AmountObstacle::RatesUnknown
                | AmountObstacle::OutcomeUnknown
                | AmountObstacle::FixedPayments
                | AmountObstacle::PerhapsOurs
                | AmountObstacle::UnderAnother { .. }
                | AmountObstacle::LicensesUnseen => true,
            },
            Self::Equal | Self::Late | Self::Missing { .. } | Self::Over { .. } => true,
        }
    }

    /// Whether a person has to do something about it.
    pub const fn needs_a_person(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Over { .. } => true,
            Self::Equal | Self::Late | Self::NotComparable { .. } => false,
        }
    }
}

impl InvoiceLine {
    /// Whether its amounts are in the currency that is kept here.
    pub fn is_in_dollars(&self) -> bool {
        self.currency.as_deref() == Some(CURRENCY)
    }
}

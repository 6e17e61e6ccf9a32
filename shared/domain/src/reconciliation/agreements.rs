//! Which agreements there are, and which of them were of one license.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{AgreementId, LicenseId};

/// The agreements that we or AWS know of, and the licenses that were ever under
/// each, as far as we know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agreements {
    licenses: BTreeMap<AgreementId, BTreeSet<LicenseId>>,
    agreements: BTreeMap<LicenseId, BTreeSet<AgreementId>>,
}

impl Agreements {
    /// An agreement, whatever license is under it.
    pub fn add(&mut self, agreement: AgreementId) {
        self.licenses.entry(agreement).or_default();
    }

    /// A license that was ever under these agreements.
    pub fn add_license(&mut self, license: &LicenseId, agreements: &BTreeSet<AgreementId>) {
        for agreement in agreements {
            let licenses = self.licenses.entry(agreement.clone()).or_default();
            licenses.insert(license.clone());
        }
        let known = self.agreements.entry(license.clone()).or_default();
        known.extend(agreements.iter().cloned());
    }

    /// Whether an agreement is known.
    pub fn contains(&self, agreement: &AgreementId) -> bool {
        self.licenses.contains_key(agreement)
    }

    /// The licenses that were ever under an agreement.
    pub fn licenses_of(&self, agreement: &AgreementId) -> impl Iterator<Item = &LicenseId> {
        self.licenses.get(agreement).into_iter().flatten()
    }

    /// The other agreements under which the licenses of one ever were.
    pub fn of_the_licenses_of<'a>(
        &'a self,
        agreement: &'a AgreementId,
    ) -> impl Iterator<Item = &'a AgreementId> {
        let licenses = self.licenses_of(agreement);
        let agreements = licenses.filter_map(|license| self.agreements.get(license));
        agreements.flatten().filter(move |of| *of != agreement)
    }
}

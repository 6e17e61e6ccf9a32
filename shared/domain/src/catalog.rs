//! The product catalog: dimensions, units and list prices, as data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::Dimension;
use crate::service_kind::ServiceKind;
use crate::tiers::Tier;

/// A version of what the seller sells. Loading it checks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawCatalog", into = "RawCatalog")]
pub struct Catalog {
    version: u32,
    service: String,
    service_kind: ServiceKind,
    /// In the order of [`Tier::ALL`].
    rates: [Rate; 4],
    contracts: Vec<ContractDimension>,
}

/// A dimension of contracts with consumption: its value is computer-hours of a
/// metered dimension, prepaid for the entitlement's period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractDimension {
    /// The dimension that AWS's entitlement names.
    pub contract: Dimension,
    /// The metered dimension that it covers.
    pub metered: Dimension,
}

/// What one tier is metered as and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The tier.
    pub tier: Tier,
    /// The dimension under which AWS Marketplace meters it.
    pub dimension: Dimension,
    /// What people call it.
    pub label: String,
    /// List price of a computer-hour in millionths of a US dollar.
    pub list_price_microusd: u64,
}

/// The catalog as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalog {
    version: u32,
    service: String,
    /// The service's subcategory of FOCUS 1.2.
    #[serde(default)]
    service_subcategory: ServiceKind,
    rates: Vec<Rate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    contracts: Vec<ContractDimension>,
}

/// Why a catalog is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalog {
    /// Not exactly one rate for a tier.
    #[error("the catalog needs exactly one rate for the tier {0:?}")]
    RateMissing(Tier),
    /// Two tiers share a dimension.
    #[error("the dimension {0} is named twice")]
    DimensionTwice(Dimension),
    /// A contract's dimension covers what is not metered.
    #[error("the contract dimension {0} covers a dimension that no rate has")]
    ContractCoversNothing(Dimension),
    /// Two contract dimensions have one name, or cover one metered dimension.
    #[error("two contract dimensions share the dimension {0}")]
    ContractsShare(Dimension),
    /// Data Center is the highest rate; a catalog that prices it below another
    /// would bill unknown sizes too low.
    #[error("Data Center is priced below {0:?}")]
    DataCenterTooCheap(Tier),
}

impl Catalog {
    /// The catalog of the first product, at the list prices seen in AWS
    /// Marketplace: 0.011, 0.032, 0.047 and 0.06 US dollars an hour.
    pub fn workload_security() -> Self {
        let rate = |tier, dimension: &str, label: &str, list_price_microusd| Rate {
            tier,
            dimension: Dimension::literal(dimension),
            label: label.to_owned(),
            list_price_microusd,
        };
        Self {
            version: 1,
            service: "Workload Security".to_owned(),
            service_kind: ServiceKind::SECURITY,
            rates: [
                rate(Tier::Medium, "medium", "Medium", 11_000),
                rate(Tier::Large, "large", "Large", 32_000),
                rate(Tier::ExtraLarge, "xlarge", "Extra-large", 47_000),
                rate(Tier::DataCenter, "datacenter", "Data Center", 60_000),
            ],
            contracts: Vec::new(),
        }
    }

    /// The same, sold by contracts with consumption as well, of these dimensions.
    ///
    /// # Errors
    /// [`InvalidCatalog::ContractCoversNothing`], [`InvalidCatalog::ContractsShare`]
    pub fn with_contracts(self, contracts: Vec<ContractDimension>) -> Result<Self, InvalidCatalog> {
        let raw = RawCatalog {
            contracts,
            ..RawCatalog::from(self)
        };
        Self::try_from(raw)
    }

    /// The same, sold by contracts whose dimensions are named after the metered ones
    /// that they cover, as the fake AWS names them: `large_hours` covers `large`.
    ///
    /// # Errors
    /// [`InvalidCatalog::ContractCoversNothing`], [`InvalidCatalog::ContractsShare`]
    pub fn with_contracts_by_name(self) -> Result<Self, InvalidCatalog> {
        let contract = |rate: &Rate| {
            Some(ContractDimension {
                contract: Dimension::parse(format!("{}_hours", rate.dimension)).ok()?,
                metered: rate.dimension.clone(),
            })
        };
        let contracts = self.rates.iter().filter_map(contract).collect();
        self.with_contracts(contracts)
    }

    /// The catalog's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The name of the service sold.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// What kind of service it is.
    pub fn service_kind(&self) -> ServiceKind {
        self.service_kind
    }

    /// The rates, from the lowest tier to the highest.
    pub fn rates(&self) -> &[Rate; 4] {
        &self.rates
    }

    /// What a tier is metered as and costs.
    pub fn rate(&self, tier: Tier) -> &Rate {
        let [medium, large, extra_large, data_center] = &self.rates;
        match tier {
            Tier::Medium => medium,
            Tier::Large => large,
            Tier::ExtraLarge => extra_large,
            Tier::DataCenter => data_center,
        }
    }

    /// Whether contracts with consumption are sold, whose prepaid part is used up first.
    pub fn has_contracts(&self) -> bool {
        !self.contracts.is_empty()
    }

    /// The metered dimension that a contract's dimension covers, if it does.
    pub fn covered_by(&self, contract: &Dimension) -> Option<&Dimension> {
        let covering = self.contracts.iter().find(|c| c.contract == *contract);
        covering.map(|contract| &contract.metered)
    }

    /// The rate metered under a dimension, if it is one of the product's.
    pub fn rate_of(&self, dimension: &Dimension) -> Option<&Rate> {
        self.rates.iter().find(|rate| rate.dimension == *dimension)
    }
}

impl TryFrom<RawCatalog> for Catalog {
    type Error = InvalidCatalog;

    fn try_from(raw: RawCatalog) -> Result<Self, InvalidCatalog> {
        for (n, rate) in raw.rates.iter().enumerate() {
            if raw.rates[..n].iter().any(|r| r.dimension == rate.dimension) {
                return Err(InvalidCatalog::DimensionTwice(rate.dimension.clone()));
            }
        }
        let only = |tier| {
            let mut of_tier = raw.rates.iter().filter(|rate| rate.tier == tier);
            match (of_tier.next(), of_tier.next()) {
                (Some(rate), None) => Ok(rate.clone()),
                (None, _) | (Some(_), Some(_)) => Err(InvalidCatalog::RateMissing(tier)),
            }
        };
        let rates = [
            only(Tier::Medium)?,
            only(Tier::Large)?,
            only(Tier::ExtraLarge)?,
            only(Tier::DataCenter)?,
        ];
        let [.., data_center] = &rates;
        if let Some(dearer) = rates
            .iter()
            .find(|rate| rate.list_price_microusd > data_center.list_price_microusd)
        {
            return Err(InvalidCatalog::DataCenterTooCheap(dearer.tier));
        }
        let metered = |dimension: &Dimension| rates.iter().any(|r| r.dimension == *dimension);
        if let Some(idle) = raw.contracts.iter().find(|c| !metered(&c.metered)) {
            return Err(InvalidCatalog::ContractCoversNothing(idle.contract.clone()));
        }
        // A license has one balance of each metered dimension in a period.
        let mut names = BTreeSet::new();
        for covering in &raw.contracts {
            for name in [
                ("contract", &covering.contract),
                ("metered", &covering.metered),
            ] {
                if !names.insert(name) {
                    return Err(InvalidCatalog::ContractsShare(name.1.clone()));
                }
            }
        }
        Ok(Self {
            version: raw.version,
            service: raw.service,
            service_kind: raw.service_subcategory,
            rates,
            contracts: raw.contracts,
        })
    }
}

impl From<Catalog> for RawCatalog {
    fn from(catalog: Catalog) -> Self {
        Self {
            version: catalog.version,
            service: catalog.service,
            service_subcategory: catalog.service_kind,
            rates: catalog.rates.to_vec(),
            contracts: catalog.contracts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(data_center_price: u64) -> String {
        let mut raw = RawCatalog::from(Catalog::workload_security());
        raw.rates[3].list_price_microusd = data_center_price;
        serde_json::to_string(&raw).unwrap()
    }

    #[test]
    fn a_catalog_is_read_as_it_was_written() {
        let read: Catalog = serde_json::from_str(&written(60_000)).unwrap();
        assert_eq!(read, Catalog::workload_security());
    }

    #[test]
    fn a_data_center_price_below_another_tiers_is_refused() {
        let error = serde_json::from_str::<Catalog>(&written(46_999)).unwrap_err();
        assert!(error.to_string().contains("ExtraLarge"), "{error}");
    }

    #[test]
    fn a_contract_covers_a_metered_dimension_or_is_refused() {
        let dimension = |id: &str| Dimension::parse(id).unwrap();
        let mut raw = RawCatalog::from(Catalog::workload_security());
        raw.contracts.push(ContractDimension {
            contract: dimension("prepaid_medium"),
            metered: dimension("medium"),
        });
        let catalog = Catalog::try_from(raw.clone()).unwrap();
        assert!(catalog.has_contracts());
        assert_eq!(
            catalog.covered_by(&dimension("prepaid_medium")),
            Some(&dimension("medium"))
        );
        // Of two that cover the same, or of one name, only one would count.
        for (contract, metered, shared) in [
            ("prepaid_medium", "large", "prepaid_medium"),
            ("prepaid_more", "medium", "medium"),
        ] {
            let mut two = raw.clone();
            two.contracts.push(ContractDimension {
                contract: dimension(contract),
                metered: dimension(metered),
            });
            let refused = InvalidCatalog::ContractsShare(dimension(shared));
            assert_eq!(Catalog::try_from(two), Err(refused));
        }
        raw.contracts[0].metered = dimension("huge");
        assert_eq!(
            Catalog::try_from(raw),
            Err(InvalidCatalog::ContractCoversNothing(dimension(
                "prepaid_medium"
            )))
        );
    }

    #[test]
    fn a_missing_or_doubled_rate_is_refused() {
        let mut raw = RawCatalog::from(Catalog::workload_security());
        let medium = raw.rates.remove(0);
        assert_eq!(
            Catalog::try_from(raw.clone()),
            Err(InvalidCatalog::RateMissing(Tier::Medium))
        );
        raw.rates.push(medium.clone());
        raw.rates.push(medium.clone());
        assert_eq!(
            Catalog::try_from(raw),
            Err(InvalidCatalog::DimensionTwice(medium.dimension))
        );
    }
}

//! What kind of service is sold, in the words of FOCUS 1.2, the open format of
//! cloud bills (<https://focus.finops.org>): a category and a subcategory.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Every subcategory that FOCUS 1.2 allows, each after its category.
const SUBCATEGORIES: [&str; 82] = [
    "AI and Machine Learning > AI Platforms",
    "AI and Machine Learning > Bots",
    "AI and Machine Learning > Generative AI",
    "AI and Machine Learning > Machine Learning",
    "AI and Machine Learning > Natural Language Processing",
    "AI and Machine Learning > Other (AI and Machine Learning)",
    "Analytics > Analytics Platforms",
    "Analytics > Business Intelligence",
    "Analytics > Data Processing",
    "Analytics > Search",
    "Analytics > Streaming Analytics",
    "Analytics > Other (Analytics)",
    "Business Applications > Productivity and Collaboration",
    "Business Applications > Other (Business Applications)",
    "Compute > Containers",
    "Compute > End User Computing",
    "Compute > Quantum Compute",
    "Compute > Serverless Compute",
    "Compute > Virtual Machines",
    "Compute > Other (Compute)",
    "Databases > Caching",
    "Databases > Data Warehouses",
    "Databases > Ledger Databases",
    "Databases > NoSQL Databases",
    "Databases > Relational Databases",
    "Databases > Time Series Databases",
    "Databases > Other (Databases)",
    "Developer Tools > Developer Platforms",
    "Developer Tools > Continuous Integration and Deployment",
    "Developer Tools > Development Environments",
    "Developer Tools > Source Code Management",
    "Developer Tools > Quality Assurance",
    "Developer Tools > Other (Developer Tools)",
    "Identity > Identity and Access Management",
    "Identity > Other (Identity)",
    "Integration > API Management",
    "Integration > Messaging",
    "Integration > Workflow Orchestration",
    "Integration > Other (Integration)",
    "Internet of Things > IoT Analytics",
    "Internet of Things > IoT Platforms",
    "Internet of Things > Other (Internet of Things)",
    "Management and Governance > Architecture",
    "Management and Governance > Compliance",
    "Management and Governance > Cost Management",
    "Management and Governance > Data Governance",
    "Management and Governance > Disaster Recovery",
    "Management and Governance > Endpoint Management",
    "Management and Governance > Observability",
    "Management and Governance > Support",
    "Management and Governance > Other (Management and Governance)",
    "Media > Content Creation",
    "Media > Gaming",
    "Media > Media Streaming",
    "Media > Mixed Reality",
    "Media > Other (Media)",
    "Migration > Data Migration",
    "Migration > Resource Migration",
    "Migration > Other (Migration)",
    "Mobile > Other (Mobile)",
    "Multicloud > Multicloud Integration",
    "Multicloud > Other (Multicloud)",
    "Networking > Application Networking",
    "Networking > Content Delivery",
    "Networking > Network Connectivity",
    "Networking > Network Infrastructure",
    "Networking > Network Routing",
    "Networking > Network Security",
    "Networking > Other (Networking)",
    "Security > Secret Management",
    "Security > Security Posture Management",
    "Security > Threat Detection and Response",
    "Security > Other (Security)",
    "Storage > Backup Storage",
    "Storage > Block Storage",
    "Storage > File Storage",
    "Storage > Object Storage",
    "Storage > Storage Platforms",
    "Storage > Other (Storage)",
    "Web > Application Platforms",
    "Web > Other (Web)",
    "Other > Other (Other)",
];

/// A service's subcategory, such as `Security > Threat Detection and Response`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceKind(&'static str);

/// The text is no subcategory of FOCUS 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a service subcategory of FOCUS 1.2, such as `Security > Other (Security)`")]
pub struct NotAServiceKind;

impl ServiceKind {
    /// What the first product is.
    pub(crate) const SECURITY: Self = Self("Security > Threat Detection and Response");

    /// Reads a subcategory.
    ///
    /// # Errors
    /// [`NotAServiceKind`].
    pub fn parse(text: &str) -> Result<Self, NotAServiceKind> {
        let mut allowed = SUBCATEGORIES.into_iter();
        let found = allowed.find(|allowed| *allowed == text);
        found.map(Self).ok_or(NotAServiceKind)
    }

    /// The category, such as `Security`.
    pub fn category(self) -> &'static str {
        self.0.split(" > ").next().unwrap_or(self.0)
    }

    /// The subcategory with its category, as FOCUS writes it.
    pub const fn subcategory(self) -> &'static str {
        self.0
    }
}

/// A service of which nothing is said.
impl Default for ServiceKind {
    fn default() -> Self {
        Self("Other > Other (Other)")
    }
}

impl<'de> Deserialize<'de> for ServiceKind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Serialize for ServiceKind {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_names_its_category_and_only_those_of_focus_are_taken() {
        for kind in [ServiceKind::SECURITY, ServiceKind::default()] {
            assert_eq!(ServiceKind::parse(kind.subcategory()), Ok(kind));
        }
        assert_eq!(ServiceKind::SECURITY.category(), "Security");
        for text in ["", "Security", "Security > Guns", "Web > Other (Security)"] {
            assert_eq!(ServiceKind::parse(text), Err(NotAServiceKind), "{text}");
        }
    }
}

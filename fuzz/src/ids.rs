//! Identifiers, ARNs, instants, hours, months, amounts, and what a browser brings
//! in cookies and forms: short texts.

use app::SessionSecret;
use app::month::Month;
use domain::hour::Hour;
use domain::ids::{
    AccountId, AgentId, AgreementId, AwsAccountId, CloudAccountId, CustomerIdentifier, Dimension,
    EventId, InstanceId, InvalidId, LicenseArn, LicenseId, OfferId, ProductCode, ProductId,
    ReportId, SupportRequestId, UserEmail, masked,
};
use domain::linking::Basis;
use domain::money::Usd;
use jiff::Timestamp;
use web::PublicUrl;

/// Reads a text as each of them.
pub fn read(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    macro_rules! ids {
        ($($id:ident),*) => { $( id($id::parse(text), |id| id.as_str().to_owned()); )* };
    }
    ids!(
        AccountId,
        AgentId,
        AgreementId,
        AwsAccountId,
        CloudAccountId,
        CustomerIdentifier
    );
    ids!(
        Dimension,
        EventId,
        InstanceId,
        LicenseId,
        OfferId,
        ProductCode,
        ProductId,
        ReportId
    );
    ids!(SupportRequestId, UserEmail);
    if let Ok(account) = AwsAccountId::parse(text) {
        assert!(!masked(&account).contains(text));
    }
    if let Ok(request) = SupportRequestId::parse(text) {
        assert_eq!(request.day().len(), 10);
    }
    if let Ok(arn) = LicenseArn::parse(text) {
        assert!(arn.as_str().to_lowercase().ends_with(arn.id().as_str()));
    }
    times(text);
    if let Some(month) = Month::parse(text) {
        assert_eq!(Month::parse(&month.to_string()), Some(month));
    }
    let _ = (Usd::parse(text), Basis::parse(text), PublicUrl::parse(text));
    let _ = SessionSecret::parse(text);
}

/// No id holds what the store joins ids by.
fn id<T>(parsed: Result<T, InvalidId>, shown: impl Fn(&T) -> String) {
    let Ok(id) = parsed else { return };
    let shown = shown(&id);
    assert!(!shown.contains(['/', '#']) && !shown.contains(char::is_control));
    assert!((1..=255).contains(&shown.len()));
}

fn times(text: &str) {
    if let Ok(hour) = serde_json::from_value::<Hour>(text.into()) {
        assert_eq!(Hour::of(hour.start()), hour);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        let hour = Hour::of(instant);
        assert!(hour.start() <= instant);
    }
}

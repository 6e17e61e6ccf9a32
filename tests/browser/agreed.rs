//! What the billing page says was agreed on in AWS Marketplace, at a phone's
//! width and at a desktop's.

use fake_aws::{Amendment, NewAgreement, OfferKind, Renewal, RenewalIntent, RenewedLicense};
use local::Local;

use super::registration::{FIRST, link};
use super::webdriver::{Driver, Viewport, Window};
use super::{stack, wait};
use crate::logs::Stack;

const ACCOUNT: &str = "acme-production";

/// A stack whose account is linked to a license of an offer, and used for hours.
async fn linked(offer: OfferKind) -> (Stack, NewAgreement) {
    let stack = stack().await;
    let made = stack.fake.create_agreement(offer, FIRST).await;
    let bought = made.expect("an agreement");
    link(&stack, &bought.registration_token, ACCOUNT)
        .await
        .is(200);
    wait(&stack, 3 * 3600).await;
    (stack, bought)
}

/// A contract that was amended, and renewed with the same license.
async fn contract() -> Stack {
    let (stack, bought) = linked(OfferKind::Consumption).await;
    let amendment = Amendment {
        hours: Some(20),
        ..Amendment::default()
    };
    let amended = stack.fake.amend_agreement(&bought.agreement_id, amendment);
    amended.await.expect("it is amended");
    wait(&stack, 2 * 3600).await;
    let renewal = Renewal {
        license: RenewedLicense::Same,
        intent: RenewalIntent::Renew,
        offer: Some(OfferKind::PrivateMonthly),
        starts_at: None,
    };
    let renewed = stack.fake.renew_agreement(&bought.agreement_id, renewal);
    renewed.await.expect("it is renewed");
    wait(&stack, 2 * 3600).await;
    stack
}

impl Window<'_> {
    /// Opens the billing page, which can be read without scrolling sideways.
    async fn reads_what_was_agreed_on(&self, stack: &Local, name: &str) {
        let url = format!("{}/accounts/{ACCOUNT}/usage", stack.seller_url);
        self.open(&url).await;
        if self.url().await.contains("/issuer/") {
            self.sign_in().await;
        }
        self.sees("h2", "Agreed on in AWS Marketplace").await;
        self.fits().await;
        self.is_accessible().await;
        self.tables_fit().await;
        self.picture(name).await;
    }
}

async fn both_offers(viewport: Viewport, name: &str) {
    let driver = Driver::start();
    let stack = contract().await;
    let window = driver.window(viewport).await;
    window
        .reads_what_was_agreed_on(&stack, &format!("{name}-contract"))
        .await;
    window.sees("h3", "Included in the contract").await;
    window.close().await;
    let (stack, _) = linked(OfferKind::FreeTrial).await;
    let window = driver.window(viewport).await;
    window
        .reads_what_was_agreed_on(&stack, &format!("{name}-free-trial"))
        .await;
    window.sees("p", "Free trial until 6 Dec 2026").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_and_a_free_trial_can_be_read_on_a_phone() {
    both_offers(Viewport::Phone, "phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_and_a_free_trial_can_be_read_at_a_desk() {
    both_offers(Viewport::Desktop, "desktop").await;
}

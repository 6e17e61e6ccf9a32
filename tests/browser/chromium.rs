//! The whole path in a real Chromium, at a phone's width and at a desktop's,
//! with pictures under `tests/artifacts`.

use local::Local;

use super::registration::{FIRST, link};
use super::webdriver::{Driver, Viewport, Window};
use super::{stack, subscribe, wait};

impl Window<'_> {
    /// Signs in at the issuer as the user with full access.
    pub(super) async fn sign_in(&self) {
        self.sign_in_as("alice").await;
    }

    /// Signs in at the local issuer as one of its people with a password.
    pub(super) async fn sign_in_as(&self, name: &str) {
        self.sees("h1", "Local sign-in").await;
        self.type_into("#email", &format!("{name}@example.com"))
            .await;
        self.type_into("#password", &format!("{name}-local")).await;
        self.click(".by-password button").await;
        self.has_left("h1", "Local sign-in").await;
    }

    /// Presses "Set up your account" on a page of another origin.
    async fn come_from_aws(&self, stack: &Local, token: &str) {
        self.open(&stack.aws_url).await;
        let form = format!(
            "document.body.innerHTML = '<form method=post action=\"{}/register\"><input name=\"x-amzn-marketplace-token\" value=\"{token}\"><button id=set-up>Set up your account</button></form>'",
            stack.seller_url,
        );
        self.run(&form).await;
        self.click("#set-up").await;
        self.sees("h1", "Set up your subscription").await;
    }
}

/// Subscribe, set up, sign in, choose, confirm, usage; move the license, grace, expiry.
async fn the_whole_path(viewport: Viewport, name: &str) {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(viewport).await;
    let see = async |number: &str, heading: &str| {
        window.sees("h1", heading).await;
        window.fits().await;
        window.is_accessible().await;
        window.picture(&format!("{name}-{number}")).await;
    };
    let bought = subscribe(&stack, "111122223333").await;

    window.open(&stack.aws_url).await;
    see("00-aws-marketplace", "Buy, set up, and watch the bill").await;
    window.open(&format!("{}/register", stack.seller_url)).await;
    see("01-explanation", "Set up your AWS Marketplace subscription").await;
    window
        .come_from_aws(&stack, &bought.registration_token)
        .await;
    see("02-welcome", "Set up your subscription").await;
    assert!(!window.url().await.contains(&bought.registration_token));
    window.type_into("#email", "alice@example.com").await;
    window.click("main form button").await;
    see("03-issuer", "Local sign-in").await;
    window.sign_in().await;
    see("04-choose", "Which account is it for?").await;
    window.click("[data-account=acme-production] button").await;
    see("05-confirm", "Link the subscription to Acme Production?").await;
    window.click("main form button").await;
    see("06-done", "Your subscription is set up").await;
    window.click("main .actions a.button").await;
    see("07-subscription", "Acme Production").await;
    assert_eq!(
        window.text("#state").await,
        "Subscribed through AWS Marketplace"
    );

    wait(&stack, 2 * 3600).await;
    window.click("main .actions a.button").await;
    window.sees("h2", "Charged to the subscription").await;
    see("08-usage", "Acme Production").await;
    assert!(window.text("#hours").await.contains("accepted by AWS"));

    let token = stack.fake.new_token(&bought.license_arn).expect("a token");
    window.come_from_aws(&stack, &token).await;
    let refused = window.text("[data-refusal=sign_in_too_old]").await;
    assert!(
        refused.contains("signed in as alice@example.com"),
        "{refused}"
    );
    see("13-sign-in-again", "Set up your subscription").await;
    // The address is filled in already.
    window.click("main form button").await;
    window.sign_in().await;
    window.sees("h1", "Which account is it for?").await;
    window.click("[data-account=acme-staging] button").await;
    see("09-relink", "Link the subscription to Acme Staging?").await;
    assert!(
        window
            .text("#consequence")
            .await
            .contains("Acme Production, which has 48 hours of grace")
    );
    window.click("main form button").await;
    window.sees("h1", "Your subscription is set up").await;
    window
        .open(&format!("{}/accounts/acme-production", stack.seller_url))
        .await;
    see("10-grace", "Acme Production").await;
    assert!(
        window
            .text("[data-grace-ends]")
            .await
            .contains("2 days 0 h of grace left")
    );

    wait(&stack, 48 * 3600).await;
    window
        .open(&format!("{}/accounts/acme-production", stack.seller_url))
        .await;
    window.sign_in().await;
    see("11-expired", "Acme Production").await;
    assert_eq!(window.text("#state").await, "Trial or Subscription Expired");
    window
        .open(&format!(
            "{}/accounts/acme-production/usage",
            stack.seller_url
        ))
        .await;
    window.sees("h2", "Not charged").await;
    see("12-usage-after-grace", "Acme Production").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_registers_and_follows_the_subscription_on_a_phone() {
    the_whole_path(Viewport::Phone, "phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_registers_and_follows_the_subscription_at_a_desk() {
    the_whole_path(Viewport::Desktop, "desktop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saml_user_is_refused_in_the_browser_and_told_what_to_do() {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Desktop).await;
    let bought = subscribe(&stack, "111122223333").await;
    window
        .come_from_aws(&stack, &bought.registration_token)
        .await;
    window.type_into("#email", "sam@example.com").await;
    window.click("main form button").await;
    window.sees("h1", "Local sign-in").await;
    window.click(".others form button").await;
    window.sees("h1", "Which account is it for?").await;
    let refused = window.text("[data-refusal=credentials_required]").await;
    assert!(refused.contains("Your registration is kept"), "{refused}");
    window.picture("desktop-20-saml-refused").await;
    window.click("[data-refusal] button").await;
    window.sign_in().await;
    window.sees("h1", "Which account is it for?").await;
    window.click("[data-account=acme-production] button").await;
    window
        .sees("h1", "Link the subscription to Acme Production?")
        .await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_browsers_the_later_one_is_asked_again_with_what_would_happen_now() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let driver = Driver::start();
    let (one, other) = (
        driver.window(Viewport::Desktop).await,
        driver.window(Viewport::Phone).await,
    );
    for (window, account) in [(&one, "acme-production"), (&other, "acme-staging")] {
        let token = stack.fake.new_token(&bought.license_arn).expect("a token");
        window.come_from_aws(&stack, &token).await;
        window.type_into("#email", "alice@example.com").await;
        window.click("main form button").await;
        window.sign_in().await;
        window.sees("h1", "Which account is it for?").await;
        window
            .click(&format!("[data-account={account}] button"))
            .await;
        window.sees("h2", "What will happen").await;
    }
    one.click("main form button").await;
    one.sees("h1", "Your subscription is set up").await;

    other.click("main form button").await;
    other.sees("strong", "Something changed meanwhile").await;
    other.fits().await;
    other.is_accessible().await;
    other.picture("phone-stale-confirmation").await;
    let now = other.text("#consequence").await;
    assert!(now.contains("leaves the account Acme Production"), "{now}");
    other.click("main form button").await;
    other.sees("h1", "Your subscription is set up").await;
    one.open(&format!("{}/accounts/acme-production", stack.seller_url))
        .await;
    one.sees("strong", "of grace left").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_aws_account_takes_over_paying_without_a_gap() {
    let stack = stack().await;
    let first = subscribe(&stack, FIRST).await;
    link(&stack, &first.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 3600).await;
    let second = subscribe(&stack, "444455556666").await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Phone).await;
    window
        .come_from_aws(&stack, &second.registration_token)
        .await;
    window.type_into("#email", "alice@example.com").await;
    window.click("main form button").await;
    window.sign_in().await;
    window.sees("h1", "Which account is it for?").await;
    window.click("[data-account=acme-production] button").await;
    window.sees("h2", "What will happen").await;
    window.fits().await;
    window.is_accessible().await;
    window.picture("phone-payer-change").await;
    let consequence = window.text("#consequence").await;
    assert!(
        consequence.contains("from AWS account 111122223333 to AWS account 444455556666"),
        "{consequence}"
    );
    window.click("main form button").await;
    window.sees("h1", "Your subscription is set up").await;
    // AWS goes on showing the former payer as subscribed.
    let old = "Remember to cancel the old subscription in AWS";
    window.sees("strong", old).await;
    window
        .open(&format!("{}/accounts/acme-production", stack.seller_url))
        .await;
    window.sees("dd", "444455556666").await;
    assert_eq!(
        window.text("#state").await,
        "Subscribed through AWS Marketplace"
    );
}

/// The pages that nobody meets on the straight way: axe finds nothing serious on them.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_beside_the_way_are_accessible_on_a_phone() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let driver = Driver::start();
    let look = async |window: &Window<'_>, path: &str, heading: &str| {
        window.open(&format!("{}{path}", stack.seller_url)).await;
        window.sees("h1", heading).await;
        window.fits().await;
        window.is_accessible().await;
    };
    let alice = driver.window(Viewport::Phone).await;
    look(&alice, "/", "Workload Security").await;
    look(&alice, "/nowhere", "There is no such page").await;
    alice.open(&format!("{}/accounts", stack.seller_url)).await;
    alice.sign_in().await;
    look(&alice, "/accounts", "Your accounts").await;
    look(
        &alice,
        "/accounts/acme-production/unlink",
        "Acme Production",
    )
    .await;
    look(&alice, "/accounts/acme-staging/unlink", "Acme Staging").await;
    look(&alice, "/accounts/of-others", "There is no such page").await;

    let sue = driver.window(Viewport::Phone).await;
    sue.open(&format!("{}/support", stack.seller_url)).await;
    sue.sign_in_as("sue").await;
    look(&sue, "/support?q=nothing", "Support").await;
    let license = bought.license_arn.rsplit(':').next().unwrap_or_default();
    let unlink = format!("/support/unlink?account=acme-production&license={license}");
    look(&sue, &unlink, "Unlink").await;
    look(&sue, "/support/accounts/nobody", "There is no such page").await;

    let sam = driver.window(Viewport::Phone).await;
    let token = stack.fake.new_token(&bought.license_arn).expect("a token");
    sam.come_from_aws(&stack, &token).await;
    sam.type_into("#email", "sam@example.com").await;
    sam.click("main form button").await;
    sam.sees("h1", "Local sign-in").await;
    sam.click(".others form button").await;
    sam.sees("h1", "Which account is it for?").await;
    sam.is_accessible().await;
    sam.press("Make a link").await;
    sam.sees("h1", "A link for an administrator").await;
    sam.fits().await;
    sam.is_accessible().await;
    let link = sam.value("document.querySelector('#link').value").await;
    let link = link.as_str().expect("a link");
    let link = link.strip_prefix(&stack.seller_url).expect("our own");
    look(&alice, link, "Finish setting up a subscription").await;

    let cancelled = stack.fake.cancel_agreement(&bought.agreement_id).await;
    cancelled.expect("it is cancelled");
    look(&sam, "/register/accounts", "ended").await;
}

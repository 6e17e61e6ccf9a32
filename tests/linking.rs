//! A buyer's link, made by the pages.

use crate::stories::person::Person;

/// Brings a registration token to the pages at `seller_url`, signs in as Alice,
/// and links the license to one of her accounts.
pub(crate) async fn link(seller_url: &str, token: &str, account: &str) {
    let token = [("x-amzn-marketplace-token", token)];
    let register = format!("{seller_url}/register");
    let mut alice = Person::default();
    let page = alice
        .post(&register, &token, "https://aws.amazon.com")
        .await;
    let credentials = [("email", "alice@example.com"), ("password", "alice-local")];
    let form = page.form("/sign-in").unwrap();
    let page = alice.press(&page, &form, &credentials[..1]).await;
    let form = page.form_with("password", "").unwrap();
    alice.press(&page, &form, &credentials).await;
    let page = alice
        .get(&format!("{register}/confirm?account={account}"))
        .await;
    let confirm = page.form("/register/confirm");
    let form = confirm.unwrap_or_else(|| panic!("{}", page.words()));
    let page = alice.press(&page, &form, &[]).await;
    assert!(page.url.contains("/register/done"), "{}", page.words());
}

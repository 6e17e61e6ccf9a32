//! A buyer's link, made by the pages.

use crate::stories::person::{Page, Person};

/// Brings a registration token to the pages at `seller_url`, signs in as Alice,
/// and links the license to one of her accounts.
pub(crate) async fn link(seller_url: &str, token: &str, account: &str) {
    let linked = try_link(seller_url, token, account).await;
    linked.unwrap_or_else(|page| panic!("{}: {}", page.url, page.words()));
}

/// The same where not every page is answered: the page after which it could not
/// go on.
pub(crate) async fn try_link(seller_url: &str, token: &str, account: &str) -> Result<(), Page> {
    let token = [("x-amzn-marketplace-token", token)];
    let register = format!("{seller_url}/register");
    let mut alice = Person::default();
    let page = alice
        .post(&register, &token, "https://aws.amazon.com")
        .await;
    let credentials = [("email", "alice@example.com"), ("password", "alice-local")];
    let Some(form) = page.form("/sign-in") else {
        return Err(page);
    };
    let page = alice.press(&page, &form, &credentials[..1]).await;
    let Some(form) = page.form_with("password", "") else {
        return Err(page);
    };
    alice.press(&page, &form, &credentials).await;
    let page = alice
        .get(&format!("{register}/confirm?account={account}"))
        .await;
    let Some(form) = page.form("/register/confirm") else {
        return Err(page);
    };
    let page = alice.press(&page, &form, &[]).await;
    if page.url.contains("/register/done") {
        Ok(())
    } else {
        Err(page)
    }
}

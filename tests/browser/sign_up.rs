//! A buyer who has no user yet: signs up at the issuer, with a verified e-mail
//! address, and comes back to the registration.

use super::client::{Answer, Client};
use super::registration::{FIRST, open_and_confirm};
use super::webdriver::{Driver, Viewport, Window};
use super::{stack, subscribe, wait};
use crate::data_dir::DataDir;
use crate::kill::process::Program;
use crate::kill::set_first_clock;

const CAROL: &str = "carol@example.com";
const PASSWORD: &str = "correct horse battery";

/// Presses "No user yet? Sign up"; the address of the issuer's form.
async fn begin(browser: &mut Client) -> String {
    let form = [("to", "/register/accounts"), ("email", CAROL), ("new", "1")];
    let begun = browser.post("/sign-in", &form).await;
    let issuer = begun.location().unwrap();
    assert!(issuer.contains("prompt=create"), "{issuer}");
    let page = browser.get(&issuer).await;
    page.is(200);
    page.says("Create a user");
    page.says(&format!(r#"value="{CAROL}""#));
    let (_, rest) = page.body.split_once("action=\"").unwrap();
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

/// Sends the issuer's form, filled in.
async fn sign_up(browser: &mut Client, form: &str, email: &str) -> Answer {
    let typed = [("name", "Carol"), ("email", email), ("password", PASSWORD)];
    browser.post(form, &typed).await
}

/// Types a code where the issuer asks for one.
async fn verify(browser: &mut Client, asked: &Answer, code: &str) -> Answer {
    let ticket = asked.field("ticket");
    let form = [("ticket", ticket.as_str()), ("code", code)];
    browser.post("/issuer/verification", &form).await
}

/// The latest mail to an address.
async fn mail_to(browser: &mut Client, email: &str) -> String {
    let page = browser.get("/issuer/mailbox").await;
    let start = format!(r#"data-to="{email}""#);
    let (_, rest) = page.body.split_once(&start).unwrap();
    rest.split("</article>").next().unwrap().to_owned()
}

/// The code that the latest mail to an address holds.
async fn mailed_code(browser: &mut Client, email: &str) -> String {
    let mail = mail_to(browser, email).await;
    let (_, code) = mail.split_once(r#"class="code">"#).unwrap();
    code.split('<').next().unwrap().to_owned()
}

/// Signs up from beginning to end; where Carol comes to.
async fn carol_signs_up(browser: &mut Client) -> Answer {
    let form = begin(browser).await;
    let asked = sign_up(browser, &form, CAROL).await;
    asked.is(200);
    let code = mailed_code(browser, CAROL).await;
    let back = verify(browser, &asked, &code).await;
    browser.follow(back).await
}

#[tokio::test]
async fn a_buyer_without_a_user_signs_up_and_comes_back_to_the_same_registration() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(&bought.registration_token).await;
    browser.get("/register").await.says("No user yet? Sign up");

    let form = begin(&mut browser).await;
    let asked = sign_up(&mut browser, &form, " Carol@Example.com ").await;
    asked.is(200);
    // Reading the mail takes longer than a sign-in does.
    wait(&stack, 29 * 60).await;
    let code = mailed_code(&mut browser, CAROL).await;
    let back = verify(&mut browser, &asked, &code).await;
    let choice = browser.follow(back).await;
    choice.is(200);
    choice.says(CAROL);
    choice.says(FIRST);
    choice.says("You have no account yet");

    open_and_confirm(&mut browser, &choice, "Carol & Co")
        .await
        .says("Your subscription is set up");

    let mut again = Client::new(&stack.seller_url);
    again
        .sign_in("/accounts", CAROL, Some(PASSWORD))
        .await
        .says("Carol &amp; Co");
}

#[tokio::test]
async fn every_mistake_of_a_sign_up_is_told_and_what_was_typed_is_kept_as_text() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let form = begin(&mut browser).await;
    let typed = [
        ("name", r#""><script>alert(1)</script>"#),
        ("email", "carol"),
        ("password", "short"),
    ];
    let refused = browser.post(&form, &typed).await;
    refused.is(422);
    refused.says("An e-mail address, such as ada@example.com.");
    refused.says("A password of 10 to 128 characters.");
    refused.says(r#"value="carol""#);
    refused.says("&lt;script&gt;");
    refused.does_not_say("<script>");
    refused.does_not_say("short");
    browser
        .get("/issuer/mailbox")
        .await
        .says("There is none yet");
}

#[tokio::test]
async fn a_verification_code_counts_once_and_five_wrong_ones_end_the_sign_up() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let form = begin(&mut browser).await;
    let asked = sign_up(&mut browser, &form, CAROL).await;
    let code = mailed_code(&mut browser, CAROL).await;
    for wrong in ["", "x", "1234567", "000000 1"] {
        let refused = verify(&mut browser, &asked, wrong).await;
        refused.is(401);
        refused.says("not the code of the mail");
    }
    verify(&mut browser, &asked, "wrong").await.is(400);
    verify(&mut browser, &asked, &code).await.is(400);

    // Each mail's code belongs to its own sign-up.
    let first = sign_up(&mut browser, &form, CAROL).await;
    let second = sign_up(&mut browser, &form, CAROL).await;
    let code = mailed_code(&mut browser, CAROL).await;
    verify(&mut browser, &first, &code).await.is(401);
    verify(&mut browser, &second, &code).await.is(303);
    verify(&mut browser, &second, &code).await.is(400);
}

#[tokio::test]
async fn a_verification_code_counts_for_half_an_hour() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let form = begin(&mut browser).await;
    let asked = sign_up(&mut browser, &form, CAROL).await;
    let code = mailed_code(&mut browser, CAROL).await;
    wait(&stack, 30 * 60).await;
    verify(&mut browser, &asked, &code).await.is(400);
    let form = [("email", CAROL), ("password", PASSWORD)];
    let begun = browser.post("/sign-in", &[("to", "/accounts")]).await;
    browser
        .post(&begun.location().unwrap(), &form)
        .await
        .is(401);
}

#[tokio::test]
async fn signing_up_does_not_tell_whose_address_belongs_to_a_user() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let form = begin(&mut browser).await;
    let fresh = sign_up(&mut browser, &form, CAROL).await;
    let taken = sign_up(&mut browser, &form, "alice@example.com").await;
    assert_eq!(fresh.status, taken.status);
    let without_names = |page: &Answer, email: &str| {
        let ticket = page.field("ticket");
        page.body.replace(&ticket, "").replace(email, "")
    };
    assert_eq!(
        without_names(&fresh, CAROL),
        without_names(&taken, "alice@example.com")
    );
    // Alice learns it, and no code makes her password another one.
    let mail = mail_to(&mut browser, "alice@example.com").await;
    assert!(mail.contains("You have a user already"), "{mail}");
    assert!(!mail.contains(r#"class="code""#), "{mail}");
    let code = mailed_code(&mut browser, CAROL).await;
    for code in ["", &code] {
        verify(&mut browser, &taken, code).await.is(401);
    }
    let page = Client::new(&stack.seller_url)
        .sign_in_as_alice("/accounts")
        .await;
    page.says("alice@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_up_is_the_same_user_after_a_restart_and_a_stranger_never() {
    let data = DataDir::new("sign-up");
    set_first_clock(&data).await;
    let program = Program::built("sign-up");
    let first = program.start(&data.0).await;
    let mut browser = Client::new(&first.addresses.seller);
    carol_signs_up(&mut browser).await;
    browser.get("/accounts").await.says(CAROL);
    first.kill().await;

    // As a process leaves the file that is killed while it writes.
    let users = data.0.join("users.jsonl");
    let mut kept = std::fs::read_to_string(&users).unwrap();
    assert!(!kept.contains(PASSWORD));
    kept.push_str(r#"{"email":"dave@ex"#);
    std::fs::write(&users, kept).unwrap();
    let second = program.start(&data.0).await;
    let mut browser = Client::new(&second.addresses.seller);
    browser
        .sign_in("/accounts", CAROL, Some(PASSWORD))
        .await
        .says(CAROL);
    second.kill().await;

    // The issuer forgets her, and somebody else gets a user with her address.
    std::fs::remove_file(&users).unwrap();
    let third = program.start(&data.0).await;
    let mut stranger = Client::new(&third.addresses.seller);
    let refused = carol_signs_up(&mut stranger).await;
    refused.is(403);
    refused.says("This e-mail address belongs to another user");
    refused.says("write to support");
    assert!(!stranger.cookies.contains_key("session"));
    third.kill().await;
    program.check_log();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_subscribes_signs_up_and_opens_an_account_on_a_phone() {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Phone).await;
    let see = async |window: &Window<'_>, number: &str, heading: &str| {
        window.sees("h1", heading).await;
        window.fits().await;
        window.is_accessible().await;
        window.picture(&format!("phone-sign-up-{number}")).await;
    };
    window.open(&stack.aws_url).await;
    window.click("form[action='/buyer/subscribe'] button").await;
    window.click("form[action$='/register'] button").await;
    see(&window, "1-welcome", "Set up your subscription").await;
    window.type_into("#email", CAROL).await;
    window.click("button[name=new]").await;
    see(&window, "2-form", "Create a user").await;
    window.type_into("#name", "Carol").await;
    // Long enough, so the browser sends it, and yet no good password.
    window.type_into("#password", "my carol@example.com").await;
    window.click(".by-password button").await;
    window.sees("p", "does not contain your e-mail").await;
    see(&window, "3-mistake", "Create a user").await;
    window.type_into("#password", PASSWORD).await;
    window.click(".by-password button").await;
    see(&window, "4-code", "Verify your e-mail address").await;

    // People have their mails in another window.
    let mails = driver.window(Viewport::Phone).await;
    mails
        .open(&format!("{}/issuer/mailbox", stack.seller_url))
        .await;
    see(&mails, "5-mailbox", "Local mailbox").await;
    let code = mails.text(".code").await;
    mails.close().await;
    window.type_into("#code", &code).await;
    window.click(".by-password button").await;

    see(&window, "6-choose", "Which account is it for?").await;
    window.type_into("#name", "Carol’s").await;
    window
        .click("form[action='/register/accounts'] button")
        .await;
    see(&window, "7-confirm", "Link the subscription to Carol’s?").await;
    window.click("main form button").await;
    see(&window, "8-done", "Your subscription is set up").await;
    window.click("main .actions a.button").await;
    window.sees("h1", "Carol’s").await;
    assert_eq!(
        window.text("#state").await,
        "Subscribed through AWS Marketplace"
    );
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_serious_on_any_of_the_issuers_pages() {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Desktop).await;
    window.open(&format!("{}/accounts", stack.seller_url)).await;
    window.sees("h1", "Local sign-in").await;
    window.type_into("#email", "mia@example.com").await;
    window.type_into("#password", "wrong").await;
    window.click(".by-password button").await;
    window.sees("p", "do not belong together").await;
    window.is_accessible().await;
    window.type_into("#password", "mia-local").await;
    window.click(".by-password button").await;
    window.sees("h1", "One-time code").await;
    window.is_accessible().await;
    window.picture("desktop-30-one-time-code").await;
    for (page, heading) in [
        ("authenticator", "Local authenticator"),
        ("mailbox", "Local mailbox"),
        ("authorize", "Sign-in is not possible"),
    ] {
        let wrong = "?response_type=code&client_id=x&redirect_uri=x&scope=openid&code_challenge=x&code_challenge_method=S256";
        window
            .open(&format!("{}/issuer/{page}{wrong}", stack.seller_url))
            .await;
        window.sees("h1", heading).await;
        window.fits().await;
        window.is_accessible().await;
        window.picture(&format!("desktop-31-{page}")).await;
    }
    window.close().await;
}

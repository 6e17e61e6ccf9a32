//! What the issuer answers: its discovery document, its tokens, its keys.

use runtime::https::Https;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use web::{Begun, CredentialRule, PublicUrl, SignIn, SignInSettings, SupportRule};

use crate::surroundings::{now, run};

/// What parts the answers: the discovery document, the tokens, the keys.
const PARTING: &str = "\n---\n";

/// Where the issuer is, in what it answers.
const ISSUER: &str = "ISSUER";

/// Signs somebody in by three answers; nobody may come of them, for the nonce is
/// not in what can be drawn.
pub fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // Nothing else is called than what is served here.
    if text.contains("://") {
        return;
    }
    run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let told = text.replace(ISSUER, &issuer);
        tokio::select! {
            () = serve(&listener, &told) => {}
            () = sign_in(issuer) => {}
        }
    });
}

async fn sign_in(issuer: String) {
    let settings = SignInSettings {
        issuer,
        client_id: "client".to_owned(),
        client_secret: SecretString::from("secret"),
        credentials: CredentialRule::Identities,
        support: SupportRule::default(),
    };
    let public_url = PublicUrl::parse("https://marketplace.example.com").unwrap();
    let begun = Begun {
        state: "state",
        nonce: "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        verifier: "verifier",
    };
    let connector = Https::to_aws(None).to_issuer(&settings.issuer);
    let client = SignIn::new(settings, connector, &public_url);
    let _ = client.page_origin(now()).await;
    assert!(client.finish("code", &begun, now()).await.is_err());
}

async fn serve(listener: &TcpListener, told: &str) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            // A client that goes is none of our concern.
            let _ = answer(stream, told).await;
        }
    }
}

async fn answer(mut stream: TcpStream, told: &str) -> std::io::Result<()> {
    let mut request = vec![0; 8192];
    let read = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let mut parts = told.split(PARTING);
    let (discovery, tokens) = (parts.next(), parts.next());
    let body = if request.contains("/.well-known/") {
        discovery
    } else if request.starts_with("POST") {
        tokens
    } else {
        parts.next()
    };
    let body = body.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

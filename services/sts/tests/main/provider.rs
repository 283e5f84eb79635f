//! An identity provider of OpenID Connect, on this machine: it publishes its keys and signs tokens.

use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) struct Provider {
    /// `localhost:1234`
    pub(crate) host: String,
    pub(crate) thumbprint: String,
    rsa: RsaKeyPair,
    ecdsa: EcdsaKeyPair,
    /// What is answered at each path.
    pages: Arc<Mutex<Vec<(String, String)>>>,
}

/// A certificate of `localhost`, which nobody vouches for.
fn certificate() -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, own.der());
    let thumbprint = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![CertificateDer::from(own)], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), thumbprint)
}

impl Provider {
    pub(crate) async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (acceptor, thumbprint) = certificate();
        let pages: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let shown = pages.clone();
        #[expect(clippy::disallowed_methods, reason = "the server is not of the cloud")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut buffer = vec![0; 4096];
                let count = stream.read(&mut buffer).await.unwrap();
                let asked = String::from_utf8_lossy(&buffer[..count]).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = shown.lock().unwrap().iter().find(|(at, _)| *at == path).map(|(_, body)| body.clone());
                let (status, body) = page.map_or((404, String::new()), |body| (200, body));
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let provider = Self {
            host,
            thumbprint,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ecdsa: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            pages,
        };
        let about = json!({"issuer": provider.issuer(), "jwks_uri": format!("{}/keys", provider.issuer())});
        provider.show("/.well-known/openid-configuration", &about);
        provider.show("/keys", &provider.keys());
        provider
    }

    pub(crate) fn issuer(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Answers with this at a path from now on.
    pub(crate) fn show(&self, path: &str, body: &Json) {
        let mut pages = self.pages.lock().unwrap();
        pages.retain(|(at, _)| at != path);
        pages.push((path.to_owned(), body.to_string()));
    }

    fn keys(&self) -> Json {
        let public = self.rsa.public_key();
        let (n, e) = (public.modulus(), public.exponent());
        let (n, e) = (base64url(n.big_endian_without_leading_zero()), base64url(e.big_endian_without_leading_zero()));
        let point = self.ecdsa.public_key().as_ref();
        json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa", "n": n, "e": e},
            {"kty": "EC", "use": "sig", "alg": "ES256", "kid": "ec", "crv": "P-256",
             "x": base64url(&point[1..33]), "y": base64url(&point[33..65])},
        ]})
    }

    /// A token with these claims, by the key of this name.
    pub(crate) fn token(&self, key: &str, claims: &Json) -> String {
        let (kid, algorithm) = (key, if key == "ec" { "ES256" } else { "RS256" });
        self.signed(&json!({"alg": algorithm, "typ": "JWT", "kid": kid}), claims)
    }

    /// A token with this header: what it says of its key is not looked at, but for the kind.
    pub(crate) fn signed(&self, header: &Json, claims: &Json) -> String {
        let text = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let signature = if header["alg"] == "ES256" {
            self.ecdsa.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec()
        } else {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            let encoding: &dyn RsaEncoding = &RSA_PKCS1_SHA256;
            self.rsa.sign(encoding, &random, text.as_bytes(), &mut signature).unwrap();
            signature
        };
        format!("{text}.{}", base64url(&signature))
    }

    /// What the public key looks like as a file: somebody may take it for a secret.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        self.rsa.public_key().as_der().unwrap().as_ref().to_vec()
    }
}

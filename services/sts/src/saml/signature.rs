//! Signatures in XML, as SAML has them: one element signs the one that it stands in, and nothing else.
//!
//! Sources: XML Signature Syntax and Processing 1.1; SAML 2.0 Core, section 5.4, which says what a signature may look like. What
//! is looser than that is refused: it is how signed words are wrapped into others' mouths.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use bergshamra_c14n::{C14nMode, canonicalize_doc};
use bergshamra_xml::NodeSet;
use undercast_kernel::wire::text;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::xml::{Element, SIGNATURE};

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

/// A public key, with its algorithm before it.
#[derive(Debug, Clone)]
pub(super) struct Key(Vec<u8>);

impl Key {
    /// That of a certificate: base64 of DER, with white space in it. When a certificate ends is not looked at: "IAM doesn't
    /// evaluate or take action regarding the expiration of X.509 certificates in SAML metadata documents".
    pub(super) fn of_certificate(base64: &str) -> Option<Self> {
        let der = text::unbase64(&base64.split_whitespace().collect::<String>())?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        Some(Self(certificate.public_key().raw.to_vec()))
    }

    fn verifies(&self, algorithm: &'static dyn VerificationAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, &self.0).verify(message, signature).is_ok()
    }
}

fn algorithm(uri: &str) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match uri {
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => &RSA_PKCS1_2048_8192_SHA256,
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => &RSA_PKCS1_2048_8192_SHA384,
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => &RSA_PKCS1_2048_8192_SHA512,
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => &ECDSA_P256_SHA256_FIXED,
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => &ECDSA_P384_SHA384_FIXED,
        _ => return None,
    })
}

fn hash(uri: &str) -> Option<&'static digest::Algorithm> {
    Some(match uri {
        "http://www.w3.org/2001/04/xmlenc#sha256" => &SHA256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => &SHA384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => &SHA512,
        _ => return None,
    })
}

/// How something is written as bytes, and which prefixes come along though nothing uses them.
struct Form {
    mode: C14nMode,
    prefixes: Vec<String>,
}

impl Form {
    fn of(element: Element<'_>) -> Option<Self> {
        let mode = C14nMode::from_uri(element.attribute("Algorithm")?)?;
        let named = element.one(EXCLUSIVE, "InclusiveNamespaces");
        let list = named.and_then(|named| named.attribute("PrefixList")).unwrap_or_default();
        Some(Self { mode, prefixes: list.split_whitespace().map(ToOwned::to_owned).collect() })
    }

    fn write(&self, element: Element<'_>, without: Option<Element<'_>>) -> Option<Vec<u8>> {
        let mut nodes = if self.mode.with_comments() {
            NodeSet::tree_with_comments(element.node, element.document)
        } else {
            NodeSet::tree_without_comments(element.node, element.document)
        };
        if let Some(without) = without {
            nodes = nodes.subtract(&NodeSet::tree_with_comments(without.node, without.document));
        }
        canonicalize_doc(element.document, self.mode, Some(&nodes), &self.prefixes).ok()
    }
}

/// Whether an element has a signature.
pub(super) fn is_signed(element: Element<'_>) -> bool {
    !element.all(SIGNATURE, "Signature").is_empty()
}

/// Whether the one signature in an element signs it whole, with one of these keys.
pub(super) fn is_good(element: Element<'_>, keys: &[Key]) -> bool {
    verified(element, keys).unwrap_or(false)
}

fn verified(element: Element<'_>, keys: &[Key]) -> Option<bool> {
    let signature = element.one(SIGNATURE, "Signature")?;
    let info = signature.one(SIGNATURE, "SignedInfo")?;
    let reference = info.one(SIGNATURE, "Reference")?;
    let id = element.attribute("ID")?;
    if reference.attribute("URI")? != format!("#{id}") || !is_only(element, id) {
        return Some(false);
    }
    let form = transformed(reference)?;
    let hash = hash(reference.one(SIGNATURE, "DigestMethod")?.attribute("Algorithm")?)?;
    let said = text::unbase64(&blank_free(reference.one(SIGNATURE, "DigestValue")?))?;
    if digest::digest(hash, &form.write(element, Some(signature))?).as_ref() != said {
        return Some(false);
    }
    let method = algorithm(info.one(SIGNATURE, "SignatureMethod")?.attribute("Algorithm")?)?;
    let signed = Form::of(info.one(SIGNATURE, "CanonicalizationMethod")?)?.write(info, None)?;
    let value = text::unbase64(&blank_free(signature.one(SIGNATURE, "SignatureValue")?))?;
    Some(keys.iter().any(|key| key.verifies(method, &signed, &value)))
}

fn blank_free(element: Element<'_>) -> String {
    element.text().split_whitespace().collect()
}

/// The form of what is referred to: SAML allows the signature's own place to be left out, and one form of writing.
fn transformed(reference: Element<'_>) -> Option<Form> {
    let transforms = reference.one(SIGNATURE, "Transforms")?.all(SIGNATURE, "Transform");
    match transforms.as_slice() {
        [left_out, form] if left_out.attribute("Algorithm")? == ENVELOPED => Form::of(*form),
        // Without a form it is the oldest one.
        [left_out] if left_out.attribute("Algorithm")? == ENVELOPED => {
            Some(Form { mode: C14nMode::Inclusive, prefixes: Vec::new() })
        }
        _ => None,
    }
}

/// Whether no other element of the document has the same id.
fn is_only(element: Element<'_>, id: &str) -> bool {
    let document = element.document;
    let same = |node: &uppsala::NodeId| {
        let attributes = document.element(*node).into_iter().flat_map(|e| e.attributes.iter());
        attributes.into_iter().any(|a| a.name.local_name.eq_ignore_ascii_case("id") && a.value == id)
    };
    document.descendants(document.root()).iter().filter(|node| same(node)).count() == 1
}

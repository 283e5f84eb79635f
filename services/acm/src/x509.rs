//! What certificates say, as ACM tells it.

use std::net::IpAddr;

use undercast_kernel::wire::text;
use undercast_kernel::{Failure, Result, Timestamp};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, KeyUsage};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::api::output;

/// What is known of a certificate.
pub(crate) struct Facts {
    pub der: Vec<u8>,
    /// `CN=example.com`
    pub subject: String,
    pub subject_name: output::DistinguishedName,
    /// The organization, or whatever else tells who it is.
    pub issuer: String,
    pub issuer_name: output::DistinguishedName,
    pub names: Vec<output::GeneralName>,
    /// `0a:1b:…`
    pub serial: String,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    /// `RSA_2048`. `None`: it is of no kind that ACM knows.
    pub key_algorithm: Option<&'static str>,
    /// `SHA256WITHRSA`
    pub signature_algorithm: String,
    pub key_usages: Vec<&'static str>,
    pub extended: Vec<(&'static str, Option<String>)>,
    /// The public key, without what says of which kind it is.
    pub public_key: Vec<u8>,
    pub is_v3: bool,
}

/// The parts of a text in PEM: what each is called, and its bytes. `None`: something is not PEM.
pub(crate) fn parts(text: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    Pem::iter_from_buffer(text).map(|part| part.ok().map(|pem| (pem.label, pem.contents))).collect()
}

/// Something as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut out = format!("-----BEGIN {label}-----\n");
    let encoded = text::base64(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

impl Facts {
    /// Of a certificate that is kept here. It was read before.
    pub(crate) fn of_own(body: &str) -> Result<Self> {
        let der = parts(body.as_bytes()).and_then(|mut parts| parts.pop()).map(|(_, der)| der);
        der.and_then(Self::read).ok_or_else(|| Failure::broken("a certificate that is kept cannot be read"))
    }

    /// Of a certificate in DER. `None`: it is none.
    pub(crate) fn read(der: Vec<u8>) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(&der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names = read.subject_alternative_name().ok()?;
        let names = names.map_or_else(Vec::new, |of| of.value.general_names.iter().map(general_name).collect());
        let usage = read.key_usage().ok()?.map(|of| *of.value);
        let extended = read.extended_key_usage().ok()?;
        let extended = extended.map_or_else(|| vec![("NONE", None)], |of| extended_usages(of.value));
        let validity = read.validity();
        let issuer = [read.issuer().iter_organization().next(), read.issuer().iter_common_name().next()];
        let issuer = issuer.into_iter().flatten().find_map(|part| part.as_str().ok());
        Some(Self {
            subject: read.subject().to_string_with_registry(x509_parser::objects::oid_registry()).ok()?,
            subject_name: distinguished(read.subject()),
            issuer: issuer.map_or_else(|| read.issuer().to_string(), ToOwned::to_owned),
            issuer_name: distinguished(read.issuer()),
            names,
            serial: read.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            key_algorithm: spki_algorithm(read.public_key()),
            signature_algorithm: signature_algorithm(&read),
            key_usages: usage.map_or_else(|| vec!["ANY"], |usage| usages(&usage)),
            extended,
            public_key: read.public_key().subject_public_key.data.to_vec(),
            is_v3: read.version() == x509_parser::x509::X509Version::V3,
            der,
        })
    }

    /// The names that it is for, of the domain name system.
    pub(crate) fn domains(&self) -> Vec<String> {
        self.names.iter().filter_map(|name| name.dns_name.clone()).collect()
    }

    /// The name that stands for it: its subject's, or the first of its others.
    pub(crate) fn domain(&self) -> Option<String> {
        let first = self.names.iter().find_map(|name| name.dns_name.clone().or_else(|| name.ip_address.clone()));
        self.subject_name.common_name.clone().or(first)
    }

    pub(crate) fn starts(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.not_before).ok()
    }

    pub(crate) fn ends(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.not_after).ok()
    }
}

/// The names of key algorithms, by their kind and how long they are.
pub(crate) fn spki_algorithm(of: &SubjectPublicKeyInfo<'_>) -> Option<&'static str> {
    match of.parsed().ok()? {
        PublicKey::RSA(key) => rsa_algorithm(key.key_size()),
        PublicKey::EC(_) => {
            let curve = of.algorithm.parameters.as_ref()?.as_oid().ok()?;
            curve_algorithm(&curve.to_id_string())
        }
        _ => None,
    }
}

/// `RSA_2048`, by the bits of the modulus.
fn rsa_algorithm(bits: usize) -> Option<&'static str> {
    match bits {
        1024 => Some("RSA_1024"),
        2048 => Some("RSA_2048"),
        3072 => Some("RSA_3072"),
        4096 => Some("RSA_4096"),
        _ => None,
    }
}

/// `EC_prime256v1`, by the curve.
fn curve_algorithm(curve: &str) -> Option<&'static str> {
    match curve {
        "1.2.840.10045.3.1.7" => Some("EC_prime256v1"),
        "1.3.132.0.34" => Some("EC_secp384r1"),
        "1.3.132.0.35" => Some("EC_secp521r1"),
        _ => None,
    }
}

fn signature_algorithm(of: &X509Certificate<'_>) -> String {
    let oid = of.signature_algorithm.algorithm.to_id_string();
    let known = match oid.as_str() {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.2.840.10045.4.3.4" => "SHA512WITHECDSA",
        _ => return oid,
    };
    known.to_owned()
}

fn usages(of: &KeyUsage) -> Vec<&'static str> {
    let all = [
        (of.digital_signature(), "DIGITAL_SIGNATURE"),
        (of.non_repudiation(), "NON_REPUDIATION"),
        (of.key_encipherment(), "KEY_ENCIPHERMENT"),
        (of.data_encipherment(), "DATA_ENCIPHERMENT"),
        (of.key_agreement(), "KEY_AGREEMENT"),
        (of.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (of.crl_sign(), "CRL_SIGNING"),
        (of.encipher_only(), "ENCIPHER_ONLY"),
        (of.decipher_only(), "DECIPHER_ONLY"),
    ];
    all.into_iter().filter_map(|(is, name)| is.then_some(name)).collect()
}

fn extended_usages(of: &x509_parser::extensions::ExtendedKeyUsage<'_>) -> Vec<(&'static str, Option<String>)> {
    const KP: &str = "1.3.6.1.5.5.7.3";
    let known = [
        (of.server_auth, "TLS_WEB_SERVER_AUTHENTICATION", format!("{KP}.1")),
        (of.client_auth, "TLS_WEB_CLIENT_AUTHENTICATION", format!("{KP}.2")),
        (of.code_signing, "CODE_SIGNING", format!("{KP}.3")),
        (of.email_protection, "EMAIL_PROTECTION", format!("{KP}.4")),
        (of.time_stamping, "TIME_STAMPING", format!("{KP}.8")),
        (of.ocsp_signing, "OCSP_SIGNING", format!("{KP}.9")),
        (of.any, "ANY", "2.5.29.37.0".to_owned()),
    ];
    let known = known.into_iter().filter_map(|(is, name, oid)| is.then_some((name, Some(oid))));
    let others = of.other.iter().map(|oid| {
        let oid = oid.to_id_string();
        let name = match oid.strip_prefix(KP) {
            Some(".5") => "IPSEC_END_SYSTEM",
            Some(".6") => "IPSEC_TUNNEL",
            Some(".7") => "IPSEC_USER",
            _ => "CUSTOM",
        };
        (name, Some(oid))
    });
    known.chain(others).collect()
}

fn distinguished(name: &X509Name<'_>) -> output::DistinguishedName {
    let mut out = output::DistinguishedName::default();
    let mut custom = Vec::new();
    let mut components = Vec::new();
    for part in name.iter_attributes() {
        let value = part.as_str().map_or_else(|_| text::hex_encode(part.as_slice()), ToOwned::to_owned);
        let oid = part.attr_type().to_id_string();
        let member = match oid.as_str() {
            "2.5.4.3" => &mut out.common_name,
            "2.5.4.4" => &mut out.surname,
            "2.5.4.5" => &mut out.serial_number,
            "2.5.4.6" => &mut out.country,
            "2.5.4.7" => &mut out.locality,
            "2.5.4.8" => &mut out.state,
            "2.5.4.10" => &mut out.organization,
            "2.5.4.11" => &mut out.organizational_unit,
            "2.5.4.12" => &mut out.title,
            "2.5.4.42" => &mut out.given_name,
            "2.5.4.43" => &mut out.initials,
            "2.5.4.44" => &mut out.generation_qualifier,
            "2.5.4.46" => &mut out.distinguished_name_qualifier,
            "2.5.4.65" => &mut out.pseudonym,
            "0.9.2342.19200300.100.1.25" => {
                components.push(value);
                continue;
            }
            _ => {
                custom.push(output::CustomAttribute { object_identifier: Some(oid), value: Some(value) });
                continue;
            }
        };
        // The first of several is the one that is shown.
        member.get_or_insert(value);
    }
    out.domain_components = (!components.is_empty()).then_some(components);
    out.custom_attributes = (!custom.is_empty()).then_some(custom);
    out
}

fn general_name(of: &GeneralName<'_>) -> output::GeneralName {
    let mut out = output::GeneralName::default();
    match of {
        GeneralName::DNSName(name) => out.dns_name = Some((*name).to_owned()),
        GeneralName::RFC822Name(name) => out.rfc822_name = Some((*name).to_owned()),
        GeneralName::URI(name) => out.uniform_resource_identifier = Some((*name).to_owned()),
        GeneralName::RegisteredID(oid) => out.registered_id = Some(oid.to_id_string()),
        GeneralName::DirectoryName(name) => out.directory_name = Some(distinguished(name)),
        GeneralName::IPAddress(bytes) => out.ip_address = Some(address(bytes)),
        GeneralName::OtherName(oid, value) => {
            let (object_identifier, value) = (Some(oid.to_id_string()), Some(text::hex_encode(value)));
            out.other_name = Some(output::OtherName { object_identifier, value });
        }
        other => out.other_name = Some(output::OtherName { object_identifier: None, value: Some(other.to_string()) }),
    }
    out
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let sixteen = <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four.or(sixteen).map_or_else(|_| text::hex_encode(bytes), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::keys::Brought;

    fn certificate() -> Vec<u8> {
        let params = CertificateParams::new(vec!["shop.com".to_owned(), "192.0.2.1".to_owned()]).unwrap();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_addresses_are_told_apart() {
        let facts = Facts::read(certificate()).unwrap();
        assert_eq!(facts.domains(), ["shop.com"]);
        assert_eq!(facts.names[1].ip_address.as_deref(), Some("192.0.2.1"));
        assert_eq!(facts.key_usages, ["ANY"]);
    }

    proptest! {
        #[test]
        fn what_is_written_as_pem_is_read_again(der in vec(any::<u8>(), 1..500)) {
            let text = pem("CERTIFICATE", &der);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            prop_assert_eq!(parts(text.as_bytes()), Some(vec![("CERTIFICATE".to_owned(), der)]));
        }

        #[test]
        fn damaged_certificates_and_keys_are_read_or_refused(at in 0usize..400, byte in any::<u8>()) {
            let mut damaged = certificate();
            let at = at % damaged.len();
            damaged[at] = byte;
            let _ = Facts::read(damaged);
            let mut key = KeyPair::generate().unwrap().serialize_der();
            let at = at % key.len();
            key[at] = byte;
            let _ = Brought::read(pem("PRIVATE KEY", &key).as_bytes());
        }

        #[test]
        fn bytes_of_chance_are_no_certificate(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(Facts::read(bytes.clone()).is_none());
            prop_assert!(Brought::read(&bytes).is_err());
        }
    }
}

//! The authorities that issue certificates: one for RSA and one for elliptic curves in each account and region, made when it is
//! needed first, and vouched for by the cloud's own authority (`undercast ca`).
//!
//! Certificates are as Amazon's are: 198 days from the midnight before, for servers alone, with the first domain as common name.
//! Source: "AWS Certificate Manager public certificate characteristics and limitations" in the user guide.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData,
    RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use time::OffsetDateTime;
use undercast_authority::Authority;
use undercast_kernel::store::Table;
use undercast_kernel::wire::text;
use undercast_kernel::{Cx, Failure, Result};
use undercast_wire::{Request, Response};

use crate::keys;
use crate::rows::{CERTIFICATES, Kind};

/// Account, region, family → authority.
static ISSUERS: Table<Kept> = Table::new("acm.issuers");

/// What the paths of lists of revoked certificates begin with.
pub(crate) const LISTS: &str = "/_acm/crl/";

const DAY: i64 = 86_400;
/// A common name has so many characters at most.
pub(crate) const LONGEST: usize = 64;
/// A certificate is good for so many days.
const VALIDITY: i64 = 198;
/// A list of revoked certificates is good for so many.
const LIST_VALIDITY: i64 = 7;

/// An authority as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
struct Kept {
    /// PEM.
    #[n(0)]
    certificate: String,
    /// Who vouches for it, in PEM.
    #[n(1)]
    root: String,
    /// PKCS #8, sealed.
    #[n(2)]
    key: ByteVec,
}

/// The families of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Rsa,
    Ecdsa,
}

impl Family {
    fn of(key_algorithm: &str) -> Self {
        if key_algorithm.starts_with("RSA") { Self::Rsa } else { Self::Ecdsa }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Rsa, Self::Ecdsa].into_iter().find(|family| family.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa2048",
            Self::Ecdsa => "ecdsa256",
        }
    }

    /// The algorithm of the authority's own key.
    fn key(self) -> &'static str {
        match self {
            Self::Rsa => "RSA_2048",
            Self::Ecdsa => "EC_prime256v1",
        }
    }

    fn common_name(self) -> &'static str {
        match self {
            Self::Rsa => "Amazon RSA 2048 (Undercast)",
            Self::Ecdsa => "Amazon ECDSA 256 (Undercast)",
        }
    }

    /// What its certificate says. Its name and its key's identifier, by which it signs, follow from this.
    fn params(self) -> CertificateParams {
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "US");
        name.push(DnType::OrganizationName, "Amazon");
        name.push(DnType::CommonName, self.common_name());
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params
    }
}

/// The authority of a family in this account and region, and its key.
async fn issuer(cx: &Cx, family: Family) -> Result<(Kept, KeyPair)> {
    let folder = undercast_authority::folder(&cx.kernel().settings().files);
    let root = Authority::load(&folder).map_err(Failure::broken)?;
    let place = cx.key(family.name());
    // One that another cloud's authority vouches for came here with an account's state: it signs no more.
    let there = ISSUERS.get(&cx.read(), &place)?.filter(|kept| kept.root == root.pem());
    let kept = match there {
        Some(there) => there,
        None => {
            let key = keys::generate(family.key()).await?;
            let certificate = root.sign(&family.params(), &key).map_err(Failure::broken)?.pem();
            let key = keys::sealed(cx, key.serialized_der())?;
            let made = Kept { certificate, root: root.pem().to_owned(), key };
            cx.write(|tx| {
                if let Some(there) = ISSUERS.get(tx, &place)?.filter(|kept| kept.root == made.root) {
                    return Ok(there);
                }
                ISSUERS.put(tx, &place, &made);
                Ok(made.clone())
            })
            .await?
        }
    };
    let key = keys::opened(cx, kept.key.clone())?;
    let key = KeyPair::try_from(key.as_slice()).map_err(Failure::broken)?;
    Ok((kept, key))
}

/// A certificate that was issued just now.
pub(crate) struct Issued {
    /// PEM.
    pub body: String,
    pub chain: String,
}

/// Issues a certificate of a public key for these names.
pub(crate) async fn issue(cx: &Cx, key_algorithm: &str, names: &[String], key: &impl PublicKeyData) -> Result<Issued> {
    let family = Family::of(key_algorithm);
    let (kept, own) = issuer(cx, family).await?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = names
        .iter()
        .map(|name| Ia5String::try_from(name.as_str()).map(SanType::DnsName).map_err(Failure::broken))
        .collect::<Result<_>>()?;
    let mut subject = DistinguishedName::new();
    // A longer one is no common name (RFC 5280); it stands among the others.
    if let Some(first) = names.first().filter(|first| first.len() <= LONGEST) {
        subject.push(DnType::CommonName, first.as_str());
    }
    params.distinguished_name = subject;
    params.serial_number = Some(serial(cx));
    let midnight = cx.now().as_second().div_euclid(DAY) * DAY;
    params.not_before = at(midnight)?;
    params.not_after = at(midnight + VALIDITY * DAY - 1)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = match family {
        Family::Rsa => vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment],
        Family::Ecdsa => vec![KeyUsagePurpose::DigitalSignature],
    };
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![list_url(cx, family)] }];
    let own_params = family.params();
    let signed = params.signed_by(key, &Issuer::from_params(&own_params, &own)).map_err(Failure::broken)?;
    Ok(Issued { body: signed.pem(), chain: format!("{}{}", kept.certificate, kept.root) })
}

/// Sixteen bytes of chance, which are a positive number that does not begin with zeros.
fn serial(cx: &Cx) -> SerialNumber {
    let mut bytes = cx.random().bytes::<16>();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// A moment of a certificate, by seconds since 1970.
fn at(seconds: i64) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).map_err(Failure::broken)
}

/// Where a family's list of revoked certificates is.
fn list_url(cx: &Cx, family: Family) -> String {
    let host = &cx.kernel().settings().host;
    format!("http://{host}{LISTS}{}/{}/{}.crl", cx.account(), cx.region(), family.name())
}

/// Answers a request for one of the lists.
pub(crate) async fn serve(cx: &Cx, request: &Request) -> Result<Response> {
    let Some(list) = list(cx, &request.path).await? else {
        return Ok(Response::new(404, b"there is no such list\n".to_vec()));
    };
    let mut response = Response::new(200, list);
    response.set("content-type", "application/pkix-crl");
    Ok(response)
}

/// The list of revoked certificates at a path, in DER. `None`: there is none there.
async fn list(cx: &Cx, path: &str) -> Result<Option<Vec<u8>>> {
    let mut parts = path.strip_prefix(LISTS).unwrap_or_default().split('/');
    let (Some(account), Some(region), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    let cx = cx.elsewhere(account, region);
    let family = name.strip_suffix(".crl").and_then(Family::named);
    let Some(family) = family else { return Ok(None) };
    if !ISSUERS.has(&cx.read(), &cx.key(family.name()))? {
        return Ok(None);
    }
    let (_, own) = issuer(&cx, family).await?;
    let now = cx.now().as_second();
    let own_params = family.params();
    let params = CertificateRevocationListParams {
        this_update: at(now)?,
        next_update: at(now + LIST_VALIDITY * DAY)?,
        crl_number: SerialNumber::from_slice(&cx.now_millis().to_be_bytes()),
        issuing_distribution_point: None,
        revoked_certs: revoked(&cx, family)?,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let signed = params.signed_by(&Issuer::from_params(&own_params, &own)).map_err(Failure::broken)?;
    Ok(Some(signed.der().to_vec()))
}

fn revoked(cx: &Cx, family: Family) -> Result<Vec<RevokedCertParams>> {
    let mut revoked = Vec::new();
    for entry in CERTIFICATES.all(&cx.read(), &(cx.account(), cx.region()))? {
        let row = entry.row;
        let (Some(revocation), Kind::AmazonIssued) = (&row.revoked, row.kind) else { continue };
        let Some(facts) = row.facts()? else { continue };
        if Family::of(&row.key_algorithm) != family {
            continue;
        }
        let serial = text::unhex(&facts.serial.replace(':', "")).ok_or_else(|| Failure::broken("a serial number"))?;
        revoked.push(RevokedCertParams {
            serial_number: SerialNumber::from_slice(&serial),
            revocation_time: at(revocation.at.div_euclid(1000))?,
            reason_code: Some(reason(&revocation.reason)),
            invalidity_date: None,
        });
    }
    Ok(revoked)
}

fn reason(name: &str) -> RevocationReason {
    match name {
        "KEY_COMPROMISE" => RevocationReason::KeyCompromise,
        "CA_COMPROMISE" => RevocationReason::CaCompromise,
        "AFFILIATION_CHANGED" => RevocationReason::AffiliationChanged,
        "SUPERCEDED" | "SUPERSEDED" => RevocationReason::Superseded,
        "CESSATION_OF_OPERATION" => RevocationReason::CessationOfOperation,
        "CERTIFICATE_HOLD" => RevocationReason::CertificateHold,
        "REMOVE_FROM_CRL" => RevocationReason::RemoveFromCrl,
        "PRIVILEGE_WITHDRAWN" => RevocationReason::PrivilegeWithdrawn,
        "A_A_COMPROMISE" => RevocationReason::AaCompromise,
        _ => RevocationReason::Unspecified,
    }
}

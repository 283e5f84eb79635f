//! Key specs: what each is for, and its algorithms. Source: "Key spec reference" in the KMS developer guide.

use undercast_kernel::{Cx, Failure, Result};

use crate::error;

pub(crate) const ENCRYPT: &str = "ENCRYPT_DECRYPT";
pub(crate) const SIGN: &str = "SIGN_VERIFY";
pub(crate) const MAC: &str = "GENERATE_VERIFY_MAC";
pub(crate) const AGREE: &str = "KEY_AGREEMENT";
pub(crate) const ENCAPSULATE: &str = "ENCAPSULATE_DECAPSULATE";
pub(crate) const SYMMETRIC: &str = "SYMMETRIC_DEFAULT";

const OAEP: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];
const RSA_SIGNING: &[&str] = &[
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
];

/// What a key of some spec can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) encryption: &'static [&'static str],
    pub(crate) signing: &'static [&'static str],
    pub(crate) mac: &'static [&'static str],
    pub(crate) agreement: &'static [&'static str],
    pub(crate) encapsulation: &'static [&'static str],
}

const fn spec(
    name: &'static str,
    encryption: &'static [&'static str],
    signing: &'static [&'static str],
    mac: &'static [&'static str],
) -> Spec {
    Spec { name, encryption, signing, mac, agreement: &[], encapsulation: &[] }
}

/// A curve of NIST, on which secrets are agreed on as well.
const fn curve(name: &'static str, signing: &'static [&'static str]) -> Spec {
    Spec { agreement: &["ECDH"], ..spec(name, &[], signing, &[]) }
}

/// Lattices over which secrets are encapsulated.
const fn lattice(name: &'static str) -> Spec {
    Spec { encapsulation: &["ML_KEM"], ..spec(name, &[], &[], &[]) }
}

/// The specs that are built.
static SPECS: &[Spec] = &[
    spec(SYMMETRIC, &[SYMMETRIC], &[], &[]),
    spec("RSA_2048", OAEP, RSA_SIGNING, &[]),
    spec("RSA_3072", OAEP, RSA_SIGNING, &[]),
    spec("RSA_4096", OAEP, RSA_SIGNING, &[]),
    curve("ECC_NIST_P256", &["ECDSA_SHA_256"]),
    curve("ECC_NIST_P384", &["ECDSA_SHA_384"]),
    curve("ECC_NIST_P521", &["ECDSA_SHA_512"]),
    spec("ECC_SECG_P256K1", &[], &["ECDSA_SHA_256"], &[]),
    spec("ECC_NIST_EDWARDS25519", &[], &["ED25519_SHA_512", "ED25519_PH_SHA_512"], &[]),
    spec("ML_DSA_44", &[], &["ML_DSA_SHAKE_256"], &[]),
    spec("ML_DSA_65", &[], &["ML_DSA_SHAKE_256"], &[]),
    spec("ML_DSA_87", &[], &["ML_DSA_SHAKE_256"], &[]),
    lattice("ML_KEM_512"),
    lattice("ML_KEM_768"),
    lattice("ML_KEM_1024"),
    spec("HMAC_224", &[], &[], &["HMAC_SHA_224"]),
    spec("HMAC_256", &[], &[], &["HMAC_SHA_256"]),
    spec("HMAC_384", &[], &[], &["HMAC_SHA_384"]),
    spec("HMAC_512", &[], &[], &["HMAC_SHA_512"]),
];

/// Refuses SM2 where AWS does, which has it in China only, and ML-KEM, which it has everywhere else.
pub(crate) fn check_region(cx: &Cx, name: &str) -> Result<()> {
    let china = cx.partition() == "aws-cn";
    if name == "SM2" && !china || name.starts_with("ML_KEM") && china {
        Err(error::unsupported().into())
    } else {
        Ok(())
    }
}

impl Spec {
    /// The spec of a name in the API.
    ///
    /// # Errors
    /// When it is not built.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = SPECS.iter().find(|spec| spec.name == name).copied();
        found.ok_or_else(|| Failure::not_built(format!("kms keys of the spec {name}")))
    }

    pub(crate) fn serves(self, usage: &str) -> bool {
        match usage {
            ENCRYPT => !self.encryption.is_empty(),
            SIGN => !self.signing.is_empty(),
            MAC => !self.mac.is_empty(),
            AGREE => !self.agreement.is_empty(),
            ENCAPSULATE => !self.encapsulation.is_empty(),
            _ => false,
        }
    }

    /// The usage of a new key: the one that was wished, if the spec serves it. Only symmetric keys have a default.
    pub(crate) fn usage(self, wished: Option<&str>) -> Result<&'static str> {
        let wished = match wished {
            None if self.name == SYMMETRIC => ENCRYPT,
            None => {
                let message =
                    "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.";
                return Err(error::validation(message).into());
            }
            Some(wished) => wished,
        };
        let all = [ENCRYPT, SIGN, MAC, AGREE, ENCAPSULATE];
        match all.into_iter().find(|usage| *usage == wished) {
            Some(usage) if self.serves(usage) => Ok(usage),
            _ => {
                let message = format!("KeyUsage {wished} is not compatible with KeySpec {}", self.name);
                Err(error::validation(message).into())
            }
        }
    }

    /// Its keys have a public part.
    pub(crate) fn is_pair(self) -> bool {
        self.name != SYMMETRIC && self.mac.is_empty()
    }

    /// Its bits, of RSA keys; the length of an HMAC key, in bits.
    pub(crate) fn bits(self) -> usize {
        self.name.rsplit('_').next().and_then(|bits| bits.parse().ok()).unwrap_or(256)
    }
}

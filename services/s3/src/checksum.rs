//! Checksums: the algorithms, and how those of parts become that of the whole.
//!
//! Source: "Checking object integrity in Amazon S3" in the user guide.

use std::hash::Hasher as _;

use crc_fast::CrcAlgorithm;
use md5::Md5;
use minicbor::{Decode, Encode};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use twox_hash::{XxHash64, xxhash3_64, xxhash3_128};
use undercast_kernel::{AwsError, Result};
use undercast_wire::text::{base64, unbase64};

use crate::error;

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Algorithm {
    #[n(0)]
    Crc32,
    #[n(1)]
    Crc32c,
    #[n(2)]
    Crc64Nvme,
    #[n(3)]
    Sha1,
    #[n(4)]
    Sha256,
    #[n(5)]
    Sha512,
    #[n(6)]
    Md5,
    #[n(7)]
    XxHash64,
    #[n(8)]
    XxHash3,
    #[n(9)]
    XxHash128,
}

/// The answer to an algorithm that is none of S3's.
pub(crate) fn unsupported() -> AwsError {
    let names = Algorithm::ALL.map(Algorithm::name).join(", ");
    error::invalid_request(format!(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{names}]"
    ))
}

/// The checksum of an object or part.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Checksum {
    #[n(0)]
    pub(crate) algorithm: Algorithm,
    /// In base64; with `-` and the number of parts behind it where it is composite.
    #[n(1)]
    pub(crate) value: String,
    #[n(2)]
    pub(crate) composite: bool,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// As S3 writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// From what a request says.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| unsupported().into())
    }

    /// The algorithm whose header or trailer this is.
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        let suffix = name.strip_prefix("x-amz-checksum-")?;
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(suffix))
    }

    /// Bytes of its result.
    fn width(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Md5 | Self::XxHash128 => 16,
        }
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            _ => None,
        }
    }

    /// What an upload in parts has by default: the checksum of the checksums, or the one of the whole.
    pub(crate) fn is_composite_by_default(self) -> bool {
        self != Self::Crc64Nvme
    }

    /// Whether an upload in parts may have a checksum of that kind.
    pub(crate) fn check_type(self, composite: bool) -> Result<()> {
        let (kind, fine) =
            if composite { ("COMPOSITE", self != Self::Crc64Nvme) } else { ("FULL_OBJECT", self.crc().is_some()) };
        if fine {
            return Ok(());
        }
        let name = self.name().to_lowercase();
        Err(error::invalid_request(format!(
            "The {kind} checksum type cannot be used with the {name} checksum algorithm."
        ))
        .into())
    }

    /// A value as a request gives it: base64 of the right length.
    pub(crate) fn check_value(self, value: &str, place: &str) -> Result<()> {
        if unbase64(value).is_some_and(|b| b.len() == self.width()) {
            return Ok(());
        }
        let name = self.name().to_lowercase();
        Err(error::invalid_request(format!("Value for x-amz-checksum-{name} {place} is invalid.")).into())
    }
}

impl Checksum {
    /// COMPOSITE or FULL_OBJECT.
    pub(crate) fn kind(&self) -> &'static str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    /// Its value, if it is one of that algorithm.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<String> {
        (self.algorithm == algorithm).then(|| self.value.clone())
    }
}

/// A checksum being computed.
pub(crate) enum Hasher {
    Crc(Algorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
    XxHash64(XxHash64),
    XxHash3(Box<xxhash3_64::Hasher>),
    XxHash128(Box<xxhash3_128::Hasher>),
}

impl Hasher {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match (algorithm, algorithm.crc()) {
            (_, Some(crc)) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (Algorithm::Sha1, None) => Self::Sha1(Sha1::new()),
            (Algorithm::Sha256, None) => Self::Sha256(Sha256::new()),
            (Algorithm::Sha512, None) => Self::Sha512(Sha512::new()),
            (Algorithm::XxHash64, None) => Self::XxHash64(XxHash64::with_seed(0)),
            (Algorithm::XxHash3, None) => Self::XxHash3(Box::default()),
            (Algorithm::XxHash128, None) => Self::XxHash128(Box::default()),
            (_, None) => Self::Md5(Md5::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
            Self::Md5(h) => h.update(bytes),
            Self::XxHash64(h) => h.write(bytes),
            Self::XxHash3(h) => h.write(bytes),
            Self::XxHash128(h) => h.write(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, digest) => (algorithm, base64(&crc_bytes(algorithm, digest.finalize()))),
            Self::Sha1(h) => (Algorithm::Sha1, base64(&h.finalize())),
            Self::Sha256(h) => (Algorithm::Sha256, base64(&h.finalize())),
            Self::Sha512(h) => (Algorithm::Sha512, base64(&h.finalize())),
            Self::Md5(h) => (Algorithm::Md5, base64(&h.finalize())),
            // XXHash's canonical form is its number with the big end first.
            Self::XxHash64(h) => (Algorithm::XxHash64, base64(&h.finish().to_be_bytes())),
            Self::XxHash3(h) => (Algorithm::XxHash3, base64(&h.finish().to_be_bytes())),
            Self::XxHash128(h) => (Algorithm::XxHash128, base64(&h.finish_128().to_be_bytes())),
        };
        Checksum { algorithm, value, composite: false }
    }
}

/// The last bytes of the number, big end first.
fn crc_bytes(algorithm: Algorithm, value: u64) -> Vec<u8> {
    value.to_be_bytes()[8 - algorithm.width()..].to_vec()
}

fn crc_number(value: &str) -> Option<u64> {
    let bytes = unbase64(value).filter(|b| b.len() <= 8)?;
    Some(bytes.iter().fold(0, |number, b| number << 8 | u64::from(*b)))
}

/// The checksum of a whole from the values and sizes of its parts. `None`: a part's value is not one.
pub(crate) fn combine<'a>(
    algorithm: Algorithm,
    composite: bool,
    parts: impl Iterator<Item = (&'a str, u64)>,
) -> Option<Checksum> {
    let value = if composite {
        let mut hasher = Hasher::new(algorithm);
        let mut count = 0;
        for (value, _) in parts {
            hasher.update(&unbase64(value)?);
            count += 1;
        }
        format!("{}-{count}", hasher.finish().value)
    } else {
        let crc = algorithm.crc()?;
        let mut whole: Option<u64> = None;
        for (value, size) in parts {
            let part = crc_number(value)?;
            whole = Some(whole.map_or(part, |before| crc_fast::checksum_combine(crc, before, part, size)));
        }
        base64(&crc_bytes(algorithm, whole?))
    };
    Some(Checksum { algorithm, value, composite })
}

/// The one checksum among those that a request's headers give.
pub(crate) fn single(values: [(Algorithm, Option<&String>); 10]) -> Result<Option<(Algorithm, String)>> {
    let mut set = values.into_iter().filter_map(|(algorithm, value)| value.map(|v| (algorithm, v.clone())));
    match (set.next(), set.next()) {
        (found, None) => Ok(found),
        _ => Err(error::invalid_request(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
        .into()),
    }
}

/// A checksum of another algorithm than the upload's.
pub(crate) fn unlike(wanted: Option<Algorithm>, actual: Algorithm) -> AwsError {
    let wanted = wanted.map_or_else(|| "null".to_owned(), |a| a.name().to_lowercase());
    let actual = actual.name().to_lowercase();
    error::invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {wanted}, actual checksum Type: {actual}"
    ))
}

/// The values of a request's checksum members, for [`single`].
macro_rules! given {
    ($input:expr) => {{
        use $crate::checksum::Algorithm as A;
        [
            (A::Crc32, $input.checksum_crc32.as_ref()),
            (A::Crc32c, $input.checksum_crc32_c.as_ref()),
            (A::Crc64Nvme, $input.checksum_crc64_nvme.as_ref()),
            (A::Sha1, $input.checksum_sha1.as_ref()),
            (A::Sha256, $input.checksum_sha256.as_ref()),
            (A::Sha512, $input.checksum_sha512.as_ref()),
            (A::Md5, $input.checksum_md5.as_ref()),
            (A::XxHash64, $input.checksum_xxhash64.as_ref()),
            (A::XxHash3, $input.checksum_xxhash3.as_ref()),
            (A::XxHash128, $input.checksum_xxhash128.as_ref()),
        ]
    }};
}

/// Puts a checksum into the members of an answer.
macro_rules! show {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            use $crate::checksum::Algorithm as A;
            $output.checksum_crc32 = checksum.of(A::Crc32);
            $output.checksum_crc32_c = checksum.of(A::Crc32c);
            $output.checksum_crc64_nvme = checksum.of(A::Crc64Nvme);
            $output.checksum_sha1 = checksum.of(A::Sha1);
            $output.checksum_sha256 = checksum.of(A::Sha256);
            $output.checksum_sha512 = checksum.of(A::Sha512);
            $output.checksum_md5 = checksum.of(A::Md5);
            $output.checksum_xxhash64 = checksum.of(A::XxHash64);
            $output.checksum_xxhash3 = checksum.of(A::XxHash3);
            $output.checksum_xxhash128 = checksum.of(A::XxHash128);
        }
    };
}

pub(crate) use {given, show};

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn checksums_of_123456789() {
        // Check values of the CRC catalogue, and of RFC 1321 and FIPS 180 for the hashes.
        for (algorithm, wanted) in [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (Algorithm::Md5, "JfnnlDI7RTiF9RgfG2JNCw=="),
            // From the reference implementation's command: xxhsum -H0|-H3|-H2.
            (Algorithm::XxHash64, "jLhB20DmroM="),
            (Algorithm::XxHash3, "ctyxi2ehff8="),
            (Algorithm::XxHash128, "MxGUd+3l3NXpcWQnaB1YYA=="),
        ] {
            assert_eq!(sum(algorithm, b"123456789").value, wanted, "{algorithm:?}");
        }
    }

    #[test]
    fn parts_make_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<(Checksum, u64)> =
                [&b"1234"[..], b"", b"56789"].iter().map(|b| (sum(algorithm, b), b.len() as u64)).collect();
            let whole = combine(algorithm, false, parts.iter().map(|(c, n)| (c.value.as_str(), *n)));
            assert_eq!(whole, Some(sum(algorithm, b"123456789")));
        }
        let part = sum(Algorithm::Sha256, b"x");
        let composite = combine(Algorithm::Sha256, true, [(part.value.as_str(), 1)].into_iter());
        assert!(composite.is_some_and(|c| c.composite && c.value.ends_with("-1")));
    }
}

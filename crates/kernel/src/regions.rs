//! Regions, partitions and zones: facts.
//!
//! Source: "AWS Regions" in the account management guide, 2026-11.

/// A region and how many zones it has.
const REGIONS: &[(&str, u8)] = &[
    ("af-south-1", 3),
    ("ap-east-1", 3),
    ("ap-east-2", 3),
    ("ap-northeast-1", 3),
    ("ap-northeast-2", 4),
    ("ap-northeast-3", 3),
    ("ap-south-1", 3),
    ("ap-south-2", 3),
    ("ap-southeast-1", 3),
    ("ap-southeast-2", 3),
    ("ap-southeast-3", 3),
    ("ap-southeast-4", 3),
    ("ap-southeast-5", 3),
    ("ap-southeast-6", 3),
    ("ap-southeast-7", 3),
    ("ca-central-1", 3),
    ("ca-west-1", 3),
    ("eu-central-1", 3),
    ("eu-central-2", 3),
    ("eu-north-1", 3),
    ("eu-south-1", 3),
    ("eu-south-2", 3),
    ("eu-west-1", 3),
    ("eu-west-2", 3),
    ("eu-west-3", 3),
    ("il-central-1", 3),
    ("me-central-1", 3),
    ("me-south-1", 3),
    ("mx-central-1", 3),
    ("sa-east-1", 3),
    ("us-east-1", 6),
    ("us-east-2", 3),
    ("us-west-1", 2),
    ("us-west-2", 4),
    ("cn-north-1", 3),
    ("cn-northwest-1", 3),
    ("us-gov-east-1", 3),
    ("us-gov-west-1", 3),
];

/// The region of calls that name none, and the home of global services.
pub const DEFAULT: &str = "us-east-1";

/// Whether there is such a region.
pub fn exists(region: &str) -> bool {
    REGIONS.iter().any(|(name, _)| *name == region)
}

/// The partition a region is in.
pub fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The regions of a partition.
pub fn all_of(of: &str) -> impl Iterator<Item = &'static str> {
    REGIONS.iter().map(|(name, _)| *name).filter(move |name| partition(name) == of)
}

/// The names of a region's zones.
pub fn zones(region: &str) -> Vec<String> {
    let count = REGIONS.iter().find(|(name, _)| *name == region).map_or(0, |(_, count)| *count);
    (0..count).map(|n| format!("{region}{}", char::from(b'a' + n))).collect()
}

/// Whether there is such a zone.
pub fn zone_exists(zone: &str) -> bool {
    zone.get(..zone.len().saturating_sub(1)).is_some_and(|region| zones(region).iter().any(|z| z == zone))
}

/// The domain that URLs of a partition end in.
pub fn url_suffix(partition: &str) -> &'static str {
    if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" }
}

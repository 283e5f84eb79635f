//! What AWS answers to a document that is no policy.

use thiserror::Error;

/// A refused document: AWS's sentence ([`Fault`], which is also the `Display`), and the place that caused it.
///
/// AWS itself gives no place; it is for our log and for `explain`, never for the wire.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct MalformedPolicy {
    /// The sentence AWS answers with.
    pub fault: Fault,
    /// Where in the document, such as `Statement[1].Effect`.
    pub place: String,
}

impl MalformedPolicy {
    pub(crate) fn new(fault: Fault, place: impl Into<String>) -> Self {
        Self { fault, place: place.into() }
    }

    pub(crate) fn syntax(place: impl Into<String>) -> Self {
        Self::new(Fault::Syntax, place)
    }
}

/// The faults IAM and Organizations distinguish, each in their words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not JSON, an unknown element, a wrong type: identity, session and resource policies.
    #[error("Syntax errors in policy.")]
    Syntax,
    /// Not JSON: trust policies.
    #[error("This policy contains invalid Json")]
    InvalidJson,
    /// A managed policy must name the current version.
    #[error("Policy document must be version 2012-10-17 or greater.")]
    VersionTooOld,
    /// A trust policy with an unknown version.
    #[error("The policy must contain a valid version string")]
    InvalidVersion,
    /// Accepted by the grammar, refused by the older parser behind it.
    #[error("The policy failed legacy parsing")]
    LegacyParsing,
    /// Two statements with the same `Sid`.
    #[error("Statement IDs (SID) in a single policy must be unique.")]
    DuplicateSid,
    /// The same, in a trust policy.
    #[error("The Statement Ids in the policy are not unique")]
    DuplicateTrustSid,
    /// A `Sid` with other characters.
    #[error(
        "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
    )]
    SidCharacters,
    /// A statement without `Action` and `NotAction`.
    #[error("Policy statement must contain actions.")]
    NoActions,
    /// A statement without `Resource` and `NotResource`.
    #[error("Policy statement must contain resources.")]
    NoResources,
    /// An action without a service prefix.
    #[error("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")]
    NoVendor,
    /// An action with more than one colon.
    #[error("Actions/Condition can contain only one colon.")]
    TooManyColons,
    /// A service prefix with characters none has.
    #[error("Vendor {vendor} is not valid")]
    InvalidVendor {
        /// The prefix as written.
        vendor: String,
    },
    /// A resource that is neither `*` nor an ARN.
    #[error("Resource {resource} must be in ARN format or \"*\".")]
    NotAnArn {
        /// The resource as written.
        resource: String,
    },
    /// A resource ARN with an unknown partition.
    #[error("Partition \"{partition}\" is not valid for resource \"{resource}\".")]
    InvalidPartition {
        /// The partition as written.
        partition: String,
        /// The resource, completed to a whole ARN as AWS prints it.
        resource: String,
    },
    /// A resource ARN that does not say which service.
    #[error("Resource vendor must be fully qualified and cannot contain regexes.")]
    VendorNotQualified,
    /// `Principal` in a policy that is attached to a principal.
    #[error("Policy document should not specify a principal.")]
    PrincipalInIdentityPolicy,
    /// An element that this kind of policy must not have.
    #[error("Has prohibited field {field}")]
    ProhibitedField {
        /// The element's name.
        field: &'static str,
    },
    /// An element that this kind of policy must have.
    #[error("Missing required field {field}")]
    MissingField {
        /// The element's name.
        field: &'static str,
    },
    /// `"Principal": {}`.
    #[error("Missing required field Principal cannot be empty!")]
    EmptyPrincipal,
    /// `"Principal": "…"` in a trust policy.
    #[error("Principal must be a JSON object.")]
    PrincipalNotObject,
    /// A principal that is unknown, or does not exist (the caller checks existence).
    #[error("Invalid principal in policy: {principal}")]
    InvalidPrincipal {
        /// As AWS prints it: `"AWS":"arn:…"`.
        principal: String,
    },
    /// `NotPrincipal` in a trust policy that denies.
    #[error("AssumeRole policy must not contain NotPrincipal field.")]
    NotPrincipalInTrust,
    /// `NotPrincipal` in a trust policy that allows.
    #[error("Allow with NotPrincipal is not allowed.")]
    AllowWithNotPrincipal,
    /// An action of another service in a trust policy.
    #[error("AssumeRole policy may only specify STS AssumeRole actions.")]
    NotAssumeRole,
    /// `NotResource` in a trust policy.
    #[error("AssumeRole policy must not contain resources.")]
    ResourcesInTrust,
    /// A trust policy with no statement.
    #[error("Could not parse the policy: Statement is empty!")]
    EmptyStatement,
    /// An effect that is neither `Allow` nor `Deny`, in a trust policy.
    #[error("Invalid effect: {effect}")]
    InvalidEffect {
        /// The effect as written.
        effect: String,
    },
    /// Whatever is wrong with a service control or resource control policy: Organizations has one sentence.
    #[error("The provided policy document does not meet the requirements of the specified policy type.")]
    PolicyTypeRequirements,
}

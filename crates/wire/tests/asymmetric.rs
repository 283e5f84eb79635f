//! Signatures of version 4a that AWS's own signer has made, and keys that it has derived.
//!
//! Source of the signatures: `awscrt` 0.29.2 from PyPI (`auth.aws_sign_request` with `V4_ASYMMETRIC`), with the keys of
//! AWS's documentation, on 2026-11-24 at 06:23:03. Source of the derived key: the test vector of AWS's authentication
//! library for C.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use undercast_wire::sigv4::asymmetric::PublicKey;
use undercast_wire::sigv4::{self, EMPTY_SHA256, Key, Signature, SigningKeys};
use undercast_wire::value::Body;
use undercast_wire::{Request, text};

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// The hash of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn the_key_is_the_one_that_the_signer_derives() {
    let key = PublicKey::of("AKISORANDOMAASORANDOM", "q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom").unwrap();
    let x = "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb";
    let y = "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0";
    assert_eq!(text::hex_encode(key.point()), format!("04{x}{y}"));
}

struct Case {
    method: &'static str,
    uri: &'static str,
    headers: &'static [(&'static str, &'static str)],
    payload: &'static str,
    s3: bool,
    regions: &'static str,
}

const CASES: &[Case] = &[
    Case {
        method: "POST",
        uri: "/",
        headers: &[
            ("host", "localhost:4566"),
            ("x-amz-target", "DynamoDB_20120810.ListTables"),
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-date", "20261124T062303Z"),
            ("x-amz-region-set", "us-east-1"),
            (
                "authorization",
                "AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/dynamodb/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-region-set;x-amz-target, Signature=3046022100d553e436a908dac1a156668c75366aee5e7f1ef1a56bfa4e23024de8a984518f022100d6812291a88f9a08c8a813ee71b7c53ddd42b72596e7b7e48e90d447bdb64a14",
            ),
        ],
        payload: HELLO,
        s3: false,
        regions: "us-east-1",
    },
    Case {
        method: "GET",
        uri: "/2015-03-31/functions/x/../a%20b?Marker=x%2Fy&A=1",
        headers: &[
            ("host", "localhost:4566"),
            ("my-header", "  a   b "),
            ("x-amz-security-token", "a/token+of=="),
            ("x-amz-date", "20261124T062303Z"),
            ("x-amz-region-set", "us-east-1,eu-*"),
            (
                "authorization",
                "AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/lambda/aws4_request, SignedHeaders=host;my-header;x-amz-date;x-amz-region-set;x-amz-security-token, Signature=3046022100c928d14c9f115a406d50e6557ebaa777e684d52337297b526ce564a877af0c20022100eebc46068568bcbd1a35334cd35ccc8dc84407129de85a2235b9f768c4210d89",
            ),
        ],
        payload: EMPTY_SHA256,
        s3: false,
        regions: "us-east-1,eu-*",
    },
    Case {
        method: "PUT",
        uri: "/bucket/a%20key//x/../y",
        headers: &[
            ("host", "localhost:4566"),
            ("x-amz-date", "20261124T062303Z"),
            ("x-amz-region-set", "*"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            (
                "authorization",
                "AWS4-ECDSA-P256-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261124/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set, Signature=3046022100f75e87c67e5ce3812469313dde70bb9fe74363f6fff30f91e521a29ad4dcaa9c022100f9a60ccebf64edf800c0e00fa72bb08c257775610cc559a6e082b7e9ad84d82b",
            ),
        ],
        payload: "UNSIGNED-PAYLOAD",
        s3: true,
        regions: "*",
    },
    Case {
        method: "GET",
        uri: "/bucket/key?versionId=1&X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261124%2Fs3%2Faws4_request&X-Amz-Date=20261124T062303Z&X-Amz-SignedHeaders=host&X-Amz-Expires=900&X-Amz-Region-Set=us-west-%2A%2Cus-east-1&X-Amz-Signature=30440220533f8dc050345003100bbf02c0a9ffe9834555e4011c60ba77e7821771fa920402203a8c2891bc2cf89158fce0d3d56562417c86b5191150b4a7e9afb678a65b0a8e",
        headers: &[("host", "localhost:4566")],
        payload: "UNSIGNED-PAYLOAD",
        s3: true,
        regions: "us-west-*,us-east-1",
    },
];

fn request(case: &Case) -> Request {
    let (path, query) = case.uri.split_once('?').unwrap_or((case.uri, ""));
    let mut headers = http::HeaderMap::new();
    for (name, value) in case.headers {
        headers.append(*name, value.parse().unwrap());
    }
    Request {
        method: case.method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Body::empty(),
    }
}

#[test]
fn signatures_of_the_signer_are_verified_and_others_are_not() {
    let keys = SigningKeys::default();
    for case in CASES {
        let request = request(case);
        let signature = sigv4::read(&request).unwrap().unwrap();
        assert_eq!((signature.region.as_str(), signature.access_key.as_str()), (case.regions, ACCESS_KEY));
        let verify = |request: &Request, signature: &Signature, key: &Key| {
            sigv4::verify(request, signature, case.payload, case.s3, key)
        };
        let key = keys.get(&signature, SECRET);
        assert!(verify(&request, &signature, &key), "{}", case.uri);
        assert!(!verify(&request, &signature, &keys.get(&signature, "another secret")), "{}", case.uri);
        let other = Request { method: "DELETE".to_owned(), ..self::request(case) };
        assert!(!verify(&other, &signature, &key), "{}", case.uri);
        let cut = signature.signature.len() - 2;
        for wrong in [&signature.signature[..cut], "", "00", "zz", &EMPTY_SHA256.repeat(2)] {
            let signature = Signature { signature: wrong.to_owned(), ..signature.clone() };
            assert!(!verify(&request, &signature, &key), "{} {wrong}", case.uri);
        }
    }
}

#[test]
fn a_set_of_regions_that_is_not_signed_is_refused() {
    let mut request = request(&CASES[0]);
    let header = request.header("authorization").unwrap().replace(";x-amz-region-set", "");
    request.headers.insert("authorization", header.parse().unwrap());
    let why = sigv4::read(&request).unwrap_err().to_string();
    assert!(why.contains("signed 'X-Amz-Region-Set' header"), "{why}");
}

//! Every hash is that of another implementation.

use md5::Digest as _;
use proptest::prelude::*;
use undercast_md5::{Lanes, Md5};

fn other(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// Bytes that differ from place to place and from stream to stream.
fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 + n / 251) as u8 ^ seed).collect()
}

#[test]
fn the_hashes_of_the_specification() {
    for (text, hash) in [
        ("", 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128),
        ("a", 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661),
        ("abc", 0x9001_5098_3cd2_4fb0_d696_3f7d_28e1_7f72),
        ("message digest", 0xf96b_697d_7cb7_938d_525a_2f31_aaf1_61d0),
    ] {
        let mut md5 = Md5::new();
        md5.update(text.as_bytes());
        assert_eq!(md5.finish(), hash.to_be_bytes(), "{text}");
    }
}

#[test]
fn every_length_around_the_blocks() {
    for length in 0..300 {
        let mut md5 = Md5::new();
        md5.update(&bytes(7, length));
        assert_eq!(md5.finish(), other(&bytes(7, length)), "{length}");
    }
}

/// How many streams there are at once, and the lengths of the pieces of each.
fn streams() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let piece = prop_oneof![Just(0), 1..200_usize, Just(64), Just(65_536), 10_000..70_000_usize];
    prop::collection::vec(prop::collection::vec(piece, 1..6), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn streams_side_by_side_do_not_mix(streams in streams()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let lanes = Lanes::default();
            let mut work = tokio::task::JoinSet::new();
            for (seed, pieces) in streams.iter().cloned().enumerate() {
                let lanes = lanes.clone();
                work.spawn(async move {
                    let all = bytes(seed as u8, pieces.iter().sum());
                    let (mut md5, mut at) = (Md5::new(), 0);
                    for length in pieces {
                        let piece = all[at..at + length].to_vec();
                        let (next, back) = lanes.update(md5, piece.clone()).await.unwrap();
                        assert_eq!(back, piece);
                        (md5, at) = (next, at + length);
                    }
                    assert_eq!(md5.finish(), other(&all));
                });
            }
            while let Some(done) = work.join_next().await {
                done.unwrap();
            }
        });
    }
}

//! The rounds, for several streams in step: what one instruction does to one word, a wide one does to that of each stream.
//!
//! Source: RFC 1321.

/// The four words that the bytes of a stream are brought down to.
pub(crate) type State = [u32; 4];

/// Bytes are taken in blocks of so many.
pub(crate) const BLOCK: usize = 64;

/// The state before the first byte.
pub(crate) const BEGINNING: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// So many streams go in step at most.
pub(crate) const WIDE: usize = 16;

/// What is added in each step: the whole part of 2³² times the sine of its number.
const SINES: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// How far each round turns its words.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// One stream: its state, and whole blocks of its bytes.
pub(crate) type Stream<'a> = (&'a mut State, &'a [u8]);

/// Takes the first `blocks` blocks of each stream in.
pub(crate) fn take(streams: &mut [Stream<'_>], blocks: usize) {
    match streams.len() {
        0 => {}
        1 => step::<1>(streams, blocks),
        2..=4 => step::<4>(streams, blocks),
        _ => wide(streams, blocks),
    }
}

/// Five streams and more, with the widest instructions that the processor has.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "functions for processors that have more must be told that this one has")]
fn wide(streams: &mut [Stream<'_>], blocks: usize) {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
    {
        // SAFETY: the processor has what the function is compiled for.
        unsafe { avx512(streams, blocks) }
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        unsafe { avx2(streams, blocks) }
    } else {
        step::<WIDE>(streams, blocks);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn wide(streams: &mut [Stream<'_>], blocks: usize) {
    step::<WIDE>(streams, blocks);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn avx512(streams: &mut [Stream<'_>], blocks: usize) {
    step::<WIDE>(streams, blocks);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(streams: &mut [Stream<'_>], blocks: usize) {
    step::<WIDE>(streams, blocks);
}

/// The words of a block of each stream: the first of all, the second of all, and so on.
#[inline(always)]
fn words<const N: usize>(blocks: &[&[u8]; N], number: usize) -> [[u32; N]; 16] {
    let mut words = [[0; N]; 16];
    for (stream, bytes) in blocks.iter().enumerate() {
        let block = &bytes[number * BLOCK..][..BLOCK];
        for (word, bytes) in block.as_chunks::<4>().0.iter().enumerate() {
            words[word][stream] = u32::from_le_bytes(*bytes);
        }
    }
    words
}

/// One step: `$a` is what is new, and the others move on.
macro_rules! turn {
    ($words:ident, $round:expr, $at:expr, $a:ident, $b:ident, $c:ident, $d:ident) => {
        let word = match $round {
            0 => $at,
            1 => (5 * $at + 1) % 16,
            2 => (3 * $at + 5) % 16,
            _ => 7 * $at % 16,
        };
        for n in 0..N {
            let (b, c, d) = ($b[n], $c[n], $d[n]);
            let mixed = match $round {
                0 => d ^ (b & (c ^ d)),
                1 => c ^ (d & (b ^ c)),
                2 => b ^ c ^ d,
                _ => c ^ (b | !d),
            };
            let sum = $a[n].wrapping_add(mixed).wrapping_add(SINES[$round * 16 + $at]).wrapping_add($words[word][n]);
            $a[n] = sum.rotate_left(TURNS[$round][$at % 4]).wrapping_add(b);
        }
    };
}

macro_rules! round {
    ($words:ident, $round:expr, $a:ident, $b:ident, $c:ident, $d:ident, [$($at:expr),*]) => {
        $(
            turn!($words, $round, $at, $a, $b, $c, $d);
            turn!($words, $round, $at + 1, $d, $a, $b, $c);
            turn!($words, $round, $at + 2, $c, $d, $a, $b);
            turn!($words, $round, $at + 3, $b, $c, $d, $a);
        )*
    };
}

/// `N` streams in step; where there are fewer, the first stands in for those that are not there.
#[inline(always)]
fn step<const N: usize>(streams: &mut [Stream<'_>], blocks: usize) {
    let there = streams.len().min(N);
    let at = |n: usize| if n < there { n } else { 0 };
    let bytes: [&[u8]; N] = std::array::from_fn(|n| streams[at(n)].1);
    let [mut a, mut b, mut c, mut d]: [[u32; N]; 4] =
        std::array::from_fn(|word| std::array::from_fn(|n| streams[at(n)].0[word]));
    for number in 0..blocks {
        let words = words(&bytes, number);
        let before = [a, b, c, d];
        round!(words, 0, a, b, c, d, [0, 4, 8, 12]);
        round!(words, 1, a, b, c, d, [0, 4, 8, 12]);
        round!(words, 2, a, b, c, d, [0, 4, 8, 12]);
        round!(words, 3, a, b, c, d, [0, 4, 8, 12]);
        for n in 0..N {
            a[n] = a[n].wrapping_add(before[0][n]);
            b[n] = b[n].wrapping_add(before[1][n]);
            c[n] = c[n].wrapping_add(before[2][n]);
            d[n] = d[n].wrapping_add(before[3][n]);
        }
    }
    for (n, (state, _)) in streams.iter_mut().enumerate() {
        **state = [a[n], b[n], c[n], d[n]];
    }
}

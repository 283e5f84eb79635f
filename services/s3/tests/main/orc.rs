//! A reader of as much of ORC as lists have, by the specification: what is written is not read back by what wrote it.

use std::io::Read as _;

use serde_json::{Value as Json, json};

/// The fields of a message of Protocol Buffers: their numbers, with what they hold as a number or as bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let head = varint(&mut bytes);
        match head & 7 {
            0 => found.push((head >> 3, varint(&mut bytes), &[] as &[u8])),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (inside, rest) = bytes.split_at(length);
                found.push((head >> 3, 0, inside));
                bytes = rest;
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn number(message: &[(u64, u64, &[u8])], field: u64) -> u64 {
    message.iter().find(|(f, ..)| *f == field).map_or(0, |(_, value, _)| *value)
}

fn length(message: &[(u64, u64, &[u8])], field: u64) -> usize {
    usize::try_from(number(message, field)).unwrap()
}

fn unpacked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [a, b, c, rest @ ..] = bytes {
        let head = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
        let (block, rest) = rest.split_at(head >> 1);
        if head & 1 == 1 {
            out.extend_from_slice(block);
        } else {
            flate2::read::DeflateDecoder::new(block).read_to_end(&mut out).unwrap();
        }
        bytes = rest;
    }
    out
}

/// Version 1 of the run lengths.
fn numbers(mut bytes: &[u8], signed: bool) -> Vec<i64> {
    let mut out = Vec::new();
    let value = |bytes: &mut &[u8]| {
        let raw = varint(bytes);
        if signed { (raw >> 1).cast_signed() ^ -(raw & 1).cast_signed() } else { raw.cast_signed() }
    };
    while let [head, rest @ ..] = bytes {
        bytes = rest;
        if *head < 0x80 {
            let step = i64::from(bytes[0].cast_signed());
            bytes = &bytes[1..];
            let first = value(&mut bytes);
            out.extend((0..i64::from(*head) + 3).map(|n| first + n * step));
        } else {
            out.extend((0..256 - usize::from(*head)).map(|_| value(&mut bytes)));
        }
    }
    out
}

fn truths(mut bytes: &[u8]) -> impl Iterator<Item = bool> {
    let mut all = Vec::new();
    while let [head, rest @ ..] = bytes {
        if *head < 0x80 {
            all.extend(std::iter::repeat_n(rest[0], usize::from(*head) + 3));
            bytes = &rest[1..];
        } else {
            let (literal, rest) = rest.split_at(256 - usize::from(*head));
            all.extend_from_slice(literal);
            bytes = rest;
        }
    }
    all.into_iter().flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0))
}

/// The values of a column in a stripe.
fn values(kind: u64, lines: usize, stream: impl Fn(u64) -> Option<Vec<u8>>) -> Vec<Json> {
    let data = stream(1).unwrap();
    let mut there: Box<dyn Iterator<Item = Json>> = match kind {
        0 => Box::new(truths(&data).map(|t| json!(t))),
        4 => Box::new(numbers(&data, true).into_iter().map(|n| json!(n))),
        7 => {
            let mut at = 0;
            Box::new(numbers(&stream(2).unwrap(), false).into_iter().map(move |length| {
                let begin = at;
                at += usize::try_from(length).unwrap();
                json!(std::str::from_utf8(&data[begin..at]).unwrap())
            }))
        }
        9 => {
            let parts = numbers(&stream(5).unwrap(), false).into_iter().map(|n| match n & 7 {
                0 => n >> 3,
                zeros => (n >> 3) * 10_i64.pow(u32::try_from(zeros).unwrap() + 1),
            });
            let seconds = numbers(&data, true).into_iter();
            Box::new(seconds.zip(parts).map(|(s, n)| json!((s + 1_420_070_400) * 1000 + n / 1_000_000)))
        }
        other => panic!("type {other}"),
    };
    let present: Vec<bool> = stream(0).map_or(vec![true; lines], |bits| truths(&bits).take(lines).collect());
    present.into_iter().map(|p| if p { there.next().unwrap() } else { Json::Null }).collect()
}

/// The lines of a file, each as an object.
pub(super) fn lines(file: &[u8]) -> Vec<Json> {
    assert_eq!(&file[..3], b"ORC");
    let (rest, end) = file.split_at(file.len() - 1 - usize::from(*file.last().unwrap()));
    let end = fields(&end[..end.len() - 1]);
    assert!(end.iter().any(|(f, _, text)| *f == 8000 && *text == b"ORC"));
    let (stripes, footer) = rest.split_at(rest.len() - length(&end, 1));
    let footer = unpacked(footer);
    let footer = fields(&footer);
    let types: Vec<_> = footer.iter().filter(|(f, ..)| *f == 4).map(|(.., inside)| fields(inside)).collect();
    let names: Vec<_> =
        types[0].iter().filter(|(f, ..)| *f == 3).map(|(.., n)| std::str::from_utf8(n).unwrap()).collect();
    let mut all = Vec::new();
    for (.., stripe) in footer.iter().filter(|(f, ..)| *f == 3) {
        let told = fields(stripe);
        let (begin, data, lines) = (length(&told, 1), length(&told, 3), length(&told, 5));
        let inside = unpacked(&stripes[begin + data..][..length(&told, 4)]);
        let inside = fields(&inside);
        let mut streams = Vec::new();
        let mut at = begin;
        for (.., stream) in inside.iter().filter(|(f, ..)| *f == 1) {
            let stream = fields(stream);
            streams.push((number(&stream, 2), number(&stream, 1), &stripes[at..][..length(&stream, 3)]));
            at += length(&stream, 3);
        }
        let mut found = vec![json!({}); lines];
        for (column, name) in names.iter().enumerate() {
            let id = column as u64 + 1;
            let stream = |kind| streams.iter().find(|s| (s.0, s.1) == (id, kind)).map(|s| unpacked(s.2));
            let kind = number(&types[column + 1], 1);
            for (line, value) in found.iter_mut().zip(values(kind, lines, stream)) {
                line[*name] = value;
            }
        }
        all.extend(found);
    }
    assert_eq!(all.len(), length(&footer, 6));
    all
}

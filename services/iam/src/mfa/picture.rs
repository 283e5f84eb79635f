//! The seed as a picture that authenticator programs read: a QR code, as a PNG in black and white.

use std::io::Write as _;

use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use qrcode::{Color, QrCode};
use undercast_kernel::{Failure, Result};

/// A module of the code has so many points a side, and the margin so many modules.
const POINTS: usize = 4;
const MARGIN: usize = 4;

/// The picture of a text.
pub(super) fn png(text: &str) -> Result<Vec<u8>> {
    let code = QrCode::new(text).map_err(Failure::broken)?;
    let (modules, width) = (code.width(), (code.width() + 2 * MARGIN) * POINTS);
    let dark = |x: usize, y: usize| {
        let (column, row) = ((x / POINTS).wrapping_sub(MARGIN), (y / POINTS).wrapping_sub(MARGIN));
        column < modules && row < modules && code[(column, row)] == Color::Dark
    };
    let mut lines = ZlibEncoder::new(Vec::new(), Compression::default());
    for y in 0..width {
        // Each line begins with its filter, and has a bit a point: 1 is white.
        let mut line = vec![0_u8];
        line.extend((0..width).step_by(8).map(|x| (x..x + 8).fold(0, |bits, x| (bits << 1) | u8::from(!dark(x, y)))));
        lines.write_all(&line).map_err(Failure::broken)?;
    }
    let side = u32::try_from(width).map_err(Failure::broken)?.to_be_bytes();
    // One bit a point, shades of grey, and the only ways there are to compress, to filter and to interlace.
    let head: Vec<u8> = side.iter().chain(&side).chain(&[1, 0, 0, 0, 0]).copied().collect();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", head), (b"IDAT", lines.finish().map_err(Failure::broken)?), (b"IEND", Vec::new())] {
        chunk(kind, &data, &mut out)?;
    }
    Ok(out)
}

fn chunk(kind: &[u8; 4], data: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(data);
    out.extend(u32::try_from(data.len()).map_err(Failure::broken)?.to_be_bytes());
    out.extend_from_slice(kind);
    out.extend_from_slice(data);
    out.extend(sum.sum().to_be_bytes());
    Ok(())
}

//! Messages of Protocol Buffers, in which ORC describes itself: fields are written as they come.

/// A message that is being written.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn number(&mut self, field: u32, value: u64) -> &mut Self {
        self.head(field, 0);
        varint(value, &mut self.0);
        self
    }

    pub(super) fn length(&mut self, field: u32, value: usize) -> &mut Self {
        self.number(field, value as u64)
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) -> &mut Self {
        self.head(field, 2);
        varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn message(&mut self, field: u32, message: &Self) -> &mut Self {
        self.bytes(field, &message.0)
    }

    pub(super) fn packed(&mut self, field: u32, numbers: impl Iterator<Item = u64>) -> &mut Self {
        let mut bytes = Vec::new();
        numbers.for_each(|n| varint(n, &mut bytes));
        self.bytes(field, &bytes)
    }

    fn head(&mut self, field: u32, kind: u64) {
        varint((u64::from(field) << 3) | kind, &mut self.0);
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low(value) | 0x80);
        value >>= 7;
    }
    out.push(low(value));
}

/// The same of a number of 128 bits.
pub(super) fn big_varint(mut value: u128, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] & 0x7f | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn low(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_encoding_has_them() {
        // Source: the examples of "Encoding" in the documentation of Protocol Buffers.
        assert_eq!(Message::default().number(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, b"testing").as_bytes(), b"\x12\x07testing");
        assert_eq!(
            Message::default().packed(6, [3, 270, 86942].into_iter()).as_bytes(),
            [0x32, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05]
        );
    }
}

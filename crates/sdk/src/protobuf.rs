//! Writing protobuf messages, of which Envoy's foreign functions and gRPC services take a few.

/// A message that is being written. Field numbers are below 16, so that a tag is one byte.
#[derive(Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// Adds a field of type string, bytes or message.
    pub(crate) fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        /// The wire type of fields that begin with their length.
        const LENGTH: u8 = 2;
        self.0.push(field << 3 | LENGTH);
        self.number(value.len());
        self.0.extend_from_slice(value);
        self
    }

    /// Adds a field of an integer or enum type.
    pub(crate) fn varint(mut self, field: u8, value: usize) -> Self {
        self.0.push(field << 3);
        self.number(value);
        self
    }

    /// Returns the serialized message.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// Writes seven bits per byte, the lowest first.
    fn number(&mut self, mut value: usize) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_have_seven_bits_per_byte() {
        let message = Message::default().bytes(1, b"ab").bytes(2, b"").varint(3, 2).finish();
        assert_eq!(message, [0x0a, 2, b'a', b'b', 0x12, 0, 0x18, 2]);
        let message = Message::default().bytes(1, &[b'x'; 300]).varint(4, 0x4000).finish();
        assert_eq!(message[..3], [0x0a, 0xac, 0x02], "300 is 0b10_0101100");
        assert_eq!(message[303..], [0x20, 0x80, 0x80, 0x01]);
    }
}

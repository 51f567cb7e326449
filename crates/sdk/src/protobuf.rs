//! Protobuf messages, of which Envoy's foreign functions and gRPC services use a few.

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

/// The fields of a message, in order. The iterator ends with `None` as an item if the rest is not valid.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// An integer, boolean or enum.
    Number(u64),
    /// A string, bytes or message.
    Bytes(&'a [u8]),
    /// A number of fixed size.
    Fixed,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, size: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(size).ok()?)?;
        self.rest = rest;
        Some(bytes)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => self.bytes(8).map(|_| Value::Fixed)?,
            2 => {
                let size = self.number()?;
                Value::Bytes(self.bytes(size)?)
            }
            5 => self.bytes(4).map(|_| Value::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let message = Message::default().varint(1, 300).bytes(2, b"ab").finish();
        let message = [message.as_slice(), &[0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8]].concat();
        let fields: Option<Vec<_>> = Fields::new(&message).collect();
        let expected =
            [(1, Value::Number(300)), (2, Value::Bytes(b"ab")), (3, Value::Fixed), (4, Value::Fixed)];
        assert_eq!(fields.unwrap(), expected);
        for invalid in [&[8][..], &[0x0a, 5, 1], &[0x1d, 1], &[0x0b], &[8; 1], &[0xff; 11]] {
            assert_eq!(Fields::new(invalid).collect::<Option<Vec<_>>>(), None, "{invalid:?}");
        }
    }

    #[test]
    fn numbers_and_lengths_have_seven_bits_per_byte() {
        let message = Message::default().bytes(1, b"ab").bytes(2, b"").varint(3, 2).finish();
        assert_eq!(message, [0x0a, 2, b'a', b'b', 0x12, 0, 0x18, 2]);
        let message = Message::default().bytes(1, &[b'x'; 300]).varint(4, 0x4000).finish();
        assert_eq!(message[..3], [0x0a, 0xac, 0x02], "300 is 0b10_0101100");
        assert_eq!(message[303..], [0x20, 0x80, 0x80, 0x01]);
    }
}

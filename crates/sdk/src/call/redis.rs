//! Commands to Redis, through host calls that only Higress and MSE gateways have.

use std::time::Duration;

use super::{CallError, Cluster, Delivery, Kind, Response};
use crate::abi::BufferType;
use crate::{Status, host};

/// A response of Redis, as far as plug-ins need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(i64),
    /// A text, a status or an error.
    Text(Vec<u8>),
    Error(Vec<u8>),
    List(Vec<Value>),
    Nil,
}

/// The maximum depth of lists.
const MAX_DEPTH: usize = 4;

/// Registers a server with its credentials. `database` is its number.
pub(crate) fn init(
    cluster: &Cluster,
    credentials: (&str, &str),
    timeout: Duration,
    database: u32,
) -> Result<(), Status> {
    let (user, password) = credentials;
    match database {
        0 => host::redis_init(cluster.name(), user, password, timeout),
        _ => host::redis_init(&format!("{}?db={database}", cluster.name()), user, password, timeout),
    }
}

/// Sends a command immediately, and returns a future of the response. The host has the timeout.
pub(crate) fn send(
    cluster: &Cluster,
    arguments: &[&[u8]],
) -> impl Future<Output = Result<Value, CallError>> + use<> {
    let token = host::redis_call(cluster.name(), &command(arguments));
    let response = token.map(|token| Response::new(Kind::Redis, token, read));
    async move {
        match response {
            Ok(response) => response.await,
            Err(status) => Err(CallError::Refused(status)),
        }
    }
}

/// Returns a command in the protocol of Redis.
fn command(arguments: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Reads a response while the host has it.
fn read(delivery: Delivery) -> Result<Value, CallError> {
    let Delivery::Redis { status: 0, size } = delivery else { return Err(CallError::NoAnswer) };
    let bytes = host::buffer(BufferType::RedisResponse, 0, size).map_err(CallError::Refused)?;
    value(&mut bytes.as_slice(), MAX_DEPTH).ok_or(CallError::NoAnswer)
}

/// Reads a value off the front of `bytes`.
fn value(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let (kind, line) = line(bytes)?;
    let number = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
    Some(match kind {
        b'+' => Value::Text(line.to_vec()),
        b'-' => Value::Error(line.to_vec()),
        b':' => Value::Integer(number()?),
        b'$' | b'*' if number()? < 0 => Value::Nil,
        b'$' => {
            let (text, rest) = bytes.split_at_checked(usize::try_from(number()?).ok()?)?;
            *bytes = rest.strip_prefix(b"\r\n")?;
            Value::Text(text.to_vec())
        }
        b'*' => {
            let depth = depth.checked_sub(1)?;
            let count = usize::try_from(number()?).ok()?;
            // Each value has at least four bytes, so a count alone allocates nothing.
            Value::List((0..count).map(|_| value(bytes, depth)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Takes a line off the front: its first byte and the rest.
fn line<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    *bytes = rest.get(2..)?;
    line.split_first().map(|(kind, line)| (*kind, line))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_lists_of_texts() {
        assert_eq!(command(&[b"GET", b"a\r\n"]), b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n");
    }

    #[test]
    fn responses_are_read() {
        let read = |bytes: &str| value(&mut bytes.as_bytes(), MAX_DEPTH);
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(read("+OK\r\n"), Some(text("OK")));
        assert_eq!(read("-ERR no\r\n"), Some(Value::Error("ERR no".into())));
        assert_eq!(read(":-3\r\n"), Some(Value::Integer(-3)));
        assert_eq!(read("$4\r\na\r\nb\r\n"), Some(text("a\r\nb")));
        assert_eq!(read("$-1\r\n"), Some(Value::Nil));
        let list = Value::List(vec![Value::Integer(1), Value::List(vec![]), Value::Nil]);
        assert_eq!(read("*3\r\n:1\r\n*0\r\n*-1\r\n"), Some(list));
        for invalid in ["", "+OK", "$5\r\nab\r\n", "$1\r\nabc", "*2\r\n:1\r\n", ":x\r\n", "?\r\n", "\r\n"] {
            assert_eq!(read(invalid), None, "{invalid}");
        }
        assert_eq!(read(&"*1\r\n".repeat(100)), None, "too deep");
        assert_eq!(read("*9223372036854775807\r\n"), None);
    }

    proptest! {
        #[test]
        fn arbitrary_responses_are_read(bytes: Vec<u8>) {
            value(&mut bytes.as_slice(), MAX_DEPTH);
        }
    }
}

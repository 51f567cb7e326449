//! Higress's calls to Redis, made to real servers.
//!
//! A call is sent at once, and its response is delivered like that of any other call, so the calls of several VMs interleave
//! as they do in gateways.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use redis::{Client, Connection, ConnectionLike as _, RedisError, Value};

use super::abi::{Answer, Status};

/// The servers of one VM.
#[derive(Default)]
pub(super) struct Redis {
    addresses: BTreeMap<String, SocketAddr>,
    servers: BTreeMap<String, Server>,
    last_token: u32,
    /// The root whose configuration is in force.
    root: u32,
}

/// A server that the plug-in has initialised.
struct Server {
    url: String,
    timeout: Duration,
    /// The open connection.
    connection: Option<Connection>,
}

/// The response to a call.
pub(super) struct Reply {
    pub(super) token: u32,
    /// 0, or 1 if there is no response.
    pub(super) status: u32,
    /// The bytes of the response.
    pub(super) body: Vec<u8>,
}

impl Redis {
    /// Reaches the servers of these clusters.
    pub(super) fn new(addresses: BTreeMap<String, SocketAddr>) -> Self {
        Self { addresses, ..Self::default() }
    }

    pub(super) fn set_root(&mut self, root: u32) {
        self.root = root;
    }

    pub(super) fn root(&self) -> u32 {
        self.root
    }

    /// `cluster` may have settings of Higress after a `?`, of which `db` selects a database.
    pub(super) fn init(&mut self, cluster: &[u8], user: &[u8], password: &[u8], timeout: u32) -> Answer<()> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Status::BAD_ARGUMENT);
        let cluster = text(cluster)?;
        let (name, settings) = cluster.split_once('?').unwrap_or((cluster, ""));
        let address = self.addresses.get(name).ok_or(Status::BAD_ARGUMENT)?;
        let database = settings.split('&').find_map(|setting| setting.strip_prefix("db=")).unwrap_or("0");
        let credentials = match (text(user)?, text(password)?) {
            ("", "") => String::new(),
            (user, password) => format!("{user}:{password}@"),
        };
        let url = format!("redis://{credentials}{address}/{database}");
        let timeout = Duration::from_millis(timeout.max(1).into());
        self.servers.insert(name.into(), Server { url, timeout, connection: None });
        Ok(())
    }

    /// Sends a command, as the bytes of the protocol.
    pub(super) fn call(&mut self, cluster: &[u8], command: &[u8]) -> Answer<Reply> {
        let name = std::str::from_utf8(cluster).map_err(|_| Status::BAD_ARGUMENT)?;
        let name = name.split_once('?').map_or(name, |(name, _)| name);
        let server = self.servers.get_mut(name).ok_or(Status::BAD_ARGUMENT)?;
        self.last_token += 1;
        let (status, body) = server.call(command).map_or((1, Vec::new()), |body| (0, body));
        Ok(Reply { token: self.last_token, status, body })
    }
}

impl Server {
    fn call(&mut self, command: &[u8]) -> Result<Vec<u8>, RedisError> {
        if let Some(connection) = self.connection.take() {
            match self.send(connection, command) {
                // The server was restarted, of which a gateway is told before the next command.
                Err(error) if error.is_connection_dropped() => {}
                response => return response,
            }
        }
        let connection = self.connect()?;
        self.send(connection, command)
    }

    fn send(&mut self, mut connection: Connection, command: &[u8]) -> Result<Vec<u8>, RedisError> {
        let mut body = Vec::new();
        match connection.req_packed_command(command) {
            Ok(value) => write(&value, &mut body),
            // Redis has responded with an error.
            Err(error) if error.code().is_some() => write_error(&error, &mut body),
            Err(error) => return Err(error),
        }
        self.connection = Some(connection);
        Ok(body)
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let connection = Client::open(self.url.as_str())?.get_connection_with_timeout(self.timeout)?;
        connection.set_read_timeout(Some(self.timeout))?;
        connection.set_write_timeout(Some(self.timeout))?;
        Ok(connection)
    }
}

/// Appends a value as Redis has sent it, in RESP2.
fn write(value: &Value, bytes: &mut Vec<u8>) {
    let mut line = |kind: char, text: &str| bytes.extend(format!("{kind}{text}\r\n").into_bytes());
    match value {
        Value::Int(number) => line(':', &number.to_string()),
        Value::Okay => line('+', "OK"),
        Value::SimpleString(text) => line('+', text),
        Value::BulkString(text) => {
            line('$', &text.len().to_string());
            bytes.extend(text);
            bytes.extend(b"\r\n");
        }
        Value::Array(values) => {
            line('*', &values.len().to_string());
            values.iter().for_each(|value| write(value, bytes));
        }
        Value::ServerError(error) => write_error(&error.clone().into(), bytes),
        // The other kinds are of RESP3, which these connections do not use.
        _ => line('$', "-1"),
    }
}

fn write_error(error: &RedisError, bytes: &mut Vec<u8>) {
    let (code, detail) = (error.code().unwrap_or("ERR"), error.detail().unwrap_or_default());
    bytes.extend(format!("-{code} {detail}\r\n").into_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_redis_sends_them() {
        for sent in [
            ":-7\r\n",
            "+OK\r\n",
            "+PONG\r\n",
            "$3\r\na\r\n\r\n",
            "$-1\r\n",
            "*0\r\n",
            "*3\r\n:1\r\n*1\r\n$0\r\n\r\n-ERR wrong kind\r\n",
        ] {
            let mut bytes = Vec::new();
            write(&redis::parse_redis_value(sent.as_bytes()).unwrap(), &mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), sent);
        }
    }

    #[test]
    fn only_servers_that_exist_are_initialised() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let mut redis = Redis::new(BTreeMap::from([("a".to_owned(), address)]));
        assert_eq!(redis.init(b"b", b"", b"", 1), Err(Status::BAD_ARGUMENT));
        assert!(redis.call(b"a", b"PING\r\n").is_err(), "it is not initialised");
        assert_eq!(redis.init(b"a?db=1&x=y", b"", b"", 100), Ok(()));
        let reply = redis.call(b"a", b"PING\r\n").unwrap();
        assert_eq!((reply.token, reply.status, reply.body.len()), (1, 1, 0), "nothing listens there");
    }
}

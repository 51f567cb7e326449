//! Counters in Redis, which outlive the service and which several of them can share.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use limitador::counter::Counter;
use redis::{Client, Connection, RedisError, Script};

use crate::counts::Taken;

/// The check and the update are one script, so they are one step. The arguments are the amount, 1 if refused amounts are
/// counted, and the limit and the window of each counter. It returns 1 if it is granted, and the least that is left.
const TAKE: &str = "
local amount = tonumber(ARGV[1])
local least = nil
for index, key in ipairs(KEYS) do
  local left = tonumber(ARGV[1 + 2 * index]) - tonumber(redis.call('GET', key) or '0')
  if not least or left < least then least = left end
end
local granted = least >= amount
if granted or ARGV[2] == '1' then
  for index, key in ipairs(KEYS) do
    redis.call('INCRBY', key, amount)
    if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, ARGV[2 + 2 * index]) end
  end
  least = least - amount
end
return { granted and 1 or 0, math.max(least, 0) }
";

/// The time after which Redis is unavailable.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A Redis server.
pub struct Redis {
    client: Client,
    script: Script,
    /// Open connections that are not in use.
    connections: Mutex<Vec<Connection>>,
}

impl Redis {
    /// Uses the server at a URL, such as `redis://127.0.0.1:6379/0`. It is not connected before the first request.
    ///
    /// # Errors
    ///
    /// The URL is not valid.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        let client = Client::open(url)?;
        Ok(Redis { client, script: Script::new(TAKE), connections: Mutex::default() })
    }

    pub(crate) fn take(
        &self,
        counters: &[Counter],
        amount: u64,
        count_refused: bool,
    ) -> Result<Taken, RedisError> {
        let idle = || self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = idle().pop();
        let mut connection = match connection {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut call = self.script.prepare_invoke();
        call.arg(amount).arg(u8::from(count_refused));
        for counter in counters {
            call.key(key(counter)).arg(counter.max_value()).arg(counter.limit().seconds());
        }
        let (granted, left): (bool, u64) = call.invoke(&mut connection)?;
        // One that has failed is dropped.
        idle().push(connection);
        Ok(Taken { granted, left })
    }

    fn connect(&self) -> Result<Connection, RedisError> {
        let connection = self.client.get_connection_with_timeout(TIMEOUT)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        connection.set_write_timeout(Some(TIMEOUT))?;
        Ok(connection)
    }
}

/// Returns the name of a counter: what identifies it, without the amount of its limit.
fn key(counter: &Counter) -> String {
    let limit = counter.limit();
    let variables = counter.set_variables();
    let mut conditions: Vec<String> = limit.conditions().into_iter().collect();
    conditions.sort();
    format!("limits:{:?}:{}:{conditions:?}:{variables:?}", limit.namespace().as_ref(), limit.seconds())
}

//! Answers every request with a greeting.

use sdk::prelude::*;

/// Whom to greet.
#[configuration]
#[serde(default)]
struct Config {
    /// Whom to greet.
    /// zh: 问候的对象
    name: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { name: "World".into() }
    }
}

struct SayHello;

#[plugin]
impl Plugin for SayHello {
    type Config = Config;

    fn on_request_headers(_: &mut RequestHeaders, config: &Config) -> Flow {
        let greeting = format!("Hello, {}!", config.name);
        Flow::Reply(Reply::new(StatusCode::OK).details("say-hello.greeted").body(greeting))
    }
}

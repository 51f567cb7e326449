//! Answers every request with a greeting.

use sdk::prelude::*;

/// The configuration.
#[configuration]
#[serde(default)]
struct Config {
    /// The name to greet.
    /// zh: 问候的名字
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

//! Adds a configured header to every request.

use sdk::prelude::*;

/// Which header to add.
#[derive(Deserialize)]
struct Config {
    header_name: config::HeaderName,
    header_value: config::HeaderValue,
}

struct AddHeader;

#[plugin]
impl Plugin for AddHeader {
    type Config = Config;

    fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
        request.add(&config.header_name, &config.header_value);
        Flow::Continue
    }
}

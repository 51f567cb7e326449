//! Adds a configured header to every request.

use sdk::prelude::*;

/// The configuration.
#[configuration]
struct Config {
    /// Header name: letters, digits and dashes, in any case. Must not be `Host` or a header that the gateway manages.
    /// zh: 请求头的名称：字母、数字和连字符，不区分大小写；不能是 `Host` 或由网关管理的请求头
    header_name: config::SettableHeaderName,
    /// Header value, in one line.
    /// zh: 请求头的值，只能是一行
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

//! Adds a configured header to every request.

use sdk::prelude::*;

/// Which header to add.
#[configuration]
struct Config {
    /// The header's name: letters, digits and dashes, in any case. Not `Host`, nor a header that the gateway writes itself.
    /// zh: 请求头的名称：字母、数字和连字符，不区分大小写；不能是 `Host` 或由网关自己写入的头
    header_name: config::SettableHeaderName,
    /// Its value, in one line.
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

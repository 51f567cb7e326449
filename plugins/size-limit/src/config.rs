//! The configuration: limits of a request.

use config::{Configuration, FieldError};
use sdk::configuration;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// Maximum size of the body in bytes, as sent: without the framing of chunks, and before decompression.
    /// zh: 请求体的最大字节数，按传输的内容计算：不含分块的框架，解压之前
    #[serde(default)]
    max_body_bytes: Option<u64>,
    /// Maximum size of all headers in bytes: their names and values, without pseudo-headers such as `:path`.
    /// zh: 所有请求头的名称和值的最大总字节数，不含 `:path` 等伪头
    #[serde(default)]
    max_header_bytes: Option<u64>,
    /// Maximum number of headers, without pseudo-headers.
    /// zh: 请求头的最大数量，不含伪头
    #[serde(default)]
    max_headers: Option<u64>,
    /// Maximum size of the path with its query in bytes.
    /// zh: 路径（含查询参数）的最大字节数
    #[serde(default)]
    max_url_bytes: Option<u64>,
    /// Limit each message of a gRPC call by `max_body_bytes`, instead of the whole call, which may be a long stream. For hosts
    /// that serve only gRPC.
    /// zh: 用 `max_body_bytes` 限制 gRPC 调用的每条消息，而不是可能很长的整个调用。用于只提供 gRPC 的域名
    #[serde(default)]
    grpc_per_message: bool,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// The limits of a request. An absent one is the maximum.
pub struct Config {
    /// Bytes of a body.
    pub body: u64,
    /// Bytes of headers.
    pub header_bytes: u64,
    /// The number of headers.
    pub headers: u64,
    /// Bytes of a path with its query.
    pub url: u64,
    /// Count the messages of a gRPC call each on its own.
    pub grpc_per_message: bool,
    /// Pass what is refused.
    pub dry_run: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let Fields { max_body_bytes, max_header_bytes, max_headers, max_url_bytes, .. } = fields;
        if [max_body_bytes, max_header_bytes, max_headers, max_url_bytes].iter().all(Option::is_none) {
            let message = "limits nothing: set at least one of `max_body_bytes`, `max_header_bytes`, `max_headers` and \
                           `max_url_bytes`";
            return Err(FieldError::new("", message));
        }
        if max_url_bytes == Some(0) {
            let message = "must be at least 1, because every path has a slash: write the longest path, for example 2048";
            return Err(FieldError::new("max_url_bytes", message));
        }
        if fields.grpc_per_message && max_body_bytes.is_none() {
            let message = "has no effect without `max_body_bytes`: add that, or remove the field";
            return Err(FieldError::new("grpc_per_message", message));
        }
        let or_none = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
        Ok(Self {
            body: or_none(max_body_bytes),
            header_bytes: or_none(max_header_bytes),
            headers: or_none(max_headers),
            url: or_none(max_url_bytes),
            grpc_per_message: fields.grpc_per_message,
            dry_run: fields.dry_run,
        })
    }
}

impl Config {
    /// Returns true if anything in the headers is limited.
    pub fn limits_headers(&self) -> bool {
        self.header_bytes != u64::MAX || self.headers != u64::MAX || self.url != u64::MAX
    }
}

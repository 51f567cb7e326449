//! The configuration with its query parsed.

use std::num::NonZeroU32;
use std::time::Duration;

use config::{Configuration, FieldError, HeaderValue};
use sdk::configuration;

use crate::graphql::{self, Operation};

/// The largest query in bytes.
const MAX_QUERY: usize = 64 * 1024;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// The query or mutation, whose variables are query parameters of requests.
    /// zh: 查询（query）或变更（mutation），其变量取自请求的查询参数
    gql: String,
    /// The path of the GraphQL endpoint.
    /// zh: GraphQL 端点的路径
    #[serde(default = "endpoint")]
    endpoint: String,
    /// Timeout of the call to the GraphQL server, in milliseconds.
    /// zh: 调用 GraphQL 服务的超时时间，毫秒
    #[serde(default = "timeout")]
    timeout: NonZeroU32,
    /// `Host` header of the call; that of the request if absent or empty.
    /// zh: 调用的 `Host` 头；未设置或为空时使用请求的 `Host` 头
    #[serde(default)]
    domain: Option<HeaderValue>,
}

fn endpoint() -> String {
    "/graphql".into()
}

fn timeout() -> NonZeroU32 {
    const { NonZeroU32::new(5000).unwrap() }
}

/// The configuration with its query parsed.
pub struct Config {
    /// The document that is sent.
    pub gql: String,
    /// Its operation.
    pub operation: Operation,
    /// The path of the endpoint.
    pub endpoint: String,
    /// The timeout of a call.
    pub timeout: Duration,
    /// The host of calls, unless it is that of the request.
    pub domain: Option<String>,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if fields.gql.len() > MAX_QUERY {
            return Err(FieldError::new("gql", "is longer than 65536 bytes: shorten it"));
        }
        let operation = graphql::parse(&fields.gql).map_err(|message| FieldError::new("gql", message))?;
        let is_visible = fields.endpoint.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !fields.endpoint.starts_with('/') || !is_visible {
            let message = "is not a path: write one that begins with `/`, with special characters percent-encoded, for \
                           example /graphql";
            return Err(FieldError::new("endpoint", message));
        }
        let domain = fields.domain.map(|domain| domain.trim().to_owned()).filter(|domain| !domain.is_empty());
        if domain.iter().any(|domain| domain.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'/')) {
            let message = "is not a host: write it without scheme and path, for example api.example.com";
            return Err(FieldError::new("domain", message));
        }
        Ok(Self {
            gql: fields.gql,
            operation,
            endpoint: fields.endpoint,
            timeout: Duration::from_millis(fields.timeout.get().into()),
            domain,
        })
    }
}

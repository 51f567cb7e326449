//! Errors of registries and web servers.

use docker_credential::CredentialRetrievalError;

use crate::limits::{MAX_BLOB, MAX_DEPTH, MAX_LAYOUT, MAX_MODULE, MAX_REFERRERS};
use crate::{Reference, ReferenceError};

/// Why a push, a pull or a download failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name of the image is not valid.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A push has to name a tag.
    #[error("{0}: push to a tag; the digest follows from the image")]
    NoTag(Reference),
    /// The URL is not valid.
    #[error("{0}: invalid URL")]
    Url(String),
    /// The credentials would be readable on the network.
    #[error("the credentials for {registry} would cross the network unencrypted{place}: {remedy}")]
    Unencrypted {
        /// The registry, or the host of a URL.
        registry: String,
        /// Where they would be sent, if that is elsewhere.
        place: String,
        /// What to do instead.
        remedy: &'static str,
    },
    /// The credentials cannot be read.
    #[error("cannot read the credentials for {registry}: repair Docker's config.json")]
    Credentials {
        /// The registry.
        registry: String,
        /// What is wrong.
        source: CredentialRetrievalError,
    },
    /// The credentials have a form that is not supported.
    #[error(
        "the credentials for {0} are an identity token, which is not supported: log in with a name and a password or \
         access token"
    )]
    IdentityToken(String),
    /// The registry requires credentials.
    #[error("{registry} requires credentials: run `docker login {registry}` or `podman login {registry}`")]
    CredentialsRequired {
        /// The registry.
        registry: String,
        /// Its response.
        source: RequestError,
    },
    /// The registry rejects the credentials.
    #[error("{registry} rejects the credentials: run `docker login {registry}` again, or request access")]
    CredentialsRejected {
        /// The registry.
        registry: String,
        /// Its response.
        source: RequestError,
    },
    /// There is no connection to the server.
    #[error("cannot reach {server}")]
    Unreachable {
        /// The registry, or a URL.
        server: String,
        /// Why.
        source: RequestError,
    },
    /// The server responds with an error.
    #[error("{server} responds with an error")]
    Response {
        /// The registry, or a URL.
        server: String,
        /// The error.
        source: RequestError,
    },
    /// The registry does not have the image.
    #[error("{0} does not exist in the registry")]
    NotFound(Reference),
    /// The index of the registry names an image that it does not have.
    #[error("the index names {0}, which does not exist in the registry")]
    NotInRegistry(String),
    /// The tag refers to another image.
    #[error("{reference} already exists as {existing}, and this image is {pushed}")]
    Exists {
        /// The image's name.
        reference: Box<Reference>,
        /// The digest in the registry.
        existing: String,
        /// The digest of the image.
        pushed: String,
    },
    /// The layout has an index of images, whose digest no cluster can pin.
    #[error(
        "an index of images cannot be pushed, because no cluster can pin its digest: push the image alone"
    )]
    Index,
    /// The registry sent something else than what was requested.
    #[error("the registry responded with {received} to a request for {requested}: do not use it")]
    Digest {
        /// The digest that was requested.
        requested: String,
        /// The digest of the response.
        received: String,
    },
    /// The registry sent something of another size.
    #[error("{digest} has {received} bytes, and a manifest declares {declared}")]
    Size {
        /// The digest.
        digest: String,
        /// Its size.
        received: u64,
        /// The size that was expected.
        declared: u64,
    },
    /// A manifest or a list is not valid.
    #[error("{what} is not valid JSON")]
    Json {
        /// What was read.
        what: String,
        /// The error.
        source: serde_json::Error,
    },
    /// A blob is larger than any gateway accepts.
    #[error("{digest} has {size} bytes, and gateways accept at most {MAX_BLOB}")]
    BlobTooLarge {
        /// The digest.
        digest: String,
        /// Its size.
        size: u64,
    },
    /// The image is too large.
    #[error("the image and what is attached to it have more than {MAX_LAYOUT} bytes: this is not a plug-in")]
    TooLarge,
    /// The module is larger than any gateway accepts.
    #[error("{0} has more than {MAX_MODULE} bytes, which no gateway accepts")]
    ModuleTooLarge(String),
    /// Too many artifacts are attached to an image.
    #[error("{0} artifacts are attached to the image, and at most {MAX_REFERRERS} are read")]
    TooManyReferrers(usize),
    /// Indexes refer to indexes.
    #[error("indexes are nested more than {MAX_DEPTH} deep: push the image alone")]
    TooDeep,
    /// A pushed artifact does not come back.
    #[error("{0}, which is attached to the image, was pushed, and the registry does not return it")]
    Lost(String),
    /// A layout cannot be read or written.
    #[error(transparent)]
    Layout(#[from] anyhow::Error),
    /// The HTTP client cannot be made.
    #[error("starting the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The asynchronous runtime cannot be made.
    #[error("starting the asynchronous runtime")]
    Runtime(#[source] std::io::Error),
}

/// Why a single request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection failed.
    #[error("{}", chain(.0))]
    Connection(#[from] reqwest::Error),
    /// The server responded with an error.
    #[error("{url} returned {status}{}", if .message.is_empty() { String::new() } else { format!(": {}", .message) })]
    Status {
        /// The URL.
        url: String,
        /// The status code.
        status: u16,
        /// The text of the response.
        message: String,
    },
    /// The response is longer than allowed.
    #[error("{url} has more than the allowed {limit} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The response is not what the distribution specification prescribes.
    #[error("{url} returned {what}")]
    Invalid {
        /// The URL.
        url: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// The message of an error with its causes: those of `reqwest` alone do not name the reason.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! Images in registries: the options of the commands that access one, and their errors.

#[cfg(not(feature = "registry"))]
use anyhow::Result;
pub(crate) use oci::SCHEME;

/// Options to access a registry.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Access {
    /// Access the registry over HTTP, such as one on this machine.
    #[arg(long)]
    plain_http: bool,
}

/// Pulls an image with its attached artifacts.
#[cfg(not(feature = "registry"))]
pub(crate) fn fetch(_reference: &str, _access: &Access) -> Result<oci::Layout> {
    crate::heavy::replace()
}

#[cfg(feature = "registry")]
pub(crate) use full::{explain, fetch, progress};

#[cfg(feature = "registry")]
mod full {
    use anyhow::{Error, Result};
    use oci::registry::{self, Event};
    use oci::{Layout, Reference};

    use super::Access;
    use crate::{Usage, output};

    impl Access {
        pub(crate) fn library(&self) -> registry::Access {
            registry::Access { plain_http: self.plain_http }
        }
    }

    /// Pulls an image with its attached artifacts.
    pub(crate) fn fetch(reference: &str, access: &Access) -> Result<Layout> {
        let reference = Reference::parse(reference).map_err(Usage::from)?;
        let pulled = registry::pull(&reference, access.library(), &|_| {});
        Ok(pulled.map_err(|error| explain(error, access))?.layout)
    }

    /// Prints progress.
    pub(crate) fn progress(event: &Event<'_>) {
        output::step(event);
    }

    /// Adds options that may help to an error.
    pub(crate) fn explain(error: registry::Error, access: &Access) -> Error {
        match error {
            registry::Error::Reference(_) | registry::Error::NoTag(_) => Usage(error.to_string()).into(),
            registry::Error::Unreachable { server, source } => {
                let remedy = match access.plain_http {
                    true => "A registry with TLS is accessed without --plain-http",
                    false => "A registry without TLS needs --plain-http",
                };
                Error::new(source).context(format!("cannot reach {server}: is the name right? {remedy}"))
            }
            error => error.into(),
        }
    }
}

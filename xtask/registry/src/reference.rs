//! Names of images in registries, as people write them: `oci://registry.example.com/plugins/request-block:1.0.0`.

use anyhow::{Result, bail};
use oci_client::Reference;

use crate::Usage;

const SCHEME: &str = "oci://";

/// Reads a reference, with its scheme or without.
pub(crate) fn parse(text: &str) -> Result<Reference> {
    let bare = text.strip_prefix(SCHEME).unwrap_or(text);
    if bare.starts_with("docker://") || bare.starts_with("http://") || bare.starts_with("https://") {
        bail!(Usage(format!(
            "{text}: write it with oci://, as in oci://registry.example.com/plugins/my-plugin:1.0.0"
        )));
    }
    // The library takes a name without a registry for one of Docker Hub's.
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    if path.is_empty() || !(host.contains(['.', ':']) || host == "localhost") {
        bail!(Usage(format!(
            "{text}: names no registry: write its host first, as in oci://registry.example.com/plugins/my-plugin:1.0.0 \
             or oci://docker.io/me/my-plugin:1.0.0"
        )));
    }
    bare.parse().map_err(|error| {
        Usage(format!("{text}: {error}: write it as oci://registry.example.com/plugins/my-plugin:1.0.0"))
            .into()
    })
}

/// The reference to the same repository with a digest alone.
pub(crate) fn by_digest(reference: &Reference, digest: &str) -> Reference {
    Reference::with_digest(
        reference.registry().to_owned(),
        reference.repository().to_owned(),
        digest.to_owned(),
    )
}

/// The reference to the same repository with another tag.
pub(crate) fn by_tag(reference: &Reference, tag: &str) -> Reference {
    Reference::with_tag(reference.registry().to_owned(), reference.repository().to_owned(), tag.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_a_registry_and_a_repository() {
        for (text, whole) in [
            ("oci://registry.example.com/plugins/a:1.0.0", "registry.example.com/plugins/a:1.0.0"),
            ("127.0.0.1:5000/a:1", "127.0.0.1:5000/a:1"),
            ("oci://localhost/a", "localhost/a:latest"),
        ] {
            assert_eq!(parse(text).unwrap().whole(), whole, "{text}");
        }
        for text in
            ["", "a:1", "oci://a/b:1", "oci://registry.example.com", "docker://x.y/a", "oci://x.y/A B"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.is::<Usage>(), "{text}: {error}");
            assert!(
                error.to_string().contains("as in oci://") || error.to_string().contains("as oci://"),
                "{error}"
            );
        }
    }
}

//! An image that cannot change: named by its digest.

use std::fmt;

/// The scheme of a reference to an image in a registry.
pub const SCHEME: &str = "oci://";

/// Digits of a SHA-256 digest in hexadecimal.
const DIGITS: usize = 64;

/// An image in a registry, by its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Registry and repository: `registry.example.com/plugins/request-block`.
    pub repository: String,
    /// The manifest's digest, its digits alone.
    pub sha256: String,
}

/// Why a text does not name an image by its digest; it ends with what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedError(String);

impl fmt::Display for PinnedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PinnedError {}

impl Pinned {
    /// Reads `oci://HOST/REPOSITORY[:TAG]@sha256:…`. A tag is left out: beside a digest it means nothing.
    ///
    /// # Errors
    ///
    /// The part that is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, PinnedError> {
        let refuse = |what: &str| {
            PinnedError(format!(
                "{text}: {what}, as in oci://registry.example.com/plugins/request-block@sha256:… (`cargo xtask push` \
                 prints it, and `cargo xtask verify` the digest of any image)"
            ))
        };
        let Some(bare) = text.strip_prefix(SCHEME) else { return Err(refuse("write it with oci://")) };
        let Some((name, digest)) = bare.split_once('@') else {
            return Err(refuse(
                "is not pinned, and a tag can mean another image tomorrow: add @ and the digest",
            ));
        };
        let Some(sha256) = digest.strip_prefix("sha256:") else {
            return Err(refuse("the digest does not begin with `sha256:`: write it"));
        };
        if sha256.len() != DIGITS || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(refuse(&format!(
                "the digest has {} characters: write the {DIGITS} digits and letters from a to f",
                sha256.chars().count()
            )));
        }
        let (host, path) = name.split_once('/').unwrap_or((name, ""));
        // The last colon begins a tag, unless it belongs to the host's port.
        let path = path.split(':').next().unwrap_or_default();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
        if path.is_empty() || !path.chars().all(allowed) || path.split('/').any(str::is_empty) {
            return Err(refuse("names no repository of lower-case words behind its host: write one"));
        }
        if !(host.contains(['.', ':']) || host == "localhost") {
            return Err(refuse("names no registry: write its host first"));
        }
        Ok(Self { repository: format!("{host}/{path}"), sha256: sha256.to_owned() })
    }

    /// As Envoy Gateway wants it: without a scheme.
    pub fn reference(&self) -> String {
        format!("{}@sha256:{}", self.repository, self.sha256)
    }

    /// As the WasmPlugin resources want it.
    pub fn url(&self) -> String {
        format!("{SCHEME}{}", self.reference())
    }

    /// The last word of the repository's name, which usually is the plug-in's.
    pub fn last_word(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_pinned_image_is_taken_apart() {
        for (name, repository) in [
            ("registry.example.com/plugins/request-block", "registry.example.com/plugins/request-block"),
            ("127.0.0.1:5000/request-block:1.0.0", "127.0.0.1:5000/request-block"),
            ("localhost/a/b_c.d:v1", "localhost/a/b_c.d"),
        ] {
            let pinned = Pinned::parse(&format!("oci://{name}@sha256:{HEX}")).unwrap();
            assert_eq!((pinned.repository.as_str(), pinned.sha256.as_str()), (repository, HEX));
            assert_eq!(pinned.url(), format!("oci://{repository}@sha256:{HEX}"));
        }
    }

    #[test]
    fn what_is_not_pinned_says_what_to_write() {
        for (text, words) in [
            ("oci://r.example.com/a:1.0.0".to_owned(), "is not pinned"),
            ("oci://r.example.com/a@sha256:abc".to_owned(), "has 3 characters"),
            (
                format!("oci://r.example.com/a@sha256:{}", HEX.to_uppercase()),
                "digits and letters from a to f",
            ),
            (format!("oci://r.example.com/a@sha512:{HEX}"), "does not begin with `sha256:`"),
            (format!("r.example.com/a@sha256:{HEX}"), "with oci://"),
            (format!("docker://r.example.com/a@sha256:{HEX}"), "with oci://"),
            (format!("oci://plugins/a@sha256:{HEX}"), "names no registry"),
            (format!("oci://r.example.com@sha256:{HEX}"), "names no repository"),
            (format!("oci://r.example.com/A@sha256:{HEX}"), "lower-case"),
        ] {
            let error = Pinned::parse(&text).unwrap_err();
            assert!(error.to_string().contains(words), "{text} gave {error}");
        }
    }
}

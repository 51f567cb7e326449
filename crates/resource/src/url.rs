//! Where a module is: a `url` with its scheme.

use crate::Spec;

/// The schemes that have a host or a path behind them.
const SCHEMES: [&str; 4] = ["oci", "http", "https", "file"];

impl Spec {
    /// Where the module is, with its scheme in lower case: `oci://`, `http://`, `https://`, `file://`, or `workspace:`. A
    /// `url` without a scheme is an image (`oci://`), as in the published APIs. What is neither, a path among others, stays as
    /// it is written.
    #[must_use]
    pub fn location(&self) -> String {
        let url = self.url.trim();
        if let Some((scheme, rest)) = url.split_once("://") {
            let lower = scheme.to_ascii_lowercase();
            return if SCHEMES.contains(&lower.as_str()) {
                format!("{lower}://{rest}")
            } else {
                url.to_owned()
            };
        }
        if let Some(path) = url.strip_prefix("file:").filter(|path| path.starts_with('/')) {
            return format!("file://{path}");
        }
        // `localhost:5000/x` is a host with its port, `workspace:x` a plug-in whose source is at hand.
        let has_host =
            url.split_once('/').is_some_and(|(host, _)| host.contains(['.', ':']) || host == "localhost");
        let is_file = url.starts_with(['.', '/']) || (url.ends_with(".wasm") && !has_host);
        let is_other = url.is_empty() || url.starts_with("workspace:") || is_file;
        if is_other { url.to_owned() } else { format!("oci://{url}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_scheme_is_an_image() {
        for (url, location) in [
            ("quay.io/my-username/my-plugin:latest", "oci://quay.io/my-username/my-plugin:latest"),
            ("127.0.0.1:19500/p/docker:1.0.0", "oci://127.0.0.1:19500/p/docker:1.0.0"),
            ("localhost:5000/x", "oci://localhost:5000/x"),
            ("[::1]:5000/x", "oci://[::1]:5000/x"),
            ("registry:5000/x@sha256:00", "oci://registry:5000/x@sha256:00"),
            ("me/x", "oci://me/x"),
            ("x", "oci://x"),
            ("r.example.com/x.wasm", "oci://r.example.com/x.wasm"),
            // Files, by their look: an image of that name is hardly meant.
            ("x.wasm", "x.wasm"),
            ("modules/x.wasm", "modules/x.wasm"),
            (" oci://r.example.com/x \n", "oci://r.example.com/x"),
            ("OCI://r.example.com/X:1", "oci://r.example.com/X:1"),
            ("Https://example.com/X.wasm", "https://example.com/X.wasm"),
            ("FILE:///opt/x.wasm", "file:///opt/x.wasm"),
            ("file:/opt/x.wasm", "file:///opt/x.wasm"),
            ("file://modules/x.wasm", "file://modules/x.wasm"),
            ("workspace:request-block", "workspace:request-block"),
            ("docker://r.example.com/x", "docker://r.example.com/x"),
            ("./x.wasm", "./x.wasm"),
            ("/opt/x.wasm", "/opt/x.wasm"),
            ("", ""),
        ] {
            assert_eq!(Spec { url: url.into(), ..Spec::default() }.location(), location, "{url}");
        }
    }
}

//! The plug-in of Higress's catalogue that a resource of an existing installation deploys.

use serde_json::Value;

use crate::WasmPlugin;
use crate::annotation::{self, SOURCE, WORKSPACE};
use crate::names::canonical;

/// Labels that Higress's console writes into its resources.
const LABEL_NAME: &str = "higress.io/wasm-plugin-name";

/// The plug-ins of Higress's catalogue, all languages, in alphabetical order.
const CATALOGUE: [&str; 59] = [
    "ai-agent",
    "ai-cache",
    "ai-data-masking",
    "ai-history",
    "ai-image-reader",
    "ai-intent",
    "ai-json-resp",
    "ai-load-balancer",
    "ai-prompt-decorator",
    "ai-prompt-template",
    "ai-proxy",
    "ai-quota",
    "ai-rag",
    "ai-search",
    "ai-security-guard",
    "ai-statistics",
    "ai-token-ratelimit",
    "ai-transformer",
    "api-workflow",
    "basic-auth",
    "bot-detect",
    "cache-control",
    "chatgpt-proxy",
    "cluster-key-rate-limit",
    "cors",
    "custom-response",
    "de-graphql",
    "ext-auth",
    "frontend-gray",
    "geo-ip",
    "gw-error-format",
    "hello-world",
    "hmac-auth",
    "hmac-auth-apisix",
    "http-real-ip",
    "ip-restriction",
    "jsonrpc-converter",
    "jwt-auth",
    "key-auth",
    "key-rate-limit",
    "log-request-response",
    "mcp-router",
    "mcp-server",
    "model-mapper",
    "model-router",
    "nginx-migration",
    "oauth",
    "oidc",
    "opa",
    "replay-protection",
    "request-block",
    "request-validation",
    "response-cache",
    "say-hello",
    "simple-jwt-auth",
    "sni-misdirect",
    "traffic-tag",
    "transformer",
    "waf",
];

/// Plug-ins of Higress's catalogue whose counterparts here have other names.
const RENAMED: [(&str, &str); 2] = [("hmac-auth-apisix", "hmac-auth"), ("http-real-ip", "real-ip")];

/// The field of a resource that names its plug-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The image or the path of `url`.
    Url,
    /// `pluginName`, or the name of an entry of an EnvoyExtensionPolicy.
    PluginName,
    /// The annotation that names a plug-in of a workspace.
    Annotation,
    /// The label of Higress's console.
    Label,
    /// The resource's own name.
    ResourceName,
}

/// The plug-in that a resource names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The plug-in's name, in lower case with hyphens.
    pub name: String,
    /// Its version, if the resource gives one.
    pub version: Option<String>,
    /// The field that names it.
    pub evidence: Evidence,
}

/// Returns true for a plug-in of Higress's catalogue.
#[must_use]
pub fn is_in_catalogue(name: &str) -> bool {
    CATALOGUE.binary_search(&name).is_ok()
}

/// Returns the name of the plug-in that takes the place of one of Higress's catalogue, if there is one here.
#[must_use]
pub fn counterpart(name: &str) -> &str {
    RENAMED.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}

impl WasmPlugin {
    /// Returns the plug-in that the resource names, if it is one of those that `is_known` accepts.
    ///
    /// Fields are tried in this order: the annotation of `portcullis plugin`, `url`, `pluginName`, the label of
    /// Higress's console, the resource's name. Each may end with a version, as in `request-block-1.0.0`.
    #[must_use]
    pub fn named(&self, is_known: impl Fn(&str) -> bool) -> Option<Named> {
        let label =
            self.metadata.get("labels").and_then(|labels| labels.get(LABEL_NAME)).and_then(Value::as_str);
        let location = self.spec.location();
        let mut candidates = vec![
            (Evidence::Annotation, annotation::get(self, SOURCE).unwrap_or_default().to_owned(), None),
            (Evidence::Url, location.strip_prefix(WORKSPACE).unwrap_or_default().to_owned(), None),
        ];
        candidates
            .extend(from_url(&location).into_iter().map(|(name, version)| (Evidence::Url, name, version)));
        for (evidence, text) in [
            (Evidence::PluginName, self.spec.plugin_name.as_str()),
            (Evidence::PluginName, self.extension.name.as_str()),
            (Evidence::Label, label.unwrap_or_default()),
            (Evidence::ResourceName, annotation::metadata(self, "name")),
        ] {
            candidates.push((evidence, text.to_owned(), None));
        }
        candidates.into_iter().find_map(|(evidence, text, version)| {
            let text = canonical(&text);
            if is_known(&text) {
                return Some(Named { name: text, version, evidence });
            }
            let (name, suffix) = split_version(&text)?;
            is_known(name).then(|| Named {
                name: name.to_owned(),
                version: version.or_else(|| Some(suffix.to_owned())),
                evidence,
            })
        })
    }
}

/// The names that a URL may have for a plug-in, with the version beside each: an image's repository, a file, and the
/// folders of a file, as in `…/request-block/1.0.0/plugin.wasm` on Higress's plug-in server.
fn from_url(location: &str) -> Vec<(String, Option<String>)> {
    let path = location.split_once("://").map_or(location, |(_, path)| path);
    let path = path.split(['?', '#', '@']).next().unwrap_or_default();
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let (image, tag) =
        last.split_once(':').map_or((last, None), |(image, tag)| (image, Some(tag.to_owned())));
    let above = parts.next().unwrap_or_default();
    let two_above = parts.next().unwrap_or_default();
    let version = is_version(above).then(|| above.to_owned());
    vec![
        (image.to_owned(), tag),
        (image.trim_end_matches(".wasm").to_owned(), version.clone()),
        (above.to_owned(), None),
        (two_above.to_owned(), version),
    ]
}

fn is_version(text: &str) -> bool {
    text.contains('.') && text.split('.').all(|part| part.parse::<u32>().is_ok())
}

/// `request-block-1.0.0` is request-block of version 1.0.0.
fn split_version(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(_, version)| version.split('.').all(|part| part.parse::<u32>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<(String, Option<String>, Evidence)> {
        let resource = WasmPlugin::from_yaml(text).unwrap();
        resource.named(is_in_catalogue).map(|named| (named.name, named.version, named.evidence))
    }

    fn higress(metadata: &str, spec: &str) -> String {
        format!(
            "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{ {metadata} }}\nspec: {{ {spec} }}\n"
        )
    }

    #[test]
    fn the_catalogue_is_sorted() {
        assert!(CATALOGUE.is_sorted());
        assert!(RENAMED.iter().all(|(theirs, ours)| is_in_catalogue(theirs) && counterpart(theirs) == *ours));
    }

    #[test]
    fn a_plug_in_is_named_by_its_image_server_name_label_or_resource() {
        let host = "higress-registry.cn-hangzhou.cr.aliyuncs.com";
        let digest = "a".repeat(64);
        for (metadata, spec, name, version, evidence) in [
            (
                "name: x",
                format!("url: 'oci://{host}/plugins/request-block:1.0.0'"),
                "request-block",
                Some("1.0.0"),
                Evidence::Url,
            ),
            (
                "name: x",
                format!("url: '{host}/plugins/request_block:2.0.0'"),
                "request-block",
                Some("2.0.0"),
                Evidence::Url,
            ),
            (
                "name: x",
                format!("url: 'oci://{host}/plugins/key-auth@sha256:{digest}'"),
                "key-auth",
                None,
                Evidence::Url,
            ),
            (
                "name: x",
                "url: 'http://higress-plugin-server.higress-system.svc/plugins/ext-auth/1.0.0/plugin.wasm'"
                    .to_owned(),
                "ext-auth",
                Some("1.0.0"),
                Evidence::Url,
            ),
            (
                "name: x",
                "url: 'file:///opt/plugins/ai-proxy/plugin.wasm'".to_owned(),
                "ai-proxy",
                None,
                Evidence::Url,
            ),
            (
                "name: x",
                "url: 'https://example.com/key-rate-limit.wasm'".to_owned(),
                "key-rate-limit",
                None,
                Evidence::Url,
            ),
            (
                "name: x",
                "pluginName: key-rate-limit".to_owned(),
                "key-rate-limit",
                None,
                Evidence::PluginName,
            ),
            (
                "name: x",
                "pluginName: key-rate-limit-1.2.0".to_owned(),
                "key-rate-limit",
                Some("1.2.0"),
                Evidence::PluginName,
            ),
            (
                "name: x, labels: { higress.io/wasm-plugin-name: waf }",
                "priority: 1".to_owned(),
                "waf",
                None,
                Evidence::Label,
            ),
            (
                "name: say-hello-1.0.0",
                "priority: 1".to_owned(),
                "say-hello",
                Some("1.0.0"),
                Evidence::ResourceName,
            ),
        ] {
            let text = higress(metadata, &spec);
            let expected = (name.to_owned(), version.map(str::to_owned), evidence);
            assert_eq!(named(&text), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_image_of_another_name_is_not_known() {
        assert_eq!(
            named(&higress("name: my-filter", "url: 'oci://registry.example.com/team/my-filter:3'")),
            None
        );
    }
}

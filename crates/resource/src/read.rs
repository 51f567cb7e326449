//! Finds the resources in what a file holds: alone, and in lists as `kubectl get -o yaml` prints them.

use config::{ConfigError, nearest};

use crate::yaml::Node;
use crate::{ControlPlane, WasmPlugin, control_plane};

/// How deep lists may stand in lists.
const MAX_DEPTH: usize = 16;

/// Something that a document holds.
#[derive(Debug)]
pub struct Found<'n> {
    /// Where it is in the document: nothing for the document itself, `items[2]` in a list.
    pub place: String,
    /// The entries that lead to it, of lists in lists the outer one's first.
    pub items: Vec<usize>,
    /// What is written there.
    pub node: &'n Node,
    /// What it is.
    pub content: Content,
    /// What is wrong with it, each error with its place in `node`.
    pub errors: Vec<ConfigError>,
}

/// What something in a document is.
#[derive(Debug)]
pub enum Content {
    /// The plug-ins that a resource deploys, without what is wrong.
    Plugins(Vec<WasmPlugin>),
    /// A resource of a kind that deploys no plug-in.
    Other {
        /// Its kind.
        kind: String,
    },
    /// No resource; a plug-in's own fields.
    Fields,
}

impl Found<'_> {
    /// A place in the document of a place in this.
    #[must_use]
    pub fn path(&self, inner: &str) -> String {
        match (self.place.as_str(), inner) {
            ("", inner) => inner.to_owned(),
            (outer, "") => outer.to_owned(),
            (outer, inner) if inner.starts_with('[') => format!("{outer}{inner}"),
            (outer, inner) => format!("{outer}.{inner}"),
        }
    }
}

/// What a document holds, in the order of the text. An empty document (`---` with nothing behind it) holds nothing.
#[must_use]
pub fn read(document: &Node) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    if !document.to_json().is_null() {
        collect(document, "", &[], None, &mut found);
    }
    found
}

/// `of` is the API of a list whose entries need not repeat it.
fn collect<'n>(
    node: &'n Node,
    place: &str,
    items: &[usize],
    of: Option<ControlPlane>,
    found: &mut Vec<Found<'n>>,
) {
    let written =
        |key: &str| node.get(key).map(Node::to_json).and_then(|value| value.as_str().map(str::to_owned));
    let of = of.filter(|_| node.get("kind").is_none() && node.get("apiVersion").is_none());
    let text = |key: &str| match (key, of) {
        ("kind", Some(plane)) => Some(plane.kind().to_owned()),
        ("apiVersion", Some(plane)) => Some(plane.api_version().to_owned()),
        _ => written(key),
    };
    let is_list = text("kind").is_some_and(|kind| {
        kind == "List"
            || ControlPlane::ALL.into_iter().any(|plane| kind.strip_suffix("List") == Some(plane.kind()))
    });
    if let Some(list) = node.get("items").filter(|_| is_list && items.len() < MAX_DEPTH) {
        let dot = if place.is_empty() { "" } else { "." };
        for (index, entry) in list.entries().iter().enumerate() {
            let items = [items, &[index]].concat();
            let of = ControlPlane::ALL.into_iter().find(|plane| {
                text("apiVersion").as_deref() == Some(plane.api_version())
                    && text("kind").is_some_and(|kind| kind.strip_suffix("List") == Some(plane.kind()))
            });
            collect(entry, &format!("{place}{dot}items[{index}]"), &items, of, found);
        }
        return;
    }
    let (content, errors) = match text("kind") {
        Some(kind) if is_foreign(&kind, text("apiVersion").as_deref()) => {
            (Content::Other { kind }, Vec::new())
        }
        // An entry of a list is a resource whatever it looks like.
        _ if is_resource(node) || !items.is_empty() => {
            let mut resource = node.to_json();
            if let (Some(plane), Some(fields)) = (of, resource.as_object_mut()) {
                fields.insert("apiVersion".into(), plane.api_version().into());
                fields.insert("kind".into(), plane.kind().into());
            }
            let (plugins, errors) = control_plane::plugins(&resource);
            (Content::Plugins(plugins), errors)
        }
        _ => (Content::Fields, Vec::new()),
    };
    found.push(Found { place: place.to_owned(), items: items.to_vec(), node, content, errors });
}

/// Whether something is a resource, if a faulty one, and not a plug-in's fields.
fn is_resource(node: &Node) -> bool {
    let has = |key: &str| node.get(key).is_some();
    has("apiVersion") || (has("spec") && has("metadata")) || (has("kind") && (has("metadata") || has("spec")))
}

/// Whether it is a resource of another kind, and no misspelt plug-in.
fn is_foreign(kind: &str, version: Option<&str>) -> bool {
    let Some(version) = version else { return false };
    let of = |plane: ControlPlane| (plane.api_version().split('/').next().unwrap_or_default(), plane.kind());
    let group = version.split('/').next().unwrap_or_default();
    let known_group = ControlPlane::ALL.into_iter().any(|plane| of(plane).0 == group);
    if ControlPlane::ALL.into_iter().any(|plane| plane.kind() == kind) {
        return false;
    }
    // `gateway.envoyproxy.io` has other kinds too: one that is a slip of the pen is meant as ours.
    let slip = ControlPlane::ALL.into_iter().any(|plane| nearest(kind, &[plane.kind()]).is_some());
    let near_group = ControlPlane::ALL.into_iter().any(|plane| nearest(group, &[of(plane).0]).is_some());
    !(slip && (known_group || near_group))
}

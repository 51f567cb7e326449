//! Compiles a schema: finds its parts by their names, and reads their keywords.

use std::collections::BTreeMap;

use matcher::case::Case;
use matcher::regexes::Regexes;
use serde_json::{Map, Value};

use crate::error::SchemaError;
use crate::format::Format;
use crate::schema::{Draft, Keyword, Node, NodeId, Options, Pattern, Properties, Schema, kind};
use crate::uri;
use crate::validate::escape;
use crate::value::{Json, Number};

/// The maximum number of parts of a schema.
const MAX_NODES: usize = 10_000;

/// The maximum number of expressions, each of which has a cache.
const MAX_PATTERNS: usize = 500;

/// Keywords whose value is a schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// Keywords whose value is a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

/// Keywords whose value has schemas by name.
const NAMED: [&str; 6] =
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

pub(crate) fn compile(root: &Value, options: Options) -> Result<Schema, SchemaError> {
    let draft = draft(root, options.draft)?;
    let index = Index::new(root, draft);
    let mut compiler = Compiler {
        index: &index,
        draft,
        formats: options.formats,
        places: Vec::new(),
        ids: BTreeMap::new(),
        patterns: 0,
    };
    compiler.node("")?;
    for place in index.dynamic.values() {
        compiler.node(place)?;
    }
    let mut nodes = Vec::new();
    while let Some(place) = compiler.places.get(nodes.len()).cloned() {
        let value = index.value(&place).ok_or_else(|| error(&place, "is missing"))?;
        let keywords = compiler.keywords(&place, value)?;
        nodes.push(Node { resource: index.resource(&place).0, keywords, place });
    }
    let ids = &compiler.ids;
    let dynamic =
        index.dynamic.iter().filter_map(|(key, place)| Some((key.clone(), *ids.get(place)?))).collect();
    let is_unevaluated = |keyword: &Keyword| {
        matches!(keyword, Keyword::UnevaluatedItems(_) | Keyword::UnevaluatedProperties(_))
    };
    let tracks =
        nodes.iter().any(|node: &Node| node.keywords.iter().any(|(_, keyword)| is_unevaluated(keyword)));
    Ok(Schema { nodes, dynamic, tracks })
}

fn error(place: &str, message: impl Into<String>) -> SchemaError {
    SchemaError { place: place.to_owned(), message: message.into() }
}

fn draft(root: &Value, default: Draft) -> Result<Draft, SchemaError> {
    let Some(name) = root.get("$schema") else { return Ok(default) };
    let name = name.as_str().unwrap_or_default().trim_end_matches('#');
    match name.split_once("://").map_or("", |(_, rest)| rest) {
        "json-schema.org/draft-04/schema" => Ok(Draft::Draft4),
        "json-schema.org/draft-07/schema" => Ok(Draft::Draft7),
        "json-schema.org/draft/2020-12/schema" => Ok(Draft::Draft2020),
        _ => {
            let message = "is not a supported version: write http://json-schema.org/draft-07/schema#, \
                           http://json-schema.org/draft-04/schema# or https://json-schema.org/draft/2020-12/schema";
            Err(error("/$schema", message))
        }
    }
}

/// The named parts of a schema.
struct Index<'v> {
    root: &'v Value,
    /// Parts with an identifier, and the root, by place: their numbers and URIs.
    resources: BTreeMap<String, (usize, String)>,
    /// Their places by URI.
    by_uri: BTreeMap<String, String>,
    /// Places by the URI of the resource, and the name of the anchor.
    anchors: BTreeMap<(String, String), String>,
    /// Places by the number of the resource, and the name of the dynamic anchor.
    dynamic: BTreeMap<(usize, String), String>,
}

impl<'v> Index<'v> {
    fn new(root: &'v Value, draft: Draft) -> Self {
        let mut index = Self {
            root,
            resources: BTreeMap::from([(String::new(), (0, String::new()))]),
            by_uri: BTreeMap::from([(String::new(), String::new())]),
            anchors: BTreeMap::new(),
            dynamic: BTreeMap::new(),
        };
        let mut parts = vec![(String::new(), root, 0, String::new())];
        while let Some((place, value, resource, base)) = parts.pop() {
            let Value::Object(fields) = value else { continue };
            let (resource, base) = index.name(&place, fields, draft, resource, base);
            let mut add =
                |place: String, value: &'v Value| parts.push((place, value, resource, base.clone()));
            for (key, value) in fields {
                let place = format!("{place}/{}", escape(key));
                match value {
                    Value::Array(entries) if LIST.contains(&key.as_str()) => {
                        for (number, entry) in entries.iter().enumerate() {
                            add(format!("{place}/{number}"), entry);
                        }
                    }
                    Value::Object(entries) if NAMED.contains(&key.as_str()) => {
                        for (name, entry) in entries {
                            add(format!("{place}/{}", escape(name)), entry);
                        }
                    }
                    Value::Object(_) if ONE.contains(&key.as_str()) => add(place, value),
                    _ => {}
                }
            }
        }
        index
    }

    /// Records the names of a part, and returns the resource and the base of what is in it.
    fn name(
        &mut self,
        place: &str,
        fields: &Map<String, Value>,
        draft: Draft,
        mut resource: usize,
        mut base: String,
    ) -> (usize, String) {
        let text = |key: &str| fields.get(key).and_then(Value::as_str);
        let hides_names = draft <= Draft::Draft7 && fields.contains_key("$ref");
        let id = if draft == Draft::Draft4 { "id" } else { "$id" };
        if let Some(id) = text(id).filter(|_| !hides_names) {
            let (uri, fragment) = uri::resolve(&base, id);
            if !id.starts_with('#') {
                if !place.is_empty() {
                    resource = self.resources.len();
                }
                self.resources.insert(place.to_owned(), (resource, uri.clone()));
                self.by_uri.insert(uri.clone(), place.to_owned());
                base = uri;
            }
            if !fragment.is_empty() {
                self.anchors.insert((base.clone(), fragment), place.to_owned());
            }
        }
        if draft == Draft::Draft2020 {
            let dynamic = text("$dynamicAnchor");
            for anchor in text("$anchor").into_iter().chain(dynamic) {
                self.anchors.insert((base.clone(), anchor.to_owned()), place.to_owned());
            }
            if let Some(anchor) = dynamic {
                self.dynamic.insert((resource, anchor.to_owned()), place.to_owned());
            }
        }
        (resource, base)
    }

    /// The resource that a place belongs to: the closest part with an identifier around it.
    fn resource(&self, place: &str) -> (usize, &str) {
        let mut end = place.len();
        loop {
            let prefix = place.get(..end).unwrap_or_default();
            if let Some((number, uri)) = self.resources.get(prefix) {
                return (*number, uri);
            }
            match prefix.rfind('/') {
                Some(start) => end = start,
                None => return (0, ""),
            }
        }
    }

    fn value(&self, place: &str) -> Option<&'v Value> {
        self.root.pointer(place)
    }

    /// The place that a reference in `place` means.
    fn target(&self, place: &str, reference: &str) -> Option<String> {
        let (_, base) = self.resource(place);
        let (uri, fragment) = uri::resolve(base, reference);
        let fragment = text::percent::decode(fragment.as_bytes());
        let fragment = str::from_utf8(&fragment).ok()?;
        if fragment.is_empty() || fragment.starts_with('/') {
            let target = format!("{}{fragment}", self.by_uri.get(&uri)?);
            return self.value(&target).map(|_| target);
        }
        self.anchors.get(&(uri, fragment.to_owned())).cloned()
    }
}

struct Compiler<'i, 'v> {
    index: &'i Index<'v>,
    draft: Draft,
    formats: bool,
    /// The parts in the order of their numbers.
    places: Vec<String>,
    ids: BTreeMap<String, NodeId>,
    patterns: usize,
}

impl Compiler<'_, '_> {
    /// The number of the part at a place.
    fn node(&mut self, place: &str) -> Result<NodeId, SchemaError> {
        if let Some(id) = self.ids.get(place) {
            return Ok(*id);
        }
        match self.index.value(place) {
            Some(Value::Object(_) | Value::Bool(_)) => {}
            _ => return Err(error(place, "must be a schema: write an object, `true` or `false`")),
        }
        let id = self.places.len();
        if id == MAX_NODES {
            let message = format!("has more than {MAX_NODES} parts: use references for parts that are alike");
            return Err(error("", message));
        }
        self.places.push(place.to_owned());
        self.ids.insert(place.to_owned(), id);
        Ok(id)
    }

    fn pattern(&mut self, place: &str, pattern: &str) -> Result<Pattern, SchemaError> {
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err(error(place, format!("is one of more than {MAX_PATTERNS} expressions: remove some")));
        }
        if pattern.is_empty() {
            return Ok(Pattern(None));
        }
        let regexes =
            Regexes::new(&[pattern], Case::Sensitive).map_err(|cause| error(place, cause.message))?;
        Ok(Pattern(Some(regexes)))
    }

    fn keywords(&mut self, place: &str, value: &Value) -> Result<Vec<(&'static str, Keyword)>, SchemaError> {
        let fields = match value {
            Value::Bool(true) => return Ok(Vec::new()),
            Value::Object(fields) => fields,
            _ => return Ok(vec![("", Keyword::False)]),
        };
        let part = Part { place, fields };
        let mut keywords = Vec::new();
        let draft = self.draft;
        if let Some(reference) = part.text("$ref")? {
            keywords.push(("$ref", Keyword::Ref(self.reference(&part, "$ref", reference)?)));
            if draft <= Draft::Draft7 {
                return Ok(keywords);
            }
        }
        let modern = draft == Draft::Draft2020;
        if let Some(reference) = part.text("$dynamicRef")?.filter(|_| modern) {
            let node = self.reference(&part, "$dynamicRef", reference)?;
            let anchor = reference.rsplit('#').next().unwrap_or_default();
            let target = self.places.get(node).and_then(|place| self.index.value(place));
            let is_dynamic =
                target.is_some_and(|target| target.get("$dynamicAnchor") == Some(&anchor.into()));
            let keyword = match is_dynamic {
                true => Keyword::DynamicRef { node, anchor: anchor.to_owned() },
                false => Keyword::Ref(node),
            };
            keywords.push(("$dynamicRef", keyword));
        }
        if let Some(kinds) = fields.get("type") {
            keywords.push(("type", Keyword::Type(part.kinds(kinds)?)));
        }
        if let Some(value) = fields.get("const").filter(|_| draft >= Draft::Draft7) {
            keywords.push(("const", Keyword::Const(Json::from(value))));
        }
        if let Some(values) = part.list("enum")? {
            keywords.push(("enum", Keyword::Enum(values.iter().map(Json::from).collect())));
        }
        part.limits(draft, &mut keywords)?;
        let mut count = |name, keyword: fn(usize) -> Keyword| -> Result<(), SchemaError> {
            keywords.extend(part.count(name)?.map(|limit| (name, keyword(limit))));
            Ok(())
        };
        count("minLength", Keyword::MinLength)?;
        count("maxLength", Keyword::MaxLength)?;
        count("minItems", Keyword::MinItems)?;
        count("maxItems", Keyword::MaxItems)?;
        count("minProperties", Keyword::MinProperties)?;
        count("maxProperties", Keyword::MaxProperties)?;
        if let Some(pattern) = part.text("pattern")? {
            keywords.push(("pattern", Keyword::Pattern(self.pattern(&part.at("pattern"), pattern)?)));
        }
        if let Some(format) = part.text("format")?.and_then(Format::of).filter(|_| self.formats) {
            keywords.push(("format", Keyword::Format(format)));
        }
        if part.flag("uniqueItems")? {
            keywords.push(("uniqueItems", Keyword::UniqueItems));
        }
        if let Some(required) = fields.get("required") {
            keywords.push(("required", Keyword::Required(names(&part.at("required"), required)?)));
        }
        self.dependencies(&part, &mut keywords)?;
        self.items(&part, &mut keywords)?;
        self.properties(&part, &mut keywords)?;
        if draft >= Draft::Draft7 && fields.contains_key("propertyNames") {
            keywords.push(("propertyNames", Keyword::PropertyNames(self.inner(&part, "propertyNames")?)));
        }
        for (name, keyword) in [
            ("allOf", Keyword::AllOf as fn(Vec<NodeId>) -> Keyword),
            ("anyOf", Keyword::AnyOf),
            ("oneOf", Keyword::OneOf),
        ] {
            if part.list(name)?.is_some() {
                keywords.push((name, keyword(self.inner_list(&part, name)?)));
            }
        }
        if fields.contains_key("not") {
            keywords.push(("not", Keyword::Not(self.inner(&part, "not")?)));
        }
        if draft >= Draft::Draft7 && fields.contains_key("if") {
            let condition = self.inner(&part, "if")?;
            let mut branch = |name| fields.contains_key(name).then(|| self.inner(&part, name)).transpose();
            let (then, otherwise) = (branch("then")?, branch("else")?);
            keywords.push(("if", Keyword::If { condition, then, otherwise }));
        }
        // Last, because they depend on what the others have evaluated.
        if modern && fields.contains_key("unevaluatedItems") {
            let node = self.inner(&part, "unevaluatedItems")?;
            keywords.push(("unevaluatedItems", Keyword::UnevaluatedItems(node)));
        }
        if modern && fields.contains_key("unevaluatedProperties") {
            let node = self.inner(&part, "unevaluatedProperties")?;
            keywords.push(("unevaluatedProperties", Keyword::UnevaluatedProperties(node)));
        }
        Ok(keywords)
    }

    fn reference(&mut self, part: &Part<'_>, key: &str, reference: &str) -> Result<NodeId, SchemaError> {
        let Some(target) = self.index.target(part.place, reference) else {
            let message = format!(
                "refers to `{reference}`, which is not in this schema, and nothing is fetched: copy it into `definitions`, and \
                 write `#/definitions/NAME`"
            );
            return Err(error(&part.at(key), message));
        };
        self.node(&target)
    }

    fn inner(&mut self, part: &Part<'_>, key: &str) -> Result<NodeId, SchemaError> {
        self.node(&part.at(key))
    }

    fn inner_list(&mut self, part: &Part<'_>, key: &str) -> Result<Vec<NodeId>, SchemaError> {
        let count = part.list(key)?.map_or(0, Vec::len);
        (0..count).map(|number| self.node(&format!("{}/{number}", part.at(key)))).collect()
    }

    fn dependencies(
        &mut self,
        part: &Part<'_>,
        keywords: &mut Vec<(&'static str, Keyword)>,
    ) -> Result<(), SchemaError> {
        let (mut required, mut schemas) = (Vec::new(), Vec::new());
        let modern = self.draft == Draft::Draft2020;
        for key in if modern { &["dependentRequired", "dependentSchemas"][..] } else { &["dependencies"] } {
            for (name, value) in part.object(key)?.into_iter().flatten() {
                let place = format!("{}/{}", part.at(key), escape(name));
                match value {
                    Value::Array(_) if *key != "dependentSchemas" => {
                        required.push((name.clone(), names(&place, value)?));
                    }
                    _ if *key == "dependentRequired" => {
                        return Err(error(&place, "must be a list of names"));
                    }
                    _ => schemas.push((name.clone(), self.node(&place)?)),
                }
            }
        }
        if !required.is_empty() {
            let name = if modern { "dependentRequired" } else { "dependencies" };
            keywords.push((name, Keyword::DependentRequired(required)));
        }
        if !schemas.is_empty() {
            keywords.push(("dependentSchemas", Keyword::DependentSchemas(schemas)));
        }
        Ok(())
    }

    fn items(
        &mut self,
        part: &Part<'_>,
        keywords: &mut Vec<(&'static str, Keyword)>,
    ) -> Result<(), SchemaError> {
        let modern = self.draft == Draft::Draft2020;
        let items = part.fields.get("items");
        let list = if modern { "prefixItems" } else { "items" };
        let (mut first, mut rest) = (Vec::new(), None);
        if matches!(part.fields.get(list), Some(Value::Array(_))) {
            first = self.inner_list(part, list)?;
            if !modern && part.fields.contains_key("additionalItems") {
                rest = Some(self.inner(part, "additionalItems")?);
            }
        }
        if items.is_some_and(|items| modern || !items.is_array()) {
            rest = Some(self.inner(part, "items")?);
        }
        if !first.is_empty() || rest.is_some() {
            keywords.push(("items", Keyword::Items { first, rest }));
        }
        if self.draft >= Draft::Draft7 && part.fields.contains_key("contains") {
            let node = self.inner(part, "contains")?;
            let limit = |name| if modern { part.count(name) } else { Ok(None) };
            let (min, max) =
                (limit("minContains")?.unwrap_or(1), limit("maxContains")?.unwrap_or(usize::MAX));
            keywords.push(("contains", Keyword::Contains { node, min, max }));
        }
        Ok(())
    }

    fn properties(
        &mut self,
        part: &Part<'_>,
        keywords: &mut Vec<(&'static str, Keyword)>,
    ) -> Result<(), SchemaError> {
        let mut properties = Properties { named: BTreeMap::new(), patterns: Vec::new(), others: None };
        for name in part.object("properties")?.into_iter().flat_map(Map::keys) {
            let node = self.node(&format!("{}/{}", part.at("properties"), escape(name)))?;
            properties.named.insert(name.clone(), node);
        }
        for name in part.object("patternProperties")?.into_iter().flat_map(Map::keys) {
            let place = format!("{}/{}", part.at("patternProperties"), escape(name));
            properties.patterns.push((self.pattern(&place, name)?, self.node(&place)?));
        }
        if part.fields.contains_key("additionalProperties") {
            properties.others = Some(self.inner(part, "additionalProperties")?);
        }
        if !properties.named.is_empty() || !properties.patterns.is_empty() || properties.others.is_some() {
            keywords.push(("properties", Keyword::Properties(properties)));
        }
        Ok(())
    }
}

/// A part of a schema that is compiled.
struct Part<'p> {
    place: &'p str,
    fields: &'p Map<String, Value>,
}

impl<'p> Part<'p> {
    fn at(&self, key: &str) -> String {
        format!("{}/{}", self.place, escape(key))
    }

    fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'p Value) -> Option<T>,
        kind: &str,
    ) -> Result<Option<T>, SchemaError> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(error(&self.at(key), format!("must be {kind}"))),
            },
        }
    }

    fn text(&self, key: &str) -> Result<Option<&'p str>, SchemaError> {
        self.read(key, Value::as_str, "a string")
    }

    fn list(&self, key: &str) -> Result<Option<&'p Vec<Value>>, SchemaError> {
        self.read(
            key,
            |value| value.as_array().filter(|list| !list.is_empty()),
            "a list with at least one entry",
        )
    }

    fn object(&self, key: &str) -> Result<Option<&'p Map<String, Value>>, SchemaError> {
        self.read(key, Value::as_object, "an object")
    }

    fn flag(&self, key: &str) -> Result<bool, SchemaError> {
        Ok(self.read(key, Value::as_bool, "`true` or `false`")?.unwrap_or(false))
    }

    fn number(&self, key: &str) -> Result<Option<Number>, SchemaError> {
        self.read(key, |value| value.as_number().map(Number::from), "a number")
    }

    fn count(&self, key: &str) -> Result<Option<usize>, SchemaError> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "larger ones are the maximum"
        )]
        let count = |value: &Value| match (value.as_u64(), value.as_f64()) {
            (Some(count), _) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            (None, Some(count)) if count >= 0.0 && count.fract() == 0.0 => Some(count as usize),
            _ => None,
        };
        self.read(key, count, "a whole number, 0 or more")
    }

    /// The limits of numbers, among them those of draft 4, which are modified by flags.
    fn limits(&self, draft: Draft, keywords: &mut Vec<(&'static str, Keyword)>) -> Result<(), SchemaError> {
        let (minimum, maximum) = (self.number("minimum")?, self.number("maximum")?);
        if draft == Draft::Draft4 {
            let (no_minimum, no_maximum) = (self.flag("exclusiveMinimum")?, self.flag("exclusiveMaximum")?);
            keywords.extend(minimum.map(|limit| match no_minimum {
                true => ("minimum", Keyword::ExclusiveMinimum(limit)),
                false => ("minimum", Keyword::Minimum(limit)),
            }));
            keywords.extend(maximum.map(|limit| match no_maximum {
                true => ("maximum", Keyword::ExclusiveMaximum(limit)),
                false => ("maximum", Keyword::Maximum(limit)),
            }));
        } else {
            keywords.extend(minimum.map(|limit| ("minimum", Keyword::Minimum(limit))));
            keywords.extend(maximum.map(|limit| ("maximum", Keyword::Maximum(limit))));
            let (minimum, maximum) = (self.number("exclusiveMinimum")?, self.number("exclusiveMaximum")?);
            keywords.extend(minimum.map(|limit| ("exclusiveMinimum", Keyword::ExclusiveMinimum(limit))));
            keywords.extend(maximum.map(|limit| ("exclusiveMaximum", Keyword::ExclusiveMaximum(limit))));
        }
        if let Some(divisor) = self.number("multipleOf")? {
            if divisor.compare(Number::Unsigned(0)).is_le() {
                return Err(error(&self.at("multipleOf"), "must be greater than 0"));
            }
            keywords.push(("multipleOf", Keyword::MultipleOf(divisor)));
        }
        Ok(())
    }

    fn kinds(&self, value: &Value) -> Result<u8, SchemaError> {
        let kind = |name: &Value| match name.as_str() {
            Some("null") => Some(kind::NULL),
            Some("boolean") => Some(kind::BOOLEAN),
            Some("number") => Some(kind::NUMBER),
            Some("integer") => Some(kind::INTEGER),
            Some("string") => Some(kind::STRING),
            Some("array") => Some(kind::ARRAY),
            Some("object") => Some(kind::OBJECT),
            _ => None,
        };
        let kinds = match value {
            Value::Array(names) => names.iter().try_fold(0, |kinds, name| Some(kinds | kind(name)?)),
            name => kind(name),
        };
        kinds.ok_or_else(|| {
            let message = "must be `null`, `boolean`, `number`, `integer`, `string`, `array` or `object`, or a list of these";
            error(&self.at("type"), message)
        })
    }
}

fn names(place: &str, value: &Value) -> Result<Vec<String>, SchemaError> {
    let names = value.as_array().map(|names| names.iter().map(|name| name.as_str().map(str::to_owned)));
    let names: Option<Vec<String>> = names.and_then(Iterator::collect);
    names.ok_or_else(|| error(place, "must be a list of names"))
}

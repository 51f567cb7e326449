//! Validation of a document.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::Invalid;
use crate::schema::{Keyword, NodeId, Properties, Schema, kind};
use crate::value::Json;

/// The maximum depth of parts of the schema within each other, because the stack of a plug-in is small. A document has at most
/// 64 levels, each of which may pass through a reference and an alternative.
const MAX_DEPTH: usize = 192;

pub(crate) fn validate(schema: &Schema, document: &Json<'_>, steps: usize) -> Result<(), Invalid> {
    let mut run = Run { schema, left: steps, depth: 0, resources: Vec::new() };
    let mut seen = run.seen(document);
    run.apply(0, document, &mut seen).map_err(|stop| match stop {
        Stop::Exhausted => Invalid::Exhausted,
        Stop::Failed(failure) => {
            let mut value = String::new();
            for segment in failure.path.iter().rev() {
                value.push('/');
                value.push_str(segment);
            }
            let place = schema.nodes.get(failure.node).map_or("", |node| node.place.as_str());
            let rule = match failure.keyword {
                "" => place.to_owned(),
                keyword => format!("{place}/{keyword}"),
            };
            Invalid::Rule { value, rule, message: message(failure.keyword) }
        }
    })
}

fn message(keyword: &str) -> &'static str {
    match keyword {
        "type" => "has another type",
        "const" => "is not the value of `const`",
        "enum" => "is not listed in `enum`",
        "minimum" | "exclusiveMinimum" => "is too small",
        "maximum" | "exclusiveMaximum" => "is too large",
        "multipleOf" => "is not a multiple of `multipleOf`",
        "minLength" => "is shorter than `minLength`",
        "maxLength" => "is longer than `maxLength`",
        "pattern" => "does not match `pattern`",
        "format" => "does not have the format",
        "minItems" => "has too few items",
        "maxItems" => "has too many items",
        "uniqueItems" => "has equal items",
        "minProperties" => "has too few properties",
        "maxProperties" => "has too many properties",
        "required" | "dependentRequired" | "dependencies" => "lacks a required property",
        "contains" => "contains too few or too many matching items",
        "anyOf" => "matches no alternative of `anyOf`",
        "oneOf" => "does not match exactly one alternative of `oneOf`",
        "not" => "matches what `not` excludes",
        _ => "is not allowed",
    }
}

enum Stop {
    Exhausted,
    Failed(Failure),
}

struct Failure {
    node: NodeId,
    keyword: &'static str,
    /// The way to the value, from its end.
    path: Vec<String>,
}

type Outcome = Result<(), Stop>;

/// The members or items that have been evaluated, for `unevaluatedProperties` and `unevaluatedItems`. Empty if the schema has
/// neither.
type Seen = Vec<bool>;

fn mark(seen: &mut Seen, index: usize) {
    if let Some(seen) = seen.get_mut(index) {
        *seen = true;
    }
}

struct Run<'s> {
    schema: &'s Schema,
    left: usize,
    depth: usize,
    /// The resources on the way to the current part, for `$dynamicRef`.
    resources: Vec<usize>,
}

/// Steps for reading so many bytes.
fn steps(bytes: usize) -> usize {
    bytes / 16
}

impl Run<'_> {
    fn spend(&mut self, steps: usize) -> Outcome {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Stop::Exhausted)
            }
        }
    }

    fn seen(&self, value: &Json<'_>) -> Seen {
        match value {
            Json::Array(items) if self.schema.tracks => vec![false; items.len()],
            Json::Object(members) if self.schema.tracks => vec![false; members.len()],
            _ => Seen::new(),
        }
    }

    /// Applies a part of the schema to the value that the current part is applied to.
    fn apply(&mut self, id: NodeId, value: &Json<'_>, seen: &mut Seen) -> Outcome {
        let mut own = self.seen(value);
        self.spend(1 + own.len())?;
        let schema = self.schema;
        let Some(node) = schema.nodes.get(id) else { return Ok(()) };
        if self.depth == MAX_DEPTH {
            return Err(Stop::Exhausted);
        }
        self.depth += 1;
        let enters = self.resources.last() != Some(&node.resource);
        if enters {
            self.resources.push(node.resource);
        }
        let result = node.keywords.iter().try_for_each(|(name, keyword)| {
            if self.keyword(keyword, value, &mut own)? {
                Ok(())
            } else {
                Err(Stop::Failed(Failure { node: id, keyword: name, path: Vec::new() }))
            }
        });
        if enters {
            self.resources.pop();
        }
        self.depth -= 1;
        result?;
        for (index, is_seen) in own.into_iter().enumerate() {
            if is_seen {
                mark(seen, index);
            }
        }
        Ok(())
    }

    /// Applies a part of the schema to a child of the value.
    fn child(&mut self, id: NodeId, value: &Json<'_>, name: impl FnOnce() -> String) -> Outcome {
        let result = self.apply(id, value, &mut Seen::new());
        result.map_err(|stop| match stop {
            Stop::Failed(mut failure) => {
                failure.path.push(name());
                Stop::Failed(failure)
            }
            Stop::Exhausted => stop,
        })
    }

    /// Returns true if a part of the schema allows the value.
    fn allows(&mut self, id: NodeId, value: &Json<'_>, seen: &mut Seen) -> Result<bool, Stop> {
        match self.apply(id, value, seen) {
            Ok(()) => Ok(true),
            Err(Stop::Failed(_)) => Ok(false),
            Err(stop @ Stop::Exhausted) => Err(stop),
        }
    }

    /// Returns false if the value violates this keyword itself, and an error for one of a part of the schema.
    fn keyword(&mut self, keyword: &Keyword, value: &Json<'_>, seen: &mut Seen) -> Result<bool, Stop> {
        match (keyword, value) {
            (Keyword::False, _) => return Ok(false),
            (Keyword::Type(kinds), _) => return Ok(kinds & kinds_of(value) != 0),
            (Keyword::Const(other), _) => return Ok(self.compare(value, other)?.is_eq()),
            (Keyword::Enum(others), _) => {
                for other in others {
                    self.spend(1)?;
                    if self.compare(value, other)?.is_eq() {
                        return Ok(true);
                    }
                }
                return Ok(false);
            }
            (Keyword::Ref(node), _) => self.apply(*node, value, seen)?,
            (Keyword::DynamicRef { node, anchor }, _) => {
                let schema = self.schema;
                let outermost = self
                    .resources
                    .iter()
                    .find_map(|resource| schema.dynamic.get(&(*resource, anchor.clone())));
                self.apply(*outermost.unwrap_or(node), value, seen)?;
            }
            (Keyword::AllOf(nodes), _) => {
                for node in nodes {
                    self.apply(*node, value, seen)?;
                }
            }
            (Keyword::AnyOf(nodes), _) => {
                let mut any = false;
                for node in nodes {
                    any |= self.allows(*node, value, seen)?;
                    if any && seen.is_empty() {
                        break;
                    }
                }
                return Ok(any);
            }
            (Keyword::OneOf(nodes), _) => {
                let mut count = 0;
                for node in nodes {
                    count += usize::from(self.allows(*node, value, seen)?);
                    if count > 1 {
                        break;
                    }
                }
                return Ok(count == 1);
            }
            (Keyword::Not(node), _) => return Ok(!self.allows(*node, value, &mut Seen::new())?),
            (Keyword::If { condition, then, otherwise }, _) => {
                let next = if self.allows(*condition, value, seen)? { then } else { otherwise };
                if let Some(node) = next {
                    self.apply(*node, value, seen)?;
                }
            }
            (keyword, Json::Number(number)) => {
                return Ok(match keyword {
                    Keyword::Minimum(limit) => number.compare(*limit).is_ge(),
                    Keyword::ExclusiveMinimum(limit) => number.compare(*limit).is_gt(),
                    Keyword::Maximum(limit) => number.compare(*limit).is_le(),
                    Keyword::ExclusiveMaximum(limit) => number.compare(*limit).is_lt(),
                    Keyword::MultipleOf(divisor) => {
                        self.spend(20)?;
                        number.is_multiple_of(*divisor)
                    }
                    _ => true,
                });
            }
            (keyword, Json::String(text)) => {
                self.spend(steps(text.len()))?;
                return Ok(match keyword {
                    Keyword::MinLength(limit) => text.len() >= *limit && text.chars().count() >= *limit,
                    Keyword::MaxLength(limit) => text.len() <= *limit || text.chars().count() <= *limit,
                    Keyword::Pattern(pattern) => pattern.is_match(text),
                    Keyword::Format(format) => format.allows(text),
                    _ => true,
                });
            }
            (keyword, Json::Array(items)) => return self.items(keyword, items, seen),
            (keyword, Json::Object(members)) => return self.members(keyword, value, members, seen),
            _ => {}
        }
        Ok(true)
    }

    fn items(&mut self, keyword: &Keyword, items: &[Json<'_>], seen: &mut Seen) -> Result<bool, Stop> {
        match keyword {
            Keyword::MinItems(limit) => return Ok(items.len() >= *limit),
            Keyword::MaxItems(limit) => return Ok(items.len() <= *limit),
            Keyword::UniqueItems => return self.are_unique(items),
            Keyword::Items { first, rest } => {
                for (index, item) in items.iter().enumerate() {
                    let Some(node) = first.get(index).or(rest.as_ref()) else { break };
                    self.child(*node, item, || index.to_string())?;
                    mark(seen, index);
                }
            }
            Keyword::Contains { node, min, max } => {
                let mut count = 0;
                for (index, item) in items.iter().enumerate() {
                    if self.allows(*node, item, &mut Seen::new())? {
                        count += 1;
                        mark(seen, index);
                    }
                    let is_decided = count > *max || (count >= *min && *max == usize::MAX);
                    if is_decided && seen.is_empty() {
                        break;
                    }
                }
                return Ok((*min..=*max).contains(&count));
            }
            Keyword::UnevaluatedItems(node) => {
                for (index, item) in items.iter().enumerate() {
                    if seen.get(index) != Some(&true) {
                        self.child(*node, item, || index.to_string())?;
                        mark(seen, index);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn members(
        &mut self,
        keyword: &Keyword,
        value: &Json<'_>,
        members: &[(Cow<'_, str>, Json<'_>)],
        seen: &mut Seen,
    ) -> Result<bool, Stop> {
        let has = |name: &String| Json::member(members, name).is_some();
        match keyword {
            Keyword::MinProperties(limit) => return Ok(members.len() >= *limit),
            Keyword::MaxProperties(limit) => return Ok(members.len() <= *limit),
            Keyword::Required(names) => {
                self.spend(names.len())?;
                return Ok(names.iter().all(has));
            }
            Keyword::DependentRequired(dependencies) => {
                for (name, others) in dependencies {
                    self.spend(1)?;
                    if has(name) {
                        self.spend(others.len())?;
                        if !others.iter().all(has) {
                            return Ok(false);
                        }
                    }
                }
            }
            Keyword::DependentSchemas(dependencies) => {
                for (name, node) in dependencies {
                    self.spend(1)?;
                    if has(name) {
                        self.apply(*node, value, seen)?;
                    }
                }
            }
            Keyword::PropertyNames(node) => {
                for (name, _) in members {
                    let text = Json::String(Cow::Borrowed(name));
                    self.child(*node, &text, || escape(name))?;
                }
            }
            Keyword::Properties(properties) => self.properties(properties, members, seen)?,
            Keyword::UnevaluatedProperties(node) => {
                for (index, (name, value)) in members.iter().enumerate() {
                    if seen.get(index) != Some(&true) {
                        self.child(*node, value, || escape(name))?;
                        mark(seen, index);
                    }
                }
            }
            _ => {}
        }
        Ok(true)
    }

    fn properties(
        &mut self,
        properties: &Properties,
        members: &[(Cow<'_, str>, Json<'_>)],
        seen: &mut Seen,
    ) -> Outcome {
        for (index, (name, value)) in members.iter().enumerate() {
            self.spend(1)?;
            let mut is_known = false;
            if let Some(node) = properties.named.get(name.as_ref()) {
                is_known = true;
                self.child(*node, value, || escape(name))?;
            }
            for (pattern, node) in &properties.patterns {
                self.spend(1 + steps(name.len()))?;
                if pattern.is_match(name) {
                    is_known = true;
                    self.child(*node, value, || escape(name))?;
                }
            }
            if let (false, Some(node)) = (is_known, properties.others) {
                is_known = true;
                self.child(node, value, || escape(name))?;
            }
            if is_known {
                mark(seen, index);
            }
        }
        Ok(())
    }

    /// Sorts by merging. The sort of the standard library panics if comparisons contradict each other, as they do when the steps
    /// end in the middle.
    fn are_unique(&mut self, items: &[Json<'_>]) -> Result<bool, Stop> {
        let mut sorted: Vec<&Json<'_>> = items.iter().collect();
        let mut merged = Vec::with_capacity(items.len());
        let mut length = 1;
        while length < items.len() {
            for pair in sorted.chunks(2 * length) {
                let (mut a, mut b) = pair.split_at(length.min(pair.len()));
                while let ([first, a_rest @ ..], [second, b_rest @ ..]) = (a, b) {
                    match self.compare(first, second)? {
                        Ordering::Less => {
                            merged.push(*first);
                            a = a_rest;
                        }
                        Ordering::Greater => {
                            merged.push(*second);
                            b = b_rest;
                        }
                        Ordering::Equal => return Ok(false),
                    }
                }
                merged.extend_from_slice(a);
                merged.extend_from_slice(b);
            }
            std::mem::swap(&mut sorted, &mut merged);
            merged.clear();
            length *= 2;
        }
        Ok(true)
    }

    /// Compares two values in a total order in which equal values of JSON are equal.
    fn compare(&mut self, a: &Json<'_>, b: &Json<'_>) -> Result<Ordering, Stop> {
        let rank = |value: &Json<'_>| match value {
            Json::Null => 0,
            Json::Bool(_) => 1,
            Json::Number(_) => 2,
            Json::String(_) => 3,
            Json::Array(_) => 4,
            Json::Object(_) => 5,
        };
        self.spend(1)?;
        match (a, b) {
            (Json::Bool(a), Json::Bool(b)) => Ok(a.cmp(b)),
            (Json::Number(a), Json::Number(b)) => Ok(a.compare(*b)),
            (Json::String(a), Json::String(b)) => {
                self.spend(steps(a.len().min(b.len())))?;
                Ok(a.cmp(b))
            }
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    let order = self.compare(a, b)?;
                    if order.is_ne() {
                        return Ok(order);
                    }
                }
                Ok(Ordering::Equal)
            }
            (Json::Array(a), Json::Array(b)) => Ok(a.len().cmp(&b.len())),
            (Json::Object(a), Json::Object(b)) if a.len() == b.len() => {
                for ((a_name, a), (b_name, b)) in a.iter().zip(b) {
                    self.spend(steps(a_name.len().min(b_name.len())))?;
                    let order = a_name.cmp(b_name);
                    let order = if order.is_eq() { self.compare(a, b)? } else { order };
                    if order.is_ne() {
                        return Ok(order);
                    }
                }
                Ok(Ordering::Equal)
            }
            (Json::Object(a), Json::Object(b)) => Ok(a.len().cmp(&b.len())),
            _ => Ok(rank(a).cmp(&rank(b))),
        }
    }
}

fn kinds_of(value: &Json<'_>) -> u8 {
    match value {
        Json::Null => kind::NULL,
        Json::Bool(_) => kind::BOOLEAN,
        Json::Number(number) if number.is_integer() => kind::NUMBER | kind::INTEGER,
        Json::Number(_) => kind::NUMBER,
        Json::String(_) => kind::STRING,
        Json::Array(_) => kind::ARRAY,
        Json::Object(_) => kind::OBJECT,
    }
}

/// A name in a JSON pointer (RFC 6901).
pub(crate) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Draft, Invalid, Json, Options, Schema};

    fn validated(schema: serde_json::Value, text: &str, steps: usize) -> Result<(), Invalid> {
        let schema = Schema::new(&schema, Options { draft: Draft::Draft7, formats: true }).unwrap();
        schema.validate(&Json::parse(text.as_bytes()).unwrap(), steps)
    }

    #[test]
    fn unique_items_end_without_a_panic_after_any_number_of_steps() {
        let unique = json!({ "uniqueItems": true });
        let texts: Vec<String> = (0..600_u64).map(|i| format!("\"{}\"", (i * 7919) % 601)).collect();
        let text = format!("[{}]", texts.join(","));
        for steps in (0..9000).step_by(7) {
            let result = validated(unique.clone(), &text, steps);
            assert!(matches!(result, Ok(()) | Err(Invalid::Exhausted)), "{steps}: {result:?}");
        }
        assert_eq!(validated(unique, &text, 9000), Ok(()));
    }

    #[test]
    fn unique_items_of_whole_numbers_and_others_are_compared_exactly() {
        // As a float, 2^53 + 1 is 2^53.
        let at = 1_u64 << 53;
        let numbers: Vec<String> = (0..600_u64).map(|i| (at + 1 + (i * 7919) % 601).to_string()).collect();
        let unique = json!({ "uniqueItems": true });
        let text = format!("[{}, {at}.0]", numbers.join(","));
        assert_eq!(validated(unique.clone(), &text, 100_000), Ok(()));
        let text = format!("[{at}, {}, {at}.0]", numbers.join(","));
        assert!(matches!(validated(unique, &text, 100_000), Err(Invalid::Rule { .. })));
    }

    #[test]
    fn every_pair_of_equal_items_is_found() {
        let unique = json!({ "uniqueItems": true });
        for count in 0..18 {
            let items: Vec<String> = (0..count).map(|i| ((i * 5) % 19).to_string()).collect();
            assert_eq!(validated(unique.clone(), &format!("[{}]", items.join(",")), 1000), Ok(()));
            for a in 0..count {
                for b in 0..a {
                    let mut items = items.clone();
                    items[a] = items[b].clone() + ".0";
                    let text = format!("[{}]", items.join(","));
                    assert!(
                        matches!(validated(unique.clone(), &text, 1000), Err(Invalid::Rule { .. })),
                        "{text}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_limit_of_64_bits_is_exact() {
        let schema = json!({ "maximum": u64::MAX });
        assert_eq!(validated(schema.clone(), "18446744073709551615", 10), Ok(()));
        assert!(validated(schema, "18446744073709551616", 10).is_err());
    }
}

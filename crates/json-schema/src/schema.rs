//! A schema that is ready to validate.

use std::collections::BTreeMap;

use matcher::regexes::Regexes;
use serde_json::Value;

use crate::compile;
use crate::error::{Invalid, SchemaError};
use crate::format::Format;
use crate::validate;
use crate::value::{Json, Number};

/// A version of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Draft {
    /// Draft 4, the base of Swagger 2.0.
    Draft4,
    /// Draft 7.
    Draft7,
    /// Draft 2020-12, the base of OpenAPI 3.1.
    Draft2020,
}

/// How a schema is read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The version, if `$schema` does not name it.
    pub draft: Draft,
    /// Validate `format`, which otherwise only describes.
    pub formats: bool,
}

/// A schema.
pub struct Schema {
    pub(crate) nodes: Vec<Node>,
    /// Parts of the schema by resource and `$dynamicAnchor`.
    pub(crate) dynamic: BTreeMap<(usize, String), NodeId>,
    /// True if a keyword depends on what others have evaluated.
    pub(crate) tracks: bool,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    ///
    /// The first keyword with an invalid value, or a reference to something that is not in the schema.
    pub fn new(schema: &Value, options: Options) -> Result<Self, SchemaError> {
        compile::compile(schema, options)
    }

    /// Validates a document in at most so many steps.
    ///
    /// # Errors
    ///
    /// The first rule that it violates.
    pub fn validate(&self, document: &Json<'_>, steps: usize) -> Result<(), Invalid> {
        validate::validate(self, document, steps)
    }
}

/// The number of a part of a schema.
pub(crate) type NodeId = usize;

/// The part of a schema for one value.
pub(crate) struct Node {
    /// Its place, as a JSON pointer.
    pub place: String,
    /// The number of the part with an `$id` that it belongs to.
    pub resource: usize,
    /// In the order of evaluation.
    pub keywords: Vec<(&'static str, Keyword)>,
}

/// A condition.
pub(crate) enum Keyword {
    False,
    /// A set of bits of [`kind`].
    Type(u8),
    Const(Json<'static>),
    Enum(Vec<Json<'static>>),
    Minimum(Number),
    ExclusiveMinimum(Number),
    Maximum(Number),
    ExclusiveMaximum(Number),
    MultipleOf(Number),
    MinLength(usize),
    MaxLength(usize),
    Pattern(Pattern),
    Format(Format),
    MinItems(usize),
    MaxItems(usize),
    UniqueItems,
    MinProperties(usize),
    MaxProperties(usize),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    DependentSchemas(Vec<(String, NodeId)>),
    PropertyNames(NodeId),
    Properties(Properties),
    Items {
        first: Vec<NodeId>,
        rest: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        min: usize,
        max: usize,
    },
    Ref(NodeId),
    DynamicRef {
        node: NodeId,
        anchor: String,
    },
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
    UnevaluatedItems(NodeId),
    UnevaluatedProperties(NodeId),
}

/// `properties`, `patternProperties` and `additionalProperties`.
pub(crate) struct Properties {
    pub named: BTreeMap<String, NodeId>,
    pub patterns: Vec<(Pattern, NodeId)>,
    pub others: Option<NodeId>,
}

/// An expression. An empty one matches everything.
pub(crate) struct Pattern(pub Option<Regexes>);

impl Pattern {
    pub fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regexes| regexes.is_match(text.as_bytes()))
    }
}

/// Bits of types.
pub(crate) mod kind {
    pub const NULL: u8 = 1;
    pub const BOOLEAN: u8 = 2;
    pub const NUMBER: u8 = 4;
    pub const INTEGER: u8 = 8;
    pub const STRING: u8 = 16;
    pub const ARRAY: u8 = 32;
    pub const OBJECT: u8 = 64;
}

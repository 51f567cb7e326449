//! Conversion of the fields that an operator writes into a plug-in's configuration.

use serde::de::DeserializeOwned;

use crate::FieldError;

/// A configuration that is ready for requests: validated, with compiled patterns.
///
/// Types that derive [`serde::Deserialize`] implement it. If fields depend on each other, or patterns are compiled, use
/// separate types for the fields and the configuration:
///
/// ```
/// use config::{Configuration, FieldError};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Fields {
///     min: u32,
///     max: u32,
/// }
///
/// struct Range(std::ops::RangeInclusive<u32>);
///
/// impl Configuration for Range {
///     type Fields = Fields;
///
///     fn check(fields: Fields) -> Result<Self, FieldError> {
///         if fields.min > fields.max {
///             return Err(FieldError::new("max", "is less than min: write min or more"));
///         }
///         Ok(Range(fields.min..=fields.max))
///     }
/// }
/// ```
pub trait Configuration: Sized + 'static {
    /// The fields in the document.
    type Fields: DeserializeOwned;

    /// How the fields of a rule relate to the global fields; by default they replace them all.
    const RULES: RuleFields = RuleFields::Replace;

    /// Converts the fields into a valid configuration.
    ///
    /// # Errors
    ///
    /// A [`FieldError`] with the path of the field in this configuration and what to write instead. The path in the
    /// document (`_rules_[3]`) is added.
    fn check(fields: Self::Fields) -> Result<Self, FieldError>;

    /// With [`RuleFields::Extend`]: converts the fields of a rule into its configuration. `self` is the global
    /// configuration, and may be changed, for example to record that there are rules.
    ///
    /// # Errors
    ///
    /// As for [`check`](Self::check).
    fn check_rule(&mut self, fields: Self::Fields) -> Result<Self, FieldError> {
        Self::check(fields)
    }
}

/// How the fields of rules relate to the global fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleFields {
    /// A rule has only its own fields.
    Replace,
    /// A rule has its own fields, and the global value of the others, in any order in the document. Values are
    /// replaced as a whole: lists and objects are not joined. A field with two spellings must have the same spelling in
    /// both places.
    ///
    /// The global fields are the configuration of requests that no rule matches, so they must pass
    /// [`check`](Configuration::check) alone. Each rule must pass it together with the fields that it inherits, which are
    /// read again for each rule: the cost of loading is the number of rules times the size of the global fields.
    Inherit,
    /// A rule has only its own fields, and [`check_rule`](Configuration::check_rule) creates its configuration from them and
    /// the global configuration, parts of which it can share. The global fields are always checked, also if there are none.
    Extend,
}

impl<T: DeserializeOwned + 'static> Configuration for T {
    type Fields = T;

    fn check(fields: T) -> Result<T, FieldError> {
        Ok(fields)
    }
}

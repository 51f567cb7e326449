//! How a plug-in's configuration comes from the fields that an operator wrote.

use serde::de::DeserializeOwned;

use crate::FieldError;

/// A configuration that is ready for requests: checked, with its patterns compiled.
///
/// A type that derives [`serde::Deserialize`] is one already. A plug-in whose fields depend on each
/// other, or that compiles patterns, keeps the fields apart from what it works with:
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
    /// The fields as they stand in the document.
    type Fields: DeserializeOwned;

    /// Whether a rule starts from the global fields, and does not replace them all.
    ///
    /// It then has every field that it writes, and of those that it does not write the global one, wherever
    /// the two stand in the document. A field counts as a whole: a list or an object of the rule replaces the
    /// global list or object, and nothing inside is joined. A field that may be spelt in two ways must be spelt
    /// alike in both places.
    ///
    /// The global fields are a configuration themselves, for the requests that no rule matches: they must pass
    /// [`check`](Configuration::check) alone. So must every rule's together with what it inherits, of which
    /// each rule gets its own copy: loading costs the number of rules times the length of the global fields.
    const RULES_START_FROM_GLOBAL: bool = false;

    /// Turns fields into a configuration that cannot be wrong.
    ///
    /// # Errors
    ///
    /// A [`FieldError`] that names the field, relative to this configuration, and says what to write
    /// instead; the document around it adds the place (`_rules_[3]`).
    fn check(fields: Self::Fields) -> Result<Self, FieldError>;
}

impl<T: DeserializeOwned + 'static> Configuration for T {
    type Fields = T;

    fn check(fields: T) -> Result<T, FieldError> {
        Ok(fields)
    }
}

//! The headers and the new name of a model.

use config::HeaderValue;

/// The maximum length of a value of a header.
const MAX_VALUE: usize = 1024;

/// What follows from the model of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The model, if it can be the value of a header.
    pub model: Option<String>,
    /// The provider, if the model names one.
    pub provider: Option<String>,
    /// The model without the provider, if it names one.
    pub rest: Option<String>,
}

/// Returns the route of a model. `splits` is true if a provider is separated.
pub fn route(model: &str, splits: bool) -> Route {
    let (provider, rest) = match model.split_once('/').filter(|_| splits) {
        Some((provider, rest)) if !rest.is_empty() && is_value(provider) => {
            (Some(provider.to_owned()), Some(rest.to_owned()))
        }
        _ => (None, None),
    };
    Route { model: Some(model.to_owned()).filter(|model| is_value(model)), provider, rest }
}

/// Returns true if a text of a client can be the value of a header, which it cannot end.
fn is_value(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_VALUE && HeaderValue::try_from(text.to_owned()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_separated_at_the_first_slash() {
        let text = |text: &str| Some(text.to_owned());
        for (model, expected) in [
            ("a", Route { model: text("a"), ..Route::default() }),
            ("p/a/b", Route { model: text("p/a/b"), provider: text("p"), rest: text("a/b") }),
            ("/a", Route { model: text("/a"), ..Route::default() }),
            ("p/", Route { model: text("p/"), ..Route::default() }),
            ("", Route::default()),
            ("p/a\nb", Route { model: None, provider: text("p"), rest: text("a\nb") }),
            ("p\n/a", Route::default()),
        ] {
            assert_eq!(route(model, true), expected, "{model:?}");
        }
        assert_eq!(route("p/a", false), Route { model: text("p/a"), ..Route::default() });
        assert_eq!(route(&"a".repeat(1025), true), Route::default());
    }
}

//! The statuses of the service that allow a request.

use std::ops::RangeInclusive;

use config::{FieldError, Text};

use crate::fields::EndpointMode;

/// All statuses that can allow a request. Others are a refusal or no decision.
const SUCCESSFUL: RangeInclusive<u16> = 200..=299;

/// A set of statuses.
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Parses a list of statuses, ranges (`200-204`) and `2xx`. `field` is its path.
    pub fn new(field: &str, list: Vec<Text>) -> Result<Self, FieldError> {
        if list.is_empty() {
            return Err(FieldError::new(
                field,
                "must not be empty, because no request would pass: write for example [200], or remove the field",
            ));
        }
        let read = |(index, text): (usize, Text)| {
            range(&String::from(text)).ok_or_else(|| {
                let message = "must be a status from 200 to 299, because any other refuses the request or \
                               decides nothing: write for example 202, 200-204 or 2xx";
                FieldError::in_list(field, index, message)
            })
        };
        list.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Statuses)
    }

    /// Returns the default of a mode. Envoy's external authorization allows only 200, nginx's and Traefik's every 2xx.
    pub fn default_of(mode: EndpointMode) -> Self {
        Statuses(vec![match mode {
            EndpointMode::Envoy => 200..=200,
            EndpointMode::ForwardAuth => SUCCESSFUL,
        }])
    }

    /// Returns true if a response with this status allows the request.
    pub fn allow(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    if text.eq_ignore_ascii_case("2xx") {
        return Some(SUCCESSFUL);
    }
    let status = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|status| digits && SUCCESSFUL.contains(status))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (status(first.trim())?, status(last.trim())?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_ranges_and_classes_are_parsed() {
        assert_eq!(range("200"), Some(200..=200));
        assert_eq!(range("200-204"), Some(200..=204));
        assert_eq!(range("202 - 202"), Some(202..=202));
        assert_eq!(range("2xx"), Some(200..=299));
        assert_eq!(range("2XX"), Some(200..=299));
        for text in [
            "",
            "2",
            "20",
            "0200",
            "+200",
            "199",
            "300",
            "403",
            "500",
            "3xx",
            "xxx",
            "204-200",
            "200-",
            "-200",
            "200-300",
            "200-204-206",
            "true",
            "2x",
            "２００",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn each_mode_has_its_default() {
        let allowed = |mode| {
            let statuses = Statuses::default_of(mode);
            (0..=999).filter(move |status| statuses.allow(*status)).collect::<Vec<u16>>()
        };
        assert_eq!(allowed(EndpointMode::Envoy), [200]);
        assert_eq!(allowed(EndpointMode::ForwardAuth), (200..300).collect::<Vec<u16>>());
    }
}

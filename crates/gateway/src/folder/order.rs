//! The order of plug-ins for requests.

use std::cmp::Reverse;

use resource::Stage;

use super::Entry;

/// The order of stages. The documents disagree: authorization is first in MSE's console, authentication in Istio's API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StageOrder {
    /// AUTHZ, AUTHN, STATS, default.
    #[default]
    Mse,
    /// AUTHN, AUTHZ, STATS, default.
    Istio,
}

impl StageOrder {
    /// The stages in order.
    #[must_use]
    pub fn stages(self) -> [Stage; 4] {
        match self {
            Self::Mse => [Stage::Authz, Stage::Authn, Stage::Stats, Stage::Default],
            Self::Istio => [Stage::Authn, Stage::Authz, Stage::Stats, Stage::Default],
        }
    }

    /// The name, as in the option `--stage-order`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Istio => "istio",
        }
    }

    /// Sorts plug-ins: by stage, then by descending priority, then by name and namespace.
    pub(super) fn sort(self, plugins: &mut [Entry]) {
        let rank = |stage: Stage| self.stages().into_iter().position(|other| other == stage);
        plugins.sort_by(|a, b| {
            let key = |entry: &Entry| (rank(entry.stage), Reverse(entry.priority));
            key(a).cmp(&key(b)).then_with(|| (&a.name, &a.namespace).cmp(&(&b.name, &b.namespace)))
        });
    }
}

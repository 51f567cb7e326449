//! The rules of a firewall that requests have matched, and the exclusions that are proposed for them.

use marketplace::tune::{Proposal, Tuning};
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateways::Gateway;
use crate::plugins::Market;
use crate::problem::Problem;

/// The rules that requests have matched since the process that serves was started. There are no values of requests in it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchesView {
    /// The number of requests.
    pub requests: u64,
    /// Those that have matched a rule.
    pub matched: u64,
    /// The number of matches that are not listed: an exclusion cannot name their path, or too many others are more frequent.
    pub others: u64,
    /// The matches, the most frequent first.
    pub matches: Vec<MatchView>,
    /// Fields of the configuration that are better than exclusions of some rules.
    pub fields: Vec<BetterField>,
}

/// Requests that have matched a rule.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchView {
    /// The number of the rule.
    pub rule: u32,
    /// The variable, as an exclusion names it; absent if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The path, or the folder with `/*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The number of requests.
    pub requests: u64,
    /// The highest score of such a request.
    pub score: u64,
    /// The time of the last one.
    pub last: String,
    /// The proposed entry of the field `exclude`.
    #[schema(value_type = Object)]
    pub exclude: serde_json::Value,
}

/// A field that is better than exclusions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BetterField {
    /// The name.
    pub field: String,
    /// The number of requests that need it.
    pub requests: u64,
}

impl From<Proposal> for MatchView {
    fn from(proposal: Proposal) -> Self {
        let exclude = proposal.entry();
        let Proposal { rule, target, path, requests, score, last } = proposal;
        Self { rule, target, path, requests, score, last, exclude }
    }
}

/// What at least so many requests have matched.
pub(crate) fn view(gateway: &Gateway, plugin: &str, min_requests: u64) -> Result<MatchesView, Problem> {
    let card = Market::open(gateway).card(plugin)?;
    if !card.matches {
        let message = format!("{} does not report the rules that requests match", card.name);
        return Err(Problem::new("matches_missing", message).with("name", &card.name));
    }
    let matches = gateway.journal.matches();
    let others = matches.others;
    let tuning = Tuning::new(matches, min_requests);
    Ok(MatchesView {
        requests: tuning.requests,
        matched: tuning.matched,
        others,
        matches: tuning.proposals.into_iter().map(MatchView::from).collect(),
        fields: tuning
            .fields
            .into_iter()
            .map(|(field, requests)| BetterField { field: field.into(), requests })
            .collect(),
    })
}

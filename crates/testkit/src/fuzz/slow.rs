//! Search for requests that cost a module much more than an ordinary one of the same size.
//!
//! The search begins from requests of the plug-in's cases that reach the upstream. In each [place](place::Place) of such a request,
//! `size` bytes of prose are the ordinary content, and what it costs is what others are compared with. Contents are
//! [recipes](recipe::Recipe) of a few pieces, some of them repeated; those that cost most in a place are the parents of the next.
//! A place whose prose does not reach the upstream, because the plug-in allows no such body for example, is left out.
//!
//! The cost is the time of the interpreter, always as a ratio to that of prose in the same VM. Its instructions, which are the same
//! in every run, can mislead: it counts all those of a loop when an iteration begins, also those that the iteration jumps over, so
//! a loop with many rare cases seems to cost many times what it does.

mod place;
mod recipe;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;

use self::place::Place;
use self::recipe::{Recipe, prose};
use super::material::{Material, Served};
use super::{Bounds, Finding, MOST_PAGES};
use crate::exchange::{Request, Setup, Upstream};
use crate::{Engine, Load, Loaded, Random};

/// The recipes that are kept for a place.
const PARENTS: usize = 12;

/// The longest word of a file.
const LONGEST_WORD: usize = 200;

/// The interval of progress reports.
const REPORTED: Duration = Duration::from_secs(10);

/// How often prose, and a content that seems to cost most, are measured: the least counts.
const ROUNDS: usize = 4;

/// What the cost of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Nanoseconds in the engine.
    #[default]
    Time,
    /// What the engine counts: the same in every run.
    Instructions,
}

/// What to search for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The bytes of a content.
    pub size: usize,
    /// What the cost is.
    #[serde(default)]
    pub by: Measure,
    /// How many times as much as prose a content may cost; what costs more is a finding.
    pub at_most: Option<f64>,
    /// Files, and folders of files, each of whose lines is a word that recipes may use.
    #[serde(default)]
    pub words: Vec<PathBuf>,
    /// Part of the names of cases that the search begins from.
    #[serde(default)]
    pub case: String,
}

/// The most expensive content of a place.
#[derive(Debug)]
pub struct Worst {
    /// The case that the configuration and the request are of.
    pub case: String,
    /// The place of the request.
    pub place: String,
    /// What the cost is.
    pub by: Measure,
    /// The cost of a request with prose.
    pub prose: u64,
    /// The cost of a request with this content.
    pub cost: u64,
    /// The content.
    pub recipe: String,
}

impl Worst {
    /// How many times as much as prose it costs.
    #[must_use]
    pub fn times(&self) -> f64 {
        self.cost as f64 / self.prose.max(1) as f64
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, place, by, prose, cost, recipe } = self;
        write!(f, "{:.1} times: ", self.times())?;
        match by {
            Measure::Time => {
                let (cost, prose) = (Duration::from_nanos(*cost), Duration::from_nanos(*prose));
                write!(f, "{cost:.1?}, {prose:.1?} with prose")?;
            }
            Measure::Instructions => write!(f, "{cost} instructions, {prose} with prose")?,
        }
        write!(f, ", {place} of `{case}`: {recipe}")
    }
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct Searched {
    /// Requests, without those with prose.
    pub requests: u64,
    /// The most memory that a VM had, in pages of 64 KiB.
    pub pages: u64,
    /// The most expensive contents, the most expensive first.
    pub worst: Vec<Worst>,
    /// The files of the findings.
    pub findings: Vec<PathBuf>,
}

/// Searches until the bounds are reached.
///
/// # Errors
///
/// The cases or words cannot be read, no place can be compared, or a VM stops.
pub fn slow(
    directory: &Path,
    engine: &dyn Engine,
    search: &Search,
    seed: u64,
    bounds: Bounds,
    findings: &Path,
) -> anyhow::Result<Searched> {
    let material = Material::read(&directory.join("tests/cases.yaml"))?;
    let mut words = material.words;
    for path in &search.words {
        read_words(path, &mut words)?;
    }
    let mut targets = Vec::new();
    for served in material.cases.iter().filter(|served| served.name.contains(&search.case)) {
        targets.extend(Target::of(engine, served, search)?);
    }
    if targets.is_empty() {
        let of = if search.case.is_empty() { String::new() } else { format!(" named `{}`", search.case) };
        bail!(
            "no case{of} has a request that reaches the upstream with {} bytes of prose: name other cases, or a smaller size",
            search.size
        );
    }
    eprintln!("{} places to compare", targets.len());
    let mut random = Random::new(seed);
    let mut searched = Searched::default();
    let (start, mut reported) = (Instant::now(), Instant::now());
    while bounds.runs.is_none_or(|runs| searched.requests < runs)
        && bounds.time.is_none_or(|time| start.elapsed() < time)
    {
        let place = choose(&targets, &mut random);
        let Some(target) = targets.get_mut(place) else { break };
        let recipe = target.next(&words, &mut random);
        searched.requests += 1;
        if let Err(error) = target.try_out(recipe.clone(), search.size) {
            let finding = target.finding(&recipe, search.size, &format!("{error:#}"));
            let file = finding.save(findings)?;
            bail!("{}: {error:#}", file.display());
        }
        if reported.elapsed() > REPORTED {
            reported = Instant::now();
            let times = targets.iter().map(Target::times).fold(0.0, f64::max);
            eprintln!(
                "{:.0} s: {} requests, {times:.1} times",
                start.elapsed().as_secs_f64(),
                searched.requests
            );
        }
    }
    searched.pages = targets.iter().map(|target| target.pages).max().unwrap_or_default();
    targets.sort_by(|a, b| b.times().total_cmp(&a.times()));
    for target in &targets {
        let Some((recipe, cost)) = target.parents.first() else { continue };
        let worst = target.worst(recipe, *cost);
        if search.at_most.is_some_and(|most| worst.times() > most) {
            let finding = target.finding(recipe, search.size, &worst.to_string());
            searched.findings.push(finding.save(findings)?);
        }
        searched.worst.push(worst);
    }
    Ok(searched)
}

/// Half of the time the place with the highest ratio, which is the goal; otherwise any.
fn choose(targets: &[Target<'_>], random: &mut Random) -> usize {
    let any = random.below(targets.len());
    let untried = targets.iter().position(|target| target.parents.is_empty());
    let worst = || {
        let times = targets.iter().map(Target::times).enumerate();
        times.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
    };
    match random.below(2) {
        0 => untried.or_else(worst).unwrap_or(any),
        _ => any,
    }
}

/// A place in a request of a case.
struct Target<'m> {
    served: &'m Served,
    request: Request,
    place: Place,
    loaded: Box<dyn Loaded>,
    by: Measure,
    /// The cost of prose.
    prose: u64,
    /// The most expensive recipes, the most expensive first.
    parents: Vec<(Recipe, u64)>,
    /// The memory of the VM.
    pages: u64,
}

impl<'m> Target<'m> {
    /// The places of the first request of a case that reaches the upstream, as far as prose in them does.
    fn of(engine: &dyn Engine, served: &'m Served, search: &Search) -> anyhow::Result<Vec<Self>> {
        let (size, by) = (search.size, search.by);
        let mut targets = Vec::new();
        for request in &served.requests {
            for place in Place::ALL {
                let request = Request { chunks: None, reset_after: None, ..request.clone() };
                let sent = place.fill(&request, &prose(size), size);
                let Some(mut loaded) = load(engine, &served.setup)? else { return Ok(targets) };
                let outcome = loaded.exchange(&sent, upstream(served, &request))?;
                if outcome.upstream.is_some() {
                    let (parents, pages) = (Vec::new(), outcome.memory_pages.unwrap_or_default());
                    let mut target = Self { served, request, place, loaded, by, prose: 0, parents, pages };
                    // What a plug-in has prepared for the first request is not a cost of each.
                    target.prose = target.least_cost_of(&sent)?;
                    targets.push(target);
                }
            }
            if !targets.is_empty() {
                break;
            }
        }
        Ok(targets)
    }

    /// A new recipe, mostly a changed one of those that cost most.
    fn next(&self, words: &[Vec<u8>], random: &mut Random) -> Recipe {
        // The smaller of two places: the most expensive are taken more often.
        let at = random.below(self.parents.len()).min(random.below(self.parents.len()));
        match self.parents.get(at) {
            Some((parent, _)) if random.below(8) > 0 => {
                let other = self.parents.get(random.below(self.parents.len())).map(|(other, _)| other);
                parent.changed(other, words, random)
            }
            _ => Recipe::new(words, random),
        }
    }

    /// Measures a recipe, and keeps it if it is one of the most expensive.
    fn try_out(&mut self, recipe: Recipe, size: usize) -> anyhow::Result<()> {
        let sent = self.place.fill(&self.request, &recipe.content(size), size);
        let mut cost = self.cost_of(&sent)?;
        // A new record may have prepared something, or been disturbed: it counts if it costs as much again.
        if self.parents.first().is_none_or(|(_, most)| cost > *most) {
            cost = cost.min(self.least_cost_of(&sent)?);
        }
        if self.parents.iter().all(|(parent, _)| *parent != recipe) {
            let at = self.parents.partition_point(|(_, other)| *other >= cost);
            self.parents.insert(at, (recipe, cost));
            self.parents.truncate(PARENTS);
        }
        Ok(())
    }

    fn least_cost_of(&mut self, sent: &Request) -> anyhow::Result<u64> {
        let mut least = u64::MAX;
        for _ in 0..ROUNDS {
            least = least.min(self.cost_of(sent)?);
        }
        Ok(least)
    }

    /// Returns the cost of a request.
    fn cost_of(&mut self, sent: &Request) -> anyhow::Result<u64> {
        let start = Instant::now();
        let outcome = self.loaded.exchange(sent, upstream(self.served, &self.request))?;
        let time = start.elapsed();
        self.pages = self.pages.max(outcome.memory_pages.unwrap_or_default());
        if self.pages > MOST_PAGES {
            bail!("the VM uses {} pages of memory, more than {MOST_PAGES}", self.pages);
        }
        match self.by {
            Measure::Time => Ok(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            Measure::Instructions => outcome.instructions.context("the engine does not count instructions"),
        }
    }

    fn times(&self) -> f64 {
        self.parents.first().map_or(0.0, |(_, cost)| *cost as f64 / self.prose.max(1) as f64)
    }

    fn worst(&self, recipe: &Recipe, cost: u64) -> Worst {
        Worst {
            case: self.served.name.clone(),
            place: self.place.to_string(),
            by: self.by,
            prose: self.prose,
            cost,
            recipe: recipe.to_string(),
        }
    }

    fn finding(&self, recipe: &Recipe, size: usize, message: &str) -> Finding {
        let sent = self.place.fill(&self.request, &recipe.content(size), size);
        Finding::of_request(&self.served.name, &sent, message)
    }
}

fn load(engine: &dyn Engine, setup: &Setup) -> anyhow::Result<Option<Box<dyn Loaded>>> {
    Ok(match engine.load(setup)? {
        Load::Loaded(loaded) => Some(loaded),
        Load::Refused { .. } => None,
    })
}

fn upstream<'a>(served: &'a Served, request: &'a Request) -> &'a Upstream {
    request.upstream.as_ref().unwrap_or(&served.upstream)
}

/// Adds the lines of a file, or of the files in a folder.
fn read_words(path: &Path, words: &mut Vec<Vec<u8>>) -> anyhow::Result<()> {
    let reading = || format!("reading {}", path.display());
    if path.is_dir() {
        let entries = fs::read_dir(path).with_context(reading)?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<_>>>()?;
        // The same search with the same seed, whatever the order in the folder.
        paths.sort();
        return paths.iter().try_for_each(|path| read_words(path, words));
    }
    let text = fs::read(path).with_context(reading)?;
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    words.extend(lines.filter(|line| (1..=LONGEST_WORD).contains(&line.len())).map(<[u8]>::to_vec));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineName;
    use crate::exchange::Order;
    use crate::outcome::{Answer, Outcome, UpstreamRequest};

    /// An engine to which each `<` costs as much as there are `<` before it in the body.
    struct Quadratic;

    impl Engine for Quadratic {
        fn name(&self) -> EngineName {
            EngineName::Wasm
        }

        fn load(&self, _: &Setup) -> anyhow::Result<Load> {
            Ok(Load::Loaded(Box::new(Self)))
        }
    }

    impl Loaded for Quadratic {
        fn exchange(&mut self, request: &Request, _: &Upstream) -> anyhow::Result<Outcome> {
            let body = request.body.as_deref().unwrap_or_default();
            let open = body.iter().filter(|byte| **byte == b'<').count() as u64;
            Ok(Outcome {
                answer: Some(Answer { status: 200, ..Answer::default() }),
                upstream: Some(UpstreamRequest::default()),
                instructions: Some(1000 + body.len() as u64 + open * open),
                memory_pages: Some(1),
                ..Outcome::default()
            })
        }

        fn interleave(&mut self, _: &[(Request, Upstream)], _: &Order) -> anyhow::Result<Vec<Outcome>> {
            bail!("not used")
        }

        fn exchange_at_once(
            &mut self,
            _: &Request,
            _: &Upstream,
            _: u32,
            _: u32,
        ) -> anyhow::Result<std::collections::BTreeMap<u16, u32>> {
            bail!("not used")
        }
    }

    fn searched(at_most: f64, folder: &Path) -> Searched {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/request-block");
        let words = folder.join("words");
        fs::create_dir_all(folder).unwrap();
        fs::write(&words, "<a\nb\n").unwrap();
        let search = Search {
            size: 2000,
            by: Measure::Instructions,
            at_most: Some(at_most),
            words: vec![words],
            case: String::new(),
        };
        let bounds = Bounds { runs: Some(1000), time: None, findings: 1 };
        slow(&directory, &Quadratic, &search, 7, bounds, &folder.join("findings")).unwrap()
    }

    #[test]
    fn what_costs_more_than_its_size_is_found_and_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let found = searched(100.0, folder.path());
        let worst = &found.worst[0];
        assert!(worst.times() > 500.0, "{worst}");
        assert!(worst.recipe.contains('<'), "{worst}");
        assert!(!found.findings.is_empty() && found.requests == 1000 && found.pages == 1);
        let case = fs::read_to_string(found.findings[0].with_extension("yaml")).unwrap();
        assert!(case.contains("times: ") && case.contains("<<<<") || case.contains("<a<a"), "{case}");
    }

    #[test]
    fn what_costs_no_more_than_that_is_reported_alone() {
        let folder = tempfile::tempdir().unwrap();
        let found = searched(1e9, folder.path());
        assert!(found.findings.is_empty() && !found.worst.is_empty());
    }
}

//! One request with its response: its variables, and the rules that are applied to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use seclang::{
    Action, ByteSet, Collection, Ctl, Disruptive, EngineMode, Macro, Part, Processor, Program, Rule,
    Selector, SetVar, Target, Template, Use,
};

use crate::engine::Waf;
use crate::grams;
use crate::operators::{Prepared, number};
use crate::plan::{self, Argument, Change, Effect, List, NewValue, Source};
use crate::values::{Pipeline, ValueId, Values};

mod variables;

/// A request up to its body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The target as it was sent, with the query.
    pub uri: &'a [u8],
    /// Such as `HTTP/1.1`.
    pub protocol: &'a [u8],
    /// All headers in order.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The address of the client.
    pub client: Option<IpAddr>,
    /// A text that is different for each request.
    pub id: &'a [u8],
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The number of the rule.
    pub rule: u32,
    /// The status for the client.
    pub status: u16,
    /// The message of the rule.
    pub message: String,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The number of the rule.
    pub rule: u32,
    /// The variable, such as `ARGS:q`.
    pub variable: String,
    /// The value, as the rule compared it.
    pub value: Vec<u8>,
    /// The message of the rule.
    pub message: String,
    /// `logdata` of the rule.
    pub data: String,
    /// False if the rule has `nolog`.
    pub log: bool,
}

/// The maximum number of hits that are kept.
const MAX_HITS: usize = 1000;

/// The maximum number of variables in `TX`, which rules can name after parameters.
const MAX_TX: usize = 10_000;

/// The exclusions of a rule that has more of them than bits.
const TOO_MANY: u64 = u64::MAX;

/// One request with its response.
pub struct Transaction {
    waf: Rc<Waf>,
    values: Values,
    /// Names and values, by collection.
    collections: Vec<Vec<(ValueId, ValueId)>>,
    /// The collections that changed since items were collected.
    changed: ByteSet,
    /// The values that rules look at, by list of targets.
    lists: Vec<Option<Rc<[Item]>>>,
    /// What rules compare, by input.
    inputs: Vec<Option<Input>>,
    /// The values of all inputs, one after the other.
    input_values: Vec<ValueId>,
    /// Variables whose names are constants of the rules.
    tx: Vec<Option<ValueId>>,
    /// Variables with other names.
    more_tx: BTreeMap<ValueId, ValueId>,
    mode: EngineMode,
    removed: Vec<bool>,
    removed_targets: Vec<(Rc<[bool]>, Target<'static>)>,
    /// By rule: which of the first removed targets are removed from it.
    exclusions: Vec<u64>,
    /// Memory for values that are selected.
    scratch: Vec<ValueId>,
    /// The last number that marks values, counted down.
    marks: u32,
    /// As `lists` and `inputs`, for rules with exclusions.
    excluding_lists: BTreeMap<(u16, u64), Rc<[Item]>>,
    excluding_inputs: BTreeMap<(u16, u64), Input>,
    request_body_access: bool,
    response_body_access: bool,
    force_request_body: bool,
    processor: Option<Processor>,
    matched: Option<(Item, ValueId)>,
    matched_all: Vec<(Item, ValueId)>,
    allowed: Option<Disruptive>,
    hits: Vec<Hit>,
    denial: Option<Denial>,
}

/// What rules with the same targets and transformations compare.
#[derive(Clone, Copy, Default)]
struct Input {
    /// The place of its values, each of which is there once, among those of all inputs.
    start: usize,
    end: usize,
    /// The length of the longest value.
    len: usize,
    /// The bytes of all.
    bytes: ByteSet,
}

/// A value that a rule looks at.
#[derive(Debug, Clone, Copy)]
struct Item {
    collection: Collection,
    key: Option<ValueId>,
    value: ValueId,
    count: bool,
}

impl Transaction {
    pub(crate) fn new(waf: Rc<Waf>) -> Self {
        let settings = &waf.program.settings;
        Self {
            values: waf.plan.values.for_request(),
            collections: vec![Vec::new(); Collection::ALL.len()],
            changed: ByteSet::default(),
            lists: vec![None; waf.plan.lists.len()],
            inputs: vec![None; waf.plan.inputs.len()],
            input_values: Vec::with_capacity(1024),
            tx: vec![None; waf.plan.slots()],
            more_tx: BTreeMap::new(),
            mode: settings.engine,
            removed: vec![false; waf.program.rules.len()],
            removed_targets: Vec::new(),
            exclusions: Vec::new(),
            scratch: Vec::with_capacity(64),
            marks: u32::MAX - 1,
            excluding_lists: BTreeMap::new(),
            excluding_inputs: BTreeMap::new(),
            request_body_access: settings.request_body,
            response_body_access: settings.response_body,
            force_request_body: false,
            processor: None,
            matched: None,
            matched_all: Vec::new(),
            allowed: None,
            hits: Vec::new(),
            denial: None,
            waf,
        }
    }

    /// Returns the rules that matched so far, except those with `nolog` that only set variables or continue elsewhere.
    #[must_use]
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Returns true if a rule has refused the request or its response.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.denial.is_some()
    }

    /// Returns a variable of the transaction, such as `blocking_inbound_anomaly_score`.
    #[must_use]
    pub fn tx(&self, name: &str) -> Option<&[u8]> {
        self.tx_value(name.to_ascii_lowercase().as_bytes()).map(|id| self.values.get(id))
    }

    /// Sets a variable of the transaction.
    pub fn set_tx(&mut self, name: &str, value: &[u8]) {
        let name = self.values.add(name.to_ascii_lowercase().as_bytes());
        let value = self.values.add(value);
        self.put_tx(name, Some(value));
    }

    /// Returns the mode of the engine, which directives, rules and [`control`](Self::control) set.
    #[must_use]
    pub fn mode(&self) -> EngineMode {
        self.mode
    }

    /// Returns true if the body of the request is needed.
    #[must_use]
    pub fn wants_request_body(&self) -> bool {
        self.request_body_access && self.mode != EngineMode::Off
    }

    /// Returns true if the body of a response of this content type is needed.
    #[must_use]
    pub fn wants_response_body(&self, content_type: &[u8]) -> bool {
        let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let types = &self.waf.program.settings.response_types;
        self.response_body_access
            && self.mode != EngineMode::Off
            && types.iter().any(|known| media.eq_ignore_ascii_case(known.as_bytes()))
    }

    /// Reads the headers of the request, and applies the rules of phase 1.
    pub fn request_headers(&mut self, request: &Request<'_>) -> Option<Denial> {
        self.read_request(request);
        self.run(1)
    }

    /// Reads the body of the request, and applies the rules of phase 2. It is called without a body, too.
    pub fn request_body(&mut self, body: &[u8]) -> Option<Denial> {
        if self.wants_request_body() {
            self.read_body(body);
        }
        self.run(2)
    }

    /// Reads the headers of the response, and applies the rules of phase 3.
    pub fn response_headers(
        &mut self,
        status: u16,
        protocol: &[u8],
        headers: &[(&[u8], &[u8])],
    ) -> Option<Denial> {
        self.read_response(status, protocol, headers);
        self.run(3)
    }

    /// Reads the body of the response, and applies the rules of phase 4.
    pub fn response_body(&mut self, body: &[u8]) -> Option<Denial> {
        self.set(Collection::ResponseBody, body);
        self.set(Collection::ResponseContentLength, body.len().to_string().as_bytes());
        self.run(4)
    }

    /// Applies the rules of phase 5, which only report.
    pub fn finish(&mut self) {
        self.run(5);
    }

    fn run(&mut self, phase: u8) -> Option<Denial> {
        if self.mode == EngineMode::Off || (self.denial.is_some() && phase < 5) {
            return self.denial.clone();
        }
        match self.allowed {
            Some(Disruptive::Allow) if phase < 5 => return None,
            Some(Disruptive::AllowRequest) if phase < 3 => return None,
            Some(Disruptive::AllowPhase) => self.allowed = None,
            _ => {}
        }
        let waf = Rc::clone(&self.waf);
        let heads = waf.phases.get(usize::from(phase).wrapping_sub(1)).map(Vec::as_slice).unwrap_or_default();
        let mut next = 0;
        while let Some(&index) = heads.get(next) {
            next += 1;
            if self.removed.get(index).copied().unwrap_or_default() {
                continue;
            }
            let Some(rule) = waf.program.rules.get(index) else { break };
            if !self.run_chain(&waf, index, rule) {
                continue;
            }
            if let Some(at) = rule.continue_at.and_then(|at| usize::try_from(at).ok()) {
                next = next.max(heads.partition_point(|head| *head < at));
            }
            match rule.disruptive {
                Disruptive::Pass => {}
                Disruptive::Deny if self.mode == EngineMode::On && phase < 5 => {
                    let message = rule.message.as_ref().map(|text| self.expand_text(text, Some(rule)));
                    let status = rule.status.unwrap_or(403);
                    let denial = Denial { rule: rule.id, status, message: message.unwrap_or_default() };
                    self.denial = Some(denial);
                    return self.denial.clone();
                }
                Disruptive::Deny => {}
                allowed => {
                    self.allowed = Some(allowed);
                    return None;
                }
            }
            if self.mode == EngineMode::Off {
                return None;
            }
        }
        None
    }

    /// Applies a rule and the members of its chain, and returns true if all match.
    fn run_chain(&mut self, waf: &Waf, index: usize, head: &Rule<'static>) -> bool {
        self.matched_all.clear();
        let mut last = None;
        for (offset, rule) in waf.program.rules.iter().skip(index).enumerate() {
            if offset > 0 && !rule.member {
                break;
            }
            match self.run_rule(waf, index + offset, rule) {
                Some(found) => last = Some(found),
                None => return false,
            }
            if !rule.chained {
                break;
            }
        }
        let Some((item, value)) = last else { return false };
        let is_reported = head.log || head.disruptive != Disruptive::Pass;
        if is_reported && self.hits.len() < MAX_HITS {
            let message = head.message.as_ref().map(|text| self.expand_text(text, Some(head)));
            let data = head.data.as_ref().map(|text| self.expand_text(text, Some(head)));
            self.hits.push(Hit {
                rule: head.id,
                variable: item.map(|item| self.name_of(&item)).unwrap_or_default(),
                value: self.values.get(value).to_vec(),
                message: message.unwrap_or_default(),
                data: data.unwrap_or_default(),
                log: head.log,
            });
        }
        true
    }

    /// Applies one rule to all its values, and returns the last match.
    fn run_rule(&mut self, waf: &Waf, index: usize, rule: &Rule<'static>) -> Option<(Option<Item>, ValueId)> {
        let operator = waf.operators.get(usize::from(rule.operator))?;
        let step = waf.plan.steps.get(index)?;
        if step.source == Source::Nothing {
            let empty = self.values.add(b"");
            self.apply_actions(waf, index, rule);
            return Some((None, empty));
        }
        let pipeline = waf.pipeline(rule.pipeline);
        let exclusions = self.exclusions.get(index).copied().unwrap_or_default();
        if pipeline.steps.is_empty()
            && exclusions == 0
            && self.fails_as_number(operator, step.source, &step.argument, rule.negated)
        {
            return None;
        }
        let argument: Cow<'_, [u8]> = match &step.argument {
            Argument::None => Cow::Borrowed(&[]),
            Argument::Constant(text) => Cow::Borrowed(text),
            Argument::Tx(slot) => Cow::Owned(self.slot_value(*slot).to_vec()),
            Argument::Template => match operator.template() {
                Some(template) => Cow::Owned(self.expand(template, Some(rule))),
                None => Cow::Borrowed(&[]),
            },
        };
        let number = u32::try_from(index).unwrap_or(u32::MAX - 1);
        let items: Rc<[Item]>;
        let single: [Item; 1];
        // The first value that matches, which is not compared again: detectors of injections take long.
        let mut matching = None;
        let items: &[Item] = match step.source {
            Source::Input(input) if exclusions != TOO_MANY => {
                let list = *waf.plan.inputs.get(usize::from(input))?;
                let compared = self.input(waf, (input, exclusions), list, &pipeline, rule);
                if !rule.multi_match {
                    let may_match = rule.negated || operator.may_match(compared.len, &compared.bytes);
                    let values = self.input_values.get(compared.start..compared.end).unwrap_or_default();
                    let mut values = values.iter().filter(|_| may_match);
                    matching =
                        Some(*values.find(|id| self.matches(operator, rule.negated, **id, &argument))?);
                }
                items = self.list((list, exclusions), rule);
                &items
            }
            Source::Tx(slot) if exclusions == 0 => {
                let value = self.tx.get(usize::from(slot)).copied().flatten()?;
                let key = waf.plan.name(slot);
                single = [Item { collection: Collection::Tx, key, value, count: false }];
                &single
            }
            _ => {
                items = self.items(exclusions, Some(index), rule).into();
                &items
            }
        };
        let mut last = None;
        for item in items {
            let found = match rule.multi_match {
                true => self.run_steps(waf, rule, operator, &pipeline, item.value, &argument),
                false => {
                    let id = self.values.transformed(&waf.triggers, &pipeline, item.value);
                    if self.values.is_compared(id, number) {
                        None
                    } else if matching == Some(id) || self.matches(operator, rule.negated, id, &argument) {
                        Some(id)
                    } else {
                        self.values.set_compared(id, number);
                        None
                    }
                }
            };
            if let Some(id) = found {
                self.match_value(waf, index, rule, operator, item, id);
                last = Some((Some(*item), id));
            }
        }
        last
    }

    /// Returns true if a rule that compares a variable of `TX` with a number does not match: nearly all of these choose
    /// paranoia levels.
    fn fails_as_number(
        &self,
        operator: &Prepared,
        source: Source,
        argument: &Argument,
        negated: bool,
    ) -> bool {
        let Prepared::Number(compare, _) = operator else { return false };
        let argument = match argument {
            Argument::Constant(text) => number(text),
            Argument::Tx(slot) => number(self.slot_value(*slot)),
            Argument::None | Argument::Template => return false,
        };
        let slot = |slot: u16| self.tx.get(usize::from(slot)).copied().flatten();
        let value = match source {
            Source::Tx(at) => match slot(at) {
                Some(id) => number(self.values.get(id)),
                None => return true,
            },
            Source::TxCount(at) => i64::from(slot(at).is_some()),
            _ => return false,
        };
        compare(&value, &argument) == negated
    }

    fn matches(&self, operator: &Prepared, negated: bool, id: ValueId, argument: &[u8]) -> bool {
        let (value, bytes) = self.values.get_with_bytes(id);
        if !operator.may_match(value.len(), bytes) {
            return negated;
        }
        if let Prepared::Pm(phrases) = operator
            && value.len() >= grams::MIN_LEN
            && self.waf.filters
            && !phrases.may_match(&self.values.grams(id))
        {
            return negated;
        }
        operator.matches(value, argument) != negated
    }

    /// Applies an operator after each transformation, and returns the first value that matches.
    fn run_steps(
        &mut self,
        waf: &Waf,
        rule: &Rule<'_>,
        operator: &Prepared,
        pipeline: &Pipeline<'_>,
        value: ValueId,
        argument: &[u8],
    ) -> Option<ValueId> {
        let mut current = value;
        let mut steps = pipeline.steps.iter();
        loop {
            if self.matches(operator, rule.negated, current, argument) {
                return Some(current);
            }
            current = steps.find_map(|step| {
                let next = self.values.step(&waf.triggers, *step, current);
                (next != current).then_some(next)
            })?;
        }
    }

    fn match_value(
        &mut self,
        waf: &Waf,
        index: usize,
        rule: &Rule<'static>,
        operator: &Prepared,
        item: &Item,
        id: ValueId,
    ) {
        let read = waf.plan.steps.get(index).map(|step| step.captures).unwrap_or_default();
        if !read.is_empty() {
            let captures = operator.captures(self.values.get(id), read);
            let captures = captures.into_iter().map(Some).chain(std::iter::repeat(None));
            for (slot, capture) in waf.plan.groups.iter().zip(captures) {
                let value = capture.map(|capture| self.values.add(&capture.unwrap_or_default()));
                slot.map(|slot| self.put_slot(slot, value));
            }
        }
        self.matched = Some((*item, id));
        self.matched_all.push((*item, id));
        self.apply_actions(waf, index, rule);
    }

    fn apply_actions(&mut self, waf: &Waf, index: usize, rule: &Rule<'static>) {
        let effects = waf.plan.steps.get(index).map(|step| step.effects.as_slice()).unwrap_or_default();
        for (action, effect) in rule.actions.iter().zip(effects) {
            match (action, effect) {
                (Action::SetVar(change), Effect::Change(resolved)) => {
                    self.set_var(change, Some(resolved), rule);
                }
                (Action::SetVar(change), _) => self.set_var(change, None, rule),
                (Action::Ctl(ctl), Effect::Rules(rules)) => self.control_rules(ctl, rules),
                (Action::Ctl(ctl), _) => self.control(ctl),
            }
        }
    }

    fn set_var(&mut self, change: &SetVar<'_>, resolved: Option<&Change>, rule: &Rule<'_>) {
        let (SetVar::Assign(key, _) | SetVar::Add(key, _) | SetVar::Subtract(key, _) | SetVar::Unset(key)) =
            change;
        let slot = resolved.map(|change| change.slot);
        let slot = slot.ok_or_else(|| {
            let mut name = self.expand(key, Some(rule));
            name.make_ascii_lowercase();
            self.values.add(&name)
        });
        let (SetVar::Assign(_, value) | SetVar::Add(_, value) | SetVar::Subtract(_, value)) = change else {
            match slot {
                Ok(slot) => self.put_slot(slot, None),
                Err(name) => self.put_tx(name, None),
            }
            return;
        };
        let value = match resolved.map(|change| &change.value) {
            Some(NewValue::Constant(value)) => *value,
            Some(NewValue::Tx(slot)) => match self.tx.get(usize::from(*slot)).copied().flatten() {
                Some(value) => value,
                None => self.values.add(b""),
            },
            Some(NewValue::Template) | None => {
                let value = self.expand(value, Some(rule));
                self.values.add(&value)
            }
        };
        let before = || {
            let before = match slot {
                Ok(slot) => self.tx.get(usize::from(slot)).copied().flatten(),
                Err(name) => self.tx_named(name),
            };
            before.map_or(0, |before| number(self.values.get(before)))
        };
        let after = match change {
            SetVar::Add(..) => Some(before().saturating_add(number(self.values.get(value)))),
            SetVar::Subtract(..) => Some(before().saturating_sub(number(self.values.get(value)))),
            SetVar::Assign(..) | SetVar::Unset(..) => None,
        };
        let value = after.map_or(value, |after| self.values.add(after.to_string().as_bytes()));
        match slot {
            Ok(slot) => self.put_slot(slot, Some(value)),
            Err(name) => self.put_tx(name, Some(value)),
        }
    }

    /// Returns a variable of `TX` by its name in lower case.
    fn tx_value(&self, name: &[u8]) -> Option<ValueId> {
        self.values.find(name).and_then(|name| self.tx_named(name))
    }

    fn tx_named(&self, name: ValueId) -> Option<ValueId> {
        match self.waf.plan.slot_of_value(name) {
            Some(slot) => self.tx.get(usize::from(slot)).copied().flatten(),
            None => self.more_tx.get(&name).copied(),
        }
    }

    /// Returns the text of a variable of `TX`, or none if it is not set.
    fn slot_value(&self, slot: u16) -> &[u8] {
        let id = self.tx.get(usize::from(slot)).copied().flatten();
        id.map(|id| self.values.get(id)).unwrap_or_default()
    }

    fn put_slot(&mut self, slot: u16, value: Option<ValueId>) {
        if let Some(known) = self.tx.get_mut(usize::from(slot)) {
            *known = value;
        }
    }

    /// Sets or removes a variable of `TX`. Its name is in lower case.
    fn put_tx(&mut self, name: ValueId, value: Option<ValueId>) {
        match (self.waf.plan.slot_of_value(name), value) {
            (Some(slot), value) => self.put_slot(slot, value),
            (None, Some(value)) => {
                if self.more_tx.len() < MAX_TX || self.more_tx.contains_key(&name) {
                    self.more_tx.insert(name, value);
                }
            }
            (None, None) => {
                self.more_tx.remove(&name);
            }
        }
    }

    /// Changes the engine for the rest of the request, as `ctl` of a rule does.
    pub fn control(&mut self, ctl: &Ctl<'static>) {
        match ctl {
            Ctl::Engine(mode) => self.mode = *mode,
            Ctl::RequestBodyAccess(access) => self.request_body_access = *access,
            Ctl::ResponseBodyAccess(access) => self.response_body_access = *access,
            Ctl::ForceRequestBody(force) => self.force_request_body = *force,
            Ctl::Processor(processor) => self.set_processor(*processor),
            _ => {
                let rules = plan::rules_of(&self.waf.program, ctl).unwrap_or_default();
                self.control_rules(ctl, &rules);
            }
        }
    }

    /// Changes the rules that a `ctl` is about.
    fn control_rules(&mut self, ctl: &Ctl<'static>, rules: &Rc<[bool]>) {
        let target = match ctl {
            Ctl::RemoveTargetById(_, target)
            | Ctl::RemoveTargetByTag(_, target)
            | Ctl::RemoveTargetByMessage(_, target) => target,
            _ => {
                for (removed, concerned) in self.removed.iter_mut().zip(rules.iter()) {
                    *removed |= *concerned;
                }
                return;
            }
        };
        self.exclusions.resize(rules.len(), 0);
        let number = self.removed_targets.len();
        for (exclusions, _) in
            self.exclusions.iter_mut().zip(rules.iter()).filter(|(_, concerned)| **concerned)
        {
            *exclusions |= if number < 63 { 1 << number } else { TOO_MANY };
        }
        self.removed_targets.push((Rc::clone(rules), target.clone()));
    }

    /// Forgets what was collected from collections that changed.
    fn forget_changed(&mut self, waf: &Waf) {
        if self.changed == ByteSet::default() {
            return;
        }
        for (list, List { collections, .. }) in self.lists.iter_mut().zip(&waf.plan.lists) {
            if collections.intersects(&self.changed) {
                *list = None;
            }
        }
        for (input, list) in self.inputs.iter_mut().zip(&waf.plan.inputs) {
            let list = waf.plan.lists.get(usize::from(*list));
            if list.is_none_or(|list| list.collections.intersects(&self.changed)) {
                *input = None;
            }
        }
        self.excluding_lists.clear();
        self.excluding_inputs.clear();
        self.changed = ByteSet::default();
    }

    /// Returns what rules compare that have an input.
    fn input(
        &mut self,
        waf: &Waf,
        (number, exclusions): (u16, u64),
        list: u16,
        pipeline: &Pipeline<'_>,
        rule: &Rule<'_>,
    ) -> Input {
        self.forget_changed(waf);
        let known = match exclusions {
            0 => self.inputs.get(usize::from(number)).and_then(Option::as_ref),
            _ => self.excluding_inputs.get(&(number, exclusions)),
        };
        if let Some(input) = known {
            return *input;
        }
        let input = match waf.plan.lists.get(usize::from(list)) {
            Some(known) if known.base != number => {
                let base = self.input(waf, (known.base, exclusions), list, &Pipeline::default(), rule);
                match pipeline.may_change(&base.bytes) {
                    true => self.transformed(waf, &base, pipeline),
                    false => base,
                }
            }
            known => {
                let mut values = std::mem::take(&mut self.scratch);
                values.clear();
                if known.is_some_and(|list| list.counts) {
                    let items = self.list((list, exclusions), rule);
                    values.extend(items.iter().map(|item| item.value));
                } else {
                    self.select(rule, exclusions, &mut values);
                }
                let mut input = self.new_input();
                for id in &values {
                    self.add_to(&mut input, *id);
                }
                self.scratch = values;
                input
            }
        };
        match (exclusions, self.inputs.get_mut(usize::from(number))) {
            (0, Some(slot)) => *slot = Some(input),
            _ => {
                self.excluding_inputs.insert((number, exclusions), input);
            }
        }
        input
    }

    /// Returns an input with the results of the values of another.
    fn transformed(&mut self, waf: &Waf, base: &Input, pipeline: &Pipeline<'_>) -> Input {
        let mut input = self.new_input();
        for at in base.start..base.end {
            if let Some(id) = self.input_values.get(at).copied() {
                let id = self.values.transformed(&waf.triggers, pipeline, id);
                self.add_to(&mut input, id);
            }
        }
        input
    }

    /// Begins an input: its values are the next that [`Self::add_to`] adds.
    fn new_input(&mut self) -> Input {
        // No rule has a number of these, as there are fewer of them.
        self.marks = self.marks.wrapping_sub(1);
        let start = self.input_values.len();
        Input { start, end: start, ..Input::default() }
    }

    /// Adds a value to the last input unless it has it.
    fn add_to(&mut self, input: &mut Input, id: ValueId) {
        if !self.values.is_compared(id, self.marks) {
            self.values.set_compared(id, self.marks);
            let (value, bytes) = self.values.get_with_bytes(id);
            input.len = input.len.max(value.len());
            input.bytes = input.bytes.union(bytes);
            self.input_values.push(id);
            input.end = self.input_values.len();
        }
    }

    /// Adds the values of the targets of a rule that counts none. They are the same as those of [`Self::items`], which are needed
    /// only if one of the values matches.
    fn select(&self, rule: &Rule<'_>, exclusions: u64, values: &mut Vec<ValueId>) {
        for target in rule.targets.iter().filter(|target| target.usage == Use::Values) {
            let pairs = self.pairs(target.collection).iter();
            let all = target.selector == Selector::All || variables::is_single(target.collection);
            let selected = pairs.filter(|(key, _)| all || self.selects(&target.selector, Some(*key)));
            if !self.has_exclusion(target.collection, exclusions, rule) {
                values.extend(selected.map(|(_, value)| *value));
                continue;
            }
            // Variables with one value have no name.
            let is_single = variables::is_single(target.collection);
            values.extend(
                selected
                    .map(|(key, value)| Item {
                        collection: target.collection,
                        key: (!is_single).then_some(*key),
                        value: *value,
                        count: false,
                    })
                    .filter(|item| !self.is_excluded(item, exclusions, None, rule))
                    .map(|item| item.value),
            );
        }
    }

    /// Returns true if an exclusion of a rule may concern values of a collection.
    fn has_exclusion(&self, collection: Collection, exclusions: u64, rule: &Rule<'_>) -> bool {
        let mut by_rule = rule.targets.iter().filter(|target| target.usage == Use::Exclude);
        let mut by_request = self.removed_targets.iter().map(|(_, target)| target);
        let is_concerned = |other: &Target<'_>| other.collection == collection;
        by_rule.any(is_concerned) || (exclusions != 0 && by_request.any(is_concerned))
    }

    /// Returns the values that rules with a list of targets look at.
    fn list(&mut self, (list, exclusions): (u16, u64), rule: &Rule<'_>) -> Rc<[Item]> {
        let known = match exclusions {
            0 => self.lists.get(usize::from(list)).and_then(Option::as_ref),
            _ => self.excluding_lists.get(&(list, exclusions)),
        };
        if let Some(items) = known {
            return Rc::clone(items);
        }
        let items: Rc<[Item]> = self.items(exclusions, None, rule).into();
        match (exclusions, self.lists.get_mut(usize::from(list))) {
            (0, Some(slot)) => *slot = Some(Rc::clone(&items)),
            _ => {
                self.excluding_lists.insert((list, exclusions), Rc::clone(&items));
            }
        }
        items
    }

    /// Returns the values that a rule looks at, without those of its exclusions. If these are too many for bits, the index of the
    /// rule decides.
    fn items(&mut self, exclusions: u64, index: Option<usize>, rule: &Rule<'_>) -> Vec<Item> {
        let mut items = Vec::with_capacity(32);
        for target in rule.targets.iter().filter(|target| target.usage != Use::Exclude) {
            let start = items.len();
            self.collect(target, &mut items);
            if self.has_exclusion(target.collection, exclusions, rule) {
                let mut at = 0;
                items.retain(|item| {
                    at += 1;
                    at <= start || !self.is_excluded(item, exclusions, index, rule)
                });
            }
            if target.usage == Use::Count {
                let count = items.len() - start;
                items.truncate(start);
                let value = self.values.add(count.to_string().as_bytes());
                let key = match &target.selector {
                    Selector::All => None,
                    Selector::Name(name) | Selector::Regex(name) => Some(self.values.add(name.as_bytes())),
                };
                items.push(Item { collection: target.collection, key, value, count: true });
            }
        }
        items
    }

    fn is_excluded(&self, item: &Item, exclusions: u64, index: Option<usize>, rule: &Rule<'_>) -> bool {
        let excludes = |target: &Target<'_>| {
            target.collection == item.collection && self.selects(&target.selector, item.key)
        };
        let is_removed = |(number, (rules, _)): &(usize, &(Rc<[bool]>, Target<'static>))| match exclusions {
            TOO_MANY => index.and_then(|index| rules.get(index)) == Some(&true),
            exclusions => *number < 63 && exclusions >> number & 1 == 1,
        };
        let mut by_rule = rule.targets.iter().filter(|target| target.usage == Use::Exclude);
        let mut by_request = self.removed_targets.iter().enumerate().filter(is_removed);
        by_rule.any(excludes) || by_request.any(|(_, (_, target))| excludes(target))
    }

    /// Returns true if a selector selects a name.
    fn selects(&self, selector: &Selector<'_>, key: Option<ValueId>) -> bool {
        match (selector, key) {
            (Selector::All, _) => true,
            (_, None) => false,
            (Selector::Name(name), Some(key)) => self.values.get(key).eq_ignore_ascii_case(name.as_bytes()),
            (Selector::Regex(pattern), Some(key)) => {
                self.waf.selector(pattern).is_match(self.values.get(key))
            }
        }
    }

    fn name_of(&self, item: &Item) -> String {
        let mut name = String::new();
        if item.count {
            name.push('&');
        }
        name.push_str(item.collection.name());
        if let Some(key) = item.key {
            name.push(':');
            name.push_str(&String::from_utf8_lossy(self.values.get(key)));
        }
        name
    }

    /// Replaces macros by values.
    fn expand(&mut self, template: &Template<'_>, rule: Option<&Rule<'_>>) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(constant) => text.extend_from_slice(constant.as_bytes()),
                Part::Macro(variable) => text.extend_from_slice(self.value_of(variable)),
                Part::Rule(property) => match (property.as_ref(), rule) {
                    ("id", Some(rule)) => text.extend_from_slice(rule.id.to_string().as_bytes()),
                    ("msg", Some(Rule { message: Some(message), .. })) => {
                        text.extend_from_slice(message.as_text().unwrap_or_default().as_bytes());
                    }
                    ("severity", Some(Rule { severity: Some(severity), .. })) => {
                        text.extend_from_slice(severity.name().as_bytes());
                    }
                    _ => {}
                },
            }
        }
        text
    }

    fn expand_text(&mut self, template: &Template<'_>, rule: Option<&Rule<'_>>) -> String {
        String::from_utf8_lossy(&self.expand(template, rule)).into_owned()
    }

    fn value_of(&mut self, variable: &Macro<'_>) -> &[u8] {
        if variable.collection == Collection::Tx {
            let key = variable.key.as_deref().unwrap_or_default();
            let value = self.tx_value(key.as_bytes());
            return value.map(|value| self.values.get(value)).unwrap_or_default();
        }
        let selector = variable.key.as_deref().map_or(Selector::All, |key| Selector::Name(key.into()));
        let mut items = Vec::new();
        self.collect(&Target { collection: variable.collection, selector, usage: Use::Values }, &mut items);
        items.first().map(|item| self.values.get(item.value)).unwrap_or_default()
    }
}

pub(crate) fn in_ranges(ids: &[(u32, u32)], id: u32) -> bool {
    ids.iter().any(|(first, last)| (*first..=*last).contains(&id))
}

pub(crate) fn has_tag(program: &Program<'_>, rule: &Rule<'_>, tag: &str) -> bool {
    program.tags_of(rule).any(|own| own == tag)
}

pub(crate) fn has_message(rule: &Rule<'_>, message: &str) -> bool {
    rule.message.as_ref().is_some_and(|own| own.as_text() == Some(message))
}

#[cfg(test)]
mod tests;

//! What of the rules is resolved when they are loaded, so that no request has to: names, constants and common inputs.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::rc::Rc;

use seclang::{
    Action, ByteSet, Collection, Ctl, Macro, Operator, Part, Program, Rule, Selector, SetVar, Target,
    Template, Use,
};

use crate::captures::{self, Groups};
use crate::transaction::{has_message, has_tag, in_ranges};
use crate::values::{ValueId, Values};

/// The resolved parts of a program.
pub(crate) struct Plan {
    /// The constants of the rules. Those of each transaction are added to a copy.
    pub(crate) values: Values,
    /// The constant names of variables in `TX` in order, as names and as values: they are the first values.
    slots: Vec<(Vec<u8>, ValueId)>,
    slot_of: HashMap<Vec<u8>, u16>,
    /// The variables of captures.
    pub(crate) groups: [Option<u16>; 10],
    /// By rule.
    pub(crate) steps: Vec<Step>,
    /// The lists of targets.
    pub(crate) lists: Vec<List>,
    /// The lists of targets by input.
    pub(crate) inputs: Vec<u16>,
}

/// A list of targets.
pub(crate) struct List {
    /// Their collections.
    pub(crate) collections: ByteSet,
    /// Its input without transformations.
    pub(crate) base: u16,
    /// True if it has numbers of values.
    pub(crate) counts: bool,
}

/// The resolved parts of a rule.
pub(crate) struct Step {
    pub(crate) source: Source,
    pub(crate) argument: Argument,
    /// What of its captures is read.
    pub(crate) captures: Groups,
    /// By action.
    pub(crate) effects: Vec<Effect>,
}

/// The resolved part of an action.
pub(crate) enum Effect {
    /// A change of a variable of `TX` whose name is constant.
    Change(Change),
    /// The rules that a `ctl` is about.
    Rules(Rc<[bool]>),
    /// Everything is found out when it is applied.
    None,
}

/// Where the values of a rule come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// `SecAction`.
    Nothing,
    /// One variable of `TX`.
    Tx(u16),
    /// The number of one variable of `TX`.
    TxCount(u16),
    /// Targets and transformations that depend on the request alone, and are often those of many rules.
    Input(u16),
    /// All others.
    Other,
}

/// The argument of an operator.
pub(crate) enum Argument {
    None,
    Constant(Vec<u8>),
    Tx(u16),
    Template,
}

/// A change of a variable of `TX` whose name is constant.
pub(crate) struct Change {
    pub(crate) slot: u16,
    pub(crate) value: NewValue,
}

/// The value of a change.
pub(crate) enum NewValue {
    Constant(ValueId),
    Tx(u16),
    Template,
}

impl Plan {
    pub(crate) fn new(program: &Program<'_>) -> Self {
        let mut values = Values::default();
        let slots: Vec<_> =
            names(program).into_iter().map(|name| (name.clone(), values.add(&name))).collect();
        let slot_of: HashMap<Vec<u8>, u16> =
            (0u16..).zip(&slots).map(|(slot, (name, _))| (name.clone(), slot)).collect();
        let mut group = b'0'..=b'9';
        let mut plan = Self {
            groups: [(); 10].map(|()| slot_of.get([group.next()?].as_slice()).copied()),
            values,
            slots,
            slot_of,
            steps: Vec::new(),
            lists: Vec::new(),
            inputs: Vec::new(),
        };
        let mut lists: HashMap<&[Target<'_>], u16> = HashMap::new();
        let mut inputs: HashMap<(u16, Option<u16>), u16> = HashMap::new();
        for (rule, captures) in program.rules.iter().zip(captures::read(program)) {
            let transforms =
                program.pipelines.get(usize::from(rule.pipeline)).is_some_and(|steps| !steps.is_empty());
            let pipeline = transforms.then_some(rule.pipeline);
            let step = Step {
                source: plan.source(rule, pipeline, &mut lists, &mut inputs),
                argument: plan.argument(program.operators.get(usize::from(rule.operator))),
                captures,
                effects: rule.actions.iter().map(|action| plan.effect(program, action)).collect(),
            };
            plan.steps.push(step);
        }
        plan.values.reserve();
        plan
    }

    /// Returns the constant names of variables of `TX`, by slot.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().map(|(name, _)| name.as_slice())
    }

    /// Returns the slot of a name in lower case, if it is a constant of the rules.
    pub(crate) fn slot(&self, name: &[u8]) -> Option<u16> {
        self.slot_of.get(name).copied()
    }

    /// Returns the slot of a name in lower case that is a value, if it is a constant of the rules.
    pub(crate) fn slot_of_value(&self, name: ValueId) -> Option<u16> {
        u16::try_from(name.index()).ok().filter(|slot| usize::from(*slot) < self.slots.len())
    }

    /// Returns the name of a slot.
    pub(crate) fn name(&self, slot: u16) -> Option<ValueId> {
        self.slots.get(usize::from(slot)).map(|(_, name)| *name)
    }

    /// Returns the number of slots.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    fn source<'a>(
        &mut self,
        rule: &'a Rule<'a>,
        pipeline: Option<u16>,
        lists: &mut HashMap<&'a [Target<'a>], u16>,
        inputs: &mut HashMap<(u16, Option<u16>), u16>,
    ) -> Source {
        match rule.targets.as_slice() {
            [] => return Source::Nothing,
            [Target { collection: Collection::Tx, selector: Selector::Name(name), usage }] => {
                let slot = self.slot(name.to_ascii_lowercase().as_bytes());
                match (slot, usage) {
                    (Some(slot), Use::Values) => return Source::Tx(slot),
                    (Some(slot), Use::Count) => return Source::TxCount(slot),
                    _ => return Source::Other,
                }
            }
            _ => {}
        }
        if rule.targets.iter().any(|target| changes_between_rules(target.collection)) {
            return Source::Other;
        }
        let mut collections = ByteSet::default();
        rule.targets.iter().for_each(|target| collections.insert(target.collection as u8));
        let list = number(lists, &rule.targets);
        if usize::from(list) == self.lists.len() {
            let counts = rule.targets.iter().any(|target| target.usage == Use::Count);
            let base = self.input(inputs, list, None);
            self.lists.push(List { collections, base, counts });
        }
        Source::Input(self.input(inputs, list, pipeline))
    }

    fn input(
        &mut self,
        inputs: &mut HashMap<(u16, Option<u16>), u16>,
        list: u16,
        pipeline: Option<u16>,
    ) -> u16 {
        let input = number(inputs, (list, pipeline));
        if usize::from(input) == self.inputs.len() {
            self.inputs.push(list);
        }
        input
    }

    fn argument(&self, operator: Option<&Operator<'_>>) -> Argument {
        let Some(template) = operator.and_then(template) else { return Argument::None };
        if let Some(text) = template.as_text() {
            return Argument::Constant(text.as_bytes().to_vec());
        }
        self.variable(template).map_or(Argument::Template, Argument::Tx)
    }

    /// Returns the variable of `TX` that is the whole of a template.
    fn variable(&self, template: &Template<'_>) -> Option<u16> {
        match template.parts.as_slice() {
            [Part::Macro(Macro { collection: Collection::Tx, key: Some(key) })] => self.slot(key.as_bytes()),
            _ => None,
        }
    }

    fn effect(&mut self, program: &Program<'_>, action: &Action<'_>) -> Effect {
        match action {
            Action::SetVar(change) => self.change(change).map_or(Effect::None, Effect::Change),
            Action::Ctl(ctl) => rules_of(program, ctl).map_or(Effect::None, Effect::Rules),
        }
    }

    fn change(&mut self, change: &SetVar<'_>) -> Option<Change> {
        let (key, value) = match change {
            SetVar::Assign(key, value) | SetVar::Add(key, value) | SetVar::Subtract(key, value) => {
                (key, Some(value))
            }
            SetVar::Unset(key) => (key, None),
        };
        let slot = self.slot(key.as_text()?.to_ascii_lowercase().as_bytes())?;
        let value = match value.map(|value| (value.as_text(), self.variable(value))) {
            Some((Some(text), _)) => NewValue::Constant(self.values.add(text.as_bytes())),
            Some((None, Some(slot))) => NewValue::Tx(slot),
            Some((None, None)) => NewValue::Template,
            None => NewValue::Constant(self.values.add(b"")),
        };
        Some(Change { slot, value })
    }
}

/// Returns the rules that a `ctl` is about, if it is about rules.
pub(crate) fn rules_of(program: &Program<'_>, ctl: &Ctl<'_>) -> Option<Rc<[bool]>> {
    let concerns: &dyn Fn(&Rule<'_>) -> bool = match ctl {
        Ctl::RemoveById(ids) | Ctl::RemoveTargetById(ids, _) => &|rule| in_ranges(ids, rule.id),
        Ctl::RemoveByTag(tag) | Ctl::RemoveTargetByTag(tag, _) => &|rule| has_tag(program, rule, tag),
        Ctl::RemoveByMessage(message) | Ctl::RemoveTargetByMessage(message, _) => {
            &|rule| has_message(rule, message)
        }
        _ => return None,
    };
    Some(program.rules.iter().map(concerns).collect())
}

/// Returns the number of a key, which is new if it is the number of known ones.
fn number<K: Hash + Eq>(numbers: &mut HashMap<K, u16>, key: K) -> u16 {
    let next = u16::try_from(numbers.len()).unwrap_or(u16::MAX);
    *numbers.entry(key).or_insert(next)
}

/// Returns true for collections that rules change, or that have the values of others.
fn changes_between_rules(collection: Collection) -> bool {
    matches!(
        collection,
        Collection::Tx
            | Collection::MatchedVar
            | Collection::MatchedVarName
            | Collection::MatchedVars
            | Collection::MatchedVarsNames
            | Collection::StatusLine
    )
}

pub(crate) fn template<'a>(operator: &'a Operator<'a>) -> Option<&'a Template<'a>> {
    match operator {
        Operator::RxTemplate(template)
        | Operator::StrEq(template)
        | Operator::Contains(template)
        | Operator::ContainsWord(template)
        | Operator::BeginsWith(template)
        | Operator::EndsWith(template)
        | Operator::Within(template)
        | Operator::Eq(template)
        | Operator::Ge(template)
        | Operator::Gt(template)
        | Operator::Le(template)
        | Operator::Lt(template) => Some(template),
        _ => None,
    }
}

/// Returns the names of variables of `TX` that are constants of the rules, in order.
fn names(program: &Program<'_>) -> BTreeSet<Vec<u8>> {
    let mut names: BTreeSet<Vec<u8>> = (b'0'..=b'9').map(|group| vec![group]).collect();
    let mut add = |name: &str| names.insert(name.to_ascii_lowercase().into_bytes());
    for target in program.rules.iter().flat_map(|rule| &rule.targets) {
        if let (Collection::Tx, Selector::Name(name)) = (target.collection, &target.selector) {
            add(name);
        }
    }
    for action in program.rules.iter().flat_map(|rule| &rule.actions) {
        if let Action::SetVar(change) = action {
            let (SetVar::Assign(key, _)
            | SetVar::Add(key, _)
            | SetVar::Subtract(key, _)
            | SetVar::Unset(key)) = change;
            key.as_text().map(&mut add);
        }
    }
    names
}

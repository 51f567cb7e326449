//! Rule sets: the rules in the module, and directives of the configuration after them.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};

use config::{FieldError, NonEmptyString};
use seclang::{Directive, Operator, Program, Rule, Selector, Source};
use waf::Waf;

/// The table of the embedded rules, compressed: gateways take longer to start with larger modules.
static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.table"));

/// The table of the rules about bodies that cannot be parsed, which `RULES` begins with.
static BODIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bodies.table"));

/// The size up to which bodies of responses are inspected if only a directive says that they are.
const MAX_RESPONSE_BODY: usize = 512 << 10;

/// A rule set for a configuration.
#[derive(Clone)]
pub struct RuleSet {
    /// The rules.
    pub waf: Rc<Waf>,
    /// What is logged about them.
    pub notes: Vec<String>,
    /// The size up to which they inspect the bodies of responses, unless the configuration has another; 0 if they do not.
    pub max_response_body: usize,
}

/// What a rule set is made of: configurations of the same rules share one.
#[derive(PartialEq, Eq)]
struct Key {
    base: Base,
    /// With the rules about responses.
    responses: bool,
    directives: Vec<String>,
}

/// What directives are added to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// The embedded rules.
    Rules,
    /// The rules about bodies.
    Bodies,
    /// Nothing: bodies are inspected if a directive switches it on.
    Nothing,
}

/// A rule set that some configuration has, with the notes about it.
type Loaded = (Key, Weak<Waf>, Vec<String>);

thread_local! {
    /// `RULES` as they are used: programs borrow their texts as long as the VM lives.
    static TABLE: OnceCell<&'static [u8]> = const { OnceCell::new() };
    static LOADED: RefCell<Vec<Loaded>> = const { RefCell::new(Vec::new()) };
}

/// Loads a rule set, or returns the one of another configuration.
///
/// `responses` says whether their bodies are inspected; otherwise, the directives do.
///
/// # Errors
///
/// A directive is rejected.
pub fn load(
    includes_rules: bool,
    has_mode: bool,
    responses: Option<bool>,
    sec_rules: &[NonEmptyString],
) -> Result<RuleSet, FieldError> {
    let base = match (includes_rules, has_mode) {
        (true, _) => Base::Rules,
        (false, true) => Base::Bodies,
        (false, false) => Base::Nothing,
    };
    let directives = directives(sec_rules)?;
    if has_mode {
        check_mode(&directives)?;
    }
    let is_switch = |directive: &&Directive| directive.is("SecResponseBodyAccess");
    let responses = responses.unwrap_or_else(|| {
        let switch = directives.iter().rfind(is_switch).and_then(|directive| directive.words.first());
        switch.is_some_and(|value| value.eq_ignore_ascii_case("on"))
    });
    let key = Key {
        base,
        responses,
        directives: sec_rules.iter().map(|text| String::from(text.clone())).collect(),
    };
    let loaded = LOADED.with_borrow_mut(|loaded| {
        loaded.retain(|(_, waf, _)| waf.strong_count() > 0);
        loaded
            .iter()
            .find(|(other, ..)| *other == key)
            .and_then(|(_, waf, notes)| Some(RuleSet::new(waf.upgrade()?, notes.clone())))
    });
    if let Some(loaded) = loaded {
        return Ok(loaded);
    }
    let set = build(base, responses, &directives)?;
    LOADED.with_borrow_mut(|loaded| loaded.push((key, Rc::downgrade(&set.waf), set.notes.clone())));
    Ok(set)
}

impl RuleSet {
    fn new(waf: Rc<Waf>, notes: Vec<String>) -> Self {
        let settings = &waf.program().settings;
        let limit = settings.response_body_limit.and_then(|bytes| usize::try_from(bytes).ok());
        let max_response_body = if settings.response_body { limit.unwrap_or(MAX_RESPONSE_BODY) } else { 0 };
        Self { waf, notes, max_response_body }
    }
}

/// Decompresses the embedded rules once.
fn rules() -> Result<&'static [u8], FieldError> {
    TABLE.with(|table| match table.get() {
        Some(table) => Ok(*table),
        None => {
            let bytes = lz4_flex::decompress_size_prepended(RULES)
                .map_err(|error| FieldError::new("", format!("the rules of the module: {error}")))?;
            Ok(*table.get_or_init(|| bytes.leak()))
        }
    })
}

fn build(base: Base, responses: bool, directives: &[Directive]) -> Result<RuleSet, FieldError> {
    let table =
        |bytes: &'static [u8]| Program::decode(bytes).map_err(|error| FieldError::new("", error.to_string()));
    let mut program = match base {
        Base::Rules => table(rules()?)?,
        Base::Bodies => table(BODIES)?,
        Base::Nothing => {
            let mut program = Program::default();
            program.settings.request_body = false;
            program
        }
    };
    if responses {
        program.settings.response_body = true;
    } else {
        // Their lists of phrases take time and memory to load.
        program.remove_phases_after(2);
    }
    let mut notes = Vec::new();
    if base == Base::Rules {
        let signature = program.settings.signature.as_deref().unwrap_or("without a name");
        notes.push(format!("rules: {signature}"));
    }
    let mut program = match directives {
        [] => program,
        directives => {
            let known = program.files.len();
            let compiled = seclang::extend(program, directives, &|_| {
                Err("files cannot be read: write `@pm` or `@ipMatch` with the entries".to_owned())
            });
            if let Some(error) = compiled.errors.into_iter().next() {
                return Err(rejected(&error));
            }
            check_expressions(&compiled.program, known)?;
            let added = |rule: &&Rule<'_>| usize::from(rule.file) >= known && !rule.member;
            let is_last = |phase: u8| phase > 4 || (phase == 4 && !compiled.program.settings.response_body);
            let unused =
                compiled.program.rules.iter().filter(added).filter(|rule| is_last(rule.phase)).count();
            if unused > 0 {
                notes.push(format!(
                    "without an effect: {unused} rules of phase 5, or of phase 4 without `max_response_body_bytes`"
                ));
            }
            if !compiled.ignored.is_empty() {
                notes.push(format!("without an effect: {}", compiled.ignored.join(", ")));
            }
            compiled.program
        }
    };
    program.remove_data();
    let waf = Waf::new(program).map_err(|error| FieldError::new("sec_rules", error.to_string()))?;
    Ok(RuleSet::new(waf, notes))
}

fn directives(sec_rules: &[NonEmptyString]) -> Result<Vec<Directive>, FieldError> {
    let mut directives = Vec::new();
    for (index, text) in sec_rules.iter().enumerate() {
        let name = format!("sec_rules[{index}]");
        directives.extend(seclang::parse(&[Source { name: &name, text }]).map_err(|error| rejected(&error))?);
    }
    Ok(directives)
}

/// Refuses a directive that contradicts `mode`.
fn check_mode(directives: &[Directive]) -> Result<(), FieldError> {
    match directives.iter().find(|directive| directive.is("SecRuleEngine")) {
        None => Ok(()),
        Some(directive) => {
            let message = "`SecRuleEngine` cannot be combined with `mode`: remove it";
            Err(FieldError::new(&*directive.file, message))
        }
    }
}

/// Compiles the expressions of rules that were added: those of the module were compiled when it was built.
fn check_expressions(program: &Program<'_>, known: usize) -> Result<(), FieldError> {
    for rule in program.rules.iter().filter(|rule| usize::from(rule.file) >= known) {
        let pattern = match program.operators.get(usize::from(rule.operator)) {
            Some(Operator::Rx(pattern, _)) => Some(pattern.as_ref()),
            _ => None,
        };
        let selectors = rule.targets.iter().filter_map(|target| match &target.selector {
            Selector::Regex(pattern) => Some(pattern.as_ref()),
            _ => None,
        });
        for pattern in pattern.into_iter().chain(selectors) {
            waf::check_expression(pattern).map_err(|message| {
                let file = program.files.get(usize::from(rule.file)).map(ToString::to_string);
                rejected(&seclang::Error { file: file.unwrap_or_default(), line: rule.line, message })
            })?;
        }
    }
    Ok(())
}

/// The error of a directive, with its line if its entry has several.
fn rejected(error: &seclang::Error) -> FieldError {
    let message = match error.line {
        0 | 1 => error.message.clone(),
        line => format!("line {line}: {}", error.message),
    };
    FieldError::new(&*error.file, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<NonEmptyString> {
        vec![NonEmptyString::try_from(text.to_owned()).unwrap()]
    }

    #[test]
    fn configurations_of_the_same_rules_share_them() {
        let own = rules("SecAction \"id:1,pass\"");
        let first = load(true, true, None, &own).unwrap().waf;
        assert!(Rc::ptr_eq(&first, &load(true, true, None, &own).unwrap().waf));
        assert!(!Rc::ptr_eq(&first, &load(true, true, None, &[]).unwrap().waf));
        assert!(!Rc::ptr_eq(&first, &load(false, true, None, &own).unwrap().waf));
        drop(first);
        load(false, false, None, &own).unwrap();
        LOADED.with_borrow(|loaded| assert!(loaded.len() <= 2, "{}", loaded.len()));
    }

    #[test]
    fn a_hundred_rules_are_added_to_all_others() {
        let text: Vec<String> = (1..=100)
            .map(|id| {
                format!("SecRule ARGS:a{id} \"@rx ^(?:a|b{id})+$\" \"id:{id},phase:2,deny,t:lowercase\"")
            })
            .collect();
        let waf = load(true, true, None, &rules(&text.join("\n"))).unwrap().waf;
        let without = load(true, true, None, &[]).unwrap().waf;
        assert_eq!(waf.program().rules.len(), without.program().rules.len() + 100);
    }
}

//! Which captures something reads: most rules that capture do so for the log alone, and captures cost more than matches.

use seclang::{Action, Collection, Macro, Part, Program, Rule, Selector, SetVar, Target, Template};

use crate::plan::template;
use crate::regex::LazyRegex;

/// A set of the groups from 0, the whole match, to 9.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Groups(u16);

impl Groups {
    pub(crate) const ALL: Self = Self(0x3ff);

    fn named(name: &str) -> Self {
        match name.as_bytes() {
            [digit @ b'0'..=b'9'] => Self(1 << (digit - b'0')),
            _ => Self::default(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns true if there are others than the whole match.
    pub(crate) fn has_parts(self) -> bool {
        self.0 > 1
    }
}

/// Returns the captures of each rule that something may read.
///
/// A match replaces the captures of all rules before, so what a chain reads after one of its own rules captured belongs to that
/// rule. All other readers may get the captures of any rule.
pub(crate) fn read(program: &Program<'_>) -> Vec<Groups> {
    let mut read = vec![Groups::default(); program.rules.len()];
    let mut by_all = Groups::default();
    let mut add =
        |capturing: Option<usize>, groups: Groups| match capturing.and_then(|index| read.get_mut(index)) {
            Some(own) => *own = own.and(groups),
            None => by_all = by_all.and(groups),
        };
    let mut capturing = None;
    let mut head: Option<&Rule<'_>> = None;
    for (index, rule) in program.rules.iter().enumerate() {
        if !rule.member {
            capturing = None;
            head = Some(rule);
        }
        let operator = program.operators.get(usize::from(rule.operator)).and_then(template);
        let compared = rule.targets.iter().map(of_target).chain(operator.map(of_template));
        compared.for_each(|groups| add(capturing, groups));
        if rule.capture && !rule.negated {
            capturing = Some(index);
        }
        rule.actions.iter().map(of_action).for_each(|groups| add(capturing, groups));
        // The texts of a chain are expanded at its end; a refusal has the one of its own rule.
        if !rule.chained {
            let texts = head.into_iter().flat_map(|head| head.message.iter().chain(&head.data));
            texts.map(of_template).for_each(|groups| add(capturing, groups));
        }
    }
    let captures = |rule: &Rule<'_>| rule.capture && !rule.negated;
    let read = read.into_iter().zip(&program.rules);
    read.map(|(own, rule)| if captures(rule) { own.and(by_all) } else { own }).collect()
}

fn of_target(target: &Target<'_>) -> Groups {
    match (target.collection, &target.selector) {
        (Collection::Tx, Selector::All) => Groups::ALL,
        (Collection::Tx, Selector::Name(name)) => Groups::named(name),
        (Collection::Tx, Selector::Regex(pattern)) => {
            let regex = LazyRegex::new(&format!("(?i:{pattern})"));
            let matches = (b'0'..=b'9').any(|digit| regex.is_match(&[digit]));
            if matches { Groups::ALL } else { Groups::default() }
        }
        _ => Groups::default(),
    }
}

fn of_action(action: &Action<'_>) -> Groups {
    match action {
        Action::SetVar(
            SetVar::Assign(key, value) | SetVar::Add(key, value) | SetVar::Subtract(key, value),
        ) => of_template(key).and(of_template(value)),
        Action::SetVar(SetVar::Unset(key)) => of_template(key),
        Action::Ctl(_) => Groups::default(),
    }
}

fn of_template(template: &Template<'_>) -> Groups {
    let of_part = |part: &Part<'_>| match part {
        Part::Macro(Macro { collection: Collection::Tx, key }) => {
            key.as_deref().map_or(Groups::ALL, Groups::named)
        }
        _ => Groups::default(),
    };
    template.parts.iter().map(of_part).fold(Groups::default(), Groups::and)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(rules: &str) -> Vec<u16> {
        let directives = seclang::parse(&[seclang::Source { name: "test", text: rules }]).unwrap();
        let compiled = seclang::compile(&directives, &|name| Err(name.to_owned()));
        assert_eq!(compiled.errors, []);
        read(&compiled.program).into_iter().map(|groups| groups.0).collect()
    }

    #[test]
    fn captures_belong_to_the_rule_of_the_chain_that_captured_last() {
        let rules = "SecRule ARGS \"@rx (a)(b)\" \"id:1,phase:1,deny,capture,chain,msg:'%{TX.2}',logdata:'%{TX.0}'\"\n\
                     SecRule TX:1 \"@rx (a)\" \"chain,setvar:'tx.x=%{TX.1}'\"\n\
                     SecRule ARGS \"@rx (b)\" \"capture,chain\"\nSecRule ARGS \"@streq %{TX.3}\"\n\
                     SecRule ARGS \"@rx c\" \"id:2,phase:1,pass,capture,setvar:'tx.y=%{TX.0}'\"\n\
                     SecRule ARGS \"!@rx c\" \"id:3,phase:1,pass,capture,msg:'%{MATCHED_VAR}'\"\n\
                     SecRule ARGS \"@rx c\" \"id:4,phase:1,pass,capture\"";
        assert_eq!(groups(rules), [0b10, 0, 0b1101, 0, 0b1, 0, 0]);
    }

    #[test]
    fn what_is_read_without_a_capture_may_be_of_any_rule() {
        let rules = "SecRule ARGS \"@rx (a)\" \"id:1,phase:1,pass,capture\"\n\
                     SecRule ARGS \"!@rx (b)\" \"id:2,phase:1,pass,capture\"\n";
        let with = |rule: &str| groups(&format!("{rules}{rule}"));
        assert_eq!(with("SecRule TX:1 \"@rx a\" \"id:3,phase:1,pass\""), [0b10, 0, 0]);
        assert_eq!(with("SecRule &TX:/^[1a]$/ \"@eq 1\" \"id:3,phase:1,pass\""), [0x3ff, 0, 0]);
        assert_eq!(with("SecRule TX:/^score_/ \"@eq 1\" \"id:3,phase:1,pass\""), [0, 0, 0]);
        assert_eq!(with("SecAction \"id:3,phase:1,pass,setvar:'tx.a_%{tx.4}=1'\""), [0b1_0000, 0, 0]);
        assert_eq!(with("SecRule TX \"@rx a\" \"id:3,phase:1,pass\""), [0x3ff, 0, 0]);
    }
}

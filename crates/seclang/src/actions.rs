//! Actions of rules: `id:1,phase:2,deny,t:none,setvar:'tx.a=+1'`.

use std::borrow::Cow;

use crate::program::{
    Action, Collection, Ctl, Disruptive, EngineMode, Processor, SetVar, Severity, Target, Template,
    Transformation,
};
use crate::{targets, template};

/// All transformations, for lists in documents.
pub const ALL_TRANSFORMATIONS: &[Transformation] = Transformation::ALL;

/// Actions that only concern logs, or storage that outlives a request, which does not exist.
const IGNORED: [&str; 26] = [
    "accuracy",
    "append",
    "auditlog",
    "deprecatevar",
    "expirevar",
    "initcol",
    "logdata",
    "maturity",
    "noauditlog",
    "prepend",
    "rev",
    "sanitiseArg",
    "sanitiseMatched",
    "sanitiseMatchedBytes",
    "sanitiseRequestHeader",
    "sanitiseResponseHeader",
    "sanitizeArg",
    "sanitizeMatched",
    "sanitizeMatchedBytes",
    "sanitizeRequestHeader",
    "sanitizeResponseHeader",
    "setsid",
    "setuid",
    "ver",
    "xmlns",
    "setrsc",
];

/// The parsed actions of a directive.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Actions {
    pub(crate) id: Option<u32>,
    pub(crate) phase: Option<u8>,
    pub(crate) disruptive: Option<Decision>,
    pub(crate) status: Option<u16>,
    pub(crate) log: Option<bool>,
    pub(crate) chain: bool,
    pub(crate) capture: bool,
    pub(crate) multi_match: bool,
    pub(crate) transformations: Vec<Transformation>,
    /// `t:none` was among them: those of the default are dropped.
    pub(crate) clears_transformations: bool,
    pub(crate) actions: Vec<Action<'static>>,
    pub(crate) skip_after: Option<String>,
    pub(crate) skip: Option<u32>,
    pub(crate) message: Option<Template<'static>>,
    pub(crate) data: Option<Template<'static>>,
    pub(crate) severity: Option<Severity>,
    pub(crate) tags: Vec<String>,
    /// Actions without an effect, for one warning.
    pub(crate) ignored: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// That of `SecDefaultAction`.
    Block,
    Is(Disruptive),
}

/// Parses a list of actions.
pub(crate) fn parse(text: &str) -> Result<Actions, String> {
    let mut actions = Actions::default();
    for (name, value) in split(text)? {
        actions.add(name, value.as_deref())?;
    }
    Ok(actions)
}

/// Splits at commas outside of single quotes, and each action at its first colon.
fn split(text: &str) -> Result<Vec<(&str, Option<String>)>, String> {
    let mut list = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find([',', ':']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = name.trim();
        let Some(value) = after.strip_prefix(':') else {
            if !name.is_empty() {
                list.push((name, None));
            }
            rest = after.strip_prefix(',').unwrap_or_default().trim_start();
            continue;
        };
        let value = value.trim_start();
        if let Some(quoted) = value.strip_prefix('\'') {
            let (value, after) =
                unquote(quoted).ok_or_else(|| format!("`{name}`: the quote is not closed"))?;
            let after = after.trim_start();
            if !(after.is_empty() || after.starts_with(',')) {
                return Err(format!("`{name}`: a comma must follow the value"));
            }
            list.push((name, Some(value)));
            rest = after.strip_prefix(',').unwrap_or_default().trim_start();
        } else {
            // A quote may begin later: `ctl:ruleRemoveTargetById=1;ARGS:'/a,b/'`.
            let mut in_quotes = false;
            let end = value.find(|c| {
                in_quotes ^= c == '\'';
                c == ',' && !in_quotes
            });
            let (value, after) = value.split_at(end.unwrap_or(value.len()));
            list.push((name, Some(value.trim().to_owned())));
            rest = after.strip_prefix(',').unwrap_or_default().trim_start();
        }
    }
    Ok(list)
}

/// Reads up to the closing quote. `\'` is a quote.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '\'' => return Some((value, text.get(at + 1..)?)),
            '\\' if characters.next_if(|(_, next)| *next == '\'').is_some() => value.push('\''),
            c => value.push(c),
        }
    }
    None
}

impl Actions {
    fn add(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let needed = || value.ok_or_else(|| format!("`{name}` needs a value: write `{name}:…`"));
        let number = || {
            let value = needed()?;
            value.trim().parse::<u32>().map_err(|_| format!("`{name}:{value}` is not a number"))
        };
        match name.to_ascii_lowercase().as_str() {
            "id" => self.id = Some(number()?),
            "phase" => {
                self.phase = Some(match needed()?.to_ascii_lowercase().as_str() {
                    "request" => 2,
                    "response" => 4,
                    "logging" => 5,
                    text => match text.parse::<u8>() {
                        Ok(phase @ 1..=5) => phase,
                        _ => return Err(format!("`phase:{text}`: write a number from 1 to 5")),
                    },
                });
            }
            "pass" => self.disruptive = Some(Decision::Is(Disruptive::Pass)),
            "block" => self.disruptive = Some(Decision::Block),
            "deny" | "drop" => self.disruptive = Some(Decision::Is(Disruptive::Deny)),
            "allow" => {
                self.disruptive = Some(Decision::Is(match value {
                    None => Disruptive::Allow,
                    Some(value) if value.eq_ignore_ascii_case("phase") => Disruptive::AllowPhase,
                    Some(value) if value.eq_ignore_ascii_case("request") => Disruptive::AllowRequest,
                    Some(value) => return Err(format!("`allow:{value}`: write `phase` or `request`")),
                }));
            }
            "status" => {
                let status = number()?;
                self.status = match u16::try_from(status) {
                    Ok(status @ 200..=599) => Some(status),
                    _ => return Err(format!("`status:{status}`: write a number from 200 to 599")),
                };
            }
            "log" => self.log = Some(true),
            "nolog" => self.log = Some(false),
            "chain" => self.chain = true,
            "capture" => self.capture = true,
            "multimatch" => self.multi_match = true,
            "t" => match needed()? {
                none if none.eq_ignore_ascii_case("none") => {
                    self.transformations.clear();
                    self.clears_transformations = true;
                }
                text => self.transformations.push(
                    Transformation::from_name(text)
                        .ok_or_else(|| format!("`t:{text}` is not a known transformation"))?,
                ),
            },
            "setvar" => match set_var(needed()?)? {
                Some(change) => self.actions.push(Action::SetVar(change)),
                None => self.ignored.push(format!("setvar:{}", needed()?)),
            },
            "ctl" => {
                if let Some(ctl) = ctl(needed()?)? {
                    self.actions.push(Action::Ctl(ctl));
                }
            }
            "skipafter" => self.skip_after = Some(needed()?.to_owned()),
            "skip" => self.skip = Some(number()?),
            "msg" => self.message = Some(template::parse(needed()?)?),
            "logdata" => self.data = Some(template::parse(needed()?)?),
            "severity" => {
                let text = needed()?;
                self.severity =
                    Some(Severity::from_name(text).ok_or_else(|| format!("`severity:{text}` is not known"))?);
            }
            "tag" => self.tags.push(needed()?.to_owned()),
            "redirect" | "proxy" | "exec" | "pause" | "setenv" => {
                return Err(format!("`{name}` is not supported: write `deny`, or remove it"));
            }
            other if IGNORED.iter().any(|ignored| ignored.eq_ignore_ascii_case(other)) => {}
            _ => return Err(format!("`{name}` is not a known action")),
        }
        Ok(())
    }
}

/// Parses `tx.name=+1`. Other collections than `tx` do not exist: `None`.
fn set_var(text: &str) -> Result<Option<SetVar<'static>>, String> {
    let (unset, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (collection, rest) =
        rest.split_once('.').ok_or_else(|| format!("`setvar:{text}`: write `tx.name=value`"))?;
    match Collection::from_name(collection) {
        Some(Collection::Tx) => {}
        Some(
            Collection::Ip
            | Collection::Global
            | Collection::Session
            | Collection::User
            | Collection::Resource,
        ) => return Ok(None),
        _ => return Err(format!("`setvar:{text}`: variables of `{collection}` cannot be set")),
    }
    // The name may contain macros, the names in which contain no `=`.
    let (name, value) = rest.split_once('=').map_or((rest, None), |(name, value)| (name, Some(value)));
    let name = lowercase(template::parse(name)?);
    Ok(Some(match (unset, value) {
        (true, _) => SetVar::Unset(name),
        (false, None) => SetVar::Assign(name, template::parse("1")?),
        (false, Some(value)) => match (value.strip_prefix('+'), value.strip_prefix('-')) {
            (Some(value), _) => SetVar::Add(name, template::parse(value)?),
            (_, Some(value)) => SetVar::Subtract(name, template::parse(value)?),
            _ => SetVar::Assign(name, template::parse(value)?),
        },
    }))
}

fn lowercase(mut template: Template<'static>) -> Template<'static> {
    for part in &mut template.parts {
        if let crate::program::Part::Text(text) = part {
            *text = Cow::Owned(text.to_ascii_lowercase());
        }
    }
    template
}

/// Parses `ruleRemoveById=1-5`. Those that concern logs are `None`.
fn ctl(text: &str) -> Result<Option<Ctl<'static>>, String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`ctl:{text}` needs a value: write `ctl:name=value`"))?;
    let (name, value) = (name.trim(), value.trim());
    let switch = || match value.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("`ctl:{text}`: write `On` or `Off`")),
    };
    let with_target = || -> Result<(&str, Target<'static>), String> {
        let (rules, target) = value
            .split_once(';')
            .ok_or_else(|| format!("`ctl:{text}`: write the rules, `;` and a variable"))?;
        Ok((rules, targets::parse_one(target)?))
    };
    Ok(Some(match name.to_ascii_lowercase().as_str() {
        "ruleengine" => Ctl::Engine(
            EngineMode::from_name(value)
                .ok_or_else(|| format!("`ctl:{text}`: write `On`, `Off` or `DetectionOnly`"))?,
        ),
        "requestbodyaccess" => Ctl::RequestBodyAccess(switch()?),
        "responsebodyaccess" => Ctl::ResponseBodyAccess(switch()?),
        "forcerequestbodyvariable" => Ctl::ForceRequestBody(switch()?),
        "requestbodyprocessor" => Ctl::Processor(
            Processor::from_name(value)
                .ok_or_else(|| format!("`ctl:{text}`: write `URLENCODED`, `MULTIPART`, `XML` or `JSON`"))?,
        ),
        "ruleremovebyid" => Ctl::RemoveById(ids(value)?),
        "ruleremovebytag" => Ctl::RemoveByTag(Cow::Owned(value.to_owned())),
        "ruleremovebymsg" => Ctl::RemoveByMessage(Cow::Owned(value.to_owned())),
        "ruleremovetargetbyid" => {
            let (rules, target) = with_target()?;
            Ctl::RemoveTargetById(ids(rules)?, target)
        }
        "ruleremovetargetbytag" => {
            let (tag, target) = with_target()?;
            Ctl::RemoveTargetByTag(Cow::Owned(tag.to_owned()), target)
        }
        "ruleremovetargetbymsg" => {
            let (message, target) = with_target()?;
            Ctl::RemoveTargetByMessage(Cow::Owned(message.to_owned()), target)
        }
        "auditengine" | "auditlogparts" | "debugloglevel" | "hashengine" | "hashenforcement" => {
            return Ok(None);
        }
        _ => return Err(format!("`ctl:{name}` is not supported")),
    }))
}

/// Parses numbers and ranges of rules, separated by commas or white space.
pub(crate) fn ids(text: &str) -> Result<Vec<(u32, u32)>, String> {
    let number =
        |text: &str| text.trim().parse::<u32>().map_err(|_| format!("`{text}` is not the number of a rule"));
    text.split([',', ' '])
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Ok((number(first)?, number(last)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_typed() {
        let text = "id:7, phase:request,block,t:lowercase,t:none,t:urlDecodeUni,msg:'It\\'s, so',tag:a,tag:'b,c',\
                    setvar:'tx.Score=+%{tx.critical}',ctl:ruleRemoveTargetById=1-3;ARGS:'/a,b/',nolog,severity:'CRITICAL'";
        let actions = parse(text).unwrap();
        assert_eq!((actions.id, actions.phase, actions.log), (Some(7), Some(2), Some(false)));
        assert_eq!(actions.disruptive, Some(Decision::Block));
        assert_eq!(actions.transformations, [Transformation::UrlDecodeUni]);
        assert!(actions.clears_transformations);
        assert_eq!(actions.message.unwrap().as_text(), Some("It's, so"));
        assert_eq!(actions.tags, ["a", "b,c"]);
        assert_eq!(actions.severity, Some(Severity::Critical));
        let [Action::SetVar(SetVar::Add(name, _)), Action::Ctl(Ctl::RemoveTargetById(ids, target))] =
            actions.actions.as_slice()
        else {
            panic!("{:?}", actions.actions)
        };
        assert_eq!(name.as_text(), Some("score"));
        assert_eq!(ids, &[(1, 3)]);
        assert_eq!(target.selector, crate::Selector::Regex("a,b".into()));
    }

    #[test]
    fn storage_that_outlives_a_request_is_ignored_and_reported() {
        let actions = parse("id:1,setvar:ip.counter=+1,expirevar:ip.counter=60").unwrap();
        assert_eq!(actions.ignored, ["setvar:ip.counter=+1"]);
        assert!(actions.actions.is_empty());
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, message) in [
            ("id", "`id` needs a value: write `id:…`"),
            ("id:x", "`id:x` is not a number"),
            ("phase:6", "`phase:6`: write a number from 1 to 5"),
            ("t:rot13", "`t:rot13` is not a known transformation"),
            ("deny,exec:/bin/sh", "`exec` is not supported: write `deny`, or remove it"),
            ("msg:'a", "`msg`: the quote is not closed"),
            ("msg:'a'b", "`msg`: a comma must follow the value"),
            ("setvar:a=1", "`setvar:a=1`: write `tx.name=value`"),
            ("setvar:args.a=1", "`setvar:args.a=1`: variables of `args` cannot be set"),
            ("ctl:ruleEngine=Maybe", "`ctl:ruleEngine=Maybe`: write `On`, `Off` or `DetectionOnly`"),
            ("status:99", "`status:99`: write a number from 200 to 599"),
            ("denny", "`denny` is not a known action"),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
    }
}

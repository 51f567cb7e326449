//! Tests of the compiler: defaults, chains, updates, jumps, errors.

use super::*;
use crate::program::{Collection, Use};
use crate::{Source, parse};

fn compiled(text: &str) -> Compiled {
    let directives = parse(&[Source { name: "own.conf", text }]).unwrap();
    compile(&directives, &|name| match name {
        "words.data" => Ok("one\ntwo\n".to_owned()),
        name => Err(format!("{name} cannot be read")),
    })
}

fn program(text: &str) -> Program<'static> {
    let compiled = compiled(text);
    assert_eq!(compiled.errors, []);
    compiled.program
}

fn errors(text: &str) -> Vec<String> {
    compiled(text).errors.iter().map(ToString::to_string).collect()
}

#[test]
fn block_is_the_decision_of_the_default_of_its_phase() {
    let text = "SecDefaultAction \"phase:1,deny,status:406\"\nSecDefaultAction \"phase:2,pass,nolog\"\n\
                SecRule ARGS a \"id:1,phase:1,block\"\nSecRule ARGS a \"id:2,phase:2,block\"\n\
                SecRule ARGS a \"id:3,phase:2,deny,log\"";
    let rules = program(text).rules;
    let found: Vec<_> = rules.iter().map(|rule| (rule.disruptive, rule.status, rule.log)).collect();
    assert_eq!(
        found,
        [
            (Disruptive::Deny, Some(406), true),
            (Disruptive::Pass, None, false),
            (Disruptive::Deny, None, true)
        ]
    );
}

#[test]
fn members_of_a_chain_have_its_number_and_phase() {
    let text = "SecRule ARGS a \"id:1,phase:1,deny,chain\"\nSecRule ARGS b \"chain\"\nSecRule ARGS c\n\
                SecRule ARGS d \"id:2,phase:2\"";
    let rules = program(text).rules;
    let found: Vec<_> = rules.iter().map(|rule| (rule.id, rule.phase, rule.chained, rule.member)).collect();
    assert_eq!(found, [(1, 1, true, false), (1, 1, true, true), (1, 1, false, true), (2, 2, false, false)]);
}

#[test]
fn an_error_in_a_chain_leaves_out_all_of_it() {
    for broken in [
        "SecRule ARGS a \"id:1,deny,chain,t:none\"\nSecRule ARGS \"@bad x\" \"chain\"\nSecRule ARGS c",
        "SecRule ARGS \"@bad x\" \"id:1,deny,chain\"\nSecRule ARGS b \"chain\"\nSecRule ARGS c",
        "SecRule ARGS a \"id:1,bad,chain\"\nSecRule ARGS b \"chain\"\nSecRule ARGS c",
        "SecRule ARGS a \"id:1,chain\"\nSecRule ARGS b \"chain\"\nSecRule ARGS c \"id:5\"",
    ] {
        let compiled = compiled(&format!("{broken}\nSecRule ARGS d \"id:2\"\nSecRule ARGS e \"id:1\""));
        assert_eq!(compiled.errors.len(), 1, "{broken}: {:?}", compiled.errors);
        let ids: Vec<_> = compiled.program.rules.iter().map(|rule| rule.id).collect();
        assert_eq!(ids, [2, 1], "{broken}");
    }
    assert_eq!(
        errors("SecRule ARGS a \"id:1,chain\"\nSecMarker X"),
        ["own.conf:2: the rule before has `chain`, so another rule must follow it"]
    );
    assert_eq!(
        errors("SecMarker X\nSecRule ARGS a \"id:1,chain\""),
        ["own.conf:2: the last rule has `chain`, but no rule follows it"]
    );
}

#[test]
fn jumps_lead_to_the_rule_after_a_marker() {
    let text = "SecAction \"id:1,skipAfter:END\"\nSecAction id:2\nSecAction id:3\nSecMarker END\nSecAction id:4\n\
                SecAction \"id:5,skip:1\"\nSecAction id:6\nSecAction id:7\nSecRuleRemoveById 2 6-6";
    let rules = program(text).rules;
    let found: Vec<_> = rules.iter().map(|rule| (rule.id, rule.continue_at)).collect();
    assert_eq!(found, [(1, Some(2)), (3, None), (4, None), (5, Some(5)), (7, None)]);
    let lost = compiled("SecMarker END\nSecAction \"id:1,skipAfter:END\"");
    assert_eq!(
        lost.errors.first().unwrap().to_string(),
        "own.conf:2: `skipAfter:END`: there is no `SecMarker END` after this rule"
    );
    assert!(lost.program.rules.is_empty());
}

#[test]
fn rules_are_removed_and_updated_by_number_tag_and_message() {
    let text = "SecRule ARGS a \"id:1,tag:x,chain\"\nSecRule ARGS b\nSecRule ARGS a \"id:2,tag:y,msg:'m'\"\n\
                SecRule ARGS a \"id:3,tag:z,msg:'n'\"\nSecRule ARGS a \"id:4,tag:z\"\n\
                SecRuleRemoveByTag x\nSecRuleRemoveByMsg m\nSecRuleUpdateTargetById 3 !ARGS:q\n\
                SecRuleUpdateTargetByTag z REQUEST_HEADERS\nSecRuleUpdateActionById 4 \"deny,status:429\"";
    let rules = program(text).rules;
    let [third, fourth] = rules.as_slice() else { panic!("{rules:?}") };
    let targets: Vec<_> = third.targets.iter().map(|target| (target.collection, target.usage)).collect();
    assert_eq!(
        targets,
        [
            (Collection::Args, Use::Values),
            (Collection::Args, Use::Exclude),
            (Collection::RequestHeaders, Use::Values)
        ]
    );
    assert_eq!((fourth.disruptive, fourth.status, fourth.targets.len()), (Disruptive::Deny, Some(429), 2));
}

#[test]
fn equal_operators_and_pipelines_are_stored_once() {
    let program = program(
        "SecRule ARGS \"@pmFromFile words.data\" \"id:1,t:none,t:lowercase\"\n\
         SecRule ARGS \"@pm two one\" \"id:2,t:lowercase\"\nSecRule ARGS b \"id:3,tag:a,tag:b\"\n\
         SecRule ARGS b \"id:4,tag:b\"",
    );
    assert_eq!((program.operators.len(), program.pipelines.len(), program.tags.len()), (2, 2, 2));
}

#[test]
fn errors_name_file_line_and_remedy() {
    for (text, expected) in [
        ("\nSecRule ARGS a", "own.conf:2: `id` is missing: write `id:NUMBER`"),
        ("SecRule ARGS", "own.conf:1: write `SecRule VARIABLES OPERATOR ACTIONS`, each in quotes"),
        ("SecAction id:1\nSecAction id:1", "own.conf:2: duplicate `id:1`: write another number"),
        ("SecRule ARGS \"@pmFromFile a.data\" id:1", "own.conf:1: a.data cannot be read"),
        ("Include /etc/passwd", "own.conf:1: files cannot be included: write the directives here"),
        ("SecRulesEngine On", "own.conf:1: `SecRulesEngine` is not supported"),
        ("SecRuleEngine", "own.conf:1: `SecRuleEngine` has 0 arguments, which is not their number"),
        ("SecRuleEngine Yes", "own.conf:1: write `On`, `Off` or `DetectionOnly`"),
        ("SecRequestBodyLimit 1m", "own.conf:1: `1m` is not a number of bytes"),
        ("SecArgumentsLimit 0", "own.conf:1: `0` is not a number of arguments: write one from 1"),
        ("SecArgumentsLimit", "own.conf:1: `SecArgumentsLimit` has 0 arguments, which is not their number"),
        (
            "SecRuleUpdateTargetById 1 !ARGS",
            "own.conf:1: no rule before this line is meant: write it after the rules",
        ),
    ] {
        assert_eq!(errors(text), [expected], "{text}");
    }
}

#[test]
fn settings_are_read_and_directives_of_logs_ignored() {
    let compiled = compiled(
        "SecRuleEngine DetectionOnly\nSecRequestBodyAccess Off\nSecResponseBodyAccess On\nSecRequestBodyLimit 1000\n\
         SecArgumentsLimit 50\nSecRequestBodyLimitAction ProcessPartial\nSecResponseBodyMimeType text/html\nSecDebugLog /tmp/x\n\
         SecDebugLog /tmp/y\nSecComponentSignature CRS/1",
    );
    let settings = &compiled.program.settings;
    assert_eq!(
        settings,
        &Settings {
            engine: EngineMode::DetectionOnly,
            request_body: false,
            response_body: true,
            request_body_limit: Some(1000),
            response_body_limit: None,
            reject_larger: false,
            arguments_limit: 50,
            response_types: vec!["text/html".into()],
            signature: Some("CRS/1".into()),
        }
    );
    assert_eq!(compiled.ignored, ["SecDebugLog"]);
    assert_eq!(compiled.errors, []);
}

#[test]
fn tables_are_decoded_as_they_were_encoded() {
    let text = "SecRule ARGS|!ARGS:/^a/ \"@rx b\" \"id:1,chain,msg:'%{rule.id} %{TX.0}',setvar:tx.a=+1\"\n\
                SecRule &TX:A \"@eq 1\"";
    let program = program(text);
    let bytes = program.encode().unwrap();
    assert_eq!(Program::decode(&bytes).unwrap(), program);
    assert!(Program::decode(&bytes[..bytes.len() - 1]).is_err());
    assert!(Program::decode(&[9]).unwrap_err().to_string().contains("version 9"));
}

proptest::proptest! {
    #[test]
    fn no_text_causes_a_panic(text in "(Sec(Rule|Action|Marker) |[\"'\\\\|!&@:/,a-z0-9=+;%{}]|ARGS|id:|chain|\n| ){0,40}") {
        if let Ok(directives) = parse(&[Source { name: "x", text: &text }]) {
            let compiled = compile(&directives, &|name| Err(name.to_owned()));
            let bytes = compiled.program.encode().unwrap();
            proptest::prop_assert_eq!(Program::decode(&bytes).unwrap(), compiled.program);
        }
    }
}

#[test]
fn directives_after_a_program_are_those_after_its_sources() {
    let first = "SecRule ARGS \"@rx a\" \"id:1,phase:2,pass,t:lowercase,tag:x,skipAfter:END\"\n\
                 SecRule ARGS \"@rx b\" \"id:2,phase:2,deny,tag:y,chain\"\n SecRule &ARGS \"@eq 1\"\n\
                 SecMarker END\nSecRule ARGS \"@rx c\" \"id:3,phase:2,deny\"";
    for then in [
        "SecRule ARGS_NAMES \"@rx a\" \"id:4,phase:1,deny,t:lowercase,tag:y\"\nSecRuleEngine DetectionOnly",
        "SecRuleRemoveByTag x",
        "SecRuleRemoveById 2",
        "SecRuleUpdateTargetById 3 \"!ARGS:q\"",
        "SecRuleUpdateActionById 3 \"pass,status:400\"",
        "SecAction \"id:5,pass,skip:1\"\nSecAction \"id:6,deny\"\nSecAction \"id:7,deny\"",
    ] {
        let name = |text: &str| parse(&[Source { name: "own.conf", text }]).unwrap();
        let extended = extend(compiled(first).program, &name(then), &|name| Err(name.to_owned()));
        let mut whole = compiled(&format!("{first}\n{then}")).program;
        for (rule, extended) in whole.rules.iter_mut().zip(&extended.program.rules) {
            rule.line = extended.line;
        }
        assert_eq!(extended.errors, [], "{then}");
        assert_eq!(extended.program, whole, "{then}");
    }
    let duplicate = parse(&[Source { name: "own.conf", text: "SecAction \"id:3,pass\"" }]).unwrap();
    let extended = extend(compiled(first).program, &duplicate, &|name| Err(name.to_owned()));
    assert_eq!(extended.errors[0].to_string(), "own.conf:1: duplicate `id:3`: write another number");
}

#[test]
fn rules_of_later_phases_are_removed_with_their_operators() {
    let text = |response: &str| {
        format!(
            "SecRule ARGS \"@rx a\" \"id:1,phase:1,pass,skipAfter:END\"\n{response}\
             SecRule ARGS \"@rx c\" \"id:3,phase:2,deny,chain\"\n SecRule ARGS \"@rx a\"\n\
             SecMarker END\nSecRule ARGS \"@rx d\" \"id:4,phase:2,deny\""
        )
    };
    let response = "SecRule RESPONSE_BODY \"@rx b\" \"id:2,phase:4,deny,chain\"\n SecRule ARGS \"@rx a\"\n";
    let mut program = program(&text(response));
    program.remove_phases_after(2);
    let mut expected = compiled(&text("")).program;
    for (rule, removed) in expected.rules.iter_mut().zip(&program.rules) {
        rule.line = removed.line;
    }
    assert_eq!(program, expected);
}

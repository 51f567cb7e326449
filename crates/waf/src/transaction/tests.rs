//! Rules of the project's own: chains, scores, exclusions, captures, jumps, decisions.

use seclang::{Program, Source, compile, parse};

use super::*;

fn program(text: &str) -> Program<'static> {
    let directives = parse(&[Source { name: "own.conf", text }]).unwrap();
    let compiled = compile(&directives, &|name| Err(name.to_owned()));
    assert_eq!(compiled.errors, []);
    assert_eq!(crate::check(&compiled.program), []);
    compiled.program
}

struct Outcome {
    denial: Option<Denial>,
    hits: Vec<Hit>,
}

impl Outcome {
    fn rules(&self) -> Vec<u32> {
        self.hits.iter().map(|hit| hit.rule).collect()
    }
}

fn send(rules: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Outcome {
    let program = program(rules);
    let waf = Waf::new(program).unwrap();
    let mut transaction = waf.transaction();
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let request = Request {
        method: if body.is_empty() { b"GET" } else { b"POST" },
        uri: uri.as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
        client: "192.0.2.1".parse().ok(),
        id: b"1",
    };
    let mut denial = transaction.request_headers(&request);
    denial = denial.or_else(|| transaction.request_body(body.as_bytes()));
    transaction.finish();
    Outcome { denial, hits: transaction.hits().to_vec() }
}

fn get(rules: &str, uri: &str) -> Outcome {
    send(rules, uri, &[], "")
}

#[test]
fn a_chain_matches_only_as_a_whole() {
    let rules = "SecRule ARGS:a \"@streq 1\" \"id:1,phase:1,deny,chain\"\nSecRule ARGS:b \"@streq 2\"";
    assert_eq!(get(rules, "/?a=1&b=2").denial.unwrap().rule, 1);
    assert_eq!(get(rules, "/?a=1&b=3").denial, None);
    assert_eq!(get(rules, "/?a=2&b=2").denial, None);
}

#[test]
fn scores_add_up_over_values_and_rules() {
    let rules = "SecRule ARGS \"@contains x\" \"id:1,phase:1,pass,setvar:tx.score=+%{tx.critical}\"\n\
                 SecAction \"id:3,phase:1,pass,setvar:tx.score=-1\"\n\
                 SecRule TX:score \"@ge 9\" \"id:2,phase:1,deny,status:406,msg:'Score %{TX.score}'\"";
    let rules = format!("SecAction \"id:9,phase:1,pass,nolog,setvar:tx.critical=5\"\n{rules}");
    let denial = get(&rules, "/?a=x&b=y&c=xx").denial.unwrap();
    assert_eq!((denial.rule, denial.status, denial.message.as_str()), (2, 406, "Score 9"));
    assert_eq!(get(&rules, "/?a=x&b=y").denial, None);
    // A value that occurs twice counts twice.
    assert!(get(&rules, "/?a=x&b=x").denial.is_some());
}

#[test]
fn exclusions_hold_for_the_named_values_only() {
    let rules = "SecRule REQUEST_FILENAME \"@beginsWith /free\" \"id:1,phase:1,pass,nolog,ctl:ruleRemoveTargetById=10-20;ARGS:q\"\n\
                 SecRule REQUEST_FILENAME \"@beginsWith /off\" \"id:2,phase:1,pass,nolog,ctl:ruleRemoveByTag=t\"\n\
                 SecRule ARGS|!ARGS:/^ok/ \"@contains x\" \"id:10,phase:2,deny,tag:t\"";
    assert!(get(rules, "/a?q=x").denial.is_some());
    assert!(get(rules, "/free?q=x").denial.is_none());
    assert!(get(rules, "/free?r=x").denial.is_some());
    assert!(get(rules, "/off?r=x").denial.is_none());
    assert!(get(rules, "/a?OKAY=x").denial.is_none());
}

#[test]
fn captures_and_matched_variables_are_available_in_chains() {
    let rules = "SecRule ARGS \"@rx ^(a+)(b+)?$\" \"id:1,phase:1,deny,capture,chain,msg:'%{MATCHED_VAR_NAME}',logdata:'%{TX.1}'\"\n\
                 SecRule TX:1 \"@streq aa\" \"chain\"\nSecRule &TX:2 \"@eq 1\"";
    let outcome = get(rules, "/?q=aab");
    assert_eq!(outcome.hits.first().unwrap().data, "aa");
    assert!(get(rules, "/?q=ab").denial.is_none());
    let names = "SecRule ARGS_NAMES \"@rx .\" \"id:1,phase:1,pass,nolog,setvar:'tx.count_%{MATCHED_VAR_NAME}=+1'\"\n\
                 SecRule TX:/count_.*/ \"@gt 1\" \"id:2,phase:1,deny,chain\"\n\
                 SecRule MATCHED_VARS_NAMES \"@rx count_(.*)\" \"capture\"";
    assert!(get(names, "/?a=1&b=2").denial.is_none());
    assert_eq!(get(names, "/?a=1&a=2").hits.last().unwrap().value, b"TX:count_args_names:a");
}

#[test]
fn jumps_stay_within_their_phase() {
    let rules = "SecAction \"id:1,phase:1,pass,skipAfter:END\"\nSecAction \"id:2,phase:1,pass\"\n\
                 SecAction \"id:3,phase:2,pass\"\nSecMarker END\nSecAction \"id:4,phase:1,pass\"";
    assert_eq!(get(rules, "/").rules(), [1, 4, 3]);
}

#[test]
fn detection_reports_what_it_would_refuse() {
    let rules =
        "SecRuleEngine DetectionOnly\nSecAction \"id:1,phase:1,deny\"\nSecAction \"id:2,phase:2,deny\"";
    let outcome = get(rules, "/");
    assert_eq!((outcome.denial.clone(), outcome.rules()), (None, vec![1, 2]));
    assert_eq!(get("SecRuleEngine Off\nSecAction \"id:1,phase:1,deny\"", "/").rules(), [0; 0]);
}

#[test]
fn allow_ends_what_it_names() {
    let rest = "SecAction \"id:2,phase:1,deny\"\nSecAction \"id:3,phase:2,deny\"";
    for (action, expected) in [("allow", None), ("allow:request", None), ("allow:phase", Some(3))] {
        let outcome = get(&format!("SecAction \"id:1,phase:1,{action}\"\n{rest}"), "/");
        assert_eq!(outcome.denial.map(|denial| denial.rule), expected, "{action}");
    }
}

#[test]
fn negation_and_counts_and_multi_match() {
    assert!(get("SecRule ARGS \"!@rx ^[a-z]+$\" \"id:1,phase:1,deny\"", "/?a=a1").denial.is_some());
    assert!(get("SecRule ARGS \"!@rx ^[a-z]+$\" \"id:1,phase:1,deny\"", "/").denial.is_none());
    assert!(get("SecRule &REQUEST_HEADERS:Host \"@eq 0\" \"id:1,phase:1,deny\"", "/").denial.is_some());
    let multi = "SecRule ARGS \"@contains %\" \"id:1,phase:1,deny,t:urlDecode,multiMatch\"";
    assert!(get(multi, "/?a=%2541").denial.is_some());
    assert!(get(&multi.replace(",multiMatch", ""), "/?a=%2541").denial.is_none());
}

#[test]
fn bodies_are_parsed_by_content_type() {
    let rules = "SecRule ARGS|XML:/*|XML://@*|FILES|REQUEST_BODY \"@contains evil\" \"id:1,phase:2,deny\"\n\
                 SecRule REQBODY_ERROR|MULTIPART_STRICT_ERROR \"!@eq 0\" \"id:2,phase:2,deny\"";
    let sent = |content_type: &str, body: &str| {
        send(rules, "/", &[("Content-Type", content_type)], body)
            .hits
            .first()
            .map(|hit| (hit.rule, hit.variable.clone()))
    };
    let hit = |rule: u32, variable: &str| Some((rule, variable.to_owned()));
    assert_eq!(sent("application/x-www-form-urlencoded", "a=ev%69l"), hit(1, "ARGS:a"));
    assert_eq!(sent("Application/JSON; charset=utf-8", r#"{"a":["evil"]}"#), hit(1, "ARGS:json.a.0"));
    assert_eq!(sent("application/json", r#"{"a":"evil""#), hit(1, "ARGS:json.a"));
    assert_eq!(sent("application/json", r#"{"a":"#), hit(2, "REQBODY_ERROR"));
    assert_eq!(sent("text/xml", "<a b='evil'/>"), hit(1, "XML://@*"));
    assert_eq!(sent("application/soap+xml", "<a>ev<b>il</b></a>"), hit(1, "XML:/*"));
    let form = "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"evil\"\r\n\r\n1\r\n--x--\r\n";
    assert_eq!(sent("multipart/form-data; boundary=x", form), hit(1, "FILES:f"));
    assert_eq!(sent("multipart/form-data; boundary=y", form), hit(2, "MULTIPART_STRICT_ERROR"));
    assert_eq!(sent("text/plain", "evil"), None);
    let forced = format!("SecAction \"id:9,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On\"\n{rules}");
    assert_eq!(send(&forced, "/", &[("Content-Type", "text/plain")], "evil").denial.unwrap().rule, 1);
}

#[test]
fn arguments_without_a_value_and_empty_ones_are_read() {
    let rules = "SecRule ARGS \"@unconditionalMatch\" \"id:1,phase:2,pass,setvar:'tx.all=%{tx.all}|%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'\"\n\
                 SecRule TX:all \"@rx .\" \"id:2,phase:2,pass\"";
    let text = "a=1+2&&b&=c&d=%3d";
    let expected = "|ARGS:a=1 2|ARGS:b=|ARGS:=c|ARGS:d==";
    let query = get(rules, &format!("/?{text}"));
    let form = send(rules, "/", &[("Content-Type", "application/x-www-form-urlencoded")], text);
    for outcome in [query, form] {
        assert_eq!(String::from_utf8_lossy(&outcome.hits.last().unwrap().value), expected);
    }
}

#[test]
fn more_arguments_than_the_limit_are_an_error_that_rules_see() {
    let rule = "SecRule REQBODY_ERROR \"!@eq 0\" \"id:1,phase:2,deny,msg:'%{REQBODY_ERROR_MSG}',chain\"\n\
                SecRule &ARGS \"@eq 3\" \"t:none\"";
    let limited = format!("SecArgumentsLimit 3\n{rule}");
    let part = |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n1\r\n");
    let forms = |names: &[&str]| names.iter().map(|name| part(name)).collect::<String>() + "--x--\r\n";
    for (uri, content_type, fits, exceeds) in [
        ("/", "application/x-www-form-urlencoded", "a=1&b=2&&c=3".to_owned(), "a=1&b=2&c=3&d".to_owned()),
        ("/?q=1", "application/x-www-form-urlencoded", "a=1&b=2".to_owned(), "a=1&b=2&c=3".to_owned()),
        ("/?q=1", "application/json", "[1,2]".to_owned(), "[1,2,3]".to_owned()),
        ("/?q=1", "multipart/form-data; boundary=x", forms(&["a", "b"]), forms(&["a", "b", "c"])),
    ] {
        let headers = [("Content-Type", content_type)];
        assert_eq!(send(&limited, uri, &headers, &fits).denial, None, "{fits}");
        let denial = send(&limited, uri, &headers, &exceeds).denial.unwrap();
        assert_eq!(denial.message, crate::body::TOO_MANY, "{exceeds}");
    }
    assert_eq!(get(&limited, "/?a&b&c").denial, None);
    assert_eq!(get(&limited, "/?a&b&c&d").denial.unwrap().message, crate::body::TOO_MANY);
    // The error of a query remains if the body has none.
    let headers = [("Content-Type", "application/json")];
    assert!(send(&limited, "/?a&b&c&d", &headers, "[]").denial.is_some());
    let rule = "SecRule REQBODY_ERROR \"@eq 1\" \"id:1,phase:2,deny\"";
    assert_eq!(get(rule, &format!("/?a{}", "&a".repeat(999))).denial, None);
    assert!(get(rule, &format!("/?a{}", "&a".repeat(1000))).denial.is_some());
}

#[test]
fn targets_of_requests_are_split() {
    let rules = "SecRule REQUEST_FILENAME|REQUEST_BASENAME|QUERY_STRING|REQUEST_URI|REQUEST_LINE|REMOTE_ADDR|REQUEST_COOKIES \
                 \"@rx .\" \"id:1,phase:1,pass,logdata:'%{MATCHED_VAR}',setvar:'tx.all=%{tx.all} %{MATCHED_VAR}'\"\n\
                 SecRule TX:all \"@rx .\" \"id:2,phase:1,pass\"";
    let outcome = send(rules, "http://h/a/b+%3f.php?c=d#e", &[("cookie", "k=v")], "");
    let all = String::from_utf8_lossy(&outcome.hits.last().unwrap().value).into_owned();
    assert_eq!(
        all,
        " /a/b+?.php b+?.php c=d /a/b+%3f.php?c=d#e GET http://h/a/b+%3f.php?c=d#e HTTP/1.1 192.0.2.1 v"
    );
}

#[test]
fn more_exclusions_than_bits_hold_for_their_rules() {
    let exclude = |number: usize| format!(",ctl:ruleRemoveTargetById=10;ARGS:a{number}");
    let excludes: String = (0..70).map(exclude).collect();
    let rules = format!(
        "SecAction \"id:1,phase:1,pass,nolog{excludes}\"\n\
         SecRule ARGS|REQUEST_COOKIES \"@contains x\" \"id:10,phase:1,pass\"\n\
         SecRule ARGS|REQUEST_COOKIES \"@contains x\" \"id:11,phase:1,pass\""
    );
    for (uri, expected) in
        [("/?a0=x", vec![11]), ("/?a69=x", vec![11]), ("/?a70=x", vec![10, 11]), ("/?a7=y", vec![])]
    {
        assert_eq!(get(&rules, uri).rules(), expected, "{uri}");
    }
    // With fewer of them, rules with the same exclusions share what they compare, and others do not.
    let rules = rules.replace(&excludes, &exclude(1));
    let counts = format!("{rules}\nSecRule &ARGS \"@eq 1\" \"id:10000,phase:1,pass\"");
    assert_eq!(get(&counts, "/?a1=x").rules(), [11, 10000]);
    assert_eq!(get(&counts, "/?a1=x&a2=x").rules(), [10, 11]);
    let counts = counts.replace("ruleRemoveTargetById=10;", "ruleRemoveTargetById=10-10000;");
    assert_eq!(get(&counts, "/?a1=x").rules(), [0; 0]);
    assert_eq!(get(&counts, "/?a1=x&a2=y").rules(), [10000]);
}

#[test]
fn values_that_a_body_adds_are_compared_by_the_same_rule() {
    let rules = "SecRule ARGS \"@contains x\" \"id:1,phase:1,pass,t:lowercase\"\n\
                 SecRule ARGS \"@contains x\" \"id:2,phase:2,pass,t:lowercase\"";
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(send(rules, "/?a=y", &form, "b=X").rules(), [2]);
    assert_eq!(send(rules, "/?a=X", &form, "b=X").rules(), [1, 2, 2][..2]);
}

#[test]
fn rules_without_a_log_are_reported_only_if_they_decide() {
    let rules = "SecAction \"id:1,phase:1,pass,nolog\"\nSecAction \"id:2,phase:1,pass\"\nSecAction \"id:3,phase:1,deny,nolog\"";
    assert_eq!(get(rules, "/").rules(), [2, 3]);
}

#[test]
fn numbers_in_variables_are_compared_with_constants_and_variables() {
    let rules = "SecAction \"id:1,phase:1,pass,nolog,setvar:tx.level=2,setvar:tx.limit=3\"\n\
                 SecRule TX:Level \"@lt 3\" \"id:2,phase:1,pass\"\n\
                 SecRule TX:level \"!@lt 3\" \"id:3,phase:1,pass\"\n\
                 SecRule TX:level \"@ge %{TX.limit}\" \"id:4,phase:1,pass\"\n\
                 SecRule TX:missing \"@eq 0\" \"id:5,phase:1,pass\"\n\
                 SecRule &TX:missing \"@eq 0\" \"id:6,phase:1,pass,logdata:'%{MATCHED_VAR_NAME}=%{MATCHED_VAR}'\"\n\
                 SecRule TX:level \"@eq 9\" \"id:7,phase:1,pass,t:length\"\n\
                 SecRule TX:level \"@eq 1\" \"id:8,phase:1,pass,t:length\"\n\
                 SecAction \"id:9,phase:1,pass,nolog,setvar:tx.level=-2,setvar:!tx.limit\"\n\
                 SecRule TX:level|&TX:limit \"@eq 0\" \"id:10,phase:1,pass\"";
    let outcome = get(rules, "/");
    assert_eq!(outcome.rules(), [2, 6, 8, 10]);
    assert_eq!(outcome.hits[1].data, "&TX:missing=0");
}

#[test]
fn phrases_are_found_in_long_values() {
    let rules = "SecRule ARGS \"@pm etc/passwd curl\" \"id:1,phase:1,deny\"";
    let long = "a+long+walk+on+the+beach,+".repeat(40);
    assert!(get(rules, &format!("/?q={long}")).denial.is_none());
    assert!(get(rules, &format!("/?q={long}CURL+x")).denial.is_some());
    assert!(get(rules, &format!("/?q=/Etc/passwd{long}")).denial.is_some());
}

#[test]
fn compiled_expressions_are_warmed_up_and_freed() {
    let rules = program(
        "SecRule ARGS \"@rx ^a+$\" \"id:1,phase:1,pass\"\nSecRule ARGS \"@rx ^b+$\" \"id:2,phase:1,pass\"\n\
         SecRule ARGS \"@rx ^c+$\" \"id:3,phase:2,pass\"",
    );
    let waf = Waf::new(rules).unwrap();
    let ids = |waf: &Rc<Waf>| {
        let mut transaction = waf.transaction();
        let request =
            Request { method: b"GET", uri: b"/?x=aaa", protocol: b"HTTP/1.1", ..Request::default() };
        transaction.request_headers(&request);
        transaction.hits().iter().map(|hit| hit.rule).collect::<Vec<_>>()
    };
    // No request has come to a rule.
    assert!(!waf.compile_next());
    assert_eq!(ids(&waf), [1]);
    let needed = waf.memory();
    assert!(needed > 0);
    // The filter of the second rule spared it, and no request reached the third.
    assert!(waf.compile_next() && !waf.compile_next());
    assert!(waf.memory() > needed);
    let all = waf.memory();
    waf.free(all);
    assert_eq!(waf.memory(), all);
    // The second is freed first, as no request used it.
    waf.free(all - 1);
    assert!(waf.memory() < all && waf.memory() > 0);
    assert!(waf.compile_next());
    waf.free(0);
    assert_eq!(waf.memory(), 0);
    assert_eq!(ids(&waf), [1]);
}

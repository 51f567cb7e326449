//! The OWASP Core Rule Set is compiled as a whole: a release of 4.x without an error, and Debian's 3.3 with known ones.

mod support;

use seclang::{Program, compile_folder};

#[test]
fn every_rule_of_the_core_rule_set_is_compiled() {
    let compiled = compile_folder(&support::folder().unwrap(), "", "").unwrap();
    let program = &compiled.program;
    let signature = program.settings.signature.clone().unwrap_or_default();
    let errors: Vec<String> = compiled.errors.iter().map(ToString::to_string).collect();
    let heads = program.rules.iter().filter(|rule| !rule.member).count();
    let bytes = program.encode().unwrap();
    println!(
        "{signature}: {heads} rules, {} with members of chains, {} operators, {} pipelines, {} bytes; ignored: {:?}",
        program.rules.len(),
        program.operators.len(),
        program.pipelines.len(),
        bytes.len(),
        compiled.ignored
    );
    match signature.starts_with("OWASP_CRS/4.") {
        true => assert_eq!(errors, [""; 0]),
        // Lists of addresses on the network, and databases of countries.
        false => {
            let known = |error: &String| error.contains("`@rbl`") || error.contains("`@geoLookup`");
            assert!(errors.iter().all(known), "{errors:#?}");
        }
    }
    assert!(heads > 550, "{heads}");
    assert_eq!(&Program::decode(&bytes).unwrap(), program);
}

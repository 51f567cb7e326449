//! The official JSON-Schema-Test-Suite, as the source package of PyPI's `jsonschema` has it, fetched once.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use json_schema::{Draft, Json, Options, Schema};
use serde_json::Value;

/// The package with the suite.
const PACKAGE: &str = "jsonschema==4.26.0";

/// The tests whose result differs, by file, schema and test: all those of a schema that is rejected have the test `*`.
const MISSES: &str = include_str!("suite/misses.txt");

/// The share of tests that have the expected result, by draft.
const SHARES: &str = include_str!("suite/shares.txt");

#[test]
#[ignore = "fetches 0.4 MB from PyPI: cargo xtask test"]
fn the_official_tests_have_the_expected_results_except_for_these() {
    let tests = fetch().join("tests");
    let (mut misses, mut shares) = (String::new(), String::new());
    for (name, draft) in
        [("draft4", Draft::Draft4), ("draft7", Draft::Draft7), ("draft2020-12", Draft::Draft2020)]
    {
        let (mut passed, mut total) = (0, 0);
        for file in files(&tests.join(name)) {
            let path = file.strip_prefix(&tests).unwrap().display().to_string();
            // Formats are validated, except in the tests that say that they only describe.
            let formats = path.contains("optional/format/");
            for group in json(&file).as_array().unwrap() {
                let schema = Schema::new(&group["schema"], Options { draft, formats });
                let tests = group["tests"].as_array().unwrap();
                total += tests.len();
                let place = format!("{path} | {}", group["description"].as_str().unwrap());
                let schema = match schema {
                    Ok(schema) => schema,
                    Err(_) => {
                        misses.push_str(&format!("{place} | *\n"));
                        continue;
                    }
                };
                for test in tests {
                    let is_valid = schema.validate(&Json::from(&test["data"]), 100_000).is_ok();
                    if is_valid == test["valid"] {
                        passed += 1;
                    } else {
                        misses.push_str(&format!("{place} | {}\n", test["description"].as_str().unwrap()));
                    }
                }
            }
        }
        shares.push_str(&format!("{name}: {passed} of {total}\n"));
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::write(out.join("misses.txt"), &misses).unwrap();
    fs::write(out.join("shares.txt"), &shares).unwrap();
    let difference = |a: &str, b: &str| -> Vec<String> {
        a.lines().filter(|line| !b.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    let (new, gone) = (difference(&misses, MISSES), difference(MISSES, &misses));
    assert!(new.is_empty() && gone.is_empty(), "new misses: {new:#?}\npassed now: {gone:#?}");
    assert_eq!(shares, SHARES);
}

/// The files of a draft that matter: those of optional formats only if the format is validated.
fn files(folder: &Path) -> Vec<PathBuf> {
    const FORMATS: [&str; 9] =
        ["date", "time", "date-time", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"];
    let list = |folder: PathBuf| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
    };
    let is_validated = |path: &PathBuf| FORMATS.contains(&path.file_stem().unwrap().to_str().unwrap());
    let formats = list(folder.join("optional/format")).into_iter().filter(is_validated);
    let mut files: Vec<PathBuf> = list(folder.to_owned()).into_iter().chain(formats).collect();
    files.sort();
    files
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The folder with the suite.
fn fetch() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("json-schema-test-suite");
    let (name, version) = PACKAGE.split_once("==").unwrap();
    let archive = folder.join(format!("{name}-{version}.tar.gz"));
    let suite = folder.join(format!("{name}-{version}/json"));
    if !suite.is_dir() {
        let pip =
            ["-m", "pip", "download", "--quiet", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest"];
        let run = |command: &mut Command| command.status().is_ok_and(|status| status.success());
        assert!(
            run(Command::new("python3").args(pip).arg(&folder).arg(PACKAGE)),
            "{PACKAGE} cannot be fetched: python3 with pip is needed, as with `apt-get install python3-pip`, and its index"
        );
        assert!(
            run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder)),
            "{} cannot be unpacked: tar is needed",
            archive.display()
        );
    }
    suite
}

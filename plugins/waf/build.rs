//! Compiles rules into tables, which are embedded in the module and used in place: those of the folder in `CRS`, or else the
//! basic rules of this plug-in.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=CRS");
    println!("cargo::rerun-if-changed=rules");
    let own = Path::new("rules");
    let bodies = fs::read_to_string(own.join("bodies.conf"))?;
    let folder = match env::var_os("CRS").filter(|folder| !folder.is_empty()) {
        Some(folder) => {
            // A relative path begins at the workspace, where cargo is called.
            let folder = Path::new("../..").join(folder);
            println!("cargo::rerun-if-changed={}", folder.display());
            folder
        }
        None => own.join("basic"),
    };
    let mut compiled = seclang::compile_folder(&folder, &bodies, "")?;
    // There are no audit logs, which the rules of phase 5 are about.
    compiled.program.remove_phases_after(4);
    // Values are reported as they were compared (`log_values`).
    compiled.program.remove_data();
    let unusable = waf::check(&compiled.program);
    for error in compiled.errors.iter().chain(&unusable) {
        println!("cargo::warning=left out: {error}");
    }
    waf::prepare(&mut compiled.program);
    let directives = seclang::parse(&[seclang::Source { name: "bodies.conf", text: &bodies }])?;
    let bodies = seclang::compile(&directives, &|name| Err(name.to_owned()));
    // The others are those around the rules of the folder.
    if compiled.program.rules.len() <= bodies.program.rules.len() {
        return Err(format!("{}: no usable rule: name the folder of a rule set", folder.display()).into());
    }
    let out = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    let out = Path::new(&out);
    fs::write(out.join("rules.table"), lz4_flex::compress_prepend_size(&compiled.program.encode()?))?;
    fs::write(out.join("bodies.table"), bodies.program.encode()?)?;
    Ok(())
}

//! The function that libFuzzer calls repeatedly in the program that `cargo xtask fuzz` generates.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use sdk::native::Entry;

use super::Fuzzer;
use crate::Declare;
use crate::native::NativeHere;

thread_local! {
    /// Never dropped: at the end of the process, the plug-in may be dropped first.
    static FUZZER: RefCell<Option<ManuallyDrop<Fuzzer>>> = const { RefCell::new(None) };
}

/// Runs one scenario of the plug-in that `entry` makes, whose cases are in the folder that the variable
/// `PORTCULLIS_FUZZED` names and which declares these changes; what must hold and does not ends the process, which is how libFuzzer learns of it.
pub fn run(entry: fn() -> Entry, changes: Declare, bytes: &[u8]) {
    FUZZER.with_borrow_mut(|fuzzer| {
        let fuzzer = fuzzer.get_or_insert_with(|| ManuallyDrop::new(start(entry, changes)));
        if let Err(finding) = fuzzer.run(bytes) {
            eprintln!("{finding}");
            std::process::abort();
        }
    });
}

fn start(entry: fn() -> Entry, changes: Declare) -> Fuzzer {
    let directory = std::env::var_os("PORTCULLIS_FUZZED").map(PathBuf::from).unwrap_or_default();
    match Fuzzer::new(&directory, NativeHere::new(entry), changes) {
        Ok(fuzzer) => fuzzer,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::exit(2)
        }
    }
}

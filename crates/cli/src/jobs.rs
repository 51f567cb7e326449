//! Parts of a command, several at once: those of tests wait for a gateway, a registry or a browser most of the time, and those of
//! the fuzzer use one processor.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::output;

/// How many parts run at once unless one plug-in is named.
pub(crate) const AT_ONCE: usize = 2;

/// A part of a command, with its result.
pub(crate) struct Job<'a, T>(Box<Part<'a, T>>);

type Part<'a, T> = dyn FnOnce(&mut Log) -> Result<T> + Send + 'a;

impl<'a, T> Job<'a, T> {
    pub(crate) fn new(run: impl FnOnce(&mut Log) -> Result<T> + Send + 'a) -> Self {
        Self(Box::new(run))
    }
}

/// Runs jobs, `at_once` side by side, and returns their results in the order of the jobs. After an error, no other is begun.
pub(crate) fn run<T: Send>(jobs: Vec<Job<'_, T>>, at_once: usize) -> Result<Vec<T>> {
    let waiting: Mutex<VecDeque<_>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let done = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        while let Some((index, Job(job))) = with(&waiting, VecDeque::pop_front) {
            let mut log = if at_once > 1 { Log::Kept(Vec::new()) } else { Log::Live };
            let result = job(&mut log);
            log.print()?;
            match result {
                Ok(result) => with(&done, |done| done.push((index, result))),
                Err(error) => {
                    with(&waiting, VecDeque::clear);
                    return Err(error);
                }
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Result<()>>| {
            worker.join().unwrap_or_else(|_| Err(anyhow!("a part of the command has panicked: see above")))
        };
        // All are joined before the first error counts.
        workers.into_iter().map(join).collect::<Vec<_>>().into_iter().collect::<Result<()>>()
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

fn with<T, R>(shared: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
    f(&mut shared.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What a job prints.
pub(crate) enum Log {
    /// Printed at once.
    Live,
    /// Printed together when the job has ended, so that jobs do not print into each other's results.
    Kept(Vec<u8>),
}

impl Log {
    /// Says what begins.
    pub(crate) fn step(&mut self, what: impl Display) {
        match self {
            Self::Live => output::step(what),
            Self::Kept(text) => {
                output::step(format_args!("{what} has begun"));
                text.extend_from_slice(format!("portcullis: {what}\n").as_bytes());
            }
        }
    }

    /// Runs a program, and passes each line of what it prints to `each` as well.
    pub(crate) fn run(&mut self, mut command: Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
        let name = Path::new(command.get_program()).display().to_string();
        let (reader, writer) = io::pipe().context("opening a pipe")?;
        command.stdout(writer.try_clone().context("opening a pipe")?).stderr(writer);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        // It holds the other end of the pipe.
        drop(command);
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            match self {
                Self::Live => io::stdout().write_all(&line)?,
                Self::Kept(text) => text.extend_from_slice(&line),
            }
            each(&String::from_utf8_lossy(&line));
            line.clear();
        }
        child.wait().with_context(|| format!("waiting for {name}"))
    }

    fn print(self) -> Result<()> {
        if let Self::Kept(text) = self {
            io::stdout().lock().write_all(&text).context("writing to stdout")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs_however_long_those_take() {
        let (ended, second_has_ended) = std::sync::mpsc::channel();
        let jobs = vec![
            Job::new(move |_: &mut Log| {
                second_has_ended.recv().unwrap();
                Ok("first")
            }),
            Job::new(move |_: &mut Log| {
                ended.send(()).unwrap();
                Ok("second")
            }),
        ];
        assert_eq!(run(jobs, 2).unwrap(), ["first", "second"]);
    }

    #[test]
    fn after_an_error_no_other_job_begins() {
        let begun = Mutex::new(false);
        let jobs = vec![
            Job::new(|_: &mut Log| Err(anyhow!("no disk"))),
            Job::new(|_: &mut Log| {
                with(&begun, |begun| *begun = true);
                Ok(())
            }),
        ];
        assert_eq!(run(jobs, 1).err().unwrap().to_string(), "no disk");
        assert!(!with(&begun, |begun| *begun));
    }

    #[test]
    fn a_program_is_read_on_both_of_its_outputs() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let (mut log, mut lines) = (Log::Kept(Vec::new()), String::new());
        let status = log.run(command, |line| lines.push_str(line)).unwrap();
        assert_eq!((lines.as_str(), status.code()), ("one\ntwo\n", Some(3)));
        assert!(matches!(log, Log::Kept(text) if text == b"one\ntwo\n"));
    }
}

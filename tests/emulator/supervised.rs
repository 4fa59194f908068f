//! A program that ends with the test that started it, whatever becomes of the test.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::python;

/// How much of a program's log a failing test shows, in lines.
const LOG_TAIL_LINES: usize = 80;

/// A running program, its output kept in a file. It and what it started end with this value.
pub struct Supervised {
    supervisor: Child,
    log: PathBuf,
}

impl Supervised {
    /// Starts `program` after `prepare` has set its environment and arguments.
    pub fn start(program: &OsStr, log: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        let output = fs::File::create(log).expect("a log file");
        let mut command = Command::new(python::tool("python"));
        command
            .arg("-c")
            .arg(include_str!("supervise.py"))
            .arg(program)
            // What ends the test's whole group must not end its supervisor before its work is done.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().expect("a second handle of the log"))
            .stderr(output);
        prepare(&mut command);
        Self {
            supervisor: command.spawn().expect("Python starts"),
            log: log.to_path_buf(),
        }
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        let status = self.supervisor.try_wait();
        status.expect("a child can be asked").is_some()
    }

    /// All that it has written so far.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let from = lines.len().saturating_sub(LOG_TAIL_LINES);
            eprintln!(
                "{}, last lines:\n{}",
                self.log.display(),
                lines[from..].join("\n")
            );
        }
        // The supervisor ends the program when its standard input ends.
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().expect("the supervisor ends");
    }
}

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a peer may take for one line; loaded machines need seconds to start an interpreter.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a peer may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

const POLL: Duration = Duration::from_millis(5);

/// A child process that is heard line by line and never outlives its owner.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Behind a lock, so that one peer may serve all tests of a binary.
    lines: Mutex<Receiver<String>>,
    complaints: Option<JoinHandle<String>>,
}

impl Process {
    pub fn start<I, S>(program: &OsStr, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let stdin = child.stdin.take();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("piped");
        let complaints = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Self {
            child,
            stdin,
            lines: Mutex::new(lines),
            complaints: Some(complaints),
        }
    }

    /// Sends a line to the child's standard input.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open until drop");
        let sent = stdin
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stdin.flush());
        if let Err(error) = sent {
            self.fail(&format!("cannot be told anything: {error}"));
        }
    }

    /// The next line of the child's standard output.
    pub fn line(&mut self) -> String {
        let lines = self.lines.get_mut().expect("never held by a panic");
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => self.fail("said nothing"),
            Err(RecvTimeoutError::Disconnected) => self.fail("ended without a line"),
        }
    }

    /// Waits for the child's own end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return status;
            }
            if Instant::now() >= deadline {
                self.fail("did not end");
            }
            thread::sleep(POLL);
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the test with all that the child said about it.
    fn fail(&mut self, what: &str) -> ! {
        let _ = self.child.kill();
        let status = self.child.wait();
        let complaints = self.complaints.take().and_then(|thread| thread.join().ok());
        panic!(
            "the peer {what} ({status:?}); its standard error: {}",
            complaints.unwrap_or_default()
        );
    }
}

impl Drop for Process {
    /// Closes the child's standard input, by which it ends and tidies up; one that does not is killed.
    fn drop(&mut self) {
        self.stdin = None;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

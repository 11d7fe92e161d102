//! The shells of one connection, and the commands that run in them.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use std::{env, io};

use base64::prelude::{BASE64_STANDARD, Engine};
use credssp::environment::Environment;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time;

use super::hand_over::Delegated;
use super::soap::{self, Answer, Operation, Request};

/// The most shells of a connection, and commands of a shell.
const MAX_SHELLS: usize = 8;

/// The most that is kept of each of a command's streams.
const MAX_OUTPUT: u64 = 256 * 1024;

/// The longest that an answer is awaited, whatever the client says.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// The operation timed out: the client asks again.
const TIMED_OUT: u32 = 0x8033_8029;

/// What commands have of this server's environment.
const INHERITED: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT"];

/// The programs that clients may run, by name, each with its arguments.
pub(crate) type Programs = HashMap<String, Vec<String>>;

/// From `NAME=PROGRAM ARGUMENT...`.
pub(crate) fn programs(texts: &[String]) -> Result<Programs, String> {
    let mut programs = Programs::new();
    for text in texts {
        let (name, line) = text.split_once('=').unwrap_or_default();
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        if name.is_empty() || words.is_empty() {
            return Err(
                "--command takes NAME=PROGRAM ARGUMENT..., such as 'hostname=/bin/hostname -f'"
                    .into(),
            );
        }
        programs.insert(name.to_owned(), words);
    }
    Ok(programs)
}

/// What a command left behind.
struct Finished {
    code: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

type Running = JoinHandle<io::Result<Finished>>;

/// The shells of one connection.
pub(crate) struct Shells {
    programs: Arc<Programs>,
    /// What the commands are given.
    delegated: Option<Box<Delegated>>,
    environment: Environment,
    open: HashMap<String, HashMap<String, Running>>,
}

impl Shells {
    pub(crate) fn new(programs: Arc<Programs>, delegated: Option<Box<Delegated>>) -> Self {
        Self {
            programs,
            delegated,
            environment: Environment::default(),
            open: HashMap::new(),
        }
    }

    pub(crate) async fn answer(&mut self, request: &Request) -> Answer {
        let answer = match &request.operation {
            Operation::Identify => Ok(soap::identified(request)),
            Operation::Create => self.create(request),
            Operation::Command { name, arguments } => self.start(request, name, *arguments).await,
            Operation::Receive { command } => self.receive(request, command).await,
            Operation::Signal { command } => self.end(request, command),
            Operation::Delete => {
                let shell = request.shell.as_deref().unwrap_or_default();
                match self.open.remove(shell) {
                    Some(commands) => {
                        commands.into_values().for_each(|command| command.abort());
                        Ok(soap::deleted(request))
                    }
                    None => Err("there is no such shell".into()),
                }
            }
            Operation::Other(action) => Err(format!("this server does not do {action}")),
        };
        answer.unwrap_or_else(|reason: String| soap::fault(request, None, &reason))
    }

    fn create(&mut self, request: &Request) -> Result<Answer, String> {
        if self.open.len() >= MAX_SHELLS {
            return Err("this connection has as many shells as it may have: delete one".into());
        }
        let shell = self.new_id()?;
        let answer = soap::created(request, &shell);
        self.open.insert(shell, HashMap::new());
        Ok(answer)
    }

    /// Only what the command line of this server names is run, and only with the arguments that stand there.
    async fn start(
        &mut self,
        request: &Request,
        name: &str,
        arguments: usize,
    ) -> Result<Answer, String> {
        let programs = self.programs.clone();
        let words = programs
            .get(name)
            .ok_or("this server runs only the commands that it was started with")?;
        if arguments > 0 {
            return Err("this server runs its commands with no arguments but their own".into());
        }
        let id = self.new_id()?;
        if self.shell(request)?.len() >= MAX_SHELLS {
            return Err("this shell has as many commands as it may have: end one".into());
        }
        let (program, arguments) = words.split_first().ok_or("the command is empty")?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                INHERITED
                    .iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut folder = None;
        if let Some(delegated) = &self.delegated {
            folder = Some(delegated.hand_on(&mut command, &id).await?);
        }
        let mut child = command
            .spawn()
            .map_err(|error| format!("cannot run {program}: {error}"))?;
        let running = tokio::spawn(async move {
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let (stdout, stderr) = tokio::try_join!(read(stdout), read(stderr))?;
            let status = child.wait().await?;
            // Before anybody learns that the command has ended.
            drop(folder);
            Ok(Finished {
                code: status.code().unwrap_or(-1),
                stdout,
                stderr,
            })
        });
        let answer = soap::started(request, &id);
        self.shell(request)?.insert(id, running);
        Ok(answer)
    }

    async fn receive(&mut self, request: &Request, id: &str) -> Result<Answer, String> {
        let commands = self.shell(request)?;
        let running = commands.get_mut(id).ok_or("there is no such command")?;
        let Ok(ended) = time::timeout(request.timeout.min(MAX_WAIT), running).await else {
            return Ok(soap::fault(
                request,
                Some(TIMED_OUT),
                "the command still runs",
            ));
        };
        commands.remove(id);
        let finished = ended
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("the command's output is lost: {error}"))?;
        let streams = [
            ("stdout", BASE64_STANDARD.encode(finished.stdout)),
            ("stderr", BASE64_STANDARD.encode(finished.stderr)),
        ];
        Ok(soap::done(request, id, &streams, finished.code))
    }

    /// Clients signal commands that have ended, too.
    fn end(&mut self, request: &Request, id: &str) -> Result<Answer, String> {
        if let Some(command) = self.shell(request)?.remove(id) {
            command.abort();
        }
        Ok(soap::signalled(request))
    }

    fn shell(&mut self, request: &Request) -> Result<&mut HashMap<String, Running>, String> {
        let shell = request.shell.as_deref().unwrap_or_default();
        self.open
            .get_mut(shell)
            .ok_or_else(|| "there is no such shell".into())
    }

    /// Random, and in the form of a UUID.
    fn new_id(&self) -> Result<String, String> {
        let mut octets = [0; 16];
        self.environment
            .random
            .fill(&mut octets)
            .map_err(|error| error.to_string())?;
        let number = u128::from_be_bytes(octets);
        let hex = format!("{number:032X}");
        let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part));
        Ok(parts.map(Option::unwrap_or_default).join("-"))
    }
}

impl Drop for Shells {
    fn drop(&mut self) {
        let commands = self.open.values().flat_map(HashMap::values);
        commands.for_each(JoinHandle::abort);
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    if let Some(stream) = stream {
        stream.take(MAX_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok(output)
}

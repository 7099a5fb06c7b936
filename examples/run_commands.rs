//! Runs several commands at once, shows what they write as it comes, and says how each ended.
//!
//! It shows children whose output is read line by line, tasks that share a plain `RefCell`, a listener for
//! ctrl-c in each of them, and what becomes of children when the program is told to end.
//!
//! ```text
//! cargo run --example run_commands 'for n in 1 2 3; do echo $n; sleep 1; done' 'ls /nowhere' 'sleep 2; exit 3'
//! ```
//!
//! It prints, in the course of three seconds,
//!
//! ```text
//! [1] 1
//! [2] ls: cannot access '/nowhere': No such file or directory
//! [2] exit status: 2 after 4.2ms
//! [1] 2
//! [3] exit status: 3 after 2.0s
//! [1] 3
//! [1] exit status: 0 after 3.0s
//! ```
//!
//! and ends with 1, as not all commands succeeded. Ctrl-c asks those that still run to end, and waits for them. With
//! `--smoke` it runs a few commands of its own, and checks what they say.

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(not(unix))]
fn main() {
    eprintln!("run_commands: children are for Unix, so far");
}

#[cfg(unix)]
mod unix {
    use std::cell::RefCell;
    use std::env;
    use std::io;
    use std::pin::pin;
    use std::process::ExitCode;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use monoloop::future::gather;
    use monoloop::io::{AsyncBufReadExt, AsyncRead, BufReader};
    use monoloop::process::{Child, ExitStatus, Stdio, shell};
    use monoloop::signal::ctrl_c;
    use monoloop::time::timeout;

    const USAGE: &str = "usage: run_commands COMMAND... | --smoke";

    /// How long the smoke test may take.
    const SMOKE_LIMIT: Duration = Duration::from_secs(10);

    pub fn main() -> ExitCode {
        let commands: Vec<_> = env::args().skip(1).collect();
        let result = match commands.as_slice() {
            [] => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
            [only] if only == "--smoke" => monoloop::run(smoke()),
            _ => Ok(monoloop::run(run_all(commands, |line| println!("{line}")))),
        };
        match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("run_commands: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Runs the commands side by side. Whether all succeeded.
    async fn run_all(commands: Vec<String>, show: impl Fn(String)) -> bool {
        let numbered = commands.iter().enumerate();
        let runs = numbered.map(async |(n, command)| {
            let show = |line: &str| show(format!("[{}] {line}", n + 1));
            let begin = Instant::now();
            match run(command, &show).await {
                Ok(status) => {
                    show(&format!("{status} after {:.1?}", begin.elapsed()));
                    status.success()
                }
                Err(error) => {
                    show(&error.to_string());
                    false
                }
            }
        });
        gather(runs).await.into_iter().all(|is_success| is_success)
    }

    /// Runs a command to its end, and shows its lines.
    async fn run(command: &str, show: &impl Fn(&str)) -> io::Result<ExitStatus> {
        let mut command = shell(command);
        // A group of its own, so that ctrl-c in the terminal comes to us alone: we pass it on.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // All at a time: who waits for the exit first, and reads then, waits for ever once the pipes are full.
        let (stdout, stderr, status) = monoloop::join!(
            show_lines(stdout.expect("it is piped"), show),
            show_lines(stderr.expect("it is piped"), show),
            wait(&child),
        );
        stdout.and(stderr).and(status)
    }

    /// Waits for the child's end. At ctrl-c it is asked to end soon.
    async fn wait(child: &Child) -> io::Result<ExitStatus> {
        let mut exit = pin!(child.wait());
        monoloop::select! {
            status = &mut exit => return status,
            heard = ctrl_c() => heard?,
        }
        child.terminate()?;
        exit.await
    }

    async fn show_lines(pipe: impl AsyncRead + Unpin, show: &impl Fn(&str)) -> io::Result<()> {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        // Bytes: children may write what is no text.
        while reader.read_until(b'\n', &mut line).await? > 0 {
            show(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        Ok(())
    }

    async fn smoke() -> io::Result<bool> {
        let commands = [
            "for n in 1 2 3; do echo $n; done",
            "echo problem >&2; exit 3",
            "head -c 100000 /dev/zero | tr '\\0' '\\n'; kill -TERM $$",
        ];
        let lines = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&lines);
        let all = run_all(commands.map(str::to_owned).into(), |line| kept.borrow_mut().push(line));
        let succeeded = timeout(SMOKE_LIMIT, all).await?;
        let of = |number: u32| {
            let prefix = format!("[{number}] ");
            let lines = lines.borrow();
            let of_it = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
            let cut = of_it.map(|line| line.split(" after ").next().unwrap_or(line).to_owned());
            cut.collect::<Vec<_>>()
        };
        let long = of(3);
        let is_right = !succeeded
            && of(1) == ["1", "2", "3", "exit status: 0"]
            && of(2) == ["problem", "exit status: 3"]
            && long.len() == 100_001
            && long.last().is_some_and(|line| line == "signal: 15 (SIGTERM)");
        if is_right {
            println!("smoke: {} lines of {} commands", lines.borrow().len(), commands.len());
        } else {
            println!("smoke: {:?} {:?} and {} lines", of(1), of(2), long.len());
        }
        Ok(is_right)
    }
}

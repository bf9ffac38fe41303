//! The parent: starts a child for each target, watches it, and keeps what fails.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{ORDERS, current, stated};
use crate::minimise::minimised;
use crate::target::Target;
use crate::{corpus, targets};

/// A child that stays on one input for so long hangs.
const HANG: Duration = Duration::from_secs(8);
/// As long as that while a hanging input is made smaller.
const HANG_WHILE_SMALLER: Duration = Duration::from_millis(1_500);
/// A target that has failed so often is left.
const FAILURES_MAX: usize = 5;

/// What a child came to.
struct Ended {
    inputs: u64,
    failure: Option<String>,
    /// The input that failed.
    input: Vec<u8>,
    /// The child was gone, so that it could not make its input smaller.
    died: bool,
}

/// Runs seeds and corpus of these targets once, and says so in the words of `cargo test`.
pub(crate) fn replay(chosen: &[&'static Target]) -> ExitCode {
    let mut failed = 0;
    for target in chosen {
        let ended = run(target, "corpus", None);
        match &ended.failure {
            None => println!("test fuzz::{} ... ok ({} inputs)", target.name, ended.inputs),
            Some(why) => {
                failed += 1;
                println!("test fuzz::{} ... FAILED: {why}, on {}", target.name, shown(&ended.input));
            }
        }
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {word}. {} passed; {failed} failed; 0 ignored", chosen.len() - failed);
    ExitCode::from(u8::from(failed > 0))
}

/// Searches for so many seconds a target, two targets at a time where there are two processors.
pub(crate) fn search(seconds: &str) -> ExitCode {
    let only = std::env::var("BESPOKE_FUZZ_TARGET").unwrap_or_default();
    let seed: u64 =
        std::env::var("BESPOKE_FUZZ_SEED").ok().map_or_else(seed_of_now, |seed| seed.parse().unwrap());
    let time = Duration::from_secs_f64(seconds.parse().expect("BESPOKE_FUZZ_SECONDS is a number"));
    let chosen: Vec<_> = targets::ALL.iter().filter(|one| only.is_empty() || one.name == only).collect();
    assert!(!chosen.is_empty(), "there is no target {only}; there are: {}", names());
    let lanes = thread::available_parallelism().map_or(1, |count| count.get().min(2));
    let waiting = Mutex::new(chosen.clone());
    let totals = Mutex::new((0_u64, 0_usize));
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(target) = { waiting.lock().unwrap().pop() } {
                    let (inputs, failures) = hunt(target, time, seed);
                    let mut totals = totals.lock().unwrap();
                    *totals = (totals.0 + inputs, totals.1 + failures);
                }
            });
        }
    });
    let (inputs, failures) = totals.into_inner().unwrap();
    let count = chosen.len();
    println!(
        "prove fuzz: {count} targets, {seconds} s each, seed {seed}, {inputs} inputs, {failures} failures"
    );
    ExitCode::from(u8::from(failures > 0))
}

fn hunt(target: &'static Target, time: Duration, seed: u64) -> (u64, usize) {
    let began = Instant::now();
    let (mut inputs, mut failures) = (0, 0);
    while began.elapsed() < time && failures < FAILURES_MAX {
        let rest = (time - began.elapsed()).as_secs_f64();
        let mut ended = run(target, &format!("{rest:.2}:{}", seed.wrapping_add(failures as u64)), None);
        inputs += ended.inputs;
        let Some(why) = ended.failure.take() else { continue };
        failures += 1;
        if ended.died {
            ended.input = minimised(&ended.input, Duration::from_secs(20), |candidate| {
                run(target, "one", Some(candidate)).died
            });
        }
        let is_kept = corpus::inputs(target.name).iter().any(|(_, kept)| *kept == ended.input);
        if is_kept {
            println!("{}: {why}, on {}, which is in the corpus", target.name, shown(&ended.input));
            break;
        }
        let path = corpus::keep(target.name, &why, &ended.input);
        println!("{}: {why}, on {} in {}", target.name, shown(&ended.input), path.display());
    }
    println!("{:12} {inputs:9} inputs, {failures} failures", target.name);
    (inputs, failures)
}

fn run(target: &Target, what: &str, input: Option<&[u8]>) -> Ended {
    let state = state_file(target.name);
    fs::write(&state, stated(0, input.unwrap_or_default())).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(ORDERS, format!("{} {what} {}", target.name, state.display()))
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut count, mut since, mut hangs) = (0, Instant::now(), false);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let now = fs::read(&state).ok().and_then(|bytes| Some(u64::from_le_bytes(*bytes.first_chunk()?)));
        if now.is_some_and(|now| now != count) {
            (count, since) = (now.unwrap_or_default(), Instant::now());
        } else if since.elapsed() > if what == "one" { HANG_WHILE_SMALLER } else { HANG } {
            hangs = true;
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(if what == "one" { 3 } else { 50 }));
    };
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let bytes = fs::read(&state).unwrap_or_default();
    let _ = fs::remove_file(&state);
    let last = said.lines().last().unwrap_or_default();
    let inputs = last.split(' ').nth(1).and_then(|number| number.parse().ok()).unwrap_or(count);
    let failure = match (status.code(), last.split_once(" failure ")) {
        (Some(0), _) => None,
        (_, Some((_, why))) => Some(why.to_owned()),
        _ if hangs => Some(format!("hang: more than {} s", HANG.as_secs())),
        _ => Some(format!("abort: {}", cause(status.signal(), &complaint))),
    };
    let died = failure.is_some() && !last.contains(" failure ");
    Ended { inputs, failure, input: current(&bytes).to_vec(), died }
}

fn cause(signal: Option<i32>, complaint: &str) -> String {
    let line = complaint.lines().find(|line| line.contains("overflow") || line.contains("memory allocation"));
    match line {
        Some(line) => line.trim().to_owned(),
        None => format!("signal {signal:?} {}", complaint.lines().last().unwrap_or_default()),
    }
}

fn state_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("bespoke-fuzz-{name}-{}", std::process::id()))
}

fn shown(input: &[u8]) -> String {
    let text: String =
        input.iter().take(120).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    format!("{} bytes: {text}", input.len())
}

fn names() -> String {
    targets::ALL.iter().map(|target| target.name).collect::<Vec<_>>().join(", ")
}

fn seed_of_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs()
}

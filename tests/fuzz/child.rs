//! The child: runs one target on inputs until its time is over or one of them fails.
//!
//! Before each input it writes the input to a file, so that the parent has it when the child is gone. What it
//! finds it says in its last line on standard output.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::minimise::minimised;
use crate::mutate::mutated;
use crate::target::{Run, Target};
use crate::{MEMORY, corpus, targets};

/// The variable that makes this process a child: `TARGET WHAT STATE`, where WHAT is `corpus`, `one` (the input
/// that stands in STATE) or `SECONDS:SEED`.
pub(crate) const ORDERS: &str = "BESPOKE_FUZZ_ORDERS";
/// How long one input may take.
const TIME_MAX: Duration = Duration::from_millis(250);
/// How much memory one input may take, in bytes.
const MEMORY_MAX: usize = 64 << 20;
/// How many inputs are kept for mutation.
const POOL_MAX: usize = 2_000;

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Does what it is told, on a thread with as little stack as a worker has.
pub(crate) fn run(orders: &str) -> ExitCode {
    let orders = orders.to_owned();
    thread::spawn(move || obey(&orders)).join().unwrap_or(ExitCode::from(2))
}

fn obey(orders: &str) -> ExitCode {
    let [name, what, state] = orders.splitn(3, ' ').collect::<Vec<_>>()[..] else { return ExitCode::from(2) };
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    let one = fs::read(state).unwrap_or_default();
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        let message = info.payload_as_str().unwrap_or("a panic");
        PANIC.with(|panic| *panic.borrow_mut() = format!("{message} at {}", place.unwrap_or_default()));
    }));
    let state = File::create(state).unwrap();
    let mut child = Child { run: (target.open)(), target, state, inputs: 0 };
    let found = match what {
        "one" => child.all(vec![current(&one).to_vec()]),
        "corpus" => child.all(known(target)),
        search => {
            let (seconds, seed) = search.split_once(':').unwrap();
            child.search(Duration::from_secs_f64(seconds.parse().unwrap()), seed.parse().unwrap())
        }
    };
    match found {
        None => {
            println!("inputs {}", child.inputs);
            ExitCode::SUCCESS
        }
        Some(why) => {
            println!("inputs {} failure {}", child.inputs, why.replace('\n', " "));
            ExitCode::from(3)
        }
    }
}

/// The input in a state file.
pub(crate) fn current(state: &[u8]) -> &[u8] {
    let Some((head, rest)) = state.split_first_chunk::<16>() else { return &[] };
    let length = u64::from_le_bytes(head[8..].try_into().unwrap()) as usize;
    rest.get(..length).unwrap_or(rest)
}

/// A state file's content for an input; the first eight bytes count inputs.
pub(crate) fn stated(count: u64, input: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes(), &(input.len() as u64).to_le_bytes(), input].concat()
}

fn known(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    inputs.extend(corpus::inputs(target.name).into_iter().map(|(_, input)| input));
    inputs
}

struct Child {
    target: &'static Target,
    run: Run,
    state: File,
    inputs: u64,
}

impl Child {
    fn all(&mut self, inputs: Vec<Vec<u8>>) -> Option<String> {
        inputs.iter().find_map(|input| self.judged(input).err())
    }

    fn search(&mut self, time: Duration, seed: u64) -> Option<String> {
        let began = Instant::now();
        let mut dice = Dice::new(seed);
        let mut pool = known(self.target);
        let mut kinds = std::collections::HashSet::new();
        if let Some(why) = self.all(pool.clone()) {
            return Some(why);
        }
        while began.elapsed() < time {
            let input = self.next(&mut dice, &pool);
            match self.judged(&input) {
                Ok(kind) if kinds.insert(kind) => {
                    if pool.len() < POOL_MAX {
                        pool.push(input);
                    }
                }
                Ok(_) => {}
                Err(why) => return Some(self.smaller(&input, why)),
            }
        }
        None
    }

    fn next(&self, dice: &mut Dice, pool: &[Vec<u8>]) -> Vec<u8> {
        let made = self.target.generate.filter(|_| pool.is_empty() || dice.one_in(3));
        let base = match made {
            Some(generate) => generate(dice),
            None => dice.of(pool).clone(),
        };
        if made.is_some() && dice.one_in(3) {
            return base;
        }
        let empty = Vec::new();
        let other = if pool.is_empty() { &empty } else { dice.of(pool) };
        mutated(dice, &base, other, self.target.words)
    }

    /// Leaves the smallest input that fails in the same way in the state file.
    fn smaller(&mut self, input: &[u8], why: String) -> String {
        let kind = |why: &str| why.split([':', '0']).next().unwrap_or_default().to_owned();
        let small = minimised(input, Duration::from_secs(10), |candidate| {
            self.judged(candidate).is_err_and(|other| kind(&other) == kind(&why))
        });
        self.judged(&small).err().unwrap_or(why)
    }

    fn judged(&mut self, input: &[u8]) -> Result<u64, String> {
        self.inputs += 1;
        self.state.write_all_at(&stated(self.inputs, input), 0).unwrap();
        // Other processes share the machine, so slow is what is slow three times.
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let began = Instant::now();
            let kind = self.limited(input)?;
            fastest = fastest.min(began.elapsed());
            if fastest <= TIME_MAX {
                return Ok(kind);
            }
        }
        Err(format!("slow: {} ms for {} bytes", fastest.as_millis(), input.len()))
    }

    /// What takes too much memory aborts: the parent sees it.
    fn limited(&mut self, input: &[u8]) -> Result<u64, String> {
        let _ = MEMORY.set_limit(MEMORY.allocated() + MEMORY_MAX);
        let result = panic::catch_unwind(AssertUnwindSafe(|| (self.run)(input)));
        let _ = MEMORY.set_limit(usize::MAX);
        match result {
            Ok(verdict) => verdict.map_err(|law| format!("law: {law}")),
            Err(_) => Err(format!("panic: {}", PANIC.with(|panic| panic.borrow().clone()))),
        }
    }
}

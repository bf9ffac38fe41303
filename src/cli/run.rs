//! `bespoke run`: the pipeline.

use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::ConfigSource;
use super::load::{Console, variable};
use crate::config::overlay::Flags;
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::instruments::Instruments;
use crate::service::process::Process;
use crate::service::shutdown::Stop;

/// Arguments of `bespoke run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke run --config shop.yaml
  bespoke run --config shop.yaml --ordinal 1 --state-dir /var/lib/bespoke-1 --listen 127.0.0.1:8081")]
pub(super) struct RunArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The number of this process among those of the application. Two processes must not have the same.
    /// Taken from the end of BESPOKE_POD_NAME where that is set, else 0.
    #[arg(long)]
    ordinal: Option<u32>,
    /// The directory of the state, as state.directory.
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<String>,
    /// The address of the admin port, as http.listen.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// How many worker threads, as threads.
    #[arg(long)]
    threads: Option<usize>,
}

/// Runs the pipeline until it is told to stop.
pub(super) fn run(console: &Console, arguments: RunArguments) -> Result<i32, Exit> {
    #[cfg(feature = "mutants")]
    arm_mutant()?;
    let mut flags = Flags::new();
    if let Some(directory) = &arguments.state_dir {
        flags.set("--state-dir", "state.directory", directory);
    }
    if let Some(listen) = &arguments.listen {
        flags.set("--listen", "http.listen", listen);
    }
    if let Some(threads) = arguments.threads {
        flags.set("--threads", "threads", &threads.to_string());
    }
    let config = arguments.source.load(flags)?;
    let ordinal = match arguments.ordinal {
        Some(ordinal) => ordinal,
        None => ordinal_of_pod(variable("BESPOKE_POD_NAME"))?,
    };
    let _guard = console.log(&config.application, config.otlp_endpoint.as_deref())?;
    for warning in config.warnings() {
        tracing::warn!(event = "config_warning", "{warning}");
    }
    let process = Process::prepare(config, ordinal, Stop::default())?;
    if std::io::stderr().is_terminal() {
        show_restores(process.instruments());
    }
    process.run()
}

/// Arms the defect that the environment names, in the one kind of build that has any.
#[cfg(feature = "mutants")]
fn arm_mutant() -> Result<(), Exit> {
    let Some(name) = variable("BESPOKE_MUTANT") else { return Ok(()) };
    crate::mutant::arm_process(&name).map_err(|text| Exit { code: ExitCode::Misconfigured, text })
}

/// Draws a bar while state is restored. The thread ends with the process.
fn show_restores(instruments: Instruments) {
    let style = ProgressStyle::with_template("restoring {bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    let Ok(style) = style else { return };
    thread::spawn(move || {
        let mut bar: Option<ProgressBar> = None;
        loop {
            let restoring = instruments.restoring();
            let restored: u64 = restoring.iter().map(|progress| progress.restored_records).sum();
            let left: i64 = restoring.iter().map(|progress| progress.remaining_records).sum();
            if left > 0 {
                let bar = bar.get_or_insert_with(|| ProgressBar::new(0).with_style(style.clone()));
                bar.set_length(restored.saturating_add(u64::try_from(left).unwrap_or(0)));
                bar.set_position(restored);
            } else if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
            thread::sleep(Duration::from_millis(200));
        }
    });
}

/// The number at the end of a pod's name, as in `bespoke-2`.
fn ordinal_of_pod(pod: Option<String>) -> Result<u32, Exit> {
    let Some(pod) = pod else { return Ok(0) };
    let number = pod.rsplit('-').next().and_then(|end| end.parse().ok());
    number.ok_or_else(|| Exit {
        code: ExitCode::Misconfigured,
        text: format!(
            "BESPOKE_POD_NAME is {pod}, which does not end in -NUMBER: run as a StatefulSet, or set --ordinal"
        ),
    })
}

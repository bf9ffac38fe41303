//! `bespoke replay`: the same input once more under a second application id, from one place to another.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::load::{Console, print};
use super::{ConfigSource, Format};
use crate::config::overlay::Flags;
use crate::domain::time::Timestamp;
use crate::runtime::fault::Exit;
use crate::service::process::Clocks;
use crate::service::replay::{Place, Progress, Replay, Request};

/// How often progress is logged where there is no terminal.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Arguments of `bespoke replay`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke replay --config shop.yaml --as shop-2
  bespoke replay --config shop.yaml --as shop-march --from 2026-03-01T00:00:00Z --to 2026-04-01T00:00:00Z

The second application has its own topics (shop-2-content-decisions and so on), group and state, and ends by
itself. From the command log, from its beginning, it says the same bytes as the first. From a later place on
profiles begin empty, and content and definitions that came before it are not known; the configuration's are.
An interrupted replay goes on when the same command is run again; --from then has no effect any more.
A place is `earliest`, `end`, an instant (of the Kafka record), an offset for all partitions, or offsets of
single ones as 0:100,1:250, where the partitions that are not named are left out.")]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// The second application id.
    #[arg(long = "as", value_name = "APPLICATION_ID")]
    application: String,
    /// Where to begin.
    #[arg(long, value_name = "PLACE", value_parser = place, default_value = "earliest")]
    from: Place,
    /// Before which place to end; `end` is where the log ends when the replay begins.
    #[arg(long, value_name = "PLACE", value_parser = place, default_value = "end")]
    to: Place,
    /// Run the whole pipeline from the source topics, intake included, instead of from the command log.
    #[arg(long)]
    from_sources: bool,
    /// The directory of the state, as state.directory.
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<String>,
    /// The number of this process among those that share the replay.
    #[arg(long, default_value = "0")]
    ordinal: u32,
    /// How many worker threads, as threads.
    #[arg(long)]
    threads: Option<usize>,
    /// The address of the admin port while it runs; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// Show what would be read and made, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Replays to the end.
pub(super) fn run(console: &Console, arguments: ReplayArguments) -> Result<i32, Exit> {
    let original = arguments.source.load(Flags::new())?;
    let mut flags = Flags::new();
    flags.set("--as", "application", &arguments.application);
    flags.set("--listen", "http.listen", &arguments.listen);
    if let Some(directory) = &arguments.state_dir {
        flags.set("--state-dir", "state.directory", directory);
    }
    if let Some(threads) = arguments.threads {
        flags.set("--threads", "threads", &threads.to_string());
    }
    let copy = arguments.source.load(flags)?;
    let has_bar = std::io::stderr().is_terminal() && console.level.is_none();
    // Lines of the log would tear the bar apart.
    let level = if has_bar { Some("warn") } else { console.level };
    let _guard = Console { level, ..*console }.log(&copy.application, copy.otlp_endpoint.as_deref())?;
    let request = Request {
        from: arguments.from,
        to: arguments.to,
        from_sources: arguments.from_sources,
        ordinal: arguments.ordinal,
    };
    let replay = Replay::prepare(&original, copy, request)?;
    if arguments.dry_run {
        return show_plan(&replay, arguments.output);
    }
    let clocks = Clocks::start();
    let summary = if has_bar { replay.run(bar()) } else { replay.run(log(clocks.clone())) }?;
    let seconds = clocks.now().monotonic.as_secs_f64();
    match arguments.output {
        Format::Text => print(format!(
            "{} {} records as {} in {seconds:.1} s: {} decisions, {} segment changes",
            if summary.code == 0 { "replayed" } else { "interrupted after" },
            summary.records,
            arguments.application,
            summary.decisions,
            summary.segment_changes,
        )),
        Format::Json | Format::Ndjson => print(
            json!({
                "application": arguments.application, "complete": summary.code == 0,
                "records": summary.records, "decisions": summary.decisions,
                "segment_changes": summary.segment_changes, "seconds": seconds,
            })
            .to_string(),
        ),
    }
    Ok(summary.code)
}

fn show_plan(replay: &Replay, output: Format) -> Result<i32, Exit> {
    let spans = replay.spans()?;
    if output == Format::Text {
        replay.topics().iter().for_each(|planned| print(planned.to_string()));
        for (partition, first, end) in spans {
            print(format!("{partition}: offsets {first} to before {end}"));
        }
        return Ok(0);
    }
    let topics = replay.topics().iter().map(|planned| planned.wish.name.to_string());
    let spans = spans.iter().map(|(partition, first, end)| {
        json!({ "topic": &*partition.topic, "partition": partition.number, "first": first, "end": end })
    });
    print(json!({ "topics": Value::from_iter(topics), "spans": Value::from_iter(spans) }).to_string());
    Ok(0)
}

/// A progress bar on standard error.
fn bar() -> impl FnMut(Progress) + Send + 'static {
    let style = ProgressStyle::with_template("{msg:10} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}");
    let bar = ProgressBar::new(0).with_style(style.expect("the template is well formed"));
    move |progress| {
        if bar.message() != progress.leg {
            bar.reset();
            bar.set_message(progress.leg);
        }
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        if progress.done == progress.total {
            bar.abandon();
        }
    }
}

/// A line of the log now and then, and one at the end.
fn log(clocks: Clocks) -> impl FnMut(Progress) + Send + 'static {
    let mut next = Duration::ZERO;
    move |Progress { leg, done, total }| {
        let now = clocks.now().monotonic;
        if now >= next || done == total {
            next = now + LOG_EVERY;
            tracing::info!(event = "replaying", leg, done, total, "replaying");
        }
    }
}

fn place(text: &str) -> Result<Place, String> {
    if let Some(named) =
        [("earliest", Place::Earliest), ("end", Place::End)].into_iter().find(|of| of.0 == text)
    {
        return Ok(named.1);
    }
    if let Some(offset) = text.parse::<i64>().ok().filter(|offset| *offset >= 0) {
        return Ok(Place::Offset(offset));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Place::At(Timestamp::from_ms(at.as_millisecond())));
    }
    let pairs = text.split(',').map(|pair| {
        let (number, offset) = pair.split_once(':')?;
        Some((number.trim().parse::<i32>().ok()?, offset.trim().parse::<i64>().ok()?))
    });
    let offsets: Option<BTreeMap<i32, i64>> = pairs.collect();
    let advice = "neither earliest, end, an instant such as 2026-03-01T00:00:00Z, an offset, nor 0:100,1:250";
    offsets.map(Place::Offsets).ok_or_else(|| advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_all_their_forms() {
        assert_eq!((place("earliest"), place("end")), (Ok(Place::Earliest), Ok(Place::End)));
        assert_eq!(place("120"), Ok(Place::Offset(120)));
        let march = Timestamp::from_ms(1_772_323_200_000);
        assert_eq!(place("2026-03-01T00:00:00Z"), Ok(Place::At(march)));
        assert_eq!(place("0:100,2:250"), Ok(Place::Offsets([(0, 100), (2, 250)].into())));
        for wrong in ["", "soon", "0:1,x", "2026-03-01", "-5"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}

//! `bespoke plan`: how large an installation has to be for a load, from what the work was measured to cost. It asks
//! nobody and reads nothing: a plan is arithmetic, and every line says on which constants it rests.

mod costs;
mod fleet;
mod scenarios;
mod sizing;
mod text;
mod transactions;
mod zipf;

use clap::{Args, value_parser};

use self::costs::{Costs, MIB};
use self::fleet::Fleet;
use self::scenarios::Limits;
use self::sizing::{Demand, size};
use self::text::Report;
use super::load::print;
use crate::runtime::fault::Exit;

/// Arguments of `bespoke plan`.
#[derive(Debug, Args)]
#[command(
    after_help = "Traffic is spread over persons by Zipf's law with the exponent 1. Bytes are those that brokers
store, after compression. Exits with 3 if something does not fit.

Examples:
  bespoke plan --events-per-second 100000 --profiles 50000000 --event-bytes 350
  bespoke plan --events-per-second 5000000 --profiles 1000000000 --event-bytes 350 --unkeyed --json
  bespoke plan --events-per-second 100000 --profiles 50000000 --event-bytes 350 --instances 6 --simulate"
)]
pub(super) struct PlanArguments {
    /// Events of all persons in a second.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    events_per_second: u64,
    /// How many persons have a profile.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000_000_000))]
    profiles: u64,
    /// The size of an event.
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u64).range(1..=67_108_864))]
    event_bytes: u64,
    /// How many partitions each topic has. Without, four for each worker thread.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=65_536))]
    partitions: Option<u64>,
    /// How many instances there are. Without, as many as are needed.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=10_000))]
    instances: Option<u64>,
    /// Events are not keyed by person: each goes through the command topic first.
    #[arg(long)]
    unkeyed: bool,
    /// The cores of an instance, each with one worker thread.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u64).range(1..=64))]
    instance_cores: u64,
    /// The memory of an instance.
    #[arg(long, value_name = "MIB", default_value_t = 4_096, value_parser = value_parser!(u64).range(1..=4_194_304))]
    instance_memory: u64,
    /// The age at which a transaction is committed, as commit.age_max.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = value_parser!(u64).range(1..=30_000))]
    commit_age_ms: u64,
    /// Decisions for a hundred events.
    #[arg(long, value_name = "PERCENT", default_value = "5", value_parser = share)]
    decisions_percent: f64,
    /// Segment changes for a hundred events.
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = share)]
    segment_changes_percent: f64,
    /// The replicas of each partition, as topics.replication.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=9))]
    replication: u64,
    /// What is kept free, on top of what is used.
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = headroom)]
    headroom_percent: f64,
    /// Standbys of each partition, which are not built yet. Without, a plan with none and one with one.
    #[arg(long, value_name = "0|1", value_parser = value_parser!(u64).range(0..=1))]
    standbys: Option<u64>,
    /// The memory of an instance for profiles between commits, as state.profile_cache.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = value_parser!(u64).range(1..=1_048_576))]
    profile_cache: u64,
    /// The size at which Kafka closes a segment of the changelog, its segment.bytes. Without, Kafka's default.
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(1..=2_047))]
    changelog_segment: Option<u64>,
    /// Play what can go wrong, and find what breaks first as the load grows.
    #[arg(long)]
    simulate: bool,
    /// How long it may take until a lost instance is served again.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = value_parser!(u64).range(1..=86_400))]
    restore_max: u64,
    /// How many brokers there are.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=1_000))]
    brokers: u64,
    /// How many transaction markers a broker may have to write in a second.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = value_parser!(u64).range(1..=10_000_000))]
    broker_markers_max: u64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Plans, prints, and exits with 3 if something does not fit.
pub(super) fn run(arguments: PlanArguments) -> Result<i32, Exit> {
    let report = arguments.report();
    print(if arguments.json { report.json().to_string() } else { report.text() });
    Ok(if report.has_findings() { 3 } else { 0 })
}

impl PlanArguments {
    fn report(&self) -> Report {
        let (demand, costs) = (self.demand(), self.costs());
        let standbys = self.standbys.map_or(vec![0, 1], |standbys| vec![standbys]);
        let plans = standbys.into_iter().map(|standbys| size(&Demand { standbys, ..demand }, &costs));
        let plans: Vec<_> = plans.collect();
        let simulated = plans.first().filter(|_| self.simulate);
        let simulation = simulated.map(|plan| Fleet::new(&demand, &costs, plan).simulate(self.limits()));
        Report { demand, costs, plans, simulation }
    }

    fn demand(&self) -> Demand {
        Demand {
            events_per_second: self.events_per_second as f64,
            profiles: self.profiles,
            event_bytes: self.event_bytes as f64,
            decisions_share: self.decisions_percent / 100.0,
            segment_changes_share: self.segment_changes_percent / 100.0,
            unkeyed: self.unkeyed,
            partitions: self.partitions,
            instances: self.instances,
            instance_cores: self.instance_cores,
            instance_bytes: self.instance_memory as f64 * MIB,
            commit_age_seconds: self.commit_age_ms as f64 / 1_000.0,
            replication: self.replication as f64,
            headroom: self.headroom_percent / 100.0,
            // Each plan sets its own.
            standbys: 0,
            profile_cache_bytes: self.profile_cache as f64 * MIB,
        }
    }

    fn costs(&self) -> Costs {
        let mut costs = Costs::MEASURED;
        if let Some(segment) = self.changelog_segment {
            costs.changelog_segment_bytes = segment as f64 * MIB;
        }
        costs
    }

    fn limits(&self) -> Limits {
        Limits {
            restore_seconds_max: self.restore_max as f64,
            brokers: self.brokers as f64,
            broker_markers_max: self.broker_markers_max as f64,
        }
    }
}

/// A part of all events, in per cent.
fn share(text: &str) -> Result<f64, String> {
    percent(text, 100.0)
}

/// Something on top, in per cent.
fn headroom(text: &str) -> Result<f64, String> {
    percent(text, 1_000.0)
}

fn percent(text: &str, percent_max: f64) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let fits = number.filter(|number| (0.0..=percent_max).contains(number));
    fits.ok_or_else(|| format!("a number from 0 to {percent_max} is needed, as in 5 or 0.5"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: PlanArguments,
    }

    fn line(further: &[&str]) -> Result<PlanArguments, clap::Error> {
        let needed =
            ["plan", "--events-per-second", "100000", "--profiles", "10000000", "--event-bytes", "350"];
        Line::try_parse_from(needed.iter().chain(further)).map(|line| line.arguments)
    }

    #[test]
    fn without_further_options_both_plans_are_shown_and_nothing_is_simulated() {
        let report = line(&[]).expect("a valid line").report();
        assert_eq!(report.plans.iter().map(|plan| plan.standbys).collect::<Vec<_>>(), [0, 1]);
        assert!(report.simulation.is_none());
        let text = report.text();
        assert!(
            text.starts_with("100,000 events a second of 350 bytes, keyed by person, of 10,000,000 persons")
        );
        assert!(text.contains("cpu_us_per_profile_written"), "{text}");
    }

    #[test]
    fn options_are_what_they_are_called() {
        let options = [
            ["--standbys", "1"],
            ["--decisions-percent", "0.5"],
            ["--commit-age-ms", "100"],
            ["--changelog-segment", "64"],
            ["--instances", "4"],
            ["--instance-memory", "2048"],
        ];
        let arguments = line(options.as_flattened()).expect("a valid line");
        let (demand, costs) = (arguments.demand(), arguments.costs());
        assert_eq!((demand.decisions_share, demand.commit_age_seconds), (0.005, 0.1));
        assert_eq!((demand.instances, demand.instance_bytes), (Some(4), 2_048.0 * MIB));
        assert_eq!(costs.changelog_segment_bytes, 64.0 * MIB);
        let report = arguments.report();
        assert_eq!(report.plans.iter().map(|plan| plan.standbys).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for wrong in ["-1", "101", "NaN", "many"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
        assert!(line(&["--standbys", "2"]).is_err());
        assert!(line(&["--profiles", "0"]).is_err());
    }
}

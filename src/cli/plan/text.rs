//! A plan for people and for machines: one line a figure, with its unit and the constants that it rests on.

use serde::Serialize;
use serde_json::{Value, json};

use super::costs::{Constant, Costs, MIB};
use super::scenarios::{Break, Limit, Outcome, Simulation};
use super::sizing::{Demand, Plan};

/// Everything that the command prints.
pub(super) struct Report {
    /// What was asked.
    pub(super) demand: Demand,
    /// What the work costs.
    pub(super) costs: Costs,
    /// The plans, one beside the other.
    pub(super) plans: Vec<Plan>,
    /// What a simulated fleet went through.
    pub(super) simulation: Option<Simulation>,
}

/// A line of a plan.
#[derive(Clone, Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    rests_on: Vec<&'static str>,
}

/// A cell of a table: words are flush left, numbers flush right.
enum Cell {
    Word(String),
    Number(String),
}

const NOTHING: &[&str] = &[];
const START: &[&str] = &["start_seconds"];
const TIMEOUT: &[&str] = &["session_timeout_seconds"];
const ROLL: &[&str] = &["pre_stop_seconds", "start_seconds", "min_ready_seconds"];
const MEMORY: &[&str] =
    &["process_bytes", "partition_bytes", "cached_profile_bytes", "changed_profile_bytes"];
const CHANGELOG: &[&str] =
    &["changelog_dirty_share", "changelog_segment_bytes", "changelog_segment_seconds", "row_bytes"];
const RESTORE: &[&str] = &["restored_records_per_second", "cpu_us_per_record_restored"];
const ROW: &[&str] = &["row_bytes"];
const OUTPUTS: &[&str] = &["row_bytes", "update_bytes", "decision_bytes", "segment_change_bytes"];
const GIB: f64 = 1_024.0 * MIB;
const MB: f64 = 1e6;
const GB: f64 = 1e9;

impl Report {
    /// Whether something does not fit: of the first plan, or under the simulated load.
    pub(super) fn has_findings(&self) -> bool {
        let mut breaks = self.simulation.iter().flat_map(|simulation| &simulation.breaks);
        self.plans.first().is_some_and(|plan| !plan.findings.is_empty())
            || breaks.any(|found| found.factor < 1.0)
    }

    /// One document.
    pub(super) fn json(&self) -> Value {
        let plans = self.plans.iter().map(|plan| {
            json!({
                "standbys": plan.standbys,
                "built": plan.standbys == 0,
                "figures": figures(&self.demand, plan),
                "findings": plan.findings,
            })
        });
        json!({
            "demand": self.demand,
            "plans": Value::from_iter(plans),
            "constants": self.costs.listed(),
            "simulation": self.simulation,
        })
    }

    /// Tables.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![asked(&self.demand), String::new()];
        lines.extend(aligned(&self.figures()));
        for plan in &self.plans {
            let standbys = plan.standbys;
            lines.extend(
                plan.findings.iter().map(|text| format!("does not fit, standbys {standbys}: {text}")),
            );
        }
        lines.extend([String::new(), "constants".into()]);
        lines.extend(aligned(&self.costs.listed().iter().map(constant).collect::<Vec<_>>()));
        if let Some(simulation) = &self.simulation {
            lines.push(String::new());
            lines.extend(simulated(simulation));
        }
        lines.join("\n")
    }

    /// One row a figure, with a column for each plan.
    fn figures(&self) -> Vec<Vec<Cell>> {
        let all: Vec<Vec<Figure>> = self.plans.iter().map(|plan| figures(&self.demand, plan)).collect();
        let Some(last) = all.last() else { return Vec::new() };
        let row = |(line, figure): (usize, &Figure)| {
            let beside: Vec<&Figure> = all.iter().filter_map(|figures| figures.get(line)).collect();
            let mut row = vec![word(figure.name)];
            row.extend(beside.iter().map(|figure| Cell::Number(shown(figure.value))));
            let names = distinct(beside.iter().flat_map(|figure| figure.rests_on.iter().copied()).collect());
            let rests_on = if names.is_empty() { "the demand alone".into() } else { names.join(", ") };
            row.extend([word(figure.unit), Cell::Word(rests_on)]);
            row
        };
        last.iter().enumerate().map(row).collect()
    }
}

/// The lines of a plan.
fn figures(demand: &Demand, plan: &Plan) -> Vec<Figure> {
    [installation(demand, plan), traffic(demand, plan), recovery(demand, plan)].concat()
}

fn installation(demand: &Demand, plan: &Plan) -> Vec<Figure> {
    let cpu = cpu(demand, plan);
    let standbys = match plan.standbys {
        0 => "of each partition",
        _ => "of each partition; standbys are not built yet",
    };
    vec![
        figure("standbys", plan.standbys as f64, standbys, NOTHING),
        figure("instances", plan.instances as f64, "processes", &[cpu.as_slice(), MEMORY].concat()),
        figure("partitions", plan.partitions as f64, "of each topic", &cpu),
        figure("profiles that commits write", plan.profiles_written_per_second, "a second", NOTHING),
        figure("cores in use", plan.cores_used, "cores", &cpu),
        figure("cores with headroom", plan.cores_needed, "cores", &cpu),
        figure("memory, fullest instance", plan.memory_bytes / MIB, "MiB", MEMORY),
        figure("disk, each, with headroom", plan.disk_bytes / GIB, "GiB", &["stored_bytes_per_profile"]),
    ]
}

fn traffic(demand: &Demand, plan: &Plan) -> Vec<Figure> {
    let followed = if plan.standbys > 0 { ROW } else { NOTHING };
    let (read, written) = (plan.read_bytes_per_second, plan.written_bytes_per_second);
    let fleet = plan.instances as f64;
    let transactions = &plan.transactions;
    let (records, bytes) = (plan.transaction_records, plan.transaction_bytes / MIB);
    let unkeyed = if demand.unkeyed { "records, intake and commands" } else { "records" };
    vec![
        figure("read from brokers", read / MB, "MB a second", followed),
        figure("read, each instance", read / fleet / MB, "MB a second", followed),
        figure("written to brokers", written / MB, "MB a second", OUTPUTS),
        figure("written, each instance", written / fleet / MB, "MB a second", OUTPUTS),
        figure("stored by brokers, all replicas", plan.broker_bytes_per_day / GB, "GB a day", OUTPUTS),
        figure("transactions", transactions.per_second, "a second", NOTHING),
        figure("transaction markers", transactions.markers_per_second(), "a second", NOTHING),
        figure("a transaction, commit.records_max", records, unkeyed, NOTHING),
        figure("a transaction, commit.bytes_max", bytes, "MiB", OUTPUTS),
    ]
}

fn recovery(demand: &Demand, plan: &Plan) -> Vec<Figure> {
    let of = &plan.recovery;
    let cpu = cpu(demand, plan);
    let (restored, unit) = match plan.standbys {
        0 => (CHANGELOG, "seconds"),
        _ => (NOTHING, "seconds; standbys are not built yet"),
    };
    let taken_over = distinct([TIMEOUT, restored, RESTORE, cpu.as_slice()].concat());
    let refilled = [START, CHANGELOG, RESTORE].concat();
    vec![
        figure("changelog of a partition, at worst", of.changelog_records, "records", CHANGELOG),
        figure("back with its disk", of.restarted_seconds, "seconds", START),
        figure("back with an empty disk", of.refilled_seconds, "seconds", &refilled),
        figure("gone: others have taken over", of.taken_over_seconds, unit, &taken_over),
        figure("rolling restart", of.roll_seconds, "seconds", ROLL),
    ]
}

fn figure(name: &'static str, value: f64, unit: &'static str, rests_on: &[&'static str]) -> Figure {
    Figure { name, value, unit, rests_on: rests_on.to_vec() }
}

/// What cores rest on.
fn cpu(demand: &Demand, plan: &Plan) -> Vec<&'static str> {
    let mut names = vec!["cpu_us_per_event", "cpu_us_per_profile_written"];
    if demand.unkeyed {
        names.push("cpu_us_per_event_repartitioned");
    }
    if plan.standbys > 0 {
        names.push("cpu_us_per_record_restored");
    }
    names
}

/// Each name once, where it stands first.
fn distinct(names: Vec<&'static str>) -> Vec<&'static str> {
    let mut once: Vec<&'static str> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

fn asked(demand: &Demand) -> String {
    let keyed = if demand.unkeyed { "not keyed by person" } else { "keyed by person" };
    format!(
        "{} events a second of {} bytes, {keyed}, of {} persons; commits every {} s",
        shown(demand.events_per_second),
        shown(demand.event_bytes),
        shown(demand.profiles as f64),
        shown(demand.commit_age_seconds),
    )
}

fn constant(constant: &Constant) -> Vec<Cell> {
    let Constant { name, value, unit, source } = constant;
    vec![word(name), Cell::Number(shown(*value)), word(unit), word(source)]
}

fn simulated(simulation: &Simulation) -> Vec<String> {
    let busiest = shown(simulation.busiest_partition_share * 100.0);
    let mut lines =
        vec![format!("simulated, without standbys: the busiest partition has {busiest} % of all traffic")];
    let heads = ["what happens", "instance %", "partition %", "restore s", "events waiting", "caught up s"];
    let heads = heads.iter().enumerate().map(|(column, head)| match column {
        0 => word(head),
        _ => Cell::Number((*head).to_owned()),
    });
    let mut rows = vec![heads.collect::<Vec<_>>()];
    rows.extend(simulation.outcomes.iter().map(outcome));
    lines.extend(aligned(&rows));
    lines.extend([String::new(), "what breaks first as the load grows".into()]);
    let rows: Vec<Vec<Cell>> = simulation.breaks.iter().map(|found| broken(found, simulation)).collect();
    lines.extend(aligned(&rows));
    lines
}

fn outcome(outcome: &Outcome) -> Vec<Cell> {
    let numbers = [
        outcome.instance_used * 100.0,
        outcome.partition_used * 100.0,
        outcome.restore_seconds,
        outcome.backlog_events.round(),
        outcome.catch_up_seconds,
    ];
    let mut row = vec![word(outcome.scenario)];
    row.extend(numbers.into_iter().map(|number| Cell::Number(shown(number))));
    row
}

fn broken(found: &Break, simulation: &Simulation) -> Vec<Cell> {
    let limits = &simulation.limits;
    let (text, rests_on) = match found.limit {
        Limit::HottestPartition => ("the hottest partition against one thread".into(), "cpu_us_per_*"),
        Limit::HottestInstance => ("the hottest instance against its cores".into(), "cpu_us_per_*"),
        Limit::Restore => (
            format!("a lost instance is served again within {} s", shown(limits.restore_seconds_max)),
            "restored_records_per_second, cpu_us_per_record_restored, changelog_*, session_timeout_seconds",
        ),
        Limit::Memory => (
            "the fullest instance against its memory".into(),
            "process_bytes, partition_bytes, cached_profile_bytes, changed_profile_bytes",
        ),
        Limit::Markers => (
            format!("{} transaction markers a second on a broker", shown(limits.broker_markers_max)),
            "the demand alone",
        ),
    };
    let factor = match found.factor {
        0.0 => "at any load".to_owned(),
        factor if factor.is_infinite() => "at no load".to_owned(),
        factor => format!("{} times", shown(factor)),
    };
    vec![Cell::Number(factor), Cell::Word(text), word(rests_on)]
}

/// Columns as wide as their widest cells.
fn aligned(rows: &[Vec<Cell>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text().chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let line = |row: &Vec<Cell>| {
        let cells = row.iter().zip(widths.iter().copied()).map(|(cell, width)| match cell {
            Cell::Word(text) => format!("{text:<width$}"),
            Cell::Number(text) => format!("{text:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

impl Cell {
    fn text(&self) -> &str {
        match self {
            Cell::Word(text) | Cell::Number(text) => text,
        }
    }
}

fn word(text: &str) -> Cell {
    Cell::Word(text.to_owned())
}

/// A number with as many digits as mean something.
fn shown(number: f64) -> String {
    if !number.is_finite() {
        return "no end".into();
    }
    let decimals = match number.abs() {
        _ if number.fract() == 0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plan::costs;
    use crate::cli::plan::fleet::Fleet;
    use crate::cli::plan::scenarios::Limits;
    use crate::cli::plan::sizing::{EXAMPLE, size};

    fn report() -> Report {
        let (demand, costs) = (Demand { unkeyed: true, ..EXAMPLE }, costs::EXAMPLE);
        let plans: Vec<Plan> =
            [0, 1].iter().map(|standbys| size(&Demand { standbys: *standbys, ..demand }, &costs)).collect();
        let limits = Limits { restore_seconds_max: 300.0, brokers: 3.0, broker_markers_max: 20_000.0 };
        let simulation = Some(Fleet::new(&demand, &costs, &plans[0]).simulate(limits));
        Report { demand, costs, plans, simulation }
    }

    #[test]
    fn every_constant_that_a_line_names_is_listed() {
        let report = report();
        let listed: Vec<&str> = report.costs.listed().iter().map(|constant| constant.name).collect();
        let mut named = 0;
        for figure in report.plans.iter().flat_map(|plan| figures(&report.demand, plan)) {
            for name in figure.rests_on {
                assert!(listed.contains(&name), "{}: {name}", figure.name);
                named += 1;
            }
        }
        assert!(named > 50, "{named}");
    }

    #[test]
    fn a_line_that_needs_a_standby_says_that_there_are_none_yet() {
        let text = report().text();
        let said = text.lines().filter(|line| line.contains("standbys are not built yet"));
        assert_eq!(said.count(), 2, "{text}");
        let alone = Report { plans: report().plans.into_iter().take(1).collect(), ..report() };
        assert!(!alone.text().contains("not built yet"));
    }

    #[test]
    fn machines_get_every_figure_and_null_for_what_has_no_end() {
        let json = report().json();
        let figures = json["plans"][0]["figures"].as_array().expect("a list");
        assert_eq!(figures[1]["name"], "instances");
        assert_eq!(figures[1]["value"], 1.0);
        // With one instance there is nobody else.
        let gone = figures.iter().find(|figure| figure["name"] == "gone: others have taken over");
        assert!(gone.expect("the line")["value"].is_null());
        assert_eq!(json["plans"][1]["built"], false);
        assert_eq!(json["simulation"]["breaks"][0]["limit"], "restore");
        assert_eq!(json["simulation"]["breaks"][0]["factor"], 0.0);
        assert!(report().has_findings());
    }

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        let numbers = [0.0, 0.1234, 1.5, 12.345, 123.4, 1_234.4, 1e6, f64::INFINITY];
        let shown: Vec<String> = numbers.into_iter().map(shown).collect();
        assert_eq!(shown, ["0", "0.123", "1.50", "12.3", "123", "1,234", "1,000,000", "no end"]);
    }

    #[test]
    fn columns_are_aligned() {
        let row = |name: &str, number: &str| vec![word(name), Cell::Number(number.into()), word("s")];
        assert_eq!(aligned(&[row("a", "1,000"), row("long", "2")]), ["a     1,000  s", "long      2  s"]);
    }
}

//! Scenario 15: the network between the process and the broker loses, delays, cuts and slices. When it is whole
//! again the process goes on by itself, its memory has not grown, and nothing is lost or doubled.

use std::time::Duration;

use super::app::{App, Shape};
use super::brokers::Brokers;
use super::cluster::{Turn, now, wait_until};
use super::dose::{dose, long};
use super::load;
use super::process::{Launch, RESTORED};
use super::proxy::{Network, Proxy};

const FAULTS: [Network; 7] = [
    Network::DeafBroker,
    Network::DeafClients,
    Network::Cut,
    Network::Refused,
    Network::Slow,
    Network::Trickle,
    Network::Sliced,
];
const RECOVERY_MAX: Duration = Duration::from_secs(15);
const GROWTH_BYTES_MAX: u64 = 64 << 20;

#[test]
fn scenario_15_a_bad_network() {
    let name = "scenario_15_a_bad_network";
    let _turn = Turn::among_others();
    let Some(brokers) = Brokers::start(name, 1) else { return };
    let cluster = brokers.cluster();
    let (listen, broker) = brokers.proxied();
    let proxy = Proxy::start(listen, broker);
    let app = App::create(&cluster, "network", &Shape::default());
    let mut process = Launch::of(0).with("kafka.bootstrap", &format!("127.0.0.1:{listen}")).start(&app);
    process.await_log(RESTORED, 4, 60);
    let lengths: &[u64] = dose(&[3], &[5, 30, 120]);
    let rounds = FAULTS.len() * lengths.len();
    let records = load::records(&app, 151, 1_600 * rounds);
    let sources = [format!("{}-clickstream", app.id), format!("{}-orders", app.id)];
    let sources: Vec<&str> =
        sources.iter().map(String::as_str).chain([&*app.config.topics.commands]).collect();
    let committed = || app.cluster.progress(&app.id, &sources).iter().map(|(_, next, _)| next).sum::<i64>();
    std::thread::sleep(Duration::from_secs(1));
    let (at_first, mut highest) = (process.memory_bytes(), 0);
    let mut spare = load::records(&app, 152, 100 * rounds);
    load::feed(&app, &records, rounds, |round| {
        let (fault, seconds) = (FAULTS[round % FAULTS.len()], lengths[round / FAULTS.len()]);
        std::thread::sleep(Duration::from_millis(300));
        proxy.set(fault);
        let began = now();
        while began.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(100));
            highest = highest.max(process.memory_bytes());
        }
        proxy.set(Network::Whole);
        let whole = now();
        // So that there is something to read in any case.
        let before = committed();
        load::pour(&app, &spare.split_off(spare.len() - 80));
        wait_until(&format!("a commit after {fault:?}"), 60, || committed() > before);
        let recovery = whole.elapsed();
        eprintln!("{name}: {fault:?} for {seconds} s, the first commit {recovery:?} after it");
        assert!(recovery <= RECOVERY_MAX, "{fault:?} for {seconds} s: {recovery:?}");
        assert!(process.ended().is_none(), "{fault:?} for {seconds} s: {}", process.text());
    });
    app.check();
    eprintln!("{name}: {at_first} bytes at first, {highest} at most");
    // The first load fills queues and caches; only long runs tell growth from that.
    assert!(!long() || highest < at_first + 2 * GROWTH_BYTES_MAX, "{at_first} bytes grew to {highest}");
    assert_eq!(process.terminate().0, 143);
}

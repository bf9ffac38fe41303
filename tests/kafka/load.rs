//! A shop's records, sent at a pace while a test does its mischief.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bespoke::domain::time::Timestamp;
use bespoke::shop::{Shop, ShopSettings};

use super::app::App;
use super::cluster::{Sent, now, send, variable};

/// How many records are sent in a second, at most.
const PACE: usize = 2_500;
/// How many records are sent in one go.
const HANDFUL: usize = 100;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Chance(u64);

/// A shop with everything untidy in it, from a seed.
pub(crate) fn shop(seed: u64, events: usize) -> Shop {
    Shop::new(ShopSettings {
        seed,
        persons: 300,
        events,
        starts_at: Timestamp::from_ms(1_767_571_200_000),
        duration_ms: 10 * 86_400_000,
        duplicates_per_mille: 30,
        late_per_mille: 40,
        malformed_per_mille: 10,
        anonymous_per_mille: 200,
        decision_requests_per_mille: 60,
    })
}

/// The shop's content and events, as the application's sources want them.
pub(crate) fn records(app: &App, seed: u64, events: usize) -> Vec<Sent> {
    let shop = shop(seed, events);
    let mut records = app.sent(shop.contents());
    records.extend(app.sent(shop));
    records
}

/// Sends everything at once.
pub(crate) fn pour(app: &App, records: &[Sent]) {
    send(&app.cluster.producer(), records);
}

/// Sends records at a pace while `mischief` runs, which is called with numbers from 0 on. Each time only the
/// records up to the next part are sent meanwhile, so that all the mischief happens under load.
pub(crate) fn feed(app: &App, records: &[Sent], times: usize, mut mischief: impl FnMut(usize)) {
    let quota = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = app.cluster.producer();
            let began = now();
            let mut sent = 0;
            while sent < records.len() && failed.load(Ordering::Relaxed) == 0 {
                let paced = began.elapsed().as_millis() as usize * PACE / 1000;
                let until = (sent + HANDFUL).min(records.len());
                if until > quota.load(Ordering::Relaxed).min(paced) {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                send(&producer, &records[sent..until]);
                sent = until;
            }
        });
        let stop = StopOnPanic(&failed);
        for number in 0..times {
            quota.store(records.len() * (number + 1) / (times + 1), Ordering::Relaxed);
            mischief(number);
        }
        quota.store(records.len(), Ordering::Relaxed);
        drop(stop);
    });
}

/// Lets the sending thread end when a test fails meanwhile, or the test would wait for it for ever.
struct StopOnPanic<'a>(&'a AtomicUsize);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(1, Ordering::Relaxed);
        }
    }
}

impl Chance {
    /// The seed is another one in every run, or what BESPOKE_TEST_SEED says. It is printed.
    pub(crate) fn new(test: &str) -> Chance {
        let given = variable("BESPOKE_TEST_SEED").and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("{test}: BESPOKE_TEST_SEED={seed}");
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 to before `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Waits a while that nobody knows before.
    pub(crate) fn pause(&mut self, most_ms: u64) {
        std::thread::sleep(Duration::from_millis(self.below(most_ms)));
    }
}

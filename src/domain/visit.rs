//! Visits: the current one, and the one before it for as long as an event that is heard of late may still belong
//! to it, or lie between the two and make them one.

use thin_vec::ThinVec;

use super::event::{Event, is_page};
use super::field::beginning;
use super::profile::PageView;
use super::scroll::{Scroll, Scrolls};
use super::session_values::SessionValues;
use super::time::Timestamp;

/// Events with no gap longer than the declared one between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// The time of its first event.
    pub started_at: Timestamp,
    /// The time of its latest event.
    pub last_at: Timestamp,
    /// How many events it has.
    pub events: u64,
    /// The page that it began with, where pages are remembered.
    pub entry: Option<Box<PageView>>,
    /// The last pages, in the order of time.
    pub pages: ThinVec<PageView>,
    /// How far pages were scrolled, where pages are remembered.
    pub scrolls: Scrolls,
}

/// The visit before the current one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreviousVisit {
    /// The visit itself.
    pub visit: Visit,
    /// What the attributes of the session were in it.
    pub values: SessionValues,
}

impl Visit {
    /// A visit of one event.
    pub(crate) fn of(event: &Event, pages_max: usize) -> Visit {
        let mut visit = Visit { started_at: event.timestamp, last_at: event.timestamp, ..Visit::default() };
        visit.add(event, pages_max);
        visit
    }

    /// Adds an event, whose page takes the place in the path that its time says.
    pub(crate) fn add(&mut self, event: &Event, pages_max: usize) {
        self.events = self.events.saturating_add(1);
        self.started_at = self.started_at.min(event.timestamp);
        self.last_at = self.last_at.max(event.timestamp);
        if pages_max == 0 {
            return;
        }
        if let Some(scroll) = Scroll::of(event) {
            self.scrolls.add(scroll);
        }
        let Some(path) = event.page.as_deref().filter(|_| is_page(&event.name)) else { return };
        let medium = event.properties.text("referrer_medium").map(|medium| beginning(medium).into());
        let page = PageView { at: event.timestamp, path: beginning(path).into(), medium };
        if self.entry.as_ref().is_none_or(|entry| page < **entry) {
            self.entry = Some(Box::new(page.clone()));
        }
        let place = self.pages.partition_point(|other| *other < page);
        self.pages.insert(place, page);
        self.keep_last(pages_max);
    }

    /// Makes this visit and one before it a single one.
    pub(crate) fn join(&mut self, earlier: Visit, pages_max: usize) {
        self.events = self.events.saturating_add(earlier.events);
        self.started_at = self.started_at.min(earlier.started_at);
        self.last_at = self.last_at.max(earlier.last_at);
        self.entry = earlier.entry.or(self.entry.take());
        self.scrolls.join(earlier.scrolls);
        let later = std::mem::replace(&mut self.pages, earlier.pages);
        self.pages.extend(later);
        self.keep_last(pages_max);
    }

    /// How long each of the last pages was looked at, in milliseconds: until the next one, the last until the
    /// latest event.
    pub fn dwell_ms(&self) -> impl Iterator<Item = i64> {
        let next = self.pages.iter().skip(1).map(|page| page.at).chain([self.last_at]);
        self.pages.iter().zip(next).map(|(page, next)| next.since_ms(page.at).max(0))
    }

    fn keep_last(&mut self, pages_max: usize) {
        let excess = self.pages.len().saturating_sub(pages_max);
        self.pages.drain(..excess);
    }
}

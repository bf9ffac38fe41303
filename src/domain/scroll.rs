//! How far the page views of a visit were scrolled. An event that is heard of late may be of a page view that is heard
//! of later still. So what events said is held for itself, and to which page view it belongs is found when somebody
//! asks: whatever the order of arrival, the answer is the same.

use std::cmp::Ordering;

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::event::Event;
use super::field::beginning;
use super::profile::PageView;
use super::time::Timestamp;

/// The canonical name of a heartbeat, a scroll or a hover.
const ENGAGEMENT: &str = "engagement";
/// How many are held of a visit.
pub const SCROLLS_MAX: usize = 64;
const MINUTE_MS: i64 = 60_000;

/// How far somebody had scrolled at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scroll {
    /// When.
    pub at: Timestamp,
    /// The path of the page, where the event said it; of a long one the beginning.
    pub path: Option<CompactString>,
    /// How far down the page, 1 to 100 percent.
    pub percent: u8,
}

/// The furthest scroll of each page and minute, in the order of time. Of too many the earliest are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrolls(ThinVec<Scroll>);

impl Scroll {
    /// What an event says about it.
    pub(crate) fn of(event: &Event) -> Option<Scroll> {
        let told = (&*event.name == ENGAGEMENT).then(|| event.properties.number("scroll_pct")).flatten();
        let percent = told.filter(|percent| *percent >= 1.0)?.min(100.0) as u8;
        Some(Scroll {
            at: event.timestamp,
            path: event.page.as_deref().map(|path| beginning(path).into()),
            percent,
        })
    }

    /// Of those that are alike the furthest is held.
    fn place(&self, other: &Scroll) -> Ordering {
        let minute = |scroll: &Scroll| scroll.at.ms().div_euclid(MINUTE_MS);
        minute(self).cmp(&minute(other)).then_with(|| self.path.cmp(&other.path))
    }

    fn is_of(&self, page: &PageView) -> bool {
        page.at <= self.at && self.path.as_ref().is_none_or(|path| *path == page.path)
    }
}

impl Scrolls {
    /// The same as if each had been added.
    pub(crate) fn of_list(list: impl IntoIterator<Item = Scroll>) -> Scrolls {
        let mut scrolls = Scrolls::default();
        list.into_iter().for_each(|scroll| scrolls.add(scroll));
        scrolls
    }

    /// Those that are held, in the order of time.
    pub(crate) fn as_slice(&self) -> &[Scroll] {
        &self.0
    }

    /// Adds one.
    pub fn add(&mut self, scroll: Scroll) {
        match self.0.binary_search_by(|held| held.place(&scroll)) {
            Ok(place) => {
                let held = self.0.get_mut(place).filter(|held| {
                    scroll.percent > held.percent || (scroll.percent == held.percent && scroll.at < held.at)
                });
                held.into_iter().for_each(|held| *held = scroll.clone());
            }
            Err(place) => self.0.insert(place, scroll),
        }
        let excess = self.0.len().saturating_sub(SCROLLS_MAX);
        self.0.drain(..excess);
    }

    /// Adds those of another visit that was one with this.
    pub(crate) fn join(&mut self, others: Scrolls) {
        others.0.into_iter().for_each(|scroll| self.add(scroll));
    }

    /// How far each of some page views, which are in the order of time, was scrolled, in percent; none where nothing
    /// is known of it. A scroll belongs to the last view of its page before it; where it does not say which page that
    /// was, to the last view of any.
    pub fn furthest(&self, pages: &[PageView]) -> Vec<Option<u8>> {
        let mut furthest = vec![None; pages.len()];
        for scroll in &self.0 {
            let page = pages.iter().rposition(|page| scroll.is_of(page));
            let of_page = page.and_then(|place| furthest.get_mut(place));
            of_page.into_iter().for_each(|of_page| *of_page = (*of_page).max(Some(scroll.percent)));
        }
        furthest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scalar::Scalar;

    fn scroll(second: i64, path: Option<&str>, percent: u8) -> Scroll {
        Scroll { at: Timestamp::from_ms(second * 1000), path: path.map(CompactString::from), percent }
    }

    fn page(second: i64, path: &str) -> PageView {
        PageView { at: Timestamp::from_ms(second * 1000), path: path.into(), medium: None }
    }

    #[test]
    fn a_scroll_belongs_to_the_last_view_of_its_page_before_it() {
        let pages = [page(10, "/a"), page(20, "/b"), page(200, "/a")];
        let scrolls = Scrolls::of_list(vec![
            scroll(5, Some("/a"), 99),
            scroll(15, Some("/a"), 40),
            scroll(70, Some("/a"), 60),
            scroll(30, None, 25),
            scroll(199, None, 10),
            scroll(200, Some("/a"), 5),
            scroll(300, Some("/c"), 100),
        ]);
        assert_eq!(scrolls.furthest(&pages), [Some(60), Some(25), Some(5)]);
        assert_eq!(Scrolls::default().furthest(&pages), [None, None, None]);
        assert!(scrolls.furthest(&[]).is_empty());
    }

    #[test]
    fn of_a_page_and_a_minute_the_furthest_is_held_and_of_too_many_the_latest() {
        let same = Scrolls::of_list(vec![scroll(60, None, 7), scroll(119, None, 9), scroll(80, None, 9)]);
        assert_eq!(same.as_slice(), [scroll(80, None, 9)]);
        let mut all: Vec<Scroll> = (0..100).map(|minute| scroll(minute * 60, Some("/a"), 1)).collect();
        let in_order = Scrolls::of_list(all.clone());
        all.reverse();
        assert_eq!(in_order, Scrolls::of_list(all));
        assert_eq!(in_order.as_slice().len(), SCROLLS_MAX);
        assert_eq!(in_order.as_slice()[0], scroll(36 * 60, Some("/a"), 1));
    }

    #[test]
    fn only_a_number_of_an_engagement_says_how_far() {
        let said = |name: &str, value: Scalar| {
            let mut event = Event::named(name);
            event.properties.set("scroll_pct", value);
            Scroll::of(&event).map(|scroll| scroll.percent)
        };
        assert_eq!(said("engagement", Scalar::Integer(75)), Some(75));
        assert_eq!(said("engagement", Scalar::Float(1.9)), Some(1));
        assert_eq!(said("engagement", Scalar::Integer(150)), Some(100));
        for nothing in [Scalar::Float(0.9), Scalar::Float(f64::NAN), Scalar::Integer(-5), Scalar::Bool(true)]
        {
            assert_eq!(said("engagement", nothing), None);
        }
        assert_eq!(said("page_viewed", Scalar::Integer(75)), None);
    }
}

//! The visits in a row, with their pages and how far these were scrolled.

use super::{FREQUENCIES, POINTS, SAME_PAGE, SUM, Writer};
use crate::domain::profile::PageView;
use crate::domain::scroll::Scroll;
use crate::domain::session_values::Held;
use crate::domain::visit::{PreviousVisit, Visit};

impl Writer<'_> {
    pub(super) fn visit(&mut self, visit: &Visit) {
        self.time(visit.started_at);
        self.time(visit.last_at);
        self.unsigned(visit.events);
    }

    pub(super) fn pages(&mut self, visit: &Visit) {
        self.list(visit.entry.as_deref().as_slice(), |writer, page| writer.page(page));
        self.list(&visit.pages, Self::page);
        if self.with_scrolls {
            self.scrolls(visit.scrolls.as_slice());
        }
    }

    fn scrolls(&mut self, scrolls: &[Scroll]) {
        self.length(scrolls.len());
        let mut before = None;
        for Scroll { at, path, percent } in scrolls {
            self.time(*at);
            let same_page = before == Some(path);
            self.byte(percent | if same_page { SAME_PAGE } else { 0 });
            if !same_page {
                self.list(path.as_slice(), |writer, path| writer.text(path));
            }
            before = Some(path);
        }
    }

    pub(super) fn previous(&mut self, previous: &PreviousVisit) {
        self.visit(&previous.visit);
        self.pages(&previous.visit);
        self.list(previous.values.as_slice(), |writer, (id, held)| {
            writer.name(*id);
            match held {
                Held::Sum(number) => {
                    writer.byte(SUM);
                    writer.signed(*number);
                }
                Held::Points(points) => {
                    writer.byte(POINTS);
                    writer.points(points);
                }
                Held::Frequencies(frequencies) => {
                    writer.byte(FREQUENCIES);
                    writer.frequencies(frequencies);
                }
            }
        });
    }

    fn page(&mut self, page: &PageView) {
        self.time(page.at);
        self.text(&page.path);
        self.text(page.medium.as_deref().unwrap_or_default());
    }
}

//! A row's bytes to a profile: any bytes give one or a reason, with memory bounded by their number.

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::{
    BY_DEFINITIONS, CAUSE_EVENT, CAUSE_TIME, FALSE, FIRST_AT, FLOAT, FREQUENCIES, IDS_FULL, IN, INTEGER,
    LAST_AT, ORDER_CANCELLED, ORDER_COUNTED, ORDER_EXPECTED, ORDER_LATE, ORDER_PLACED, ORDER_TRUSTED,
    ORDERS_FIRST_AT, ORDERS_LAST_AT, OUT, PENDING, POINTS, SAME_PAGE, SESSION_OPEN, SUM, TEXT, TEXTS, TRUE,
    WITH_AGGREGATES, WITH_PREVIOUS, WITH_SCROLLS, WITH_SQUARES,
};
use crate::domain::affinity::Affinity;
use crate::domain::buckets::Buckets;
use crate::domain::event::Money;
use crate::domain::frequencies::Frequencies;
use crate::domain::points::{Point, Points};
use crate::domain::profile::{
    Cause, Orders, PageView, Profile, Revenue, SegmentState, SegmentStatus, Session,
};
use crate::domain::purchase::{Order, OrderStatus, Refund};
use crate::domain::rulebook::NameId;
use crate::domain::scalar::{Properties, Scalar};
use crate::domain::scroll::{Scroll, Scrolls};
use crate::domain::seen::SeenId;
use crate::domain::session_values::{Held, SessionValues};
use crate::domain::time::Timestamp;
use crate::domain::visit::{PreviousVisit, Visit};
use crate::domain::window::Counter;

/// Why the bytes are no row.
type Reason = &'static str;

const ENDS: Reason = "it ends before it is complete";

/// The profile of a row of this format.
pub(in crate::codec::row) fn read(format: u8, row: &[u8]) -> Result<Profile, Reason> {
    let (with_squares, with_scrolls) = (format >= WITH_SQUARES, format >= WITH_SCROLLS);
    let mut reader = Reader { rest: row, as_of: Timestamp::EARLIEST, with_squares, with_scrolls };
    let by_definitions = format > WITH_AGGREGATES;
    let definitions = if by_definitions { reader.name()?.0 } else { 0 };
    let mut profile = Profile { definitions, ..reader.profile()? };
    if [WITH_AGGREGATES, WITH_AGGREGATES + BY_DEFINITIONS].contains(&format) || format >= WITH_PREVIOUS {
        profile.points = in_order(reader.list(|reader| Ok((reader.name()?, reader.points()?)))?);
        profile.frequencies = in_order(reader.list(|reader| Ok((reader.name()?, reader.frequencies()?)))?);
        profile.orders.ledger = reader.list(Reader::order)?;
        reader.pages(&mut profile.session.current)?;
        profile.fires = reader.list(|reader| Ok((reader.name()?, reader.list(Reader::time)?)))?;
    }
    if format >= WITH_PREVIOUS {
        let (mut previous, mut until) = (reader.list(Reader::previous)?, reader.list(Reader::time)?);
        (profile.session.previous, profile.session.forgotten_until) =
            (previous.pop().map(Box::new), until.pop());
        if !previous.is_empty() || !until.is_empty() {
            return Err("it has more than one previous visit");
        }
    }
    if reader.rest.is_empty() { Ok(profile) } else { Err("further bytes follow after it") }
}

/// Sorted by number, each once and none that holds nothing, also where the bytes have them otherwise.
fn in_order<T: Default + PartialEq>(mut held: ThinVec<(NameId, T)>) -> ThinVec<(NameId, T)> {
    held.retain(|(_, one)| *one != T::default());
    held.sort_by_key(|(id, _)| *id);
    held.dedup_by_key(|(id, _)| *id);
    held
}

struct Reader<'r> {
    rest: &'r [u8],
    as_of: Timestamp,
    with_squares: bool,
    with_scrolls: bool,
}

impl<'r> Reader<'r> {
    fn profile(&mut self) -> Result<Profile, Reason> {
        let flags = self.byte()?;
        let has = |flag: u8| flags & flag != 0;
        if (has(IDS_FULL) && !self.with_scrolls) || (has(CAUSE_EVENT) && has(CAUSE_TIME)) {
            return Err("its first byte is none that is written");
        }
        let version = self.unsigned()?;
        self.as_of = Timestamp::from_ms(self.signed()?);
        Ok(Profile {
            version,
            definitions: 0,
            as_of: self.as_of,
            events_applied: self.unsigned()?,
            first_at: self.time_if(has(FIRST_AT))?,
            last_at: self.time_if(has(LAST_AT))?,
            cause: match () {
                () if has(CAUSE_EVENT) => Cause::Event(self.text()?),
                () if has(CAUSE_TIME) => Cause::Time,
                () => Cause::None,
            },
            seen: self.seen()?,
            ids_full: has(IDS_FULL),
            traits: self.traits()?,
            counters: self.list(Self::counter)?.into(),
            points: ThinVec::new(),
            frequencies: ThinVec::new(),
            interests: self.list(|reader| Ok((reader.name()?, reader.list(Self::affinity)?)))?,
            session: Session {
                count: self.unsigned()?,
                open: has(SESSION_OPEN),
                current: self.visit()?,
                previous: None,
                forgotten_until: None,
            },
            recent: self.list(Self::text)?,
            orders: self.orders(has(ORDERS_FIRST_AT), has(ORDERS_LAST_AT))?,
            segments: self.list(Self::segment)?,
            fires: ThinVec::new(),
            rules_fired: self.list(|reader| Ok((reader.name()?, reader.time()?)))?,
        })
    }

    fn seen(&mut self) -> Result<ThinVec<SeenId>, Reason> {
        let mut after = self.as_of;
        let mut seen = self.list(|reader| {
            let hash = reader.hash()?;
            after = Timestamp::from_ms(after.ms().wrapping_sub(reader.signed()?));
            Ok(SeenId { hash, at: after })
        })?;
        seen.reverse();
        Ok(seen)
    }

    fn traits(&mut self) -> Result<Properties, Reason> {
        let mut traits = Properties::default();
        for (name, value) in self.list(|reader| Ok((reader.text()?, reader.scalar()?)))? {
            traits.set(&name, value);
        }
        Ok(traits)
    }

    fn points(&mut self) -> Result<Points, Reason> {
        let points = self.list(|reader| Ok(Point { at: reader.time()?, value: reader.scalar()? }))?;
        Ok(Points::of_points(points))
    }

    fn frequencies(&mut self) -> Result<Frequencies, Reason> {
        let counters = self.list(|reader| Ok((reader.text()?, reader.amounts(NameId::default())?)))?;
        Ok(Frequencies::of_counters(counters))
    }

    fn counter(&mut self) -> Result<Counter, Reason> {
        let id = self.name()?;
        self.amounts(id)
    }

    fn amounts(&mut self, id: NameId) -> Result<Counter, Reason> {
        let (total, length) = (self.signed()?, self.length()?);
        if length == 0 {
            return Ok(Counter { id, total, buckets: Buckets::default() });
        }
        let first = self.signed()?;
        let (begins, mut last) = (self.rest, first);
        self.signed()?;
        for _ in 1..length {
            last = last.wrapping_add(self.signed()?);
            self.signed()?;
        }
        let packed = begins.get(..begins.len() - self.rest.len()).unwrap_or_default();
        Ok(Counter { id, total, buckets: Buckets::of_packed(first, last, packed) })
    }

    fn affinity(&mut self) -> Result<Affinity, Reason> {
        let value = self.text()?;
        let score = f64::from_bits(self.hash()?);
        let hour = self.as_of.hour().wrapping_sub(self.signed()?);
        let hour = i32::try_from(hour).map_err(|_| "an affinity is of an hour that no event can have")?;
        let mut evidence = self.unsigned()?;
        let is_tagged = evidence & 1 == 1;
        evidence >>= 1;
        let mut squares = Affinity::squares_of_one(score);
        if self.with_squares {
            if evidence & 1 == 1 {
                squares = f64::from_bits(self.hash()?);
            }
            evidence >>= 1;
        }
        let tagged_at = self.time_if(is_tagged)?;
        let evidence = u32::try_from(evidence).map_err(|_| "a count of evidence is out of range")?;
        Ok(Affinity { value, score, squares, hour, evidence, tagged_at })
    }

    fn visit(&mut self) -> Result<Visit, Reason> {
        let (started_at, last_at, events) = (self.time()?, self.time()?, self.unsigned()?);
        Ok(Visit { started_at, last_at, events, ..Visit::default() })
    }

    fn pages(&mut self, visit: &mut Visit) -> Result<(), Reason> {
        let mut entry = self.list(Self::page)?;
        visit.entry = entry.pop().map(Box::new);
        if !entry.is_empty() {
            return Err("a visit has more than one entry page");
        }
        visit.pages = self.list(Self::page)?;
        visit.pages.sort();
        if self.with_scrolls {
            visit.scrolls = self.scrolls()?;
        }
        Ok(())
    }

    fn scrolls(&mut self) -> Result<Scrolls, Reason> {
        let mut before = None;
        let scrolls = self.list(|reader| {
            let (at, byte) = (reader.time()?, reader.byte()?);
            let percent = byte & !SAME_PAGE;
            if !(1..=100).contains(&percent) {
                return Err("a scroll goes nowhere on its page");
            }
            let path = match before.take() {
                Some(path) if byte & SAME_PAGE != 0 => path,
                _ if byte & SAME_PAGE != 0 => {
                    return Err("the first scroll is on the page of none before it");
                }
                _ => reader.list(Self::text)?.pop(),
            };
            before = Some(path.clone());
            Ok(Scroll { at, path, percent })
        })?;
        Ok(Scrolls::of_list(scrolls))
    }

    fn previous(&mut self) -> Result<PreviousVisit, Reason> {
        let mut visit = self.visit()?;
        self.pages(&mut visit)?;
        let values = self.list(|reader| {
            let (id, kind) = (reader.name()?, reader.byte()?);
            let held = match kind {
                SUM => Held::Sum(reader.signed()?),
                POINTS => Held::Points(reader.points()?),
                FREQUENCIES => Held::Frequencies(reader.frequencies()?),
                _ => return Err("a value of the previous visit is of no kind that is written"),
            };
            Ok((id, held))
        })?;
        Ok(PreviousVisit { visit, values: SessionValues::of_list(values) })
    }

    fn orders(&mut self, has_first: bool, has_last: bool) -> Result<Orders, Reason> {
        Ok(Orders {
            count: self.unsigned()?,
            units: self.unsigned()?,
            revenue: self
                .list(|reader| Ok(Revenue { currency: reader.text()?, hundredths: reader.signed()? }))?,
            first_at: self.time_if(has_first)?,
            last_at: self.time_if(has_last)?,
            seen: self.list(Self::hash)?,
            ledger: ThinVec::new(),
            items: self.list(Self::text)?,
        })
    }

    fn order(&mut self) -> Result<Order, Reason> {
        let (id, flags) = (self.hash()?, self.byte()?);
        let status = match flags & 3 {
            ORDER_EXPECTED => OrderStatus::Expected,
            ORDER_PLACED => OrderStatus::Placed,
            ORDER_CANCELLED => OrderStatus::Cancelled,
            _ => return Err("an order's status is none that is written"),
        };
        if flags >= ORDER_LATE << 1 {
            return Err("an order's flags are none that are written");
        }
        Ok(Order {
            id,
            status,
            trusted: flags & ORDER_TRUSTED != 0,
            counted: flags & ORDER_COUNTED != 0,
            late: flags & ORDER_LATE != 0,
            at: self.time()?,
            told_at: self.time()?,
            money: self.money()?,
            units: self.unsigned()?,
            refunds: self.list(|reader| {
                let (id, trusted) = (reader.hash()?, reader.byte()?);
                if trusted > 1 {
                    return Err("a refund's flag is none that is written");
                }
                Ok(Refund { id, trusted: trusted == 1, money: reader.money()? })
            })?,
        })
    }

    fn page(&mut self) -> Result<PageView, Reason> {
        let (at, path, medium) = (self.time()?, self.text()?, self.text()?);
        Ok(PageView { at, path, medium: (!medium.is_empty()).then_some(medium) })
    }

    fn money(&mut self) -> Result<Money, Reason> {
        Ok(Money { currency: self.text()?, hundredths: self.signed()? })
    }

    fn segment(&mut self) -> Result<SegmentState, Reason> {
        let id = self.name()?;
        let status = match self.byte()? {
            OUT => SegmentStatus::Out,
            PENDING => SegmentStatus::Pending { due_at: self.time()? },
            IN => SegmentStatus::In { entered_at: self.time()? },
            _ => return Err("a segment's state is none that is written"),
        };
        Ok(SegmentState { id, status })
    }

    fn scalar(&mut self) -> Result<Scalar, Reason> {
        Ok(match self.byte()? {
            FALSE => Scalar::Bool(false),
            TRUE => Scalar::Bool(true),
            INTEGER => Scalar::Integer(self.signed()?),
            FLOAT => Scalar::Float(f64::from_bits(self.hash()?)),
            TEXT => Scalar::Text(self.text()?),
            TEXTS => Scalar::Texts(self.list(Self::text)?.into()),
            _ => return Err("a trait's value is of no kind that is written"),
        })
    }

    fn list<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Reason>,
    ) -> Result<ThinVec<T>, Reason> {
        let length = self.length()?;
        let mut list = ThinVec::with_capacity(length);
        for _ in 0..length {
            list.push(element(self)?);
        }
        Ok(list)
    }

    /// A length that the bytes can hold: each element has one byte at least.
    fn length(&mut self) -> Result<usize, Reason> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| ENDS)?;
        if length > self.rest.len() { Err(ENDS) } else { Ok(length) }
    }

    fn text(&mut self) -> Result<CompactString, Reason> {
        let length = self.length()?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| "a text is not UTF-8")?;
        Ok(text.into())
    }

    fn time_if(&mut self, is_there: bool) -> Result<Option<Timestamp>, Reason> {
        if is_there { self.time().map(Some) } else { Ok(None) }
    }

    fn time(&mut self) -> Result<Timestamp, Reason> {
        Ok(Timestamp::from_ms(self.as_of.ms().wrapping_sub(self.signed()?)))
    }

    fn name(&mut self) -> Result<NameId, Reason> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>().ok_or(ENDS)?;
        self.rest = rest;
        Ok(NameId(u32::from_le_bytes(*bytes)))
    }

    fn hash(&mut self) -> Result<u64, Reason> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(ENDS)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn signed(&mut self) -> Result<i64, Reason> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn unsigned(&mut self) -> Result<u64, Reason> {
        const TOO_LARGE: Reason = "a number has more than 64 bits";
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if place == 9 && bits > 1 {
                return Err(TOO_LARGE);
            }
            number |= bits << (place * 7);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(TOO_LARGE)
    }

    fn byte(&mut self) -> Result<u8, Reason> {
        let (byte, rest) = self.rest.split_first().ok_or(ENDS)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn take(&mut self, length: usize) -> Result<&'r [u8], Reason> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ENDS)?;
        self.rest = rest;
        Ok(bytes)
    }
}

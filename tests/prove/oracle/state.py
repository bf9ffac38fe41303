"""The changelog of one partition, folded: one row of its position and of the digest of all others, the rows
of content, definitions and site shares that changed, and one row for each person, compared with the fold
field by field."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import xxhash

from .book import Attribute
from .compare import Tolerated, difference
from .fold import Fold
from .holdings import Bests, Frequencies, Gaps, Mean, Ring, evidence_key, shape, span
from .journeys import Funnel, Lifecycle
from .log import Log
from .postcard import Bytes, Unreadable, content, site_shares
from .profile import TIME, Profile
from .report import Report
from .rows import OF_CONTENT_BITS, profile_of
from .scrolls import held as held_scrolls
from .transactions import Transactions
from .visits import Visit, counted

FORMAT = 1
POSITION_FORMATS = (1, 2)
TEXT_HASH = xxhash.xxh3_64_intdigest


class State:
    """The rows of one partition."""

    def __init__(self, topic: str, partition: int, report: Report) -> None:
        self.topic = topic
        self.partition = partition
        self.report = report
        self.rows: dict[bytes, tuple[int, bytes]] = {}
        self.tolerated = Tolerated()
        self.end = 0

    def read(self, log: Log, transactions: Transactions) -> None:
        # Compaction may have taken the oldest records; what it leaves folds to the same rows.
        count = 0
        for message in log.records(self.topic, self.partition):
            count += 1
            transactions.note(message, self.report)
            key = message.key() or b""
            self.end = message.offset() + 1
            if message.value() is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = (message.offset(), message.value())
        self.report.read(self.topic, count)

    def check(self, fold: Fold, committed: int | None, input_name: str) -> None:
        """Compares the rows with the fold and the group's offset."""
        rows = dict(self.rows)
        self._check_position(rows.pop(b"m", None), fold, committed, input_name)
        self._check_definitions(rows.pop(b"r", None), fold)
        rows.pop(b"i", None)  # with which definitions due times were worked out: the product's own note
        self._check_contents(rows, fold)
        self._check_site_shares(rows, fold)
        for person, profile in fold.persons.items():
            row = rows.pop(b"p" + person.encode(), None)
            if row is None and not profile.version and not profile.seen:
                continue  # forgotten
            if row is None:
                said = f"expected a row of version {profile.version} found none"
                self.report.violation("I5", self._where(self.end), person, said)
                continue
            self._check_profile(person, profile, *row)
            self.report.count("state rows")
        for key, (offset, _) in rows.items():
            self.report.violation("I5", self._where(offset), None, f"expected no row {key!r} found one")
        self.report.count("doubles equal within the tolerance alone", self.tolerated.count)

    def _check_position(
        self, row: tuple[int, bytes] | None, fold: Fold, committed: int | None, input_name: str
    ) -> None:
        if row is None:
            if committed:
                said = f"expected a position, since the group has committed {committed}, found none"
                self.report.violation("I6", self._where(self.end), None, said)
            return
        offset, value = row
        try:
            input_next, stream_time, digest = position_of(value)
        except (Unreadable, IndexError) as error:
            self.report.violation("I5", self._where(offset), None, f"expected a position found {error}")
            return
        self.check_digest(digest, offset)
        if input_next != committed:
            said = f"expected the state at {input_name} {committed}, as the group, found {input_next}"
            self.report.violation("I6", self._where(offset), None, said)
        if stream_time != fold.stream_time:
            said = f"stream time: expected {fold.stream_time} found {stream_time}"
            self.report.violation("I5", self._where(offset), None, said)

    def check_digest(self, told: tuple[int, int] | None, offset: int) -> None:
        """Compares the digest that the position tells with that of the rows."""
        if told is None:
            self.report.count("states without a digest")
            return
        found = digest_of(self.rows.items())
        if told != found:
            said = f"expected the digest {found[1]:016x} of {found[0]} rows found {told[1]:016x} of {told[0]}"
            self.report.violation("I5", self._where(offset), None, said)
        self.report.count("state digests")

    def _check_definitions(self, row: tuple[int, bytes] | None, fold: Fold) -> None:
        expected = None
        if fold.definitions is not None:
            expected = b"\x02" + fold.book.since.to_bytes(8, "little") + fold.definitions.encode()
        if (None if row is None else row[1]) != expected:
            where = self._where(row[0] if row else self.end)
            self.report.violation("I5", where, None, "the definitions' row is not the last definitions sent")

    def _check_contents(self, rows: dict[bytes, tuple[int, bytes]], fold: Fold) -> None:
        for content_id, expected in fold.changed_contents.items():
            row = rows.pop(b"c" + content_id.encode(), None)
            # Of withdrawn content that the configuration declares, an empty row remains.
            wanted = "" if expected is None and content_id in fold.declared else expected
            found: Any = None
            if row is not None:
                try:
                    reader = _body(row[1]) if row[1] else None
                    found = "" if reader is None else content(reader)
                    if reader is not None:
                        reader.end()
                except (Unreadable, IndexError, UnicodeDecodeError, struct.error) as error:
                    found = str(error)
            if found != wanted:
                said = f"content {content_id}: expected {wanted!r} found {found!r}"
                self.report.violation("I5", self._where(row[0] if row else self.end), None, said)
            self.report.count("content rows")

    def _check_site_shares(self, rows: dict[bytes, tuple[int, bytes]], fold: Fold) -> None:
        """Shares that were withdrawn have no row: one that remains is told of as a row that nobody expects."""
        for interest, expected in fold.site.items():
            row = rows.pop(b"s" + interest.encode(), None)
            found: Any = None
            if row is not None:
                try:
                    reader = _body(row[1])
                    found = site_shares(reader)
                    reader.end()
                except (Unreadable, IndexError, UnicodeDecodeError, struct.error) as error:
                    found = str(error)
            if found != expected:
                said = f"site shares of {interest}: expected {expected!r} found {found!r}"
                self.report.violation("I5", self._where(row[0] if row else self.end), None, said)
            self.report.count("site share rows")

    def _check_profile(self, person: str, profile: Profile, offset: int, value: bytes) -> None:
        try:
            found = profile_of(value)
        except (Unreadable, IndexError, UnicodeDecodeError, struct.error) as error:
            self.report.violation("I5", self._where(offset), person, f"expected a row found {error}")
            return
        expected = _expected(profile)
        if expected["definitions"] is None:
            known = self.report.configured
            expected["definitions"] = found["definitions"] if known is None else known & 0xFFFFFFFF
        if expected != found and (said := difference(expected, found, self.tolerated)):
            self.report.violation("I5", self._where(offset), person, f"state row: {said}")

    def _where(self, offset: int) -> str:
        return f"{self.topic}-{self.partition}@{offset}"


def _body(value: bytes) -> Bytes:
    if not value or value[0] != FORMAT:
        raise Unreadable("a row of another format")
    return Bytes(value, 1)


def position_of(value: bytes) -> tuple[int, int, tuple[int, int] | None]:
    """The next offset of the input, the stream time, and the number of rows with the sum of their hashes,
    which format 1 did not have."""
    if not value or value[0] not in POSITION_FORMATS:
        raise Unreadable("a position of another format")
    reader = Bytes(value, 1)
    input_next, stream_time = reader.signed(), reader.signed()
    digest = (reader.number(), reader.number()) if value[0] > 1 and reader.flag() else None
    reader.end()
    return input_next, stream_time, digest


def digest_of(rows: Iterable[tuple[bytes, tuple[int, bytes]]]) -> tuple[int, int]:
    """How many rows there are but the position's, and the sum of their hashes."""
    hashes = [
        TEXT_HASH(struct.pack("<QQ", TEXT_HASH(key), TEXT_HASH(value)))
        for key, (_, value) in rows
        if key != b"m"
    ]
    return len(hashes), sum(hashes) % 2**64


def number_of(name: str) -> int:
    """The number that rows store in the place of a declared name."""
    return TEXT_HASH(name.encode()) & 0xFFFFFFFF


def _by_value(affinity: tuple[str, Any]) -> bytes:
    return affinity[0].encode()


def _definitions(p: Profile) -> int | None:
    """By which definitions it was changed last; none where these are the configuration's."""
    if p.made_by is None:
        return 0
    return None if p.made_by.fingerprint is None else p.made_by.fingerprint & 0xFFFFFFFF


def _held(rule: Attribute, held: Any) -> Iterator[tuple[str, int, Any]]:
    """What a row has of an attribute that is no sum: of which kind, under which number, and what."""
    number = number_of(shape(rule))
    if isinstance(held, Gaps | Mean):
        evidence = number_of(f"{rule.name}|{rule.measure}|{rule.prop}|evidence|{span(rule)}")
        if isinstance(held, Mean):
            rings = {number: held.sum, evidence: held.count}
            yield from (("sum", id_, one.row()) for id_, one in rings.items() if one.total or one.buckets)
        elif held.holds():
            yield from (("sum", number, [held.largest, []]), ("sum", evidence, [held.count, []]))
    elif isinstance(held, Frequencies) and held.holds():
        yield "frequencies", number, held.row()
    elif isinstance(held, Bests) and held.holds():
        yield "points", number, held.front(rule)
    elif isinstance(held, Lifecycle | Funnel) and held.holds():
        yield "points", number, held.points()


def _visit(visit: Visit) -> dict[str, Any]:
    values: dict[int, Any] = {}
    for told in visit.told.values():
        rule = told[-1][0]
        total, evidence, held = counted(told)
        sums = {rule.key: total, evidence_key(rule): evidence.total}
        values |= {number_of(key): ["sum", sum_] for key, sum_ in sums.items() if sum_}
        for kind, number, row in _held(rule, held):
            values[number] = [kind, row[0] if kind == "sum" else row]
    return {
        "start": visit.start,
        "last": visit.last,
        "events": visit.events,
        "entry": [list(visit.entry)] if visit.entry else [],
        "pages": [list(page) for page in visit.pages],
        "scrolls": _scrolls(visit),
        "values": values,
    }


def _scrolls(visit: Visit) -> list[list[Any]]:
    return [list(one) for one in held_scrolls(visit.scrolls)]


def _evidence(p: Profile) -> Iterator[tuple[str, Ring]]:
    """Of how many values each sum is, by what rows hold that under."""
    declared = zip(p.book.attributes, p.evidence, strict=True)
    yield from ((evidence_key(rule), ring) for rule, ring in declared if ring is not None)
    yield from ((key, parked[0]) for (kind, key), parked in p.parked.items() if kind == "evidence")


def _expected(p: Profile) -> dict[str, Any]:
    """The row that the fold's profile must have. What holds nothing is left out on both sides."""
    cause = "none" if p.cause is None else "time" if p.cause is TIME else f"event {p.cause}"
    counters = {
        number_of(one.key): [p.totals[at], list(zip(p.buckets[at], p.sums[at], strict=True))]
        for at, one in enumerate(p.book.attributes)
        if p.totals[at] or p.buckets[at]
    }
    counters |= {number_of(key): ring.row() for key, ring in _evidence(p) if ring.total or ring.buckets}
    held = [(p.book.attributes[at], p.held[at]) for at in p.book.aggregates]
    held += [parked for (kind, _), parked in p.parked.items() if kind == "aggregate"]
    points: dict[int, Any] = {}
    frequencies: dict[int, Any] = {}
    for rule, one in held:
        for kind, number, row in _held(rule, one):
            {"sum": counters, "points": points, "frequencies": frequencies}[kind][number] = row
    latest = [(p.book.attributes[at].latest_key, p.latest[at]) for at in p.book.aging]
    latest += [(name, parked) for (kind, name), parked in p.parked.items() if kind == "latest"]
    points |= {number_of(key): [(at, True)] for key, at in latest if at is not None}
    interests = {
        number_of(one.name): [
            [value, a.score, a.squares, a.hour, a.evidence, a.tagged_at]
            for value, a in sorted(p.affinities[at].items(), key=_by_value)
        ]
        for at, one in enumerate(p.book.interests)
        if p.affinities[at]
    }
    segments = {
        number_of(one.name): p.segments[at] for at, one in enumerate(p.book.segments) if p.segments[at][0]
    }
    for (kind, name), parked in p.parked.items():
        if kind == "attribute" and (parked[0] or parked[1]):
            counters[number_of(name)] = [parked[0], list(zip(parked[1], parked[2], strict=True))]
        elif kind == "interest" and parked[0]:
            interests[number_of(name)] = [
                [value, a.score, a.squares, a.hour, a.evidence, a.tagged_at]
                for value, a in sorted(parked[0].items(), key=_by_value)
            ]
        elif kind == "segment" and parked[0]:
            segments[number_of(name)] = parked
    return {
        "definitions": _definitions(p),
        "version": p.version,
        "as_of": p.as_of,
        "events": p.events,
        "first_at": p.first_at,
        "last_at": p.last_at,
        "cause": cause,
        "seen": [(TEXT_HASH(one.encode()) >> OF_CONTENT_BITS, at) for one, at in p.seen.items()],
        "ids_full": p.ids_capped,
        "traits": p.traits,
        "counters": counters,
        "interests": interests,
        "session": [p.session_count, p.visit.start, p.visit.last, p.visit.events, p.session_open],
        "previous": [_visit(p.previous)] if p.previous is not None else [],
        "forgotten_until": [] if p.forgotten_until is None else [p.forgotten_until],
        "recent": p.recent,
        "orders": [p.orders, p.units],
        "revenue": p.revenue,
        "order_times": [p.order_first, p.order_last],
        "entry": [list(p.visit.entry)] if p.visit.entry else [],
        "pages": [list(page) for page in p.visit.pages],
        "scrolls": _scrolls(p.visit),
        "orders_seen": [],
        "ledger": [
            [TEXT_HASH(id_.encode()), one.row(), [[TEXT_HASH(r.encode()), *of] for r, of in one.refunds.items()]]
            for id_, one in p.ledger.items()
        ],
        "bought": p.items_bought,
        "segments": segments,
        "fired": {number_of(name): at for name, at in p.fired.items()},
        "fires": {number_of(name): fires for name, fires in p.fires.items()},
        "points": points,
        "frequencies": frequencies,
    }

"""One partition of the command topic must be an interleaving of what the source partitions send to it: each
command once, those of one source partition in its order. Which interleaving, the log decides."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from .report import Report

SEARCHES_MAX = 200


class Interleaving:
    """Follows the command partition record by record."""

    def __init__(self, name: str, sources: list[tuple[str, array[int], array[int]]], report: Report) -> None:
        """`sources` has the name, the hashes and the offsets of each source partition's commands for here."""
        self.name = name
        self.sources = sources
        self.report = report
        self.next = [0] * len(sources)
        # The next hash of each source that has one left. Where two sources are at the same hash it is not
        # known yet which of them a record came from: then it is owed by one of them.
        self.heads: dict[int, list[int]] = {}
        self.owed: dict[int, int] = {}
        self.skipped: dict[int, list[tuple[int, int]]] = {}
        self.searches = 0
        # What is different about a record from nowhere, where somebody can tell.
        self.explain: Callable[[], str] = lambda: ""
        for source in range(len(sources)):
            self._enter(source)

    def take(self, hashed: int, offset: int, person: str | None, what: str) -> None:
        """The next record of the command partition."""
        found = self.heads.get(hashed)
        if found is not None:
            owed = self.owed.get(hashed, 0)
            if len(found) == 1 and not owed:
                self._advance(found[0])
                return
            if owed < len(found):
                self.owed[hashed] = owed + 1
                return
        if self.owed and self._resolve(hashed):
            self.take(hashed, offset, person, what)
            return
        self._astray(hashed, f"{self.name}@{offset}", person, what)

    def finish(self) -> None:
        """Everything that a source has left is lost."""
        while self.owed and self._resolve(None):
            pass
        left = [pair for pairs in self.skipped.values() for pair in pairs]
        for source, (_, hashes, _) in enumerate(self.sources):
            left += [(source, place) for place in range(self.next[source], len(hashes))]
        for source, place in left:
            name, _, offsets = self.sources[source]
            where = f"{name}@{offsets[place]}"
            self.report.violation("I1", where, None, f"expected its command in {self.name} found none")

    def heads_at(self) -> list[tuple[int, int]]:
        """The number of each source that has a record left, and that record's offset."""
        heads = ((at, self.next[at], offsets) for at, (_, _, offsets) in enumerate(self.sources))
        return [(at, offsets[place]) for at, place, offsets in heads if place < len(offsets)]

    def _enter(self, source: int) -> None:
        hashes, place = self.sources[source][1], self.next[source]
        if place < len(hashes):
            self.heads.setdefault(hashes[place], []).append(source)

    def _advance(self, source: int) -> None:
        hashed = self.sources[source][1][self.next[source]]
        others = self.heads[hashed]
        others.remove(source)
        if not others:
            del self.heads[hashed]
        self.next[source] += 1
        self._enter(source)

    def _resolve(self, wanted: int | None) -> bool:
        """Lets a source go on over a hash that is owed, if the wanted one is behind it; any if none is."""
        for hashed in list(self.owed):
            for source in list(self.heads.get(hashed, ())):
                hashes, place = self.sources[source][1], self.next[source]
                behind = place
                while behind < len(hashes) and self.owed.get(hashes[behind], 0):
                    behind += 1
                if wanted is None or (behind < len(hashes) and hashes[behind] == wanted):
                    for _ in range(behind - place if wanted is not None else 1):
                        self._pay(source)
                    return True
        return False

    def _pay(self, source: int) -> None:
        hashed = self.sources[source][1][self.next[source]]
        self.owed[hashed] = self.owed.get(hashed, 0) - 1
        if self.owed[hashed] <= 0:
            del self.owed[hashed]
        self._advance(source)

    def _astray(self, hashed: int, where: str, person: str | None, what: str) -> None:
        """A record that is not what any source says next: too late, too early, twice or from nowhere."""
        if pairs := self.skipped.get(hashed):
            source, place = pairs.pop()
            if not pairs:
                del self.skipped[hashed]
            name, _, offsets = self.sources[source]
            self.report.violation(
                "I3", where, person, f"{what} came after records that follow {name}@{offsets[place]}"
            )
            return
        self.searches += 1
        if self.searches > SEARCHES_MAX:
            self.report.violation("I2", where, person, f"{what} is not what any source says next")
            return
        if self._skip_to(hashed):
            return
        for name, hashes, offsets in self.sources:
            if hashed in hashes:
                place = hashes.index(hashed)
                said = f"expected {what} once, from {name}@{offsets[place]}, found it again"
                self.report.violation("I2", where, person, said)
                return
        said = f"{what} is not what any source record becomes{self.explain()}"
        self.report.violation("I2", where, person, said)

    def _skip_to(self, hashed: int) -> bool:
        """Goes on from a record that a source says later on; what stands before it may still come."""
        for source, (_, hashes, _) in enumerate(self.sources):
            try:
                place = hashes.index(hashed, self.next[source])
            except ValueError:
                continue
            while self.next[source] < place:
                at = self.next[source]
                self.skipped.setdefault(hashes[at], []).append((source, at))
                self._advance(source)
            self._advance(source)
            return True
        return False

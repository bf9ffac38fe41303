"""The profile updates of one partition: versions rise strictly, and the last of each person is what the fold
says, field by field."""

from __future__ import annotations

from typing import Any

from .compare import Tolerated, difference
from .fold import Fold
from .log import Log
from .postcard import Bytes
from .profile import Profile
from .render import profile_update
from .report import Report
from .schemas import Schemas, Undecodable
from .transactions import Transactions


class Updates:
    """The last update of each person of one partition."""

    def __init__(self, topic: str, partition: int, schemas: Schemas, report: Report) -> None:
        self.topic = topic
        self.partition = partition
        self.schemas = schemas
        self.report = report
        self.tolerated = Tolerated()
        self.last: dict[str, tuple[int, int, bytes | None]] = {}  # offset, version, value
        self.end = 0

    def read(self, log: Log, transactions: Transactions) -> None:
        # Compaction may have taken older updates, which are not compared but for their versions.
        count = 0
        for message in log.records(self.topic, self.partition):
            count += 1
            transactions.note(message, self.report)
            offset, value = message.offset(), message.value()
            self.end = offset + 1
            person = (message.key() or b"").decode("utf-8", "replace")
            if value is None:
                # The person was forgotten; what comes after it begins anew.
                self.last[person] = (offset, 0, None)
                continue
            version = self._version(value)
            before = self.last.get(person)
            if before is not None and version <= before[1]:
                invariant = "I2" if version == before[1] else "I3"
                said = f"expected a version above {before[1]} found {version}"
                self.report.violation(invariant, self._where(offset), person, said)
            self.last[person] = (offset, version, value)
        self.report.read(self.topic, count)

    def check(self, fold: Fold) -> None:
        """Compares the last update of each person."""
        for person, profile in fold.persons.items():
            last = self.last.pop(person, None)
            if last is None:
                if profile.version:
                    said = f"expected an update of version {profile.version} found none"
                    self.report.violation("I1", self._where(self.end), person, said)
                continue
            if not profile.version:
                if last[2] is None:
                    continue
                self.report.violation("I2", self._where(last[0]), person, "expected no update found one")
                continue
            self._compare(person, profile, fold, last)
            self.report.count("profiles")
        for person, (offset, _, _) in self.last.items():
            self.report.violation(
                "I2", self._where(offset), person, "expected no such person found an update"
            )
        self.report.count("doubles equal within the tolerance alone", self.tolerated.count)

    def _compare(
        self, person: str, profile: Profile, fold: Fold, last: tuple[int, int, bytes | None]
    ) -> None:
        offset, _, value = last
        try:
            found = self.schemas.decode(value)
        except Undecodable as error:
            self.report.violation("I5", self._where(offset), person, f"expected an update found {error}")
            return
        said = self._difference(person, profile, fold, found)
        if said is not None and profile.rendered < len(fold.books) - 1:
            # The update shows the names in force at its commit: the same as at the change, or later.
            self.report.count("updates from before a change of definitions, compared by version alone")
            said = None if found["version"] == profile.version else said
        if said is not None:
            self.report.violation("I5", self._where(offset), person, said)

    def _difference(self, person: str, profile: Profile, fold: Fold, found: dict[str, Any]) -> str | None:
        """The update shows the site's shares in force at its commit: the same as at the change, or later ones. Where
        it fits none, how it differs from the first of these is told."""
        first: str | None = None
        for later, site in enumerate(fold.sites[profile.sited :]):
            expected = profile_update(person, profile, site)
            said = None if expected == found else difference(expected, found, self.tolerated)
            if said is None:
                if later:
                    self.report.count("updates with the site's shares of after their change")
                return None
            first = first or said
        return first

    def _version(self, value: bytes | None) -> int:
        """The second field, without decoding all of them, where the schema begins as the first one did."""
        if value is None or len(value) < 6:
            return -1
        fields: list[dict[str, Any]] = []
        try:
            schema = self.schemas.schema(int.from_bytes(value[1:5], "big"))
            fields = schema["fields"]
            if [field["name"] for field in fields[:2]] == ["person", "version"]:
                reader = Bytes(value, 5)
                reader.at = reader.signed() + reader.at
                return reader.signed()
            return int(self.schemas.decode(value)["version"])
        except (Undecodable, IndexError):
            return -1

    def _where(self, offset: int) -> str:
        return f"{self.topic}-{self.partition}@{offset}"

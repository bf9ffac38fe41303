"""Shows that the campaign's own checks find what they are there for: each is fed with something wrong.

Run before every campaign, since a check that cannot fail proves nothing: `python -m unittest campaign.teeth`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import unittest
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import oracle.configuration
import oracle.sources
from oracle.fold import Fold
from oracle.reject import Reject
from oracle.render import profile_update

from . import disk, versions
from .course import Course
from .definitions import configuration
from .member import Exit, Member, Supervisor, judge
from .oracle import check
from .place import CampaignFailed, Findings, Journal
from .progress import CALM_STALL_MAX_S, STALL_MAX_S, Progress, Turmoil
from .recovery import at
from .shop import changed_shares
from .story import Story
from .sums import COMMANDS, expected
from .watcher import Order


def decision(number: int, version: int) -> dict[str, Any]:
    return {"decision_id": f"d{number}", "person": "user:1", "profile_version": version}


def change(number: int, version: int, kind: str) -> dict[str, Any]:
    return {
        "transition_id": f"t{number}",
        "person": "user:1",
        "segment": "s",
        "change": kind,
        "profile_version": version,
    }


class WithPlace(unittest.TestCase):
    """A directory with a journal and findings."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="bespoke-teeth.")
        self.addCleanup(directory.cleanup)
        self.home = Path(directory.name)
        self.journal = Journal(self.home / "journal")
        self.journal.say = self.journal.note  # type: ignore[method-assign]
        self.addCleanup(self.journal.lines.close)
        self.findings = Findings(self.journal)

    def texts(self) -> str:
        return "\n".join(one["text"] for one in self.findings.violations)


class Watching(unittest.TestCase):
    def test_a_doubled_decision_is_found(self) -> None:
        order = Order()
        self.assertEqual(order.look("content-decisions", decision(1, 4)), [])
        self.assertEqual(order.look("content-decisions", decision(2, 4)), [])
        self.assertIn("has come before", order.look("content-decisions", decision(1, 4))[0])

    def test_a_decision_of_an_older_version_is_found(self) -> None:
        order = Order()
        order.look("content-decisions", decision(1, 4))
        self.assertIn(
            "version 3 of user:1 comes after version 4", order.look("content-decisions", decision(2, 3))[0]
        )

    def test_a_version_that_does_not_rise_is_found(self) -> None:
        order = Order()
        for version, wrong in ((1, 0), (3, 0), (3, 1), (4, 0), (2, 1)):
            found = order.look("profile-updates", {"person": "user:1", "version": version})
            self.assertEqual(len(found), wrong, version)

    def test_the_versions_of_who_was_forgotten_begin_anew_once(self) -> None:
        order = Order()
        update = {"person": "user:1", "version": 7}
        self.assertEqual(order.look("profile-updates", update), [])
        self.assertEqual(order.look("content-decisions", decision(1, 7)), [])
        order.forget("user:1")
        self.assertEqual(order.look("profile-updates", {**update, "version": 1}), [])
        self.assertTrue(order.look("profile-updates", {**update, "version": 1}))
        self.assertEqual(order.look("content-decisions", decision(2, 1)), [])
        self.assertTrue(order.look("content-decisions", decision(3, 0)))

    def test_a_membership_that_cannot_be_is_found(self) -> None:
        order = Order()
        self.assertEqual(order.look("segment-changes", change(1, 1, "ENTERED")), [])
        self.assertIn("is in it already", order.look("segment-changes", change(2, 2, "ENTERED"))[0])
        self.assertEqual(order.look("segment-changes", change(3, 3, "LEFT")), [])
        self.assertIn("is not in it", order.look("segment-changes", change(4, 4, "LEFT"))[0])
        self.assertIn("has come before", " ".join(order.look("segment-changes", change(4, 5, "ENTERED"))))


class Supervising(WithPlace):
    def member(self, command: list[str]) -> Member:
        return Member(0, command, 1, self.home / "state", self.home)

    def judged(self, code: int, asked: bool, lines: list[str]) -> str | None:
        log = self.home / "log"
        log.write_text("\n".join(lines))
        return judge(Exit(0, code, asked, 0.0, lines), log)

    def test_a_process_that_ends_again_and_again_is_a_crash_loop(self) -> None:
        member = self.member(["false"])
        supervisor = Supervisor([member], self.findings, self.journal)
        member.start()
        supervisor.start()
        deadline = time.monotonic() + 20
        while not self.findings.any and time.monotonic() < deadline:
            time.sleep(0.05)
        supervisor.stop()
        self.assertIn("ended by itself 5 times", self.texts())
        self.assertEqual({exit.code for exit in supervisor.exits}, {1})

    def test_some_exits_are_violations_and_some_are_not(self) -> None:
        self.assertIn("state and offsets disagree", self.judged(72, False, ["torn"]) or "")
        self.assertIn("hung", self.judged(70, False, []) or "")
        self.assertIn("signal 11", self.judged(-11, False, []) or "")
        self.assertIn("panicked", self.judged(1, False, ["thread 'worker-0' panicked at src/x.rs:1:1"]) or "")
        self.assertIn("after SIGTERM", self.judged(1, True, []) or "")
        self.assertIn("signal 15", self.judged(-15, False, []) or "")
        for code, asked in ((69, False), (71, False), (143, True), (0, True), (-15, True)):
            self.assertIsNone(self.judged(code, asked, ["a line"]), code)

    def test_a_process_that_does_not_end_when_asked_is_found(self) -> None:
        program = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
        member = self.member([sys.executable, "-c", program])
        member.start()
        while not member.log.read_text():
            time.sleep(0.02)
        supervisor = Supervisor([member], self.findings, self.journal)
        supervisor.record(member, member.terminate(0.2))
        self.assertIn("did not end in time", self.texts())


class Progressing(WithPlace):
    def progress(self, readable: Callable[[list[Any]], list[Any]]) -> Progress:
        progress = Progress(lambda hear: None, self.findings, Turmoil())  # type: ignore[arg-type,return-value]
        progress.child = SimpleNamespace(process=SimpleNamespace(poll=lambda: None))  # type: ignore[assignment]
        progress.look = readable  # type: ignore[method-assign,assignment]
        progress.expect(commits=True)
        progress.hear('{"committed": [["t", 0, 5]], "ends": [["t", 0, 9]]}')
        return progress

    def pass_time(self, progress: Progress, seconds: int) -> None:
        """Judges and looks each second, as if time passed."""
        began = time.monotonic()
        for second in range(seconds):
            progress.judge(began + second)
            if progress.doubtful:
                moved = progress.moved
                progress.look_after()
                progress.moved = (
                    {place: began + second for place in moved} if not progress.confirmed else moved
                )

    def test_a_partition_that_stands_still_is_found_when_there_is_something_to_read(self) -> None:
        for readable, found in ((lambda places: places, True), (lambda places: [], False)):
            self.findings.violations.clear()
            progress = self.progress(readable)
            self.pass_time(progress, int(CALM_STALL_MAX_S))
            self.assertFalse(self.findings.any)
            self.pass_time(progress, int(CALM_STALL_MAX_S) + 3)
            self.assertEqual(self.findings.any, found)

    def test_time_under_a_fault_does_not_count_but_all_has_an_end(self) -> None:
        progress = self.progress(lambda places: places)
        progress.turmoil.begin("zombie")
        self.pass_time(progress, int(STALL_MAX_S))
        self.assertFalse(self.findings.any)
        self.pass_time(progress, int(STALL_MAX_S) + 3)
        self.assertIn("among faults", self.texts())

    def test_nothing_is_expected_of_nobody(self) -> None:
        progress = self.progress(lambda places: places)
        progress.expect(commits=False)
        self.pass_time(progress, 300)
        self.assertFalse(self.findings.any)

    def test_an_offset_that_goes_back_is_found(self) -> None:
        self.progress(lambda places: []).hear('{"committed": [["t", 0, 4]], "ends": [["t", 0, 9]]}')
        self.assertIn("went back from 5 to 4", self.texts())


class Checking(WithPlace):
    def verdict(self, program: str | None) -> dict[str, Any]:
        file = self.home / "check.py"
        file.unlink(missing_ok=True)
        if program is not None:
            file.write_text(program)
        settings: Any = SimpleNamespace(check=file)
        broker = SimpleNamespace(bootstrap="h:1")
        scene: Any = SimpleNamespace(
            home=self.home, logs=self.home, broker=broker, registry="r", configuration="c"
        )
        return check(settings, scene, self.findings, "now")

    def test_the_verdict_of_the_independent_check_is_taken_over(self) -> None:
        self.assertEqual(self.verdict("print('clean')")["exit"], 0)
        self.assertFalse(self.findings.any)
        self.verdict("import sys; print('decision 7 is missing'); sys.exit(1)")
        self.assertIn("decision 7 is missing", self.texts())

    def test_a_check_that_is_missing_or_could_not_check_fails_the_run(self) -> None:
        for program, words in ((None, "is missing"), ("import sys; sys.exit(2)", "could not check")):
            with self.assertRaisesRegex(CampaignFailed, words):
                self.verdict(program)


class Summing(WithPlace):
    SENT = {"clickstream": 90, "orders": 10, "order-rows": 20, "malformed": 3, "silent": 4, "duplicate": 2}

    def compared(self, **wrong: float) -> None:
        """What the course finds when the processes tell the right sums, but for these."""
        before = dict.fromkeys([*expected(self.SENT, 6)], 7.0)
        after = {name: before[name] + value for name, value in {**expected(self.SENT, 6), **wrong}.items()}
        course: Any = Course.__new__(Course)
        answer = {"small": self.SENT}
        course.load = SimpleNamespace(tell=lambda line: None, answer=lambda word, limit_s: answer)
        course.progress = SimpleNamespace(ends={(COMMANDS, number): 0 for number in range(6)})
        course.members, course.findings, course.wait_until_done = (
            [],
            self.findings,
            lambda limit_s, what: None,
        )
        with patch("campaign.course.figures", side_effect=[before, after] * 3):
            course.compare_metrics()

    def test_a_small_load_is_known_to_the_record(self) -> None:
        self.assertEqual(expected(self.SENT, 6)[COMMANDS], 90 + 10 + 20 - 3 - 4 + 6)
        self.compared()
        self.assertFalse(self.findings.any)
        self.compared(dead_letters=2.0)
        self.assertIn("'dead_letters': 2.0", self.texts())

    def test_sums_with_aborts_in_them_are_not_believed(self) -> None:
        with self.assertRaisesRegex(CampaignFailed, "aborted"):
            self.compared(aborts=1.0)


class Drawing(WithPlace):
    def test_the_same_seed_tells_the_same_story(self) -> None:
        stories = [Story(seed, 50) for seed in (7, 7, 8)]
        told = [[story.next() for _ in range(5_000)] for story in stories]
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])
        self.assertEqual(stories[0].counts, stories[1].counts)
        for kind in (
            "page",
            "view",
            "add",
            "remove",
            "order",
            "request",
            "identify",
            "duplicate",
            "malformed",
            "late",
            "silent",
            "row inserted",
            "row updated",
            "row deleted",
            "row read again",
            "version 1",
            "version 2",
            "no version",
            "unknown version",
            "misfit",
            "engagement",
        ):
            self.assertGreater(stories[0].counts[kind], 0, kind)

    def test_what_a_story_counts_is_what_becomes_of_its_records(self) -> None:
        """By the independent check's own reading: what the metrics are compared with rests on it."""
        versions.lay(self.home)
        (self.home / "shop.yaml").write_text(configuration())
        told = oracle.configuration.load(self.home / "shop.yaml", {})
        readers = {source.topic: oracle.sources.reader_of(told, source.topic) for source in told.sources}
        story, found, known = Story(7, 50), Counter[str](), set()
        for _ in range(5_000):
            sent = story.next()
            try:
                event = readers[sent.source].read(sent.value, sent.at_ms)
            except Reject as reject:
                found.update(("malformed", reject.code))
                continue
            found["silent"] += event is None
            if event is not None:
                found["duplicate"] += (event.person, event.message_id) in known
                known.add((event.person, event.message_id))
        for kind in ("malformed", "silent", "duplicate"):
            self.assertEqual(found[kind], story.counts[kind], kind)
        self.assertEqual(found["schema_mismatch"], story.counts["misfit"])
        self.assertEqual(found["unknown_schema_version"], story.counts["unknown version"])

    def test_some_page_views_are_scrolled_and_some_are_not(self) -> None:
        """By the independent check's own reading: otherwise it says of all of them the same."""
        versions.lay(self.home)
        (self.home / "shop.yaml").write_text(configuration())
        told = oracle.configuration.load(self.home / "shop.yaml", {})
        reader, story = oracle.sources.reader_of(told, "clickstream"), Story(7, 50)
        fold, shapes = Fold(told.book, [], lambda kind, person, record: None), Counter[tuple[bool, type]]()
        for sent in (story.next() for _ in range(5_000)):
            try:
                event = reader.read(sent.value, sent.at_ms) if sent.source == "clickstream" else None
            except Reject:
                continue
            if event is not None:
                fold.event(event)
                percent = event.properties.get("scroll_pct")
                shapes[event.page is None, type(percent)] += event.name == "engagement"
        self.assertEqual(len(+shapes), 6, "with a path and without, and of whole, other and no percents")
        self.assertTrue(100 < shapes.total() < 200, shapes)
        updates = [profile_update(person, profile, {}) for person, profile in fold.persons.items()]
        percents = Counter(type(page["scroll_pct"]) for one in updates for page in one["session"]["pages"])
        self.assertGreater(min(percents[int], percents[type(None)]), 10, percents)

    def test_the_shares_of_a_run_are_told_anew_withdrawn_and_now_and_then_no_shares(self) -> None:
        told = [[changed_shares(random, change, "now") for change in range(40)] for random in map(Random, (7, 7, 8))]
        self.assertEqual(told[0], told[1])
        self.assertNotEqual(told[0], told[2])
        for interest in (b"category", b"brand", b"colour"):
            values = [value for key, value in told[0] if key == interest]
            self.assertIn(None, values, interest)
            some = [json.loads(value) for value in values if value]
            self.assertTrue(any(one["persons"] < 0 for one in some), interest)
            self.assertGreater(sum(one["persons"] > 0 and len(one["shares"]) > 0 for one in some), 5, interest)

    def test_flipping_changes_a_file_and_keeps_its_size(self) -> None:
        file = self.home / "profiles-0" / "000007.sst"
        file.parent.mkdir()
        file.write_bytes(bytes(1000))
        self.assertIn("000007.sst", disk.flip(file.parent, Random(1)))
        self.assertEqual(len(file.read_bytes()), 1000)
        self.assertNotEqual(file.read_bytes(), bytes(1000))

    def test_percentiles(self) -> None:
        values = [float(value) for value in range(1, 21)]
        self.assertEqual((at(values, 0.5), at(values, 0.95), at([3.0], 0.95)), (10.0, 19.0, 3.0))


if __name__ == "__main__":
    unittest.main()

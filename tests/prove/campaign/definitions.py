"""The shop's configuration as a campaign has it, and how its definitions change while events flow.

All of it is changed as text: as Python's library reads YAML, the key `on` is a truth value.
"""

from __future__ import annotations

from .place import CampaignFailed
from .rows import DEBEZIUM, SOURCE
from .settings import OWN_PARTITIONS, ROOT
from .versions import ATTRIBUTE, DIRECTORY

# While a broker is away, partitions drift apart by days of event time. The concurrent check does not know by how
# much, so a repetition is known again for as long as can be configured. Nobody may be forgotten before.
OWN = {
    "  partitions: 4\n": f"  partitions: {OWN_PARTITIONS}\n",
    "  horizon: 72h\n": "  horizon: 90d\n",
    "\ndedupe:\n": "\nretention: 90d\ndedupe:\n",
    "  topic: content\n": "  topic: content\n\n"
    "definitions:\n  topic: definitions\n\nsite_shares:\n  topic: site-shares\n",
    # One slot by what lifts somebody's interests above those of all visitors, the other by shares alone.
    "    items: 3\n    interest: category\n": "    items: 3\n    interest: category\n    rank_by: lift\n",
    # A table beside the sources, whose word on its orders counts, and events that have schemas.
    "  - topic: orders\n": f"  - topic: {SOURCE}\n    clock: trust\n{DEBEZIUM}  - topic: orders\n",
    "\ntopics:\n": f"\nschemas:\n  directory: {DIRECTORY}\n\ntopics:\n",
    "  trusted: [orders]\n": f"  trusted: [orders, {SOURCE}]\n",
    "  units_bought: {units: order_completed}\n": "  units_bought: {units: order_completed}\n" + ATTRIBUTE,
}
PROCESS = (
    "application:",
    "sources:",
    "catalogue:",
    "definitions:",
    "site_shares:",
    "schemas:",
    "topics:",
    "commit:",
    "state:",
    "threads:",
)
# What each change makes of the definitions in the configuration. Segments keep their names: who is in one that is
# declared no more neither leaves it nor is known to be in it.
CHANGES: tuple[dict[str, str], ...] = (
    # Thresholds, which lifts rest on, too, and the gaps between stages.
    {
        "enter: attributes.pages_7d >= 6": "enter: attributes.pages_7d >= 4",
        "at_risk_after: 30d, lapsed_after: 60d": "at_risk_after: 1d, lapsed_after: 3d",
        "thresholds: [7, 30, 60]": "thresholds: [1, 2]",
        "stale_after: 1d, expires_after: 7d": "stale_after: 2h, expires_after: 30h",
        "evidence_min: 2": "evidence_min: 3",
        "    enter: 3.0\n": "    enter: 4.0\n",
    },
    # An attribute that is new, one that is gone, windows that are longer and shorter, and slots that change places.
    {
        "  events_7d: {count: any, window: 7d, bucket: 1h}\n": "  adds_2h: {units: product_added, window: 2h}\n",
        "order_completed], window: 24h": "order_completed], window: 48h",
        "views_7d: {count: product_viewed, window: 7d": "views_7d: {count: product_viewed, window: 3d",
        "    rank_by: lift\n": "",
        "    items: 2\n    interest: category\n": "    items: 2\n    interest: category\n    rank_by: lift\n",
    },
    # An interest that is forgotten sooner, one that rolls up, and days of another place.
    {
        "    half_life: 7d\n": "    half_life: 36h\n",
        "    half_life: 14d\n": "    half_life: 14d\n    roll_up: v\n",
        "set: {tier: gold}": "set: {tier: gold, welcomed: true}",
        "time_zone: Europe/Berlin": "time_zone: America/Sao_Paulo",
    },
    {},
    # What is no set of definitions: a dead letter, and the last good set stays.
    {"  pages_7d: {count: page_viewed, ": "  pages_7d: {cuont: page_viewed, "},
)


def configuration() -> str:
    """The configuration without what is known only when a run begins."""
    text = (ROOT / "src/shop/shop.yaml").read_text()
    if "\nkafka:" in text or "\nregistry:" in text:
        raise CampaignFailed("src/shop/shop.yaml says itself where Kafka and the registry are")
    return _changed(text, OWN)


def definitions(change: int) -> bytes:
    """The definitions after the `change`-th change, from 0 on."""
    kept, keeps = [], True
    for line in configuration().splitlines(keepends=True):
        # What is indented after a comment still is of the section that it is in.
        if line[0] not in " \n#":
            keeps = not line.startswith(PROCESS)
        if keeps:
            kept.append(line)
    return _changed("".join(kept), CHANGES[change % len(CHANGES)]).encode()


def _changed(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        if text.count(before) != 1:
            raise CampaignFailed(f"src/shop/shop.yaml does not have `{before.strip()}` once any more")
        text = text.replace(before, after)
    return text

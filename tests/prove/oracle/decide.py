"""Which content to show: affinity times content weight over what is eligible, then base weights, then the
slot's fallback. The answer has the fields of the decision's record, without those of its address."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from .book import Book, Slot
from .catalogue import Catalogue, is_eligible
from .event import Content
from .lift import Site, lifts
from .profile import HOUR_MS, Affinity, Profile

NAMESPACE = bytes.fromhex("5a2f3b0e97c44d6b8f10c1d57e6a90b3")
EXCLUDED_MAX = 20
REASONS_MAX = 3

# The value, its affinity, its share, its lift where that counts and is known, its score, and what it adds to the
# content's score.
Contribution = tuple[str, Affinity, float, float | None, float, float]


def stable_id(name: str) -> str:
    """A UUID of version 5 over a name."""
    digest = bytearray(hashlib.sha1(NAMESPACE + name.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def steps(score: float) -> int:
    """A score in steps of 1e-9, half away from zero."""
    scaled = score * 1e9
    whole = math.floor(abs(scaled))
    number = whole + (abs(scaled) - whole >= 0.5)
    number = min(number, 2**63 - 1)
    return number if scaled >= 0 else -number


def decide(
    book: Book, catalogue: Catalogue, site: Site, profile: Profile, now: int, slot: str, exclude: list[str]
) -> tuple[str, list[dict[str, Any]], list[dict[str, str]]]:
    """The ladder's step, the ranked content and the excluded content."""
    rule = book.slots.get(slot)
    if rule is None:
        return "NOTHING", [], []
    at = book.interest_at[rule.interest]
    shares = profile.shares(at, now // HOUR_MS)
    scores = {value: score for value, _, score, _ in shares}
    lifted = lifts(site, profile, at, now // HOUR_MS, scores) if rule.by_lift else {}
    ranked: list[dict[str, Any]] = []
    excluded: list[dict[str, str]] = []
    unwanted = set(exclude)
    listed: set[str] = set()
    for content, score, contributions in _candidates(catalogue, shares, lifted):
        if not is_eligible(content, slot, now):
            continue
        reason = _exclusion(rule, profile, unwanted, content)
        if reason is None and len(ranked) >= rule.items:
            break
        listed.add(content.content_id)
        if reason is None:
            reasons = _affinity_reasons(rule.interest, contributions)
            ranked.append(_ranked(len(ranked) + 1, content.content_id, score, reasons))
        else:
            excluded.append({"content_id": content.content_id, "reason": reason})
    ladder = "PERSONAL" if ranked else "POPULAR"
    for content in catalogue.by_base_weight():
        if len(ranked) >= rule.items:
            break
        if content.content_id in listed or not is_eligible(content, slot, now):
            continue
        reason = _exclusion(rule, profile, unwanted, content)
        if reason is not None:
            excluded.append({"content_id": content.content_id, "reason": reason})
            continue
        weight = content.base_weight
        reasons = [_reason("popular", weight, f"base weight {weight:.3f}")]
        ranked.append(_ranked(len(ranked) + 1, content.content_id, 0.0 if shares else weight, reasons))
    if not ranked:
        ranked = _fallback(catalogue, rule, unwanted)
        ladder = "FALLBACK" if ranked else "NOTHING"
    excluded.sort(key=lambda one: one["content_id"])
    return ladder, ranked, excluded[:EXCLUDED_MAX]


def _candidates(
    catalogue: Catalogue, shares: list[tuple[str, Affinity, float, float]], lifted: dict[str, float]
) -> list[tuple[Content, float, list[Contribution]]]:
    """What the affinities speak for, best first."""
    found: dict[str, list[Contribution]] = {}
    for value, affinity, score, share in shares:
        lift = lifted.get(value)
        strength = share if lift is None else share * lift
        for content_id, weight in catalogue.about.get(value, {}).items():
            contribution = (value, affinity, share, lift, score, strength * weight)
            if content_id in found:
                found[content_id].append(contribution)
            else:
                found[content_id] = [contribution]
    candidates = []
    for content_id, contributions in found.items():
        score = 0.0
        for contribution in contributions:
            score += contribution[5]
        if score > 0.0:
            candidates.append((catalogue.contents[content_id], score, contributions))
    candidates.sort(key=lambda one: (-steps(one[1]), -one[0].base_weight, one[0].content_id))
    return candidates


def _exclusion(rule: Slot, profile: Profile, unwanted: set[str], content: Content) -> str | None:
    shown = content.shown
    if unwanted and (content.content_id in unwanted or shown in unwanted):
        return "requested"
    if rule.exclude_recent and shown in profile.recent:
        return "recent"
    return "bought" if rule.exclude_bought and shown in profile.items_bought else None


def _affinity_reasons(interest: str, contributions: list[Contribution]) -> list[dict[str, Any]]:
    strongest = sorted(contributions, key=lambda one: -one[5])[:REASONS_MAX]
    return [
        _reason(
            "affinity",
            weight,
            f"{interest} {value}: share {share:.3f}, {'' if lift is None else f'lift {lift:.3f}, '}"
            f"score {score:.3f}, {affinity.evidence} events",
            affinity.n_eff(),
        )
        for value, affinity, share, lift, score, weight in strongest
    ]


def _reason(code: str, weight: float, evidence: str, n_eff: float = 0.0) -> dict[str, Any]:
    """Only what is known of the person rests on anything that the person has done."""
    return {"code": code, "weight": weight, "evidence": evidence, "n_eff": n_eff}


def _ranked(rank: int, content_id: str, score: float, reasons: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rank": rank, "content_id": content_id, "score": score, "reasons": reasons}


def _fallback(catalogue: Catalogue, rule: Slot, unwanted: set[str]) -> list[dict[str, Any]]:
    """The declared list; only what the requester does not want is left out of it."""
    ranked: list[dict[str, Any]] = []
    for content_id in rule.fallback:
        content = catalogue.contents.get(content_id)
        shown = content.shown if content else content_id
        if content_id not in unwanted and shown not in unwanted and len(ranked) < rule.items:
            reasons = [_reason("fallback", 0.0, "declared for the slot")]
            ranked.append(_ranked(len(ranked) + 1, content_id, 0.0, reasons))
    return ranked

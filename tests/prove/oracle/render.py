"""The profile update that a profile must have on the topic of profile updates, field by field."""

from __future__ import annotations

from typing import Any

from . import aggregates, scrolls, trust, validity
from .book import Interest
from .capped import capped
from .decide import steps
from .lift import Site, lifts
from .profile import HOUR_MS, TIME, Profile


def profile_update(person: str, profile: Profile, site: Site) -> dict[str, Any]:
    """The record of a profile as of its last change, where the site has these shares."""
    book, known = profile.book, profile.session_count > 0
    cause = profile.cause
    kind = "NONE" if cause is None else "TIME" if cause is TIME else "EVENT"
    return {
        "person": person,
        "version": profile.version,
        "as_of": profile.as_of,
        "events_applied": profile.events,
        "first_at": profile.first_at,
        "last_at": profile.last_at,
        "cause": {"kind": kind, "message_id": cause if kind == "EVENT" else None},
        "traits": [{"name": name, "value": value} for name, value in sorted(profile.traits.items())],
        "attributes": [_attribute(profile, at) for at in range(len(book.attributes))],
        "interests": [_interest(one, at, profile, site) for at, one in enumerate(book.interests)],
        "tags": [
            {"interest": rule.name, "value": value}
            for at, rule in enumerate(book.interests)
            for value in sorted(profile.affinities[at])
            if profile.affinities[at][value].tagged_at is not None
        ],
        "session": {
            "count": profile.session_count,
            "started_at": profile.visit.start if known else None,
            "last_at": profile.visit.last if known else None,
            "events": profile.visit.events,
            "open": profile.session_open,
            "entry_page": profile.visit.entry[1] if profile.visit.entry else None,
            "referrer_medium": (profile.visit.entry[2] or None) if profile.visit.entry else None,
            "pages": _pages(profile),
        },
        "recent_items": list(profile.recent),
        "orders": {
            "count": profile.orders,
            "units": profile.units,
            "revenue": [
                {"currency": currency, "amount_hundredths": amount}
                for currency, amount in sorted(profile.revenue.items())
            ],
            "first_at": profile.order_first,
            "last_at": profile.order_last,
        },
        "segments": [_membership(profile, at) for at in range(len(book.segments)) if profile.segments[at][0] == 2],
        "valid_until": profile.due,
        "completeness": aggregates.completeness(profile),
        "contradictions": aggregates.contradictions(profile),
        "capped": capped(profile),
    }


def _attribute(profile: Profile, at: int) -> dict[str, Any]:
    rule = profile.book.attributes[at]
    value = aggregates.value(profile, at)
    return {
        "name": rule.name,
        "value": float(value) if isinstance(value, int | float) else 0.0,
        "window_ms": rule.bucket_ms * rule.buckets if rule.bucket_ms else None,
        "status": aggregates.status(profile, at),
        "text": value if isinstance(value, str) else None,
        "texts": value if isinstance(value, list) else [],
        "valid_until": profile.attribute_due(at),
        "n_eff": trust.of_attribute(profile, at),
        "purposes": list(rule.purposes),
    }


def _membership(profile: Profile, at: int) -> dict[str, Any]:
    n_eff, status = trust.of_membership(profile, at)
    return {
        "segment": profile.book.segments[at].name,
        "entered_at": profile.segments[at][1],
        "valid_until": validity.of_segment(profile, at),
        "n_eff": n_eff,
        "status": status,
    }


def _pages(profile: Profile) -> list[dict[str, Any]]:
    """Each page is looked at until the next, the last until the latest event."""
    visit = profile.visit
    ends = [page[0] for page in visit.pages[1:]] + [visit.last]
    looks = zip(visit.pages, ends, scrolls.furthest(visit.scrolls, visit.pages), strict=False)
    return [
        {"path": path, "at": at, "dwell_ms": max(0, end - at), "scroll_pct": percent}
        for (at, path, _), end, percent in looks
    ]


def _interest(rule: Interest, at: int, profile: Profile, site: Site) -> dict[str, Any]:
    hour = profile.as_of // HOUR_MS
    shares = profile.shares(at, hour)
    if rule.show_negative:
        others = sorted(profile.affinities[at].items())
        scores = [(value, affinity, affinity.at(hour, rule)) for value, affinity in others]
        shares += [(value, affinity, score, 0.0) for value, affinity, score in scores if score <= 0.0]
    shares.sort(key=lambda one: -steps(one[2]))
    shown = shares[: rule.top]
    lifted = lifts(site, profile, at, hour, {value: score for value, _, score, _ in shown})
    affinities = [
        {
            "value": value,
            "score": score,
            "share": share,
            "lift": lifted.get(value),
            "evidence": affinity.evidence,
            "n_eff": affinity.n_eff(),
            "tagged_at": affinity.tagged_at,
        }
        for value, affinity, score, share in shown
    ]
    of_site = site.get(rule.name)
    return {"name": rule.name, "affinities": affinities, "site_as_of": of_site.as_of if of_site else None}

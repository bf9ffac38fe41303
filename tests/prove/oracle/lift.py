"""Lift: how many times as much a person is drawn to a value as the visitors of the site are. What everybody likes
says little about one of them, so a share alone would show everybody the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from .event import SiteShares
from .profile import Profile

# The shares of a site that are in force, by interest.
Site = Mapping[str, SiteShares]


def lifts(site: Site, profile: Profile, at: int, hour: int, scores: Mapping[str, float]) -> dict[str, float]:
    """The lift of each value of an interest whose score is given; what the site says nothing of has none."""
    rule = profile.book.interests[at]
    shares = site.get(rule.name)
    if shares is None:
        return {}
    total = profile.total(at, hour)
    known = {value: share for value in scores if (share := shares.by_value.get(value)) is not None}
    return {value: lift(scores[value], total, rule.enter, share) for value, share in known.items()}


def lift(score: float, total: float, enter: float, of_site: float) -> float:
    """A share over that of the site, after as much of the site's own taste as makes a tag is added to what the
    person has shown: of somebody who has shown little, little can be said."""
    lift = ((max(score, 0.0) + enter * of_site) / (total + enter)) / of_site
    return min(lift, sys.float_info.max)

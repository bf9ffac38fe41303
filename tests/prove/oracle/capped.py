"""What of a profile is held at its limit, so that something is lost of the next thing that is new."""

from __future__ import annotations

from .change import ORDERS_MAX, TRAITS_MAX
from .holdings import FREQUENCIES_MAX, Frequencies
from .profile import Profile


def capped(profile: Profile) -> list[str]:
    """By name: what there is one of, then interests and attributes in the order of the definitions. Whether
    message ids are is as of the last change: requests, which change nothing else, are remembered too."""
    book = profile.book
    of_person = {
        "message_ids": profile.ids_capped,
        "traits": len(profile.traits) >= TRAITS_MAX,
        "orders": len(profile.ledger) >= ORDERS_MAX,
    }
    of_interests = zip(book.interests, profile.affinities, strict=True)
    of_attributes = zip(book.attributes, profile.held, strict=True)
    return [
        *(name for name, is_capped in of_person.items() if is_capped),
        *(f"interests.{rule.name}" for rule, values in of_interests if len(values) >= rule.values_max),
        *(f"attributes.{rule.name}" for rule, held in of_attributes if _counts_most(held)),
    ]


def _counts_most(held: object) -> bool:
    return isinstance(held, Frequencies) and len(held.rings) >= FREQUENCIES_MAX

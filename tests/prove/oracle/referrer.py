"""How somebody came to a page: by a campaign, or from what kind of site."""

from __future__ import annotations

from typing import Any

SEARCH = set("google bing duckduckgo yahoo baidu yandex ecosia qwant startpage naver seznam".split())
SOCIAL = set(
    "facebook instagram twitter linkedin reddit pinterest youtube tiktok whatsapp telegram vk".split()
)
ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def medium(context: Any, properties: dict[str, Any]) -> str | None:
    """None where nothing is said about it."""
    campaign = _in(context, "campaign", "medium")
    if campaign is None:
        campaign = _text(properties.get("utm_medium"))
    if campaign is not None and campaign.strip():
        cut = campaign.strip().encode()[:64].decode(errors="ignore")
        return cut.translate(ASCII_LOWER)
    referrer = _in(context, "page", "referrer")
    if referrer is None:
        referrer = _text(properties.get("referrer"))
    if referrer is None:
        return None
    own = _in(context, "page", "url")
    if own is None:
        own = _text(properties.get("page_location"))
    host = host_of(referrer)
    if not host:
        return "direct"
    if own is not None and host_of(own) == host:
        return "internal"
    labels = set(host.split("."))
    if labels & SEARCH:
        return "search"
    return "social" if labels & SOCIAL or host in ("t.co", "x.com") else "referral"


def host_of(address: str) -> str:
    _, there, rest = address.strip().partition("://")
    if not there:
        return ""
    for end in "/?#:":
        rest = rest.split(end, 1)[0]
    return rest.translate(ASCII_LOWER).removeprefix("www.")


def _in(context: Any, name: str, member: str) -> str | None:
    inner = context.get(name) if isinstance(context, dict) else None
    return _text(inner.get(member)) if isinstance(inner, dict) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

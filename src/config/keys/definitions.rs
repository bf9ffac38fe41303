//! The keys of definitions: of the configuration, and of the documents that change them while events flow.

use super::{Key, key, needed, optional};

/// The definitions: what a document of the definitions topic may say.
pub(crate) const DEFINITIONS: &[Key] = &[
    optional("dedupe", "how repeated messages are recognised"),
    optional(
        "retention",
        "persons of whom nothing was heard for so long are forgotten, 1d to 3650d, at least lateness and \
         dedupe.horizon; without, nobody is",
    ),
    key("lateness", "72h", "older events count in lifetime values only, 0s to 365d behind stream time"),
    optional(
        "lateness_by_source",
        "the same for the events of single sources, as {phone-events: 14d}; at most 64",
    ),
    optional("session", "how events form sessions"),
    optional("orders", "whose word on orders counts"),
    optional("recent_items", "which items are remembered"),
    optional(
        "attributes",
        "numbers, windowed or for a lifetime, as {name: {count: product_viewed}}; at most 256",
    ),
    optional("interests", "decayed affinities, as {name: {facet: category, …}}; at most 64"),
    optional("segments", "sets of persons, in the order in which they are evaluated; at most 256"),
    optional("rules", "what is done because of a change: a decision, traits that are set; at most 256"),
    optional("slots", "places where content is shown; at most 256"),
];

/// `dedupe`.
pub(crate) const DEDUPE: &[Key] = &[
    key("ids_max", "256", "how many message ids are remembered for a person, 1 to 4096"),
    key("horizon", "72h", "how long a message id is remembered, 1m to 90d of event time"),
];

/// `session`.
pub(crate) const SESSION: &[Key] = &[
    key("gap", "30m", "a session ends when this long passes without an event, 1s to 24h"),
    key("timed", "true", "whether its end is a change of its own, at its due time"),
    key(
        "pages_max",
        "10",
        "how many of its last pages are remembered, 0 to 50; with 0, no entry page either",
    ),
    key(
        "extends_back",
        "true",
        "whether what is heard of late belongs to the session in which it happened, of the last two, or makes them one; \
         else what lies before the current one belongs to none",
    ),
];

/// `orders`.
pub(crate) const ORDERS: &[Key] = &[optional(
    "trusted",
    "the source topics whose word on an order's money, units and cancellation replaces that of others; at most 64",
)];

/// `recent_items`.
pub(crate) const RECENT_ITEMS: &[Key] = &[
    key(
        "events",
        "[product_viewed, product_added, order_completed]",
        "events whose items are remembered, at most 64",
    ),
    key("max", "10", "how many items are remembered, 0 to 200"),
];

/// One of `attributes`: exactly one of the keys before `of`.
pub(crate) const ATTRIBUTE: &[Key] = &[
    optional("count", "counts events: one name, a list of at most 64 names, or any"),
    optional("units", "adds up the units of these events' items"),
    optional("value", "adds up what these events are worth"),
    optional(
        "sum",
        "adds up a field of the events that `of` names: a property, items.price, items.quantity or event.value",
    ),
    optional("mean", "the mean of such a field"),
    optional("min", "its smallest value"),
    optional("max", "its largest value"),
    optional(
        "first",
        "the earliest value of a field: also items.item_id, items.category, items.brand, event.page, \
         event.name or event.source",
    ),
    optional("last", "the latest value of a field"),
    optional("list", "the distinct texts of a field, the one that occurred last first"),
    optional("distinct", "about how many distinct texts a field had: the standard error is 4.6 %"),
    optional("most_frequent", "the text that occurred most often in a field, of at most 64 that are counted"),
    optional("top", "the texts that occurred most often, the most frequent first"),
    optional("since_first", "how many whole steps ago the first of these events was"),
    optional("since_last", "how many whole steps ago the last of these events was"),
    optional("gaps", "how many numbers of a sequence in a field are missing; senders count from 1"),
    optional(
        "coalesce",
        "the first of these that says something, best first: 2 to 8 attributes that may be missing, or traits.NAME",
    ),
    optional(
        "lifecycle",
        "the customer's stage by the time since these events: new, active, at_risk, lapsed or returning",
    ),
    optional("funnel", "how many of these steps happened in this order: 2 to 16 events, the first one first"),
    optional("affinity", "the score that the value which `to` names has in this interest, in whole points"),
    optional(
        "score",
        "the mark of a number on a scale: the name of another attribute, orders.count, orders.units or what is left \
         after refunds, such as orders.revenue.EUR",
    ),
    optional("of", "the events whose field it is about: one name, a list, or any"),
    optional("to", "the value of the interest that `affinity` is about, such as shoes"),
    optional("most", "how many texts `list` and `top` show, 1 to 64, default 10"),
    optional("step", "the step of `since_first` and `since_last`, 1m to 365d, default 1d"),
    optional("up_to", "what they stay at in the end, at most 2,400 steps, default 90d"),
    optional("at_risk_after", "after how long without such events `lifecycle` is at_risk, default 60d"),
    optional("lapsed_after", "after how long it is lapsed, default 180d; who then comes again is returning"),
    optional("thresholds", "the numbers from which on `score` gives another mark: 1 to 16, ascending"),
    optional("best", "which numbers have the highest mark: highest, which is the default, or lowest"),
    optional("where", "a condition on the event, in CEL; others do not count"),
    optional(
        "stale_after",
        "from which age of its latest event on it is stale, 1m to 2,400d: it says so, and what it says holds",
    ),
    optional(
        "expires_after",
        "from which age of its latest event on it says nothing any more, as if it were missing, 1m to 2,400d; longer \
         than `stale_after`",
    ),
    optional(
        "purposes",
        "what it may be used for, which outputs tell: of store, analytics, profile_content, select_content, measure, ads \
         and share_third_party",
    ),
    key("scope", "profile", "session: it starts afresh with every session, and has no window; or profile"),
    optional("window", "the sliding window, 1m to 2,400 buckets; without, the lifetime"),
    optional(
        "bucket",
        "the window's step, at least 1m, of which the window is a whole number. Default: 1m for \
              windows under 2h, 5m under 6h, 15m under 24h, 1h up to 100d, 1d above",
    ),
    optional(
        "time_zone",
        "makes the window one of calendar days, today and those before it, in this zone, such as Europe/Berlin",
    ),
    key("timed", "true", "whether what falls with time is a change of its own, at its due time"),
];

/// One of `interests`.
pub(crate) const INTEREST: &[Key] = &[
    needed("facet", "the field of an event's items that carries the values: category, brand or item"),
    key("half_life", "7d", "the time in which a score halves: whole hours, 1h to 3650d"),
    needed(
        "weights",
        "what one item of an event adds, as {product_viewed: 1}; 1 to 64, -1,000,000 to 1,000,000",
    ),
    needed("enter", "a value becomes a tag when its score reaches this; above 0, at most 1e9"),
    optional(
        "leave",
        "a tag is lost when its score falls below this; above 0, at most `enter`, which is the default",
    ),
    key("evidence_min", "1", "and only when so many items of events have spoken of it, 1 to 1,000,000"),
    key("values_max", "32", "how many values are kept for a person, 1 to 256"),
    key("top", "8", "how many values outputs show, 1 to 256"),
    key("show_negative", "false", "whether they show values whose score is not above zero, too"),
    key("timed", "true", "whether the loss of a tag is a change of its own, at its due time"),
    optional(
        "roll_up",
        "what parts the steps of values that are paths, as / does in shoes/running: they count for the values \
         above them too, of which the widest are the whole of all shares",
    ),
    key("as_segments", "false", "whether a tag is a segment too, called name:value"),
];

/// One of `segments`: a condition (enter, leave), or an absence (after, without, for).
pub(crate) const SEGMENT: &[Key] = &[
    optional("enter", "who is not in it enters when this CEL condition holds"),
    optional("leave", "who is in it leaves when this holds; without, when `enter` does not hold"),
    optional("after", "the event that starts the wait"),
    optional("without", "the event that ends the wait, and the membership"),
    optional(
        "for",
        "how long `enter` must hold, 0s to 365d, default 0s; or how long the wait is, 1s to 365d",
    ),
];

/// One of `rules`.
pub(crate) const RULE: &[Key] = &[
    needed(
        "on",
        "what sets it off: one of {entered: SEGMENT}, {left: SEGMENT}, {tagged: INTEREST}, {event: NAME}",
    ),
    optional("when", "a further condition, in CEL"),
    optional("decide", "the slot to decide; a rule has this, or `set`, or both"),
    optional(
        "set",
        "traits to set, as {NAME: VALUE}, at most 16; true, false and numbers such as 7 and 0.5 are such with or without quotes. \
         Conditions see them as traits.NAME, beside what identify said; of both, a person has at most 64",
    ),
    key("cooldown", "0s", "how long it rests after it fired, 0s to 365d"),
    key("event_age_max", "1h", "an event older than this against stream time sets nothing off, 1s to 90d"),
    optional(
        "max_fires",
        "how often it may fire for a person, as {count: 3, per: 7d}; without, any number of times",
    ),
    optional(
        "group",
        "of the rules with the same group, the first in the file that may fire is the only one that does for one \
         change; at most 64 bytes",
    ),
];

/// `max_fires` of a rule.
pub(crate) const MAX_FIRES: &[Key] =
    &[needed("count", "how often, 1 to 100"), needed("per", "within which time, 1s to 365d")];

/// `on` of a rule: exactly one.
pub(crate) const TRIGGER: &[Key] = &[
    optional("entered", "a segment that the person entered"),
    optional("left", "a segment that the person left"),
    optional("tagged", "an interest of which a value became a tag"),
    optional("event", "an event"),
];

/// One of `slots`.
pub(crate) const SLOT: &[Key] = &[
    key("items", "1", "how many pieces of content a decision names, 1 to 100"),
    needed("interest", "the interest that scores content"),
    key(
        "rank_by",
        "share",
        "what of an affinity counts: share, or lift, which is the share times how many times as large it is as \
         the site's",
    ),
    key("exclude_recent", "true", "whether content that shows a recent item is left out"),
    key("exclude_bought", "false", "whether content that shows an item bought before is left out"),
    optional(
        "stale_after",
        "from which age of the person's latest event on a personal answer says that it is stale, 1m to 2,400d",
    ),
    optional("fallback", "content ids for when there is nothing better, best first; at most 100"),
];

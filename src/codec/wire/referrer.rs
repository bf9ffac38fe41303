//! How somebody came to a page: the medium of the campaign that the page's address names, else what kind of
//! site the page before belongs to. Sites are told by the words in their names, which is right for the large
//! ones and says `referral` of all others.

use compact_str::CompactString;

use super::tree::Tree;
use crate::domain::scalar::{Properties, Scalar};

/// The longest medium of a campaign that is kept, in bytes.
const MEDIUM_BYTES_MAX: usize = 64;
const SEARCH: [&str; 11] = [
    "google",
    "bing",
    "duckduckgo",
    "yahoo",
    "baidu",
    "yandex",
    "ecosia",
    "qwant",
    "startpage",
    "naver",
    "seznam",
];
const SOCIAL: [&str; 11] = [
    "facebook",
    "instagram",
    "twitter",
    "linkedin",
    "reddit",
    "pinterest",
    "youtube",
    "tiktok",
    "whatsapp",
    "telegram",
    "vk",
];
/// Short names that are sites as a whole only.
const SOCIAL_HOSTS: [&str; 2] = ["t.co", "x.com"];

/// The medium of a page view; none where nothing is said about it.
pub(super) fn medium(context: Option<&Tree<'_>>, properties: &Properties) -> Option<CompactString> {
    let in_context = |object: &str, member: &str| {
        context.and_then(|context| context.member(object)).and_then(|object| object.member(member)?.text())
    };
    let campaign = in_context("campaign", "medium").or_else(|| properties.text("utm_medium"));
    if let Some(campaign) = campaign.map(str::trim).filter(|campaign| !campaign.is_empty()) {
        let cut = campaign.get(..campaign.floor_char_boundary(MEDIUM_BYTES_MAX)).unwrap_or(campaign);
        return Some(cut.to_ascii_lowercase().into());
    }
    let referrer = in_context("page", "referrer").or_else(|| properties.text("referrer"))?;
    let own = in_context("page", "url").or_else(|| properties.text("page_location")).map(host);
    Some(kind(&host(referrer), own.as_deref()).into())
}

fn kind(host: &str, own: Option<&str>) -> &'static str {
    let has_one_of = |names: &[&str]| host.split('.').any(|label| names.contains(&label));
    match host {
        "" => "direct",
        _ if own == Some(host) => "internal",
        _ if has_one_of(&SEARCH) => "search",
        _ if has_one_of(&SOCIAL) || SOCIAL_HOSTS.contains(&host) => "social",
        _ => "referral",
    }
}

/// The host of an address, in lower case and without `www.`.
fn host(address: &str) -> String {
    let rest = address.trim().split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default().to_ascii_lowercase();
    host.strip_prefix("www.").unwrap_or(&host).to_owned()
}

/// Notes the medium with the properties of a page view, unless its sender says one.
pub(super) fn note(context: Option<&Tree<'_>>, properties: &mut Properties) {
    if properties.get("referrer_medium").is_none()
        && let Some(medium) = medium(context, properties)
    {
        properties.set("referrer_medium", Scalar::Text(medium));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_told_by_their_names() {
        for (referrer, expected) in [
            ("", "direct"),
            ("https://www.Google.co.uk/search?q=tents", "search"),
            ("https://m.facebook.com/", "social"),
            ("https://t.co/abc", "social"),
            ("https://shop.example:8080/cart", "internal"),
            ("https://notgoogle.example/", "referral"),
            ("android-app://com.google.android.gm", "search"),
            ("no address", "direct"),
        ] {
            assert_eq!(kind(&host(referrer), Some("shop.example")), expected, "{referrer}");
        }
    }
}

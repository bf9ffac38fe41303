//! Reads what an attribute may be used for. Profile updates tell it, so that who reads them can keep to what a person
//! has consented to.

use crate::config::problems::Problems;
use crate::config::section::Section;
use crate::config::suggestion;

/// The purposes, as consents call them.
const PURPOSES: [&str; 7] =
    ["store", "analytics", "profile_content", "select_content", "measure", "ads", "share_third_party"];

/// The purposes of an attribute, in the order in which they are declared.
pub(super) fn read(section: &mut Section<'_>, problems: &mut Problems<'_>) -> Vec<&'static str> {
    let path = section.path_of("purposes");
    let mut purposes = Vec::new();
    for named in section.texts("purposes", PURPOSES.len(), problems) {
        match PURPOSES.iter().find(|purpose| **purpose == named.text) {
            Some(purpose) => purposes.push(*purpose),
            None => {
                let hint = suggestion::hint(&named.text, PURPOSES);
                problems.error(&named.place, format!("{path}: there is no purpose `{}`", named.text), hint);
            }
        }
    }
    purposes
}

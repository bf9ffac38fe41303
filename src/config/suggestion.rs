//! "Did you mean": the known name that is nearest to an unknown one. It deliberately stays silent rather than
//! guess when nothing is near.

/// The name of `known` that `given` most likely stands for.
pub(crate) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let given = given.to_lowercase();
    // A third of the letters may be wrong, transposed neighbours counting as one; but one letter always may.
    let tolerance = (given.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to do about an unknown name: the nearest known one, else the whole list.
pub(crate) fn hint<'k>(given: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let known: Vec<&str> = known.into_iter().take(30).collect();
    if known.is_empty() { None } else { Some(format!("known here: {}", known.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_nothing_far() {
        let known = ["bootstrap", "assignor", "session_timeout"];
        assert_eq!(nearest("bootstrp", known), Some("bootstrap"));
        assert_eq!(nearest("Session_Timeuot", known), Some("session_timeout"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(hint("colour", known).unwrap(), "known here: bootstrap, assignor, session_timeout");
        assert_eq!(hint("colour", []), None);
    }
}

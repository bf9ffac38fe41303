//! Flags above variables above the file above defaults; secrets, which are shown nowhere; and texts that are
//! meant to do harm.

use proptest::prelude::*;

use super::super::definitions::parse_definitions;
use super::super::overlay::Flags;
use super::{load, load_with};

const HEAD: &str = "application: shop\nsources: [{topic: clicks}]\n";

/// Or the broker would abort a transaction that waits for a worker to catch up, and it never would.
#[test]
fn a_worker_that_is_behind_stays_well_within_the_transactions_timeout() {
    for (timeout, age_ms) in [("1s", 250), ("3s", 750), ("4s", 1_000), ("60s", 1_000)] {
        let text = format!("{HEAD}kafka: {{transaction_timeout: {timeout}}}\n");
        let config = load_with(&text, &[], &Flags::new()).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.commit.behind_age_ms_max, age_ms, "{timeout}");
    }
}

#[test]
fn flags_stand_above_variables_above_the_file_above_defaults() {
    let text = format!("{HEAD}threads: 3\nkafka: {{session_timeout: 20s, transaction_timeout: 20s}}\n");
    let mut flags = Flags::new();
    flags.set("--threads", "threads", "5");
    flags.set("--set", "kafka.producer.linger.ms", "7");
    let variables = [
        ("BESPOKE__THREADS", "4"),
        ("BESPOKE__KAFKA__SESSION_TIMEOUT", "30s"),
        ("BESPOKE__KAFKA__CONSUMER__FETCH_MIN_BYTES", "9"),
        ("BESPOKE__SOURCES", "[{topic: other}]"),
        ("BESPOKE__HTTP__LISTEN", ""),
        ("UNRELATED", "x"),
    ];
    let config = load_with(&text, &variables, &flags).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.threads, config.kafka.session_timeout_ms), (5, 30_000));
    assert_eq!((config.kafka.transaction_timeout_ms, config.commit.age_ms_max), (20_000, 100));
    assert_eq!(config.commit.behind_age_ms_max, 1_000);
    assert_eq!(config.kafka.consumer["fetch.min.bytes"], "9");
    assert_eq!(config.kafka.producer["linger.ms"], "7");
    assert_eq!(&*config.sources[0].topic, "other");
    let effective = config.effective();
    for line in [
        "threads: 5  # flag --threads\n",
        "  session_timeout: 30s  # environment BESPOKE__KAFKA__SESSION_TIMEOUT\n",
        "  transaction_timeout: 20s  # file, line 4\n",
        "  age_max: 100ms  # default\n",
        "  commands: shop-commands  # default\n",
    ] {
        assert!(effective.contains(line), "{line}{effective}");
    }
}

#[test]
fn what_is_wrong_outside_the_file_is_named_by_where_it_is() {
    let refused =
        |name: &str, value: &str| load_with(HEAD, &[(name, value)], &Flags::new()).unwrap_err().to_string();
    assert!(
        refused("BESPOKE__THREADS", "many").starts_with("environment BESPOKE__THREADS: threads is `many`")
    );
    assert!(refused("BESPOKE__KAFKA__BOTSTRAP", "x:1").contains("did you mean `bootstrap`?"));
    assert!(refused("BESPOKE__SOURCES__0__TOPIC", "x").contains("set it whole, as YAML in brackets"));
    assert!(
        refused("BESPOKE__KAFKA__PRODUCER__ACKS", "0").contains("environment BESPOKE__KAFKA__PRODUCER__ACKS")
    );
    let nothing = load_with("", &[("BESPOKE__THREADS", "4")], &Flags::new()).unwrap_err().to_string();
    assert!(nothing.starts_with("shop.yaml:1:1: application is missing"), "{nothing}");
    assert!(refused("BESPOKE__", "x").contains("this names no key"));
    let mut flags = Flags::new();
    flags.set("--threads", "threads", "0");
    let errors = load_with(HEAD, &[], &flags).unwrap_err();
    assert_eq!(errors.findings()[0].line, None);
    assert!(errors.to_string().starts_with("flag --threads: "), "{errors}");
}

#[test]
fn secrets_are_shown_nowhere() {
    let text = format!(
        "{HEAD}registry: {{user: me, password: '${{SECRET}}'}}\nstate: {{directory: '/data/${{ZONE}}'}}\n\
         kafka: {{producer: {{sasl.password: literal-secret, ssl.key.pem: 'key-text'}}}}\n"
    );
    let variables = [
        ("SECRET", "very-hidden"),
        ("ZONE", "zone-one"),
        ("BESPOKE__KAFKA__CONSUMER__SASL_PASSWORD", "[veiled"),
    ];
    let config = load_with(&text, &variables, &Flags::new()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(&*config.registry.credentials.clone().unwrap().1, "very-hidden");
    assert_eq!(config.state.directory.to_str(), Some("/data/zone-one"));
    assert_eq!(config.kafka.consumer["sasl.password"], "[veiled");
    let everything = format!("{}{config:?}", config.effective());
    for secret in ["very-hidden", "literal-secret", "key-text", "[veiled"] {
        assert!(!everything.contains(secret), "{everything}");
    }
    assert!(config.effective().contains("password: \"${SECRET}\"  # file, line 3"));
    assert!(config.effective().contains("sasl.password: \"***\"  # file, line 5"));
    let wrong = load(&format!("{HEAD}registry: {{url: x, user: me, password: hunter22}}\n")).unwrap_err();
    assert!(wrong.to_string().contains("3:17") && !wrong.to_string().contains("hunter22"), "{wrong}");
    let wrong = load_with(&format!("{HEAD}threads: ${{SECRET}}\n"), &variables, &Flags::new()).unwrap_err();
    assert!(!wrong.to_string().contains("very-hidden"), "{wrong}");
    let broken = load("registry: {password: \"hunter22\n").unwrap_err();
    assert!(!broken.to_string().contains("hunter22"), "{broken}");
}

#[test]
fn definitions_see_no_environment_and_no_files() {
    let text = "slots: {t: {interest: i, fallback: ['${file:/run/password}']}}\n\
                interests: {i: {facet: item, weights: {x: 1}, enter: 1}}\n";
    let rules = parse_definitions(text, "d").unwrap();
    assert_eq!(rules.slots[0].fallback, ["${file:/run/password}"]);
    let config = load(&format!("{HEAD}{text}")).unwrap();
    assert_eq!(config.rules.slots[0].fallback, ["${file:/run/password}"]);
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [lol]\n");
    for level in 1..30 {
        laughs.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1));
    }
    assert!(load(&laughs).unwrap_err().to_string().contains("anchors and aliases"));
    for deep in ["[".repeat(10_000), "{a: ".repeat(10_000), "- ".repeat(10_000), "? ".repeat(10_000)] {
        assert_eq!(load(&deep).unwrap_err().findings().len(), 1);
    }
    let many: String = (0..1_000).map(|number| format!("key{number}: x\n")).collect();
    assert_eq!(load(&many).unwrap_err().findings().len(), 100);
    assert!(load(&"x".repeat(5 << 20)).unwrap_err().to_string().contains("bytes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = load(&text);
        let _ = parse_definitions(&text, "d");
    }

    #[test]
    fn no_changed_configuration_makes_it_panic(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..6,
        new in "[-:{}\\[\\]\"'a0 \n$#é]{0,4}",
    ) {
        let mut characters: Vec<char> = include_str!("shop.yaml").chars().collect();
        let at = at.index(characters.len());
        let end = (at + cut).min(characters.len());
        characters.splice(at..end, new.chars());
        let text: String = characters.into_iter().collect();
        if let Ok(config) = load(&text) {
            let again = parse_definitions(&config.definitions_text, "d").unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{:?}", config.rules));
        }
    }
}

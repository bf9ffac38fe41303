//! The directory of the events' schemas: where it is looked for, and what may lie in it.

use std::fs;
use std::path::PathBuf;

use super::super::load::tests::load_with;
use super::super::overlay::Flags;

/// A directory with a configuration in it, and these files beside that.
fn load(test: &str, files: &[(&str, &str)]) -> Result<(Vec<(String, u32)>, PathBuf), String> {
    let directory = std::env::temp_dir().join(format!("bespoke-{}-schemas-{test}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    for (name, text) in files {
        let file = directory.join("schemas").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let text = "application: shop\nsources: [{topic: clicks}]\nkafka: {bootstrap: \"h:1\"}\nregistry: {url: \
                \"http://h\"}\naliases: {events: {Kauf: order_completed}}\nschemas:\n  directory: schemas\n";
    let file = directory.join("shop.yaml").display().to_string();
    let loaded = super::super::load::tests::load_file(text, &file);
    fs::remove_dir_all(&directory).unwrap_or_default();
    match loaded {
        Ok(config) => {
            let all = config.schemas.all().map(|(event, version)| (event.to_string(), version.number()));
            Ok((all.collect(), config.schemas_directory.unwrap()))
        }
        Err(errors) => Err(errors.to_string().replace(&directory.display().to_string(), "DIR")),
    }
}

#[test]
fn schemas_lie_beside_the_configuration() {
    let files = [
        ("README.md", "not a schema"),
        (".git/config", "hidden"),
        ("order_completed/1.json", "{}"),
        ("order_completed/10.json", "{}"),
        ("order_completed/2.json", "{}"),
        ("page_viewed/.1.json.swp", "hidden"),
        ("page_viewed/3.json", "true"),
    ];
    let (all, directory) = load("fine", &files).unwrap();
    let expected =
        [("order_completed", 1), ("order_completed", 2), ("order_completed", 10), ("page_viewed", 3)];
    assert_eq!(all, expected.map(|(event, version)| (event.to_owned(), version)));
    assert!(directory.ends_with("schemas"), "{directory:?}");
}

#[test]
fn without_the_section_no_event_has_a_schema() {
    let text = "application: shop\nsources: [{topic: clicks}]\n";
    let config = load_with(text, &[], &Flags::new()).unwrap();
    assert!(config.schemas.is_empty() && config.schemas_directory.is_none());
}

#[test]
fn whatever_is_wrong_with_them_is_named_with_its_file_and_the_line_that_asks_for_it() {
    for (test, files, expected) in [
        ("none", &[][..], "DIR/schemas: No such file or directory"),
        ("empty", &[("README.md", "")][..], "DIR/schemas: no schema in it"),
        ("beside", &[("1.json", "{}")][..], "DIR/schemas/1.json: lies beside the events' directories"),
        (
            "zero",
            &[("page_viewed/01.json", "{}")][..],
            "DIR/schemas/page_viewed/01.json: not called by a version",
        ),
        ("version", &[("page_viewed/v1.json", "{}")][..], "v1.json: not called by a version, such as 1.json"),
        ("alias", &[("kauf/1.json", "{}")][..], "no event is ever called `kauf`"),
        ("standard", &[("view_item/1.json", "{}")][..], "call the directory `product_viewed`"),
        (
            "json",
            &[("page_viewed/1.json", "{\n\"a\":")][..],
            "DIR/schemas/page_viewed/1.json at line 2, column 4",
        ),
        (
            "draft",
            &[("page_viewed/1.json", "{\"type\": 7}")][..],
            "page_viewed/1.json at /type: not a JSON Schema",
        ),
        (
            "narrow",
            &[("page_viewed/1.json", "{}"), ("page_viewed/2.json", "{\"required\": [\"a\"]}")][..],
            "page_viewed/2.json at /required: `a` is now required, so events of version 1 may not fit",
        ),
    ] {
        let errors = load(test, files).unwrap_err();
        assert!(errors.contains(expected), "{test}: {errors}");
        assert!(errors.contains("shop.yaml:7:14"), "{test}: {errors}");
    }
}

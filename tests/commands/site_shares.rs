//! What all persons together are drawn to: worked out from the changelog, told, and taken up by the pipeline.

use std::collections::BTreeMap;

use bespoke::codec::output::reading::decode_profile_update;
use bespoke::codec::row;
use bespoke::domain::profile::Profile;
use bespoke::shop::{Kind, ShopTopic};
use serde_json::json;

use super::*;

impl Pipeline {
    pub(super) fn tells_the_site(&self) {
        let dry: Value =
            serde_json::from_str(&self.succeed(&["site-shares", "--dry-run", "--output", "json"])).unwrap();
        assert!(self.values(&self.topic("site-shares")).is_empty(), "a dry run tells nobody");
        for told in dry.as_array().unwrap() {
            self.compare_with_the_changelog(told);
        }
        let text = self.succeed(&["site-shares"]);
        assert!(text.contains("category as of ") && text.contains(" persons, "), "{text}");
        let told = self.values(&self.topic("site-shares"));
        assert_eq!(told.len(), dry.as_array().unwrap().len());
        let category: Value = serde_json::from_slice(&told[b"category".as_slice()][0]).unwrap();
        let printed = dry.as_array().unwrap().iter().find(|told| told["interest"] == "category");
        assert_eq!(category["shares"], printed.unwrap()["shares"]);

        self.running(|| {
            self.await_read(&["site-shares"]);
            self.await_read(&["commands"]);
            self.send([self.look_at_tents()]);
            self.await_read(&["clickstream"]);
            self.await_read(&["commands"]);
        });
        let updates = self.values(&self.topic("profile-updates"));
        let ada = decode_profile_update(updates[b"user:ada".as_slice()].last().unwrap()).unwrap();
        let interest = ada.interests.iter().find(|interest| interest.name == "category").unwrap();
        let tents = interest.affinities.iter().find(|affinity| affinity.value == "tents").unwrap();
        let rule = self.config.rules.interest("category").unwrap();
        let site = category["shares"]["tents"].as_f64().unwrap();
        let sum = tents.score / tents.share;
        let lift = (tents.score + rule.enter * site) / (sum + rule.enter) / site;
        assert!((tents.lift.unwrap() - lift).abs() < 1e-9, "{tents:?}");
        assert!(interest.site_as_of.is_some());
        let text = self.succeed(&["explain", "user:ada"]);
        assert!(text.contains(" times the site's"), "{text}");
    }

    fn topic(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.config.application)
    }

    /// The shares by their definition: of everybody's last row, decayed to one hour.
    fn compare_with_the_changelog(&self, told: &Value) {
        let rows = self.values(&self.topic("profile-changelog"));
        let rows = rows.iter().filter(|(key, _)| key[0] == row::PERSON_PREFIX);
        let profiles: Vec<Profile> =
            rows.map(|(_, rows)| row::decode_profile(rows.last().unwrap()).unwrap()).collect();
        let rule = self.config.rules.interest(told["interest"].as_str().unwrap()).unwrap();
        let liked = profiles.iter().map(|profile| {
            profile.affinities(rule.id).iter().filter(|affinity| affinity.score > 0.0).collect::<Vec<_>>()
        });
        let liked: Vec<_> = liked.filter(|affinities| !affinities.is_empty()).collect();
        let half_life = rule.decay.half_life_hours() as f64;
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for affinity in liked.iter().flatten() {
            let hours = affinity.hour() - bespoke::domain::time::Timestamp::from_ms(1_767_607_200_000).hour();
            *sums.entry(&affinity.value).or_default() += affinity.score * (hours as f64 / half_life).exp2();
        }
        let whole: f64 = sums.values().sum();
        assert_eq!(told["persons"], json!(liked.len()));
        let shares = told["shares"].as_object().unwrap();
        assert_eq!(shares.len(), sums.len());
        for (value, share) in shares {
            assert!((share.as_f64().unwrap() - sums[&**value] / whole).abs() < 1e-8, "{value}: {share}");
        }
    }

    fn look_at_tents(&self) -> ShopRecord {
        let at = Timestamp::from_ms(1_767_607_200_000 + 10 * DAY_MS);
        let value = json!({
            "event": "product_viewed", "userId": "ada", "messageId": "ada-looks-again",
            "timestamp": at.ms(), "productId": "tent-9", "category": "tents",
        });
        ShopRecord {
            topic: ShopTopic::Clickstream,
            key: b"ada".to_vec(),
            value: value.to_string().into(),
            at,
            kind: Kind::Good,
        }
    }
}

//! What a task knows besides profiles: content, definitions and site shares, as rows of its state. Changes of them come
//! through the log; after a change of definitions, due times are worked out anew for everybody, a bounded
//! number at a time.

use std::sync::Arc;

use super::{Task, TaskError, task_error};
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::row;
use crate::config::definitions;
use crate::domain::command::Command;
use crate::domain::rulebook::RuleBook;
use crate::domain::site::SiteShares;
use crate::mutant::{Mutant, is_armed};

impl Task {
    pub(super) fn knowledge(&mut self, change: Command) -> Result<(), Reject> {
        match change {
            Command::Event(_) => {}
            Command::ContentChanged(content) => {
                let key = row::content_key(&content.content_id);
                if !is_armed(Mutant::ForgetContent) {
                    self.overlay.stage(key, Some(row::encode_content(&content)));
                }
                self.catalogue.put(content);
            }
            Command::ContentWithdrawn { content_id } => {
                self.catalogue.withdraw(&content_id);
                // What the configuration declares would be back after a restart if only the row went.
                let declared = self.shared.contents.iter().any(|content| content.content_id == content_id);
                let value = declared.then(Vec::new);
                self.overlay.stage(row::content_key(&content_id), value);
            }
            Command::SiteSharesChanged(shares) => {
                if !is_armed(Mutant::ForgetSiteShares) {
                    self.overlay.stage(row::site_key(&shares.interest), Some(row::encode_site(&shares)));
                }
                self.site.put(shares);
            }
            Command::SiteSharesWithdrawn { interest } => {
                self.overlay.stage(row::site_key(&interest), None);
                self.site.withdraw(&interest);
            }
            Command::DefinitionsChanged { text } => {
                let rules = definitions::parse_definitions(&text, "the definitions topic")
                    .map_err(|errors| Reject::new(RejectCode::InvalidDefinitions, "$", errors.to_string()))?;
                let since = self.stream_time;
                self.rules = Arc::new(RuleBook { since, ..rules });
                let fingerprint = format!("{:016x}", self.rules.fingerprint);
                let since_ms = since.ms();
                tracing::info!(event = "definitions_changed", fingerprint, since_ms, "they are in force");
                // Those in the store come later; some of these may not be in it yet.
                self.overlay.changed_again(&self.rules);
                self.reindexing = Some(None);
                self.overlay
                    .stage(row::DEFINITIONS_KEY.to_vec(), Some(row::encode_definitions(Some(since), &text)));
            }
        }
        Ok(())
    }

    /// Works out due times anew for some persons, after the definitions have changed. Returns for how many.
    pub(super) fn reindex(&mut self, limit: usize) -> Result<usize, TaskError> {
        let Some(after) = &self.reindexing else { return Ok(0) };
        let persons = self.overlay.store().persons_after(after.as_ref(), limit)?;
        for person in &persons {
            let place = self.overlay.person(&self.rules, person).map_err(task_error)?;
            self.overlay.changed(&self.rules, place);
        }
        if persons.len() < limit {
            self.reindexing = None;
            let fingerprint = self.rules.fingerprint.to_be_bytes().to_vec();
            self.overlay.stage(row::INDEX_KEY.to_vec(), Some(fingerprint));
        } else {
            self.reindexing = Some(persons.last().cloned());
        }
        Ok(persons.len())
    }

    /// Begins to work out due times anew if the store's are by other definitions than those in force. After a restore
    /// they are by the configured ones; then the next commit says so, until all are worked out.
    pub(super) fn check_index(&mut self) -> Result<(), TaskError> {
        let indexed_by = self.overlay.store().load(row::INDEX_KEY)?;
        let same = indexed_by.as_deref() == Some(&self.rules.fingerprint.to_be_bytes());
        let misread = self.is_misread && self.rules.fingerprint != self.shared.rules.fingerprint;
        self.reindexing = (!same || misread).then_some(None);
        if misread {
            let fingerprint = self.shared.rules.fingerprint.to_be_bytes().to_vec();
            self.overlay.stage(row::INDEX_KEY.to_vec(), Some(fingerprint));
        }
        Ok(())
    }

    /// The site shares of declared interests.
    pub fn site_shares(&self) -> impl Iterator<Item = &SiteShares> {
        self.rules.interests.iter().filter_map(|rule| self.site.of(&rule.name))
    }

    pub(super) fn load(&mut self) -> Result<(), TaskError> {
        for content in &self.shared.contents {
            self.catalogue.put(content.clone());
        }
        let store = self.overlay.store();
        for (key, value) in store.scan(row::CONTENT_PREFIX)? {
            if value.is_empty() {
                self.catalogue.withdraw(&row::content_id_of_key(&key));
            } else {
                self.catalogue.put(row::decode_content(&value)?);
            }
        }
        for (_, value) in store.scan(row::SITE_PREFIX)? {
            self.site.put(row::decode_site(&value)?);
        }
        if let Some(text) = store.load(row::DEFINITIONS_KEY)? {
            let (since, text) = row::decode_definitions(&text)?;
            let rules = definitions::parse_definitions(&text, "the definitions topic")
                .map_err(|errors| TaskError::Definitions(errors.to_string()))?;
            self.rules = Arc::new(RuleBook { since: since.unwrap_or_default(), ..rules });
        }
        if let Some(meta) = store.load(row::META_KEY)? {
            let meta = row::decode_meta(&meta)?;
            (self.input_next, self.stream_time) = (meta.input_next, meta.stream_time);
            self.overlay.set_digest(meta.digest);
        }
        Ok(())
    }
}

//! Rules at work: what a change sets off. A rule asks for a decision, sets traits, or both; and what it sets may
//! move the person into other segments, which may set off further rules.

use super::decide::decide;
use super::decision::{Decision, DecisionCause, Emission};
use super::derived;
use super::react::{Change, Happened, Touched};
use super::retention;
use super::rulebook::{MaxFires, Rule, Trigger};
use super::segment;
use super::time::Timestamp;

/// How deep rules may set off one another.
const DEPTH_MAX: usize = 4;

impl<'a> Change<'a> {
    /// Moves the person through the segments and fires what that sets off, as long as rules change the profile.
    /// After the fourth time the person still moves, but fires nothing any more, which is reported.
    pub(crate) fn follow_up(&mut self) {
        let mut groups: Vec<&'a str> = Vec::new();
        segment::apply(self);
        let mut has_set = self.fire_rules(&mut groups);
        while has_set {
            self.round += 1;
            self.touched = Touched { traits: true, ..Touched::default() };
            self.happened.clear();
            derived::follow(self);
            segment::apply(self);
            if self.round == DEPTH_MAX {
                return self.report_loop(&mut groups);
            }
            has_set = self.fire_rules(&mut groups);
        }
    }

    /// Whether a rule has set something that was not so before.
    fn fire_rules(&mut self, groups: &mut Vec<&'a str>) -> bool {
        let mut has_set = false;
        for rule in &self.rules.rules {
            if self.is_next(rule, groups) {
                groups.extend(rule.group.as_deref());
                has_set |= self.fire(rule);
            }
        }
        has_set
    }

    /// Names the rules that would have fired.
    fn report_loop(&mut self, groups: &mut Vec<&'a str>) {
        for rule in &self.rules.rules {
            if self.is_next(rule, groups) {
                groups.extend(rule.group.as_deref());
                self.emissions.push(Emission::LoopStopped(rule.name.clone()));
            }
        }
    }

    fn is_next(&self, rule: &Rule, groups: &[&str]) -> bool {
        let is_taken = rule.group.as_deref().is_some_and(|group| groups.contains(&group));
        !is_taken && self.has_happened(&rule.trigger) && self.may_fire(rule)
    }

    fn has_happened(&self, trigger: &Trigger) -> bool {
        self.happened.iter().any(|happened| match (trigger, happened) {
            (Trigger::Event(name), Happened::Event) => self.event.is_some_and(|event| event.name == *name),
            (Trigger::Entered(name), Happened::Entered(segment)) => **name == **segment,
            (Trigger::Left(name), Happened::Left(segment)) => **name == **segment,
            (Trigger::Tagged(name), Happened::Tagged(interest)) => **name == **interest,
            _ => false,
        })
    }

    fn may_fire(&self, rule: &Rule) -> bool {
        let fired = self.profile.rules_fired.iter().find(|(id, _)| *id == rule.id);
        let rested = fired.is_none_or(|(_, at)| self.at.since_ms(*at) >= rule.cooldown_ms);
        let age_ms = self.event.map_or(0, |event| self.now.since_ms(event.timestamp));
        let holds = rule.when.as_ref().is_none_or(|when| when.holds(&self.scope()) == Some(true));
        rested && age_ms <= rule.event_age_ms_max && !self.has_fired_out(rule) && holds
    }

    /// Whether the rule has fired as often as it may.
    fn has_fired_out(&self, rule: &Rule) -> bool {
        let Some(MaxFires { count, per_ms }) = rule.max_fires else { return false };
        let fires = self.profile.fires.iter().find(|(id, _)| *id == rule.id);
        let lately = |at: &&Timestamp| self.at.since_ms(**at) < per_ms;
        fires.is_some_and(|(_, fires)| fires.iter().filter(lately).count() >= count)
    }

    /// Does what the rule says. Returns whether it has set something that was not so before.
    fn fire(&mut self, rule: &Rule) -> bool {
        if rule.cooldown_ms > 0 {
            self.profile.rules_fired.retain(|(id, _)| *id != rule.id);
            self.profile.rules_fired.push((rule.id, self.at));
        }
        if let Some(MaxFires { per_ms, .. }) = rule.max_fires {
            let at = self.at;
            let fires = self.profile.fires_mut(rule.id);
            fires.retain(|fired| at.since_ms(*fired) < per_ms);
            fires.push(at);
        }
        let mut has_set = false;
        for (name, value) in &rule.set {
            let is_so = self.profile.traits.get(name) == Some(value);
            has_set |= !is_so && self.learn(name, value);
        }
        if let Some(slot) = &rule.slot {
            self.decide(rule, slot);
        }
        has_set
    }

    fn decide(&mut self, rule: &Rule, slot: &str) {
        let answer = decide(self.knowledge(), self.profile, self.now, slot, &[]);
        let message_id = self.event.map(|event| event.message_id.clone());
        let cause = DecisionCause::Rule(rule.name.clone(), message_id);
        let version = self.profile.version;
        let name = format!("rule|{}|{}|{version}{}", self.person, rule.name, self.occasion());
        let decision = Decision { at: self.at, ..answer.decision(self.person, version, cause, &name) };
        self.emissions.push(Emission::Decision(decision));
    }

    /// Whether conditions look at an event that they have not seen yet.
    pub(crate) fn is_of_event(&self) -> bool {
        self.event.is_some() && self.round == 0
    }

    /// What tells ids of this life from those of one that was forgotten, and those of what rules have set off
    /// from those of before.
    pub(crate) fn occasion(&self) -> String {
        let life = retention::life(self.rules, self.profile);
        if self.round == 0 { life } else { format!("{life}|{}", self.round) }
    }
}

//! The topics and schemas of an application, compared with what there is: at every start, and by the command
//! that makes them so.

use std::fmt;

use crate::codec::output::{
    CONTENT_DECISION_SCHEMA, PROFILE_UPDATE_SCHEMA, SEGMENT_CHANGE_SCHEMA, SchemaIds,
};
use crate::codec::registry::{Registry, RegistryError};
use crate::config::Config;
use crate::runtime::fault::{Exit, ExitCode, Fault};
use crate::runtime::kafka::{KafkaAdmin, TopicWish};
use crate::runtime::topics::wishes;

/// What to do about one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopicPlan {
    /// It is as it should be.
    Keep,
    /// It is not there.
    Create,
    /// Some settings differ: name, found, wanted.
    Set(Vec<(String, String, String)>),
    /// It has another number of partitions, which would move persons to other partitions.
    Repartition(i32),
}

/// A topic with what to do about it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The topic as it should be.
    pub wish: TopicWish,
    /// What to do.
    pub plan: TopicPlan,
}

/// Settings on which correctness depends; others are the operators' to choose.
const VITAL_SETTINGS: [&str; 1] = ["cleanup.policy"];

/// Compares the application's own topics with what there is.
pub fn compare(config: &Config, admin: &KafkaAdmin) -> Result<Vec<Planned>, Fault> {
    wishes(config)
        .into_iter()
        .map(|wish| {
            let plan = match admin.describe(&wish.name)? {
                None => TopicPlan::Create,
                Some(state) if state.partitions != wish.partitions => {
                    TopicPlan::Repartition(state.partitions)
                }
                Some(state) => {
                    let differing = wish.settings.iter().filter(|(key, _)| VITAL_SETTINGS.contains(&&***key));
                    let differing: Vec<_> = differing
                        .filter_map(|(key, wanted)| {
                            let found = state.settings.get(key)?;
                            (found != wanted).then(|| (key.clone(), found.clone(), wanted.clone()))
                        })
                        .collect();
                    if differing.is_empty() { TopicPlan::Keep } else { TopicPlan::Set(differing) }
                }
            };
            Ok(Planned { wish, plan })
        })
        .collect()
}

/// Makes the application's own topics as they should be.
///
/// # Errors
/// When a topic has another number of partitions: that is not changed here.
pub fn apply(planned: &[Planned], admin: &KafkaAdmin) -> Result<(), Fault> {
    for Planned { wish, plan } in planned {
        match plan {
            TopicPlan::Keep => {}
            TopicPlan::Create => admin.create(wish)?,
            TopicPlan::Set(_) => admin.set(&wish.name, &wish.settings)?,
            TopicPlan::Repartition(_) => {
                return Err(Fault::stop(
                    ExitCode::Misconfigured,
                    Planned::to_string(&Planned { wish: wish.clone(), plan: plan.clone() }),
                ));
            }
        }
    }
    Ok(())
}

/// Refuses to start unless every topic is there and fit.
pub fn check(config: &Config, admin: &KafkaAdmin) -> Result<(), Exit> {
    let refuse = |text: String| Exit { code: ExitCode::Misconfigured, text };
    let planned = compare(config, admin).map_err(exit)?;
    let wrong: Vec<String> =
        planned.iter().filter(|planned| planned.plan != TopicPlan::Keep).map(ToString::to_string).collect();
    if !wrong.is_empty() {
        let advice = "`bespoke topics plan` shows what to change and `bespoke topics apply` does it";
        return Err(refuse(format!("{}. {advice}", wrong.join("; "))));
    }
    let others = config.sources.iter().map(|source| &source.topic);
    for topic in others.chain(config.broadcast_topics()) {
        let state = admin.describe(topic).map_err(exit)?;
        let keyed = config.sources.iter().any(|source| source.keyed && source.topic == *topic);
        match state {
            None => return Err(refuse(format!("the source topic {topic} does not exist. Create it"))),
            Some(state) if keyed && state.partitions != config.partitions => {
                return Err(refuse(format!(
                    "the keyed source topic {topic} has {} partitions and topics.partitions is {}: set the \
                     latter to the former",
                    state.partitions, config.partitions
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Registers the schemas of the outputs.
pub fn register_schemas(config: &Config, registry: &Registry) -> Result<SchemaIds, Exit> {
    with_schemas(config, |subject, schema| registry.register(subject, schema).map(Some))
}

/// Looks up the schemas of the outputs.
///
/// # Errors
/// When they are not registered.
pub fn find_schemas(config: &Config, registry: &Registry) -> Result<SchemaIds, Exit> {
    with_schemas(config, |subject, schema| registry.id_of(subject, schema))
}

fn with_schemas(
    config: &Config,
    id: impl Fn(&str, &str) -> Result<Option<u32>, RegistryError>,
) -> Result<SchemaIds, Exit> {
    let find = |topic: &str, schema: &str| {
        let subject = format!("{topic}-value");
        match id(&subject, schema) {
            Ok(Some(id)) => Ok(id),
            Ok(None) => Err(Exit {
                code: ExitCode::Misconfigured,
                text: format!(
                    "this version's schema is not registered under {subject}: `bespoke topics apply` does it"
                ),
            }),
            Err(error @ RegistryError::Unreachable { .. }) => {
                Err(Exit { code: ExitCode::Unreachable, text: error.to_string() })
            }
            Err(error) => Err(Exit { code: ExitCode::Misconfigured, text: error.to_string() }),
        }
    };
    Ok(SchemaIds {
        profile_update: find(&config.topics.profile_updates, PROFILE_UPDATE_SCHEMA)?,
        decision: find(&config.topics.decisions, CONTENT_DECISION_SCHEMA)?,
        segment_change: find(&config.topics.segment_changes, SEGMENT_CHANGE_SCHEMA)?,
    })
}

/// A fault outside a worker ends the command: there is nothing to restart.
pub fn exit(fault: Fault) -> Exit {
    match fault {
        Fault::Stop(exit) => exit,
        other @ (Fault::Rewind(_) | Fault::Restart(_) | Fault::Rebuild { .. }) => {
            Exit { code: ExitCode::Unreachable, text: other.to_string() }
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicWish { name, partitions, replication, .. } = &self.wish;
        match &self.plan {
            TopicPlan::Keep => write!(formatter, "{name} is as it should be"),
            TopicPlan::Create => write!(
                formatter,
                "the topic {name} does not exist; it should have {partitions} partitions and {replication} \
                 replicas"
            ),
            TopicPlan::Set(differing) => {
                write!(formatter, "the topic {name} has")?;
                for (key, found, wanted) in differing {
                    write!(formatter, " {key}={found}, which should be {wanted}")?;
                }
                Ok(())
            }
            TopicPlan::Repartition(found) => write!(
                formatter,
                "the topic {name} has {found} partitions and topics.partitions is {partitions}: set the latter \
                 to {found}, or use another application id and replay into it"
            ),
        }
    }
}

//! The resources of a stack that flow files determine, as texts of the template.

use tidegate_model::flow::{FlowFile, Schedule};
use tidegate_policy::trigger;

use super::cron;
use crate::schedule::{DIGEST_AT, RECONCILE_AT};

/// The zone of the daily mail where there is no flow.
const NO_ZONE: &str = "UTC";

/// A resource of the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Its name in the template.
    pub id: String,
    /// Its lines, that of its name first.
    pub text: String,
}

/// A schedule of `EventBridge` Scheduler.
struct Timer<'a> {
    /// Its name in the template.
    id: String,
    /// Its name after that of the stage.
    name: String,
    /// When.
    cron: String,
    /// Of which zone.
    zone: &'a str,
    /// The function that it starts.
    function: &'a str,
    /// What the function gets.
    input: String,
    /// What is said of `retry`.
    why: &'a str,
    /// Seconds for which it is tried again, and how often.
    retry: (u32, u32),
}

/// The schedules of windows and daily comparisons of each flow, and that of the daily mail.
pub(super) fn schedules(flows: &[FlowFile]) -> anyhow::Result<Vec<Resource>> {
    let mut resources = Vec::new();
    for flow in flows {
        resources.extend(windows(flow)?);
        if flow.source.lists_all() {
            resources.push(comparison(flow)?);
        }
    }
    // Its people are those who read the mail, as on one machine.
    let zone = flows.first().map(|flow| flow.schedule.time_zone.as_str());
    resources.push(written(&Timer {
        id: "DigestSchedule".to_owned(),
        name: "digest".to_owned(),
        cron: daily(DIGEST_AT)?,
        zone: zone.unwrap_or(NO_ZONE),
        function: "Digest",
        input: r#"{"digest":"daily"}"#.to_owned(),
        why: "Nothing else starts it, so it is tried for hours.",
        retry: (21_600, 20),
    }));
    Ok(resources)
}

/// Scheduler skips a time that falls into a daylight-saving gap and may deliver twice: the tick
/// starts what is due and has no run, and a run is known by its scheduled time.
fn windows(flow: &FlowFile) -> anyhow::Result<Vec<Resource>> {
    let Schedule { time_zone, .. } = &flow.schedule;
    let crons = cron::crons(&flow.schedule)?;
    let timers = (1..).zip(crons).map(|(number, cron)| {
        // One is the rule, and has no number.
        let number = |before: &str| match number {
            1 => String::new(),
            more => format!("{before}{more}"),
        };
        Timer {
            id: format!("{}Windows{}", camel(flow.name.as_str()), number("")),
            name: format!("{}{}", flow.name, number("-")),
            cron,
            zone: time_zone,
            function: "BatchSync",
            input: of_window(flow),
            why: "Later than an hour the tick has long started the window.",
            retry: (3_600, 5),
        }
    });
    Ok(timers.map(|timer| written(&timer)).collect())
}

/// Daily, after the night window and outside every change of the clock. A repeated delivery is known
/// by its scheduled time.
fn comparison(flow: &FlowFile) -> anyhow::Result<Resource> {
    Ok(written(&Timer {
        id: format!("{}Reconcile", camel(flow.name.as_str())),
        name: format!("{}-reconcile", flow.name),
        cron: daily(RECONCILE_AT)?,
        zone: &flow.schedule.time_zone,
        function: "Reconcile",
        input: of_window(flow),
        why: "Nothing else starts it, so it is tried for hours.",
        retry: (21_600, 20),
    }))
}

fn of_window(flow: &FlowFile) -> String {
    let flow = &flow.name;
    format!(r#"{{"flow":"{flow}","window":"<aws.scheduler.scheduled-time>"}}"#)
}

fn daily(at: &str) -> anyhow::Result<String> {
    let (hour, minute) = cron::time(at)?;
    Ok(format!("cron({minute} {hour} * * ? *)"))
}

fn written(timer: &Timer<'_>) -> Resource {
    let Timer {
        id,
        name,
        cron,
        zone,
        function,
        input,
        why,
        retry: (seconds, tries),
    } = timer;
    let text = format!(
        r#"  {id}:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: !Sub tidegate-${{Stage}}-{name}
      ScheduleExpression: {cron}
      ScheduleExpressionTimezone: {zone}
      FlexibleTimeWindow: {{ Mode: "OFF" }}
      State: !If [StartsByItself, ENABLED, DISABLED]
      Target:
        Arn: !Ref {function}.Alias
        RoleArn: !GetAtt SchedulerRole.Arn
        DeadLetterConfig: {{ Arn: !GetAtt Undelivered.Arn }}
        Input: '{input}'
        # {why}
        RetryPolicy: {{ MaximumEventAgeInSeconds: {seconds}, MaximumRetryAttempts: {tries} }}
"#
    );
    Resource {
        id: id.clone(),
        text,
    }
}

/// The rules of the triggers of each flow, each with leave to start batch-sync.
pub(super) fn rules(flows: &[FlowFile]) -> Vec<Resource> {
    let of_a_flow = |flow: &FlowFile| {
        let rules = (1..).zip(trigger::rules(flow));
        let id = camel(flow.name.as_str());
        let resources = rules.flat_map(|(number, asked)| {
            let id = format!("{id}Event{number}");
            [rule(&id, flow, &asked), permission(&id)]
        });
        resources.collect::<Vec<_>>()
    };
    flows.iter().flat_map(of_a_flow).collect()
}

fn rule(id: &str, flow: &FlowFile, rule: &trigger::Rule) -> Resource {
    let flow = &flow.name;
    let name = &rule.name;
    // JSON is YAML; a bus that is not the stack's is named, in quotes.
    let bus = rule.bus.as_ref().map(|bus| quoted(bus));
    let bus = bus.as_deref().unwrap_or("!Ref Bus");
    let pattern = &rule.pattern;
    let paths = rule.transformer.get("InputPathsMap").unwrap_or_default();
    let template = rule.transformer.get("InputTemplate");
    let template = template.and_then(|text| text.as_str()).unwrap_or_default();
    let template = quoted(template);
    let text = format!(
        r"  {id}:
    Type: AWS::Events::Rule
    Properties:
      Name: !Sub tidegate-${{Stage}}-{name}
      Description: An event that starts a batch of {flow}.
      EventBusName: {bus}
      State: !If [StartsByItself, ENABLED, DISABLED]
      EventPattern: {pattern}
      Targets:
        - Id: batch-sync
          Arn: !Ref BatchSync.Alias
          DeadLetterConfig: {{ Arn: !GetAtt Undelivered.Arn }}
          InputTransformer:
            InputPathsMap: {paths}
            InputTemplate: {template}
"
    );
    Resource {
        id: id.to_owned(),
        text,
    }
}

fn permission(rule: &str) -> Resource {
    let id = format!("{rule}Permission");
    let text = format!(
        r"  {id}:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !Ref BatchSync.Alias
      Action: lambda:InvokeFunction
      Principal: events.amazonaws.com
      SourceArn: !GetAtt {rule}.Arn
"
    );
    Resource { id, text }
}

/// A text in quotes of YAML in which nothing but they has a meaning.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name of a flow file as resources are named: `end-of-day` is `EndOfDay`.
pub(super) fn camel(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let mut letters = part.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    parts.collect()
}

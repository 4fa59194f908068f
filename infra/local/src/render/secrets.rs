//! The secrets that flow files name, and who may read them.

use std::collections::BTreeSet;

use anyhow::bail;
use tidegate_model::flow::FlowFile;

use super::resources::{Resource, camel};
use crate::flows;

/// Secrets of one policy: it has 6,144 characters, and the ARN of a secret some 110.
const MOST_SECRETS: usize = 50;

/// A policy that lets functions read secrets.
struct Readers {
    /// Its name in the template, by which roles of functions take it.
    id: &'static str,
    /// Whose secrets they are.
    of: &'static str,
}

const OF_SYSTEMS: Readers = Readers {
    id: "SystemSecrets",
    of: "the systems that flows call",
};

const OF_SOURCES: Readers = Readers {
    id: "SourceSecrets",
    of: "the sources of flows",
};

const OF_WAREHOUSES: Readers = Readers {
    id: "WarehouseSecrets",
    of: "the warehouses of flows",
};

const OF_WEBHOOKS: Readers = Readers {
    id: "WebhookSecrets",
    of: "those who send webhooks",
};

/// Each secret, and a policy for those of systems, one for those of sources alone, one for those of
/// warehouses and one for those of webhooks: the function that verifies webhooks calls nobody, who calls
/// systems verifies nothing, who decides asks sources, and who loads asks warehouses.
pub(super) fn secrets(flows: &[FlowFile]) -> anyhow::Result<Vec<Resource>> {
    let of_systems: BTreeSet<&str> = flows.iter().flat_map(flows::system_secrets).collect();
    let of_sources: BTreeSet<&str> = flows.iter().flat_map(flows::source_secrets).collect();
    let of_warehouses: BTreeSet<&str> = flows.iter().flat_map(flows::warehouse_secrets).collect();
    let of_webhooks: BTreeSet<&str> = flows.iter().flat_map(flows::webhook_secrets).collect();
    let mut all: BTreeSet<&str> = of_systems.union(&of_webhooks).copied().collect();
    all.extend(&of_warehouses);
    let mut resources: Vec<Resource> = all.into_iter().map(secret).collect();
    for (readers, names) in [
        (&OF_SYSTEMS, &of_systems),
        (&OF_SOURCES, &of_sources),
        (&OF_WAREHOUSES, &of_warehouses),
        (&OF_WEBHOOKS, &of_webhooks),
    ] {
        if names.len() > MOST_SECRETS {
            let (most, of, many) = (MOST_SECRETS, readers.of, names.len());
            bail!("the flows name {many} secrets of {of}; a policy of AWS has room for {most}");
        }
        resources.push(policy(readers, names));
    }
    Ok(resources)
}

fn id_of(secret: &str) -> String {
    camel(&secret.to_ascii_lowercase().replace('_', "-"))
}

fn secret(name: &str) -> Resource {
    let id = id_of(name);
    let text = format!(
        r"  {id}:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: !Sub tidegate/${{Stage}}/{name}
      KmsKeyId: !GetAtt Key.Arn
      GenerateSecretString: {{ PasswordLength: 32, ExcludePunctuation: true }}
"
    );
    Resource { id, text }
}

fn policy(readers: &Readers, names: &BTreeSet<&str>) -> Resource {
    let Readers { id, of } = readers;
    let ids: Vec<String> = names
        .iter()
        .map(|name| format!("!GetAtt {}.Id", id_of(name)))
        .collect();
    let resource = if ids.is_empty() {
        // A policy names something, and nothing is called so.
        r#"!Sub "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:tidegate/${Stage}/none""#
            .to_owned()
    } else {
        format!("[{}]", ids.join(", "))
    };
    let text = format!(
        r#"  {id}:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Description: Reading the secrets of {of}.
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: Secrets
            Effect: Allow
            Action: secretsmanager:GetSecretValue
            Resource: {resource}
"#
    );
    Resource {
        id: (*id).to_owned(),
        text,
    }
}

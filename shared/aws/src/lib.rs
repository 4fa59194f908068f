//! The ports on DynamoDB, SQS, EventBridge, S3, SES and Secrets Manager.
//!
//! Nothing is decided here: a conditional write is rendered as the policy built it, and what AWS
//! answers is handed back in the words of the ports. Every call has a time-out and few attempts;
//! a repeat is safe, since the engine's writes recognise their own and its messages and events may
//! come twice. [`Aws`] makes the clients, each when it is first asked for, on one TLS setup.
//!
//! Errors say what was tried and what AWS answered; they hold no request and no answer, so no field
//! value and no secret can reach a log through them.

mod connect;
mod dynamo;
mod failure;
mod files;
mod mail;
mod queue;
mod secret;

pub use connect::{Aws, ConnectError};
pub use dynamo::{DynamoStore, TableError, create_table};
pub use failure::AwsFailure;
pub use files::S3Files;
pub use mail::{EventBridgeEvents, SesMailer};
pub use queue::{QueueUrls, SqsQueue};
pub use secret::SecretsManager;

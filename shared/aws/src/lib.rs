//! The ports on DynamoDB, SQS, EventBridge, SES and Secrets Manager.

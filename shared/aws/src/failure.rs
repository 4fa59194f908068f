//! What AWS answered, without what was sent.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

/// A call to AWS that failed. Unlike the SDK's error it holds neither request nor answer: those may
/// hold field values and secrets, and its `Debug` would print them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AwsFailure {
    /// The service refused.
    #[error("the service answered {code}: {message}")]
    Refused {
        /// The error's code.
        code: String,
        /// What it says.
        message: String,
    },
    /// The service accepted the request but not all of its parts.
    #[error("the service did not take {count} of them: {code}")]
    InPart {
        /// How many parts.
        count: usize,
        /// Code of the first.
        code: String,
    },
    /// No answer: not connected, timed out, or broken off.
    #[error("{0}")]
    NoAnswer(String),
    /// The answer lacks what it must have.
    #[error("the answer has no {0}")]
    Incomplete(&'static str),
}

impl<E, R> From<SdkError<E, R>> for AwsFailure
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug,
{
    fn from(error: SdkError<E, R>) -> Self {
        match error.as_service_error() {
            Some(answer) => Self::Refused {
                code: answer
                    .code()
                    .unwrap_or("an error without a code")
                    .to_owned(),
                message: answer.message().unwrap_or("no message").to_owned(),
            },
            None => Self::NoAnswer(chain(&error)),
        }
    }
}

/// An error and its causes in one line, by their `Display`.
fn chain<E, R>(error: &SdkError<E, R>) -> String
where
    E: Error + 'static,
    R: std::fmt::Debug,
{
    let mut text = match error {
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) => "not connected, or broken off".to_owned(),
        SdkError::ResponseError(_) => "the answer could not be read".to_owned(),
        _ => "the request could not be made".to_owned(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

//! An invocation that failed, told to Lambda.

use lambda_runtime::Diagnostic;
use tidegate_engine::chain;

/// The error with all its causes. The runtime logs it once, and hands it to whoever invoked.
pub(crate) fn failed<E: std::error::Error>(error: E) -> Diagnostic {
    Diagnostic {
        error_type: std::any::type_name::<E>().to_owned(),
        error_message: chain(&error),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_engine::ports::PortError;

    use super::*;

    #[test]
    fn the_causes_are_told() {
        let told = failed(PortError::new("send 2 messages", "the queue is gone"));
        assert_eq!(
            told.error_message,
            "send 2 messages failed: the queue is gone"
        );
        assert_eq!(told.error_type, "tidegate_engine::ports::PortError");
    }
}

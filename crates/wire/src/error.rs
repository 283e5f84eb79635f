//! What AWS answers when it refuses.

use std::borrow::Cow;

use crate::schema::ErrorShape;

/// A refusal in AWS's own words: the shape name and code, the message, the status.
#[derive(Debug, Clone, PartialEq)]
pub struct AwsError {
    /// Shape name, as JSON protocols say it (`QueueDoesNotExist`).
    pub name: Cow<'static, str>,
    /// Code, as query and XML protocols say it (`AWS.SimpleQueueService.NonExistentQueue`).
    pub code: Cow<'static, str>,
    /// Message for a human.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// The caller's fault rather than the service's.
    pub sender: bool,
    /// Further members of the error's shape, by their wire names.
    pub fields: Vec<(Cow<'static, str>, serde_json::Value)>,
    /// Headers that go with it.
    pub headers: Vec<(&'static str, String)>,
}

impl AwsError {
    /// An error by its code and status, where the API's model does not list it.
    pub fn new(code: impl Into<Cow<'static, str>>, status: u16, message: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            name: code.clone(),
            code,
            message: message.into(),
            status,
            sender: status < 500,
            fields: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// An error that the API's model lists.
    pub fn from_shape(shape: &'static ErrorShape, message: impl Into<String>) -> Self {
        Self {
            name: Cow::Borrowed(shape.name),
            code: Cow::Borrowed(shape.code),
            message: message.into(),
            status: shape.status,
            sender: shape.sender,
            fields: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// With a further member.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.push((Cow::Borrowed(member), value.into()));
        self
    }

    /// With a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

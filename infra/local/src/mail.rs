//! Mail as files: each one an `.eml` that any mail program opens, and a line in the log.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use jiff::{Timestamp, tz::TimeZone};
use tidegate_engine::ports::{Clock, Mail, Mailer, PortError};
use tidegate_model::UnixMs;

/// Who sends and who gets it. No mail leaves the machine.
const ADDRESS: &str = "tidegate@localhost";
const EXTENSION: &str = "eml";

/// A folder of mails.
pub(crate) struct FileMailer {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl FileMailer {
    /// Makes the folder where there is none.
    pub(crate) fn new(folder: &Path, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
        })
    }

    /// When the newest mail was sent, by the files' names.
    pub(crate) fn newest(folder: &Path) -> Option<UnixMs> {
        let entries = fs::read_dir(folder).ok()?;
        let sent = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_mail = path.extension().is_some_and(|end| end == EXTENSION);
            let name = path.file_stem()?.to_str()?.replace('_', ":");
            let sent: Timestamp = is_mail.then_some(name)?.parse().ok()?;
            Some(UnixMs(sent.as_millisecond()))
        });
        sent.max()
    }
}

fn moment(now: UnixMs) -> Timestamp {
    Timestamp::from_millisecond(now.0).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The mail as RFC 5322 has it. A subject is one line, whatever a flow is called.
fn text_of(mail: &Mail, at: Timestamp) -> String {
    let date = at
        .to_zoned(TimeZone::UTC)
        .strftime("%a, %d %b %Y %H:%M:%S +0000");
    let subject = mail.subject.replace(['\r', '\n'], " ");
    let body = mail.text.replace("\r\n", "\n").replace('\n', "\r\n");
    format!(
        "Date: {date}\r\nFrom: Tidegate <{ADDRESS}>\r\nTo: {ADDRESS}\r\nSubject: {subject}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{body}"
    )
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        let at = moment(self.clock.now());
        // A colon is no part of a file's name everywhere.
        let name = format!("{at:.3}.{EXTENSION}").replace(':', "_");
        let path = self.folder.join(name);
        crate::data::write_private(&path, &text_of(mail, at))
            .map_err(|error| PortError::new("write a mail", error))?;
        tracing::info!(subject = mail.subject, file = %path.display(), "mail");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_testkit::memory::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_mail_is_a_file_that_mail_programs_read() {
        let folder = tempfile::tempdir().unwrap();
        let sent_at = UnixMs(1_795_000_000_123);
        let clock = Arc::new(ManualClock::new(sent_at));
        let mailer = FileMailer::new(folder.path(), clock).unwrap();
        assert_eq!(FileMailer::newest(folder.path()), None);
        let mail = Mail {
            subject: "2 records\nneed you".to_owned(),
            text: "suppliers: 2 in review\n  Grün\n".to_owned(),
        };
        mailer.send(&mail).await.unwrap();
        assert_eq!(FileMailer::newest(folder.path()), Some(sent_at));
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1);
        let path = files[0].as_ref().unwrap().path();
        let text = fs::read_to_string(path).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains("Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n"),
            "{head}"
        );
        assert!(head.contains("Subject: 2 records need you\r\n"), "{head}");
        assert_eq!(body, "suppliers: 2 in review\r\n  Grün\r\n");
    }
}

//! One connection to an SMTP server.
//!
//! lettre's transport answers only whether a message was taken. Here the commands are sent one by one, because it matters
//! how far a submission came: until the last byte of the data nothing can have been sent.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::Mechanism,
        client::{AsyncSmtpConnection, AsyncTokioStream},
        commands::{Data, Mail, Quit, Rcpt, Rset},
        extension::{Extension, MailBodyParameter, MailParameter},
        response::{Response, Severity},
    },
};
use tokio::{
    net::TcpStream,
    time::{timeout, timeout_at},
};

use super::{
    Failure, Letter,
    url::{Server, Tls},
};

/// For connecting, and for each reply but the last.
const COMMAND_TIME: Duration = Duration::from_secs(30);
/// For the reply after the data, in which servers scan the message. RFC 5321, 4.5.3.2.6 asks for ten minutes.
const DATA_TIME: Duration = Duration::from_secs(600);
/// For saying goodbye, which nothing depends on.
const QUIT_TIME: Duration = Duration::from_secs(2);

pub(super) struct Session {
    connection: AsyncSmtpConnection,
    /// Whether the server may be given another message.
    usable: bool,
}

/// How a submission failed.
pub(super) enum Stopped {
    /// The connection was dead before the server had heard of the message: worth another connection.
    Stale(String),
    Failed(Failure),
}

impl Session {
    /// Connects, encrypts and logs in, all of it before `until`.
    pub(super) async fn connect(server: &Server, until: Instant) -> Result<Self, Failure> {
        match timeout_at(until.min(Instant::now() + COMMAND_TIME).into(), Self::greet(server)).await
        {
            Ok(result) => result,
            Err(_) => Err(Failure::Deferred(format!("{} did not answer in time", server.host))),
        }
    }

    async fn greet(server: &Server) -> Result<Self, Failure> {
        let to = (server.host.as_str(), server.port);
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::Deferred(format!("{}:{} cannot be reached: {error}", server.host, server.port))
        };
        let mut connection = if server.tls == Tls::Wrapped {
            let tls = Some(server.tls_parameters.clone());
            AsyncSmtpConnection::connect_tokio1(to, Some(COMMAND_TIME), &server.hello, tls, None)
                .await
                .map_err(|error| unreachable(&error))?
        } else {
            let stream = TcpStream::connect(to).await.map_err(|error| unreachable(&error))?;
            // The data and its end are two writes; without this the second would wait for the first to be acknowledged.
            stream.set_nodelay(true).map_err(|error| unreachable(&error))?;
            let stream: Box<dyn AsyncTokioStream> = Box::new(stream);
            AsyncSmtpConnection::connect_with_transport(stream, &server.hello)
                .await
                .map_err(|error| unreachable(&error))?
        };
        secure(&mut connection, server).await?;
        authenticate(&mut connection, server).await?;
        Ok(Self { connection, usable: true })
    }

    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Submits a letter. At `until` it is given up, and the answer says how far it came.
    pub(super) async fn submit(
        &mut self,
        letter: &Letter,
        until: Instant,
    ) -> Result<String, Stopped> {
        let mail = Mail::new(Some(letter.sender.clone()), self.parameters(letter)?);
        // Whatever ends this early, a dropped call included, leaves the server in the middle of a message.
        self.usable = false;
        self.open(mail, &letter.recipients, until).await?;
        let reply = self.transmit(&letter.message, until).await;
        match reply {
            Ok(reply) if reply.code().severity == Severity::PositiveCompletion => {
                self.usable = true;
                Ok(line(&reply))
            }
            Ok(reply) => Err(Stopped::Failed(Failure::Interrupted(format!(
                "the relay's last reply makes no sense: {}",
                line(&reply)
            )))),
            Err(Stopped::Failed(failure @ (Failure::Refused(_) | Failure::Deferred(_)))) => {
                self.reset(until).await;
                Err(Stopped::Failed(failure))
            }
            Err(stopped) => Err(stopped),
        }
    }

    /// Everything before the data.
    async fn open(
        &mut self,
        mail: Mail,
        recipients: &[Address],
        until: Instant,
    ) -> Result<(), Stopped> {
        match timed(COMMAND_TIME, until, self.connection.command(mail)).await {
            Ok(_) => {}
            Err(error) if error.is_lost() => return Err(Stopped::Stale(error.text())),
            Err(error) => return Err(self.turned_down(error, until).await),
        }
        for recipient in recipients {
            let rcpt = Rcpt::new(recipient.clone(), Vec::new());
            if let Err(error) = timed(COMMAND_TIME, until, self.connection.command(rcpt)).await {
                return Err(self.turned_down(error, until).await);
            }
        }
        match timed(COMMAND_TIME, until, self.connection.command(Data)).await {
            Ok(reply) if reply.has_code(354) => Ok(()),
            Ok(reply) => Err(Stopped::Failed(Failure::Deferred(format!(
                "the relay answers DATA with {}, which makes no sense",
                line(&reply)
            )))),
            Err(error) => Err(self.turned_down(error, until).await),
        }
    }

    /// Extensions that the letter needs, or why the server cannot take it.
    fn parameters(&self, letter: &Letter) -> Result<Vec<MailParameter>, Stopped> {
        let info = self.connection.server_info();
        let refuse = |detail: &str| Err(Stopped::Failed(Failure::Refused(detail.to_owned())));
        let mut parameters = Vec::new();
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        if !is_ascii(&letter.sender) || !letter.recipients.iter().all(is_ascii) {
            if !info.supports_feature(Extension::SmtpUtfEight) {
                return refuse("the relay takes only addresses in ASCII");
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !letter.message.is_ascii() {
            if !info.supports_feature(Extension::EightBitMime) {
                return refuse(
                    "the relay takes only messages in ASCII; encode the body as base64 or quoted-printable",
                );
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// Sends the data. Nothing can have been sent on by the server as long as the last line, a single dot, has not begun
    /// to go out; that is when the parts below are used up.
    async fn transmit(&mut self, message: &[u8], until: Instant) -> Result<Response, Stopped> {
        let mut ending = false;
        let parts = std::iter::once(message).chain(std::iter::from_fn(|| {
            ending = true;
            None
        }));
        let reply = timed(DATA_TIME, until, self.connection.message_iter(parts)).await;
        reply.map_err(|error| {
            Stopped::Failed(match error.answered() {
                Some(failure) => failure,
                None if ending => Failure::Interrupted(error.text()),
                None => Failure::Deferred(error.text()),
            })
        })
    }

    /// The server said no before the data. Nothing was sent; a reset makes it ready for the next message.
    async fn turned_down(&mut self, error: Lost, until: Instant) -> Stopped {
        let failure = error.answered();
        if failure.is_some() {
            self.reset(until).await;
        }
        Stopped::Failed(failure.unwrap_or_else(|| Failure::Deferred(error.text())))
    }

    async fn reset(&mut self, until: Instant) {
        self.usable = timed(COMMAND_TIME, until, self.connection.command(Rset)).await.is_ok();
    }

    /// Says goodbye, as far as the server listens.
    pub(super) async fn quit(mut self) {
        let _ = timeout(QUIT_TIME, self.connection.command(Quit)).await;
    }
}

/// Why a command has no positive reply.
enum Lost {
    Reply(Error),
    Time,
}

impl Lost {
    fn is_lost(&self) -> bool {
        match self {
            // 421: the server closes the connection.
            Self::Reply(error) => error.status().is_none_or(|code| u16::from(code) == 421),
            Self::Time => true,
        }
    }

    /// What the server's own no means.
    fn answered(&self) -> Option<Failure> {
        match self {
            Self::Reply(error) if error.is_permanent() => Some(Failure::Refused(error.to_string())),
            Self::Reply(error) if error.is_transient() => {
                Some(Failure::Deferred(error.to_string()))
            }
            _ => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Reply(error) => format!("the connection to the relay broke: {error}"),
            Self::Time => "the relay did not answer in time".to_owned(),
        }
    }
}

/// Waits for a reply, at most for `time` and never beyond `until`.
async fn timed<T>(
    time: Duration,
    until: Instant,
    command: impl Future<Output = Result<T, Error>>,
) -> Result<T, Lost> {
    match timeout_at(until.min(Instant::now() + time).into(), command).await {
        Ok(result) => result.map_err(Lost::Reply),
        Err(_) => Err(Lost::Time),
    }
}

async fn secure(connection: &mut AsyncSmtpConnection, server: &Server) -> Result<(), Failure> {
    let can = connection.can_starttls();
    match server.tls {
        Tls::None | Tls::Wrapped => return Ok(()),
        Tls::Opportunistic if !can => return Ok(()),
        Tls::Required if !can => {
            return Err(Failure::Deferred(format!(
                "{} offers no encryption, which its URL requires",
                server.host
            )));
        }
        Tls::Opportunistic | Tls::Required => {}
    }
    connection.starttls(server.tls_parameters.clone(), &server.hello).await.map_err(|error| {
        Failure::Deferred(format!("{} cannot be spoken to encrypted: {error}", server.host))
    })
}

async fn authenticate(
    connection: &mut AsyncSmtpConnection,
    server: &Server,
) -> Result<(), Failure> {
    let Some(credentials) = &server.credentials else { return Ok(()) };
    if !connection.is_encrypted() && server.tls != Tls::None {
        return Err(Failure::Deferred(format!(
            "{} offers no encryption, and the password is not sent without; allow it with tls=none",
            server.host
        )));
    }
    // An operator can mend a wrong password, so letters wait for that.
    connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map(|_| ()).map_err(
        |error| {
            Failure::Deferred(format!(
                "{} does not accept the user or password: {error}",
                server.host
            ))
        },
    )
}

/// A reply as one line, such as `250 2.0.0 queued as 4ZxK`.
fn line(reply: &Response) -> String {
    let text: Vec<&str> = reply.message().map(str::trim).collect();
    format!("{} {}", reply.code(), text.join(" ")).trim_end().to_owned()
}

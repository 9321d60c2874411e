//! Answers whose body is read as it comes, byte for byte as it was sent.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, StatusCode};

use super::answer::Answer;
use super::body::{Text, decoded, in_utf8};
use super::login::Login;
use super::request::Request;
use super::transport::{read_whole, transport_failure};
use super::{Client, Head};
use crate::error::{Failure, HttpError};

/// What a call was answered whose body is read as it comes.
#[derive(Debug)]
pub enum Opened {
    /// What was asked for.
    Body(Streamed),
    /// A refusal, of a call that takes them.
    Refused(Answer),
}

/// An answer of success whose body is still to be read.
pub struct Streamed {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its bytes. A stall of the client's usual time, or a broken connection, ends them with an error.
    pub body: BoxStream<'static, Result<Bytes, HttpError>>,
}

impl std::fmt::Debug for Streamed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Streamed").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a call, again where that is safe and makes sense, until its answer begins. What comes of the body is its
    /// reader's affair.
    pub async fn open(&self, request: &Request) -> Result<Opened, HttpError> {
        let mut budget = self.budget();
        let mut login = Login::default();
        loop {
            let begun = tokio::time::timeout(self.timeout, self.begin_answer(request, &mut login)).await;
            match begun.unwrap_or(Err(Failure::TimedOut(self.timeout))) {
                Ok(Begun::Success(response)) => return Ok(Opened::Body(self.streamed(request, response))),
                Ok(Begun::Refusal(head, body)) => {
                    let Text { bytes: body, is_guessed } = in_utf8(body, &head.headers);
                    let exchange = self.exchange(request, &budget);
                    let (status, headers, redactor) = (head.status, head.headers, self.redactor.clone());
                    let answer = Answer { exchange, status, headers, body, is_guessed, redactor };
                    if !self.is_refused_for_now(request, &answer, &mut budget).await {
                        return Ok(Opened::Refused(answer));
                    }
                }
                Err(failure) => self.recover(request, failure, &mut budget, &mut login).await?,
            }
        }
    }

    async fn begin_answer(&self, request: &Request, login: &mut Login) -> Result<Begun, Failure> {
        let response = self.send(request, login).await?;
        if response.status().is_success() {
            return Ok(Begun::Success(response));
        }
        if !request.takes_refusal(response.status()) {
            return Err(self.status_failure(request, login, response).await);
        }
        let head = Head { status: response.status(), headers: response.headers().clone() };
        let body = read_whole(response, request.limit).await?;
        let body = decoded(body, &head.headers, request.limit)?;
        Ok(Begun::Refusal(head, body))
    }

    fn streamed(&self, request: &Request, response: reqwest::Response) -> Streamed {
        let (status, headers) = (response.status(), response.headers().clone());
        let (timeout, exchange) = (self.timeout, self.exchange(request, &self.budget()));
        let chunks = Some((response.bytes_stream().boxed(), exchange));
        let body = stream::unfold(chunks, move |chunks| async move {
            let (mut chunks, exchange) = chunks?;
            let failure = match tokio::time::timeout(timeout, chunks.next()).await {
                Ok(Some(Ok(chunk))) => return Some((Ok(chunk), Some((chunks, exchange)))),
                Ok(None) => return None,
                Ok(Some(Err(error))) => transport_failure(error),
                Err(_) => Failure::TimedOut(timeout),
            };
            Some((Err(HttpError::new(exchange, failure)), None))
        });
        Streamed { status, headers, body: body.boxed() }
    }
}

/// An answer as it begins.
enum Begun {
    Success(reqwest::Response),
    Refusal(Head, Bytes),
}

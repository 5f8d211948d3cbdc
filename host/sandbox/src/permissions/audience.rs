//! Reading customers that match a condition.

use super::NOT_RECORDED;
use crate::{
    bindings::waystation::plugin::audience::{self, Error, Member, Page},
    connection::{AudienceError, AudienceQuestion},
    guest::Guest,
};

const EXPRESSION_BYTES_MAX: usize = 8 << 10;
/// As long as a customer's identifier can be.
const AFTER_BYTES_MAX: usize = 512;
const LIMIT_MAX: u32 = 10_000;
/// Bytes of one page. What goes beyond comes with the next one.
const PAGE_BYTES_MAX: usize = 4 << 20;

impl Guest {
    async fn members(
        &self,
        expression: &str,
        after: Option<&str>,
        limit: u32,
    ) -> wasmtime::Result<Result<Page, Error>> {
        let Some(grant) = &self.context.audience else { return Ok(Err(Error::NotGranted)) };
        if !self.began {
            return Ok(Err(Error::Unavailable(
                "customers cannot be read before the call has begun".to_owned(),
            )));
        }
        let bytes = expression.len();
        if bytes > EXPRESSION_BYTES_MAX {
            return Ok(Err(Error::Invalid(format!(
                "the expression has {bytes} bytes, more than the {EXPRESSION_BYTES_MAX} allowed"
            ))));
        }
        if after.is_some_and(|after| after.len() > AFTER_BYTES_MAX) {
            return Ok(Err(Error::Invalid("`after` is no page's `next`".to_owned())));
        }
        let limit = limit.clamp(1, LIMIT_MAX);
        let question = AudienceQuestion {
            connection: &self.context.connection,
            expression,
            grant,
            after,
            limit,
            bytes: PAGE_BYTES_MAX,
        };
        let page = match grant.source.read(question).await {
            Ok(page) => page,
            Err(AudienceError::Invalid(detail)) => return Ok(Err(Error::Invalid(detail))),
            Err(AudienceError::Unavailable(detail)) => return Ok(Err(Error::Unavailable(detail))),
        };
        let granted = page
            .members
            .iter()
            .flat_map(|member| &member.fields)
            .all(|(name, _)| grant.fields.contains(name));
        if page.members.len() > limit as usize || !granted {
            // A fault of the host's must not become the plugin's gain.
            return Err(wasmtime::Error::msg(
                "the host read more of its customers than was granted",
            ));
        }
        let members = page.members.into_iter();
        let members = members.map(|one| Member { customer: one.customer, fields: one.fields });
        Ok(Ok(Page { members: members.collect(), next: page.next }))
    }
}

/// What a replayed call is answered that the recording has no answer for.
fn missing(granted: bool) -> Result<Page, Error> {
    Err(if granted { Error::Unavailable(NOT_RECORDED.to_owned()) } else { Error::NotGranted })
}

impl audience::Host for Guest {
    async fn read(
        &mut self,
        expression: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Page, Error>> {
        const READ: &str = "audience.read";
        let each = [(&expression, &after, limit)];
        if let Some(answers) = self.tape.replayed(READ, &each, missing) {
            // One answer to one request.
            return Ok(answers.into_iter().next().unwrap_or_else(|| missing(true)));
        }
        let asked = self.tape.asked(&each);
        let answer = self.members(&expression, after.as_deref(), limit).await?;
        self.tape.answered(READ, asked, std::slice::from_ref(&answer));
        Ok(answer)
    }
}

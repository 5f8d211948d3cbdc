//! Pools of coupon codes, granted by name.

use std::sync::Arc;

use super::{NOT_RECORDED, bounded, each_of};
use crate::{
    bindings::waystation::plugin::codes::{self, Error},
    connection::CodePools,
    guest::Guest,
};

impl Guest {
    fn pool(&self, pool: &str) -> Result<Arc<dyn CodePools>, Error> {
        if !self.began {
            return Err(Error::Unavailable(
                "codes cannot be used before the call has begun".to_owned(),
            ));
        }
        match &self.context.codes {
            Some(grant) if grant.pools.contains(pool) => Ok(Arc::clone(&grant.source)),
            _ => Err(Error::NotGranted),
        }
    }

    async fn taken(
        &self,
        pool: &str,
        keys: &[String],
    ) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        let source = match self.pool(pool) {
            Ok(source) => source,
            Err(error) => return Ok(Err(error)),
        };
        match source.take(pool, keys).await {
            Ok(taken) if taken.len() == keys.len() => Ok(Ok(taken)),
            Ok(taken) => Err(wasmtime::Error::msg(format!(
                "the host's pool gave {} answers to {} keys",
                taken.len(),
                keys.len()
            ))),
            Err(detail) => Ok(Err(Error::Unavailable(detail))),
        }
    }
}

/// What a replayed call is answered that the recording has no answer for.
fn missing<T>(granted: bool) -> Result<T, Error> {
    Err(if granted { Error::Unavailable(NOT_RECORDED.to_owned()) } else { Error::NotGranted })
}

impl codes::Host for Guest {
    async fn take(
        &mut self,
        pool: String,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<String>>, Error>> {
        const TAKE: &str = "codes.take";
        bounded(TAKE, keys.len())?;
        let each: Vec<_> = keys.iter().map(|key| (&pool, key)).collect();
        if let Some(answers) = self.tape.replayed(TAKE, &each, missing) {
            return Ok(answers.into_iter().collect());
        }
        let asked = self.tape.asked(&each);
        let answer = self.taken(&pool, &keys).await?;
        self.tape.answered(TAKE, asked, &each_of(&answer, keys.len()));
        Ok(answer)
    }

    async fn give_back(
        &mut self,
        pool: String,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        const GIVE_BACK: &str = "codes.give-back";
        bounded(GIVE_BACK, keys.len())?;
        let each: Vec<_> = keys.iter().map(|key| (&pool, key)).collect();
        if let Some(answers) = self.tape.replayed(GIVE_BACK, &each, missing) {
            return Ok(answers.into_iter().collect());
        }
        let asked = self.tape.asked(&each);
        let answer = match self.pool(&pool) {
            Ok(source) => source.give_back(&pool, &keys).await.map_err(Error::Unavailable),
            Err(error) => Err(error),
        };
        let answers = vec![answer.clone(); keys.len()];
        self.tape.answered(GIVE_BACK, asked, &answers);
        Ok(answer)
    }
}

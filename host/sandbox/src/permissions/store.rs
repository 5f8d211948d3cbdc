//! The connection's own key-value store.

use std::sync::Arc;

use super::{ITEMS_MAX, each_of};
use crate::{
    bindings::waystation::plugin::store::{self, Error},
    connection::{KeyValueError, KeyValues},
    guest::Guest,
    tape::Blob,
};

const KEY_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 64 << 10;

/// A key, and its value where it has one.
type Entry = (String, Option<Vec<u8>>);

impl Guest {
    /// Where the values are, and how many bytes they may take.
    fn values(&self) -> Result<(Arc<dyn KeyValues>, u64), Error> {
        let Some(grant) = &self.context.store else { return Err(Error::NotGranted) };
        if !self.began {
            return Err(Error::Unavailable(
                "the store cannot be used before the call has begun".to_owned(),
            ));
        }
        Ok((Arc::clone(&grant.source), grant.bytes))
    }

    async fn read(&self, keys: &[String]) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, Error>> {
        let (source, _) = match self.values() {
            Ok(values) => values,
            Err(error) => return Ok(Err(error)),
        };
        if keys.len() > ITEMS_MAX || !keys.iter().all(|key| is_key(key)) {
            return Ok(Err(Error::TooLarge));
        }
        match source.get(&self.context.connection, keys).await {
            Ok(values) if values.len() == keys.len() => Ok(Ok(values)),
            Ok(values) => Err(wasmtime::Error::msg(format!(
                "the host's store gave {} values to {} keys",
                values.len(),
                keys.len()
            ))),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), Error> {
        let (source, bytes) = self.values()?;
        let fits = |(key, value): &Entry| is_key(key) && is_value(value.as_deref());
        if entries.len() > ITEMS_MAX || !entries.iter().all(fits) {
            return Err(Error::TooLarge);
        }
        Ok(source.set(&self.context.connection, entries, bytes).await?)
    }

    async fn exchange(
        &self,
        key: &str,
        old: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool, Error> {
        let (source, bytes) = self.values()?;
        if !is_key(key) || !is_value(old) || !is_value(new) {
            return Err(Error::TooLarge);
        }
        Ok(source.swap(&self.context.connection, key, old, new, bytes).await?)
    }
}

fn is_key(key: &str) -> bool {
    key.len() <= KEY_BYTES_MAX
}

fn is_value(value: Option<&[u8]>) -> bool {
    value.is_none_or(|value| value.len() <= VALUE_BYTES_MAX)
}

impl From<KeyValueError> for Error {
    fn from(error: KeyValueError) -> Self {
        match error {
            KeyValueError::Full => Self::Full,
            KeyValueError::Unavailable(detail) => Self::Unavailable(detail),
        }
    }
}

/// What a replayed call is answered; the stub answers itself whatever was granted.
fn missing<T>(_granted: bool) -> Result<T, Error> {
    Err(Error::NotGranted)
}

fn blob(value: Option<Vec<u8>>) -> Option<Blob> {
    value.map(Blob)
}

fn unblob(value: Option<Blob>) -> Option<Vec<u8>> {
    value.map(|blob| blob.0)
}

impl store::Host for Guest {
    async fn get(
        &mut self,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<Vec<u8>>>, Error>> {
        const GET: &str = "store.get";
        if let Some(answers) = self.tape.replayed(GET, &keys, missing::<Option<Blob>>) {
            return Ok(answers.into_iter().map(|answer| answer.map(unblob)).collect());
        }
        let asked = self.tape.asked(&keys);
        let answer = self.read(&keys).await?;
        let blobs = |values: &Vec<_>| values.iter().cloned().map(blob).collect();
        let blobs = answer.as_ref().map(blobs).map_err(Clone::clone);
        self.tape.answered(GET, asked, &each_of(&blobs, keys.len()));
        Ok(answer)
    }

    async fn set(&mut self, entries: Vec<Entry>) -> wasmtime::Result<Result<(), Error>> {
        const SET: &str = "store.set";
        let blobs = |tape: bool| -> Vec<_> {
            let entries = entries.iter().filter(|_| tape);
            entries.map(|(key, value)| (key, blob(value.clone()))).collect()
        };
        let each = blobs(self.tape.is_on());
        if let Some(answers) = self.tape.replayed(SET, &each, missing) {
            return Ok(answers.into_iter().collect());
        }
        let asked = self.tape.asked(&each);
        let answer = self.write(&entries).await;
        self.tape.answered(SET, asked, &vec![answer.clone(); entries.len()]);
        Ok(answer)
    }

    async fn swap(
        &mut self,
        key: String,
        old: Option<Vec<u8>>,
        new: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<bool, Error>> {
        const SWAP: &str = "store.swap";
        let (old, new) = (blob(old), blob(new));
        let each = [(&key, &old, &new)];
        if let Some(answers) = self.tape.replayed(SWAP, &each, missing) {
            return Ok(answers.into_iter().collect::<Result<Vec<bool>, Error>>().map(|all| all[0]));
        }
        let asked = self.tape.asked(&each);
        let bytes = |value: &Option<Blob>| value.as_ref().map(|blob| blob.0.clone());
        let answer = self.exchange(&key, bytes(&old).as_deref(), bytes(&new).as_deref()).await;
        self.tape.answered(SWAP, asked, std::slice::from_ref(&answer));
        Ok(answer)
    }
}

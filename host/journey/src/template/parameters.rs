//! Parameters of actions: JSON whose texts are templates.

use minijinja::Value;
use serde_json::{Map, Value as Json};

use super::context::{self, Facts, Needs};
use super::{Piece, Templates};

/// Most bytes of filled parameters, as JSON.
const MAX_PARAMETERS: usize = 64 * 1024;

/// The parameters of one `run` step.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) fields: Vec<(String, Parameter)>,
    pub(crate) needs: Needs,
}

#[derive(Debug)]
pub(crate) enum Parameter {
    /// Neither a text nor made of others: kept as it is.
    Fixed(Json),
    Text(Piece),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Templates {
    /// Fills parameters in, as the text of a JSON object. An error says what is wrong, without the customer's data.
    pub(crate) fn fill(&self, parameters: &Parameters, facts: Facts<'_>) -> Result<String, String> {
        let context = context::build(&parameters.needs, facts, || None);
        let mut filling = Filling { templates: self, context, left: MAX_PARAMETERS };
        let json = Json::Object(filling.fields(&parameters.fields)?).to_string();
        if json.len() > MAX_PARAMETERS { Err(too_large()) } else { Ok(json) }
    }
}

/// Parameters being filled in.
struct Filling<'t> {
    templates: &'t Templates,
    context: Value,
    /// Bytes that the texts to come may have: what is too large is noticed before it is all there.
    left: usize,
}

impl Filling<'_> {
    fn value(&mut self, parameter: &Parameter) -> Result<Json, String> {
        Ok(match parameter {
            Parameter::Fixed(value) => value.clone(),
            Parameter::Text(piece) => {
                let text = self.templates.render_piece(piece, &self.context)?;
                self.left = self.left.checked_sub(text.len()).ok_or_else(too_large)?;
                Json::String(text)
            }
            Parameter::List(items) => {
                let items = items.iter().map(|item| self.value(item));
                Json::Array(items.collect::<Result<_, _>>()?)
            }
            Parameter::Object(fields) => Json::Object(self.fields(fields)?),
        })
    }

    fn fields(&mut self, fields: &[(String, Parameter)]) -> Result<Map<String, Json>, String> {
        fields.iter().map(|(name, field)| Ok((name.clone(), self.value(field)?))).collect()
    }
}

fn too_large() -> String {
    format!("the parameters are larger than {} KiB", MAX_PARAMETERS / 1024)
}

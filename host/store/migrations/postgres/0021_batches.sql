-- The rows of a batch. To the planner a batch is one row, so that every plan takes its rows first and looks each of them up by
-- an index; of the built-in functions it thinks that they give a hundred, and may rather read a table that is small as yet.
-- Volatile, as a function that is not would be replaced by its text, and the number of its rows forgotten.
create function elements_of(list jsonb) returns setof jsonb language sql volatile rows 1
    as 'select jsonb_array_elements(list)';
create function texts_of(list jsonb) returns setof text language sql volatile rows 1
    as 'select jsonb_array_elements_text(list)';

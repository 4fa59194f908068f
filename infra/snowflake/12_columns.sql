-- Before files are written, as the load role: columns of the two tables, and of the view that the flow names.
-- The information schema shows an object to whoever holds a privilege on it. For the view REFERENCES is enough,
-- which lets its columns be seen and none of its rows.
SELECT table_name, column_name, data_type
FROM &{database}.INFORMATION_SCHEMA.COLUMNS
WHERE table_schema = '&{schema}' AND table_name IN ('LANDING', 'RECORDS', ?)
ORDER BY table_name, ordinal_position;

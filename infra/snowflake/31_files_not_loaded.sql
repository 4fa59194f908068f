-- Files of the last day of a flow that the pipe did not load whole, with the first error of each (binding: flow, the
-- last folder of a file). One that it is reading is not among them.
SELECT file_name, status, row_parsed, row_count, error_count, first_error_message, first_error_line_number
FROM TABLE(&{database}.INFORMATION_SCHEMA.COPY_HISTORY(
  TABLE_NAME => '&{database}.&{schema}.landing',
  START_TIME => DATEADD(hour, -24, CURRENT_TIMESTAMP())
))
WHERE SPLIT_PART(file_name, '/', -2) = ? AND UPPER(status) NOT IN ('LOADED', 'LOAD IN PROGRESS')
ORDER BY last_load_time
LIMIT 1000;

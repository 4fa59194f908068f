-- Files of the last day that the pipe did not load whole, with the first error of each.
SELECT file_name, status, row_parsed, row_count, error_count, first_error_message, first_error_line_number
FROM TABLE(&{database}.INFORMATION_SCHEMA.COPY_HISTORY(
  TABLE_NAME => '&{database}.&{schema}.landing',
  START_TIME => DATEADD(hour, -24, CURRENT_TIMESTAMP())
))
WHERE status <> 'Loaded'
ORDER BY last_load_time;

-- JSON: executionState has to be RUNNING. pendingFileCount and oldestFileTimestamp tell how far the pipe is behind.
SELECT SYSTEM$PIPE_STATUS('&{database}.&{schema}.landing_pipe') AS pipe_status;

-- Once per database, as the owner role: what the function may do, and nothing else.
-- It inserts no landed row (the pipe does), deletes no record (a deletion is a row) and alters no object.
GRANT USAGE ON SCHEMA &{database}.&{schema} TO ROLE &{load_role};
GRANT SELECT, UPDATE ON TABLE &{database}.&{schema}.merge_turn TO ROLE &{load_role};
GRANT SELECT, DELETE ON TABLE &{database}.&{schema}.landing TO ROLE &{load_role};
GRANT SELECT, INSERT, UPDATE ON TABLE &{database}.&{schema}.records TO ROLE &{load_role};
GRANT SELECT ON VIEW &{database}.&{schema}.landing_checked TO ROLE &{load_role};
GRANT SELECT ON VIEW &{database}.&{schema}.records_checked TO ROLE &{load_role};
-- REFERENCES: that the view has the columns of a flow's fields (12_columns.sql). It reads no row of it. A view of
-- another name, which a flow may have, needs the same.
GRANT REFERENCES ON VIEW &{database}.&{schema}.orders TO ROLE &{load_role};
-- MONITOR: SYSTEM$PIPE_STATUS and COPY_HISTORY. It can neither pause nor refresh the pipe.
GRANT MONITOR ON PIPE &{database}.&{schema}.landing_pipe TO ROLE &{load_role};

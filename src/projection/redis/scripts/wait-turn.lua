#!lua flags=allow-oom
-- Checks whether it is this node's turn, and stays in the line.
-- KEYS  1 meta
-- ARGV  1 node
-- reply 0 if it is, else the number of nodes ahead

-- include turns

return take_turn(ARGV[1])

#!lua flags=allow-oom
-- Asks whether it is this node's turn by now, and stays in the line.
-- KEYS  1 meta
-- ARGV  1 node
-- reply 0 when it is, else how many go first

-- include turns

return take_turn(ARGV[1])

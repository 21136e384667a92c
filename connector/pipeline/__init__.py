"""What moves data, and knows no kind of source, journal, format or sink by name.

The way of a notification: `fetch` stores it in the journal; `deliver` reads it there for each `route`, has `render`
make documents of it and `convert` messages of these, for which `versions` decides what is new and what has changed, has
`send` hand them to the sink and make dead letters of what was refused, and moves the route's position. `redeliver` is
for what goes out once more, `reread` for what a source could not read. `seen` is an entry as mappings and conditions
see it, `suppressions` what is held back of one; `pieces` reads many of them, a few at a time.
What was delivered and turns out wrong, `render` takes back: `claims` knows what the receiver was told, as `told` reads
it for each batch, and `successors` what goes on under another id when it is said again; `other_words` tells whether
other entries end a claim, or say the same, which `newest` reads: what is known is what that says which is dated last;
`assessed` is what events said of an assessment. When a route is set
back, `provisional` finds who said more of what is named in passing.
What several files say of the hosts that they name, `named_hosts` makes one; what `judged_values` finds among these is
not said at all.
After a condition or a known-good list was edited, `reconsider` looks at what was delivered before.
Of what a receiver refuses, `refusal_log` tells, and `refused_streak` knows whether it is everything.

Around them: `runner` says when each source and route has something to do, `pool` gives them threads in turn, `part`
holds what one of these has done, `retry` waits for an outage to end, `busy` for a receiver that had no time for some
messages, `upkeep` sees to quotas and to what is past the retention, and `look_ups` asks for more about what
notifications name.
"""

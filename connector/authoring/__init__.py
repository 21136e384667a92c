"""Tools for those who write mappings, one module for each command `iocstream mapping …`.

`template` starts a mapping, `review` checks it, `golden` tests it on its examples, `comparison` compares two. `explain`
says what became of a notification; `tree` shows that at a terminal, `page` in a browser. `plugins` starts a plugin.
"""

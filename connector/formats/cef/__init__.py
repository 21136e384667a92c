"""CEF:0. `format` is what a mapping and the pipeline call; `dictionary` has the extension keys of the standard."""

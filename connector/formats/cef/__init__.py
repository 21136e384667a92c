"""CEF:0. `format` is what a mapping and the pipeline call; `dictionary` has the extension keys of the standard.

Which keys an event has, and with what, is not said here but in `mappings/cef.yaml`.
"""

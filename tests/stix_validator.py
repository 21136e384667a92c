"""stix2-validator, which is read when a test first asks it: that takes seconds, mostly of grammars that it imports."""

import functools

from referencing import Registry


def findings(document, **options):
    """Its errors, and its warnings, of an object or a bundle of STIX 2.1; `strict=True` as it has options."""
    validator = _validator()
    found = validator.validate_instance(document, validator.ValidationOptions(version="2.1", **options))
    return [str(error) for error in found.errors or ()], [str(warning) for warning in found.warnings or ()]


@functools.cache
def _validator():
    import stix2validator

    schemas = stix2validator.validator._FILE_SCHEMAS

    @functools.cache
    def read_so_far(_count):
        return Registry().with_resources(schemas.items()).crawl()

    def registry(retrieve):
        """The schemas that it has read: for each object it would look through all of them again."""
        return read_so_far(len(schemas)).combine(Registry(retrieve=retrieve))

    stix2validator.validator.Registry = registry
    return stix2validator

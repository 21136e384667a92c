"""The schema in which a copy is made, before it gets its name. A comment says that it is one, and of which."""

import hashlib
from contextlib import closing

from psycopg import sql

from connector.journals.postgresql.database import Connection, Database, migrations
from connector.journals.postgresql.settings import PostgresqlSettings
from connector.model import Misconfigured

_MARK = "iocstream: an unfinished copy, to become "
_LONGEST_NAME = 63
_COMMENT = "SELECT obj_description(to_regnamespace(%(schema)s), 'pg_namespace')"
_EXISTS = "SELECT to_regnamespace(%(schema)s) IS NOT NULL"
_MAY_CREATE = "SELECT has_database_privilege(current_database(), 'CREATE'), current_database(), current_user"
_IN_SCHEMA = (
    "SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass"
    " AND refobjid = to_regnamespace(%(schema)s) AND deptype = 'n' LIMIT 1"
)
_IS_OWNED = "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE oid = to_regnamespace(%(schema)s)"


def draft_of(settings: PostgresqlSettings) -> PostgresqlSettings:
    """Where the copy is made that is to become a journal; no two journals share one."""
    name = settings.schema_name
    if len(name) > _LONGEST_NAME - len("_copy"):
        digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
        name = f"{name[: _LONGEST_NAME - len('_copy') - len(digest) - 1]}_{digest}"
    return settings.model_copy(update={"schema_name": f"{name}_copy"})


def make(settings: PostgresqlSettings, draft: PostgresqlSettings) -> None:
    """Make the schema of a draft, unless it is there, after a look whether it can take its place in the end.

    Raises:
        Misconfigured: it could not; or the schema is there, and no copy made it.
    """
    with closing(Database(draft, migrations())) as database, database.before_tables() as db:
        _must_have_a_place(db, settings, draft)
        known = {"schema": draft.schema_name}
        mark = _MARK + settings.schema_name
        if db.execute(_EXISTS, known).fetchone() == (True,):
            if db.execute(_COMMENT, known).fetchone() != (mark,):
                raise Misconfigured(
                    f"the copy would be made in {draft.place()}, which is there, and was not made by a copy to"
                    f" {settings.schema_name}: give that schema another name, or drop it if nobody needs it"
                )
            return
        name = sql.Identifier(draft.schema_name)
        db.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        db.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(mark)))


def must_be_none(settings: PostgresqlSettings) -> None:
    """Make sure that a schema is not a draft: half of a journal.

    Raises:
        Misconfigured: it is.
    """
    with closing(Database(settings, migrations())) as database, database.before_tables() as db:
        (said,) = db.execute(_COMMENT, {"schema": settings.schema_name}).fetchone() or (None,)
    if (said or "").startswith(_MARK):
        raise Misconfigured(
            f"{settings.place()} is an unfinished copy, to become {said[len(_MARK) :]}: name the journal that it was"
            " copied from"
        )


def _must_have_a_place(db: Connection, settings: PostgresqlSettings, draft: PostgresqlSettings) -> None:
    may_create, database, login = db.execute(_MAY_CREATE).fetchone() or (False, "", "")
    if not may_create:
        raise Misconfigured(
            f"{settings.place()}: a copy is made in the schema {draft.schema_name}, which is renamed in the end, so"
            f' this login has to have the right to make schemas: GRANT CREATE ON DATABASE "{database}" TO "{login}"'
        )
    known = {"schema": settings.schema_name}
    found = db.execute(_IN_SCHEMA, known).fetchone()
    if found is not None:
        raise Misconfigured(
            f"{settings.place()}: the copy takes the place of this schema, which is not empty ({found[0]}): name"
            " another schema_name, or drop what is in it"
        )
    if db.execute(_IS_OWNED, known).fetchone() == (False,):
        raise Misconfigured(
            f"{settings.place()}: the copy takes the place of this schema, which is another's: ALTER SCHEMA"
            f' {settings.schema_name} OWNER TO "{login}", or drop it'
        )

"""The pieces of the log: tables of consecutive positions, made before they are needed and dropped whole when all is too old.

Where the log begins is a number, `oldest` in event_log_head, which moves with every round; what lies below it is given to nobody.
The tables follow when they are below it altogether. Only the leader calls these functions, so nobody else changes the pieces.
"""

from datetime import datetime

from app.infra.database import Database

PIECE = 50_000  # positions
# A table is attached or dropped under a lock that waits for readers and keeps later ones waiting. Readers take milliseconds.
LOCK_TIMEOUT = "set local lock_timeout = '500ms'"


async def make_room(db: Database, *, piece: int = PIECE) -> int:
    """Make pieces until the log has room for at least one whole piece behind its head; return the last position with room.

    Two statements, four more for each new piece.

    Raises:
        Conflict: somebody reads the log for so long that its tables cannot be changed now.
    """
    async with db.transaction() as tx:
        await tx.execute(LOCK_TIMEOUT)
        head, last = await tx.fetchrow(
            "select position, (select coalesce(max(last), 0) from event_log_pieces) from event_log_head"
        ) or (0, 0)
        while last < head + piece:
            first = max(last, head) + 1  # what has come before is in the table for the rest, and stays there
            last = first + piece - 1
            await tx.execute(
                f"""
                create table event_log_{first} (like event_log including defaults);
                alter table event_log attach partition event_log_{first} for values from ({first}) to ({last + 1});
                """
            )
            await tx.execute("insert into event_log_pieces (first, last) values ($1, $2)", first, last)
        return int(last)


async def discard_before(db: Database, moment: datetime, *, keep: int) -> None:
    """Let events older than the moment, and all but the newest `keep`, leave the log. Three statements, three for each piece.

    Raises:
        Conflict: as for `make_room`; the events have left the log all the same, their tables go the next time.
    """
    await db.execute(
        """
        update event_log_head set oldest = greatest(
            oldest, (select position from event_log where at < $1 order by at desc limit 1), position - $2)
        """,
        moment,
        keep,
    )
    await db.execute("delete from event_log_rest where position <= (select oldest from event_log_head)")
    sql = "select first from event_log_pieces where last <= (select oldest from event_log_head)"
    for [first] in await db.fetch(sql):
        async with db.transaction() as tx:
            await tx.execute(LOCK_TIMEOUT)
            await tx.execute(f"drop table event_log_{first}")
            await tx.execute("delete from event_log_pieces where first = $1", first)

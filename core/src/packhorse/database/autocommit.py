"""Reading without a transaction: each statement stands alone, which spares two round trips."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from psycopg import AsyncConnection
    from psycopg.rows import TupleRow


class Lender(Protocol):
    """What lends connections, one transaction or one step of it each; a `Database` does."""

    def connection(self) -> AbstractAsyncContextManager[AsyncConnection[TupleRow]]:
        """Lend one; what was done with it holds when the block ends, and not when it raises."""
        ...


@asynccontextmanager
async def reading(database: Lender) -> AsyncIterator[AsyncConnection[TupleRow]]:
    """Lend a connection on which each statement stands alone, or, in a pipeline, all statements up to its end."""
    from psycopg.pq import TransactionStatus  # the command line, which must start quickly, imports this module

    async with database.connection() as connection:
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:  # a step of a larger transaction
            yield connection
            return
        await connection.set_autocommit(True)
        try:
            yield connection
        finally:
            if connection.pgconn.transaction_status == TransactionStatus.IDLE:
                await connection.set_autocommit(False)
            else:  # lost, or not certain to be clean: the pool makes another
                await connection.close()

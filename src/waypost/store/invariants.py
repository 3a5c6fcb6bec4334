"""What is always true of the books and one question can show: each asks for the rows that break it, the first first.

A question's first column is how many there are; the others fill the sentence that explains the first.
"""

from __future__ import annotations

from typing import Final, NamedTuple

PAYER: Final = "({0}.name LIKE 'user:%' OR {0}.name LIKE 'org:%')"
PROVIDER: Final = "{0}.name LIKE 'provider:%'"
BETWEEN: Final = {
    "grant": ("granted", PAYER),
    "included": ("granted", PAYER),
    "topup": ("granted", PAYER),
    "expiry": (PAYER, "granted"),
    "overrun": ("overrun", PAYER),
}
"""Kind of transfer → which account gives, which gets; those below go more than one way."""


class Invariant(NamedTuple):
    """One thing that is always true."""

    name: str
    always: str
    broken: str
    """The question."""
    says: str
    """Explains its first row; `{1}` is the question's second column. `req:` shows a call's number as its request id."""


def _is(side: str, account: str) -> str:
    return account.format(side) if "{0}" in account else f"{side}.name = '{account}'"


def _shapes() -> str:
    """Every way in which a transfer may go."""
    plain = [f"(t.kind = '{kind}' AND {_is('d', a)} AND {_is('c', b)})" for kind, (a, b) in BETWEEN.items()]
    ways = [
        *plain,
        (
            f"(t.kind = 'adjustment' AND ({_is('d', 'granted')} AND {_is('c', PAYER)}"
            f" OR {_is('d', PAYER)} AND {_is('c', 'granted')}))"
        ),
        (
            f"(t.kind = 'refund' AND ({_is('d', 'loss')} AND {_is('c', PAYER)} AND t.call IS NOT NULL"
            f" OR {_is('d', PAYER)} AND {_is('c', 'granted')}))"
        ),
        f"(t.kind = 'carried' AND ({_is('d', PAYER)} OR {_is('d', 'overrun')}) AND {_is('c', PROVIDER)})",
        (
            f"(t.kind = 'loss' AND t.call IS NOT NULL AND ({_is('d', 'loss')} AND {_is('c', PROVIDER)}"
            f" OR {_is('d', PROVIDER)} AND {_is('c', 'loss')}))"
        ),
    ]
    return " OR ".join(ways)


INVARIANTS: Final = (
    Invariant(
        "balanced",
        "All accounts together come to nothing.",
        "SELECT 1, sum(posted) FROM accounts HAVING sum(posted) <> 0",
        "All balances together come to {1} nano-USD and not to 0: credits came from nowhere, or went there.",
    ),
    Invariant(
        "floor",
        "No payer has less than its floor, what its calls hold taken off.",
        f"""
        SELECT count(*) OVER (), a.name, a.posted, coalesce(o.held, 0), a.floor FROM accounts a LEFT JOIN
          (SELECT account, sum(hold_nano_usd) AS held FROM calls WHERE state = 0 GROUP BY account) o ON o.account = a.id
        WHERE {PAYER.format("a")} AND a.posted - coalesce(o.held, 0) < a.floor ORDER BY a.id LIMIT 1
        """,  # noqa: S608 (constants)
        "Account {1} has {2} nano-USD, its open calls hold {3} of them, and that is below its floor of {4}:"
        " more was spent than it had.",
    ),
    Invariant(
        "settled_once",
        "A settled call says who pays, who is paid, at which price and in which month.",
        """
        SELECT count(*) OVER (), id, account, provider_account, price_version, period FROM calls
        WHERE state = 1 AND (account IS NULL OR provider_account IS NULL OR price_version IS NULL OR period IS NULL)
        ORDER BY id LIMIT 1
        """,
        "Call {req:1} is settled, but its row does not say everything that a settlement says: account {2}, provider's"
        " account {3}, price {4}, month {5}.",
    ),
    Invariant(
        "unsettled_free",
        "A call whose hold is open, voided or expired is charged nothing.",
        """
        SELECT count(*) OVER (), id, state, charge_nano_usd, overrun_nano_usd FROM calls
        WHERE state IN (0, 2, 3) AND (charge_nano_usd <> 0 OR overrun_nano_usd <> 0) ORDER BY id LIMIT 1
        """,
        "Call {req:1} was not settled (its hold's state is {2}: 0 open, 2 voided, 3 expired), but its row says"
        " a charge of {3} and an overrun of {4} nano-USD.",
    ),
    Invariant(
        "within_hold",
        "No call is charged more than was held for it.",
        """
        SELECT count(*) OVER (), id, charge_nano_usd, hold_nano_usd FROM calls
        WHERE state = 1 AND charge_nano_usd > hold_nano_usd ORDER BY id LIMIT 1
        """,
        "Call {req:1} was charged {2} nano-USD, but only {3} were held for it.",
    ),
    Invariant(
        "sides",
        "Payers pay providers.",
        f"""
        SELECT count(*) OVER (), c.id, a.name, p.name FROM calls c LEFT JOIN accounts a ON a.id = c.account
        LEFT JOIN accounts p ON p.id = c.provider_account
        WHERE c.state = 1 AND c.account IS NOT NULL AND c.provider_account IS NOT NULL
          AND (a.id IS NULL OR p.id IS NULL OR NOT {PAYER.format("a")} OR NOT {PROVIDER.format("p")})
        ORDER BY c.id LIMIT 1
        """,  # noqa: S608 (constants)
        "Call {req:1} moved credits from account {2} to account {3}; a call is paid by a user or an organisation,"
        " to a provider.",
    ),
    Invariant(
        "transfers",
        "Every transfer goes between accounts that its kind is for.",
        f"""
        SELECT count(*) OVER (), t.id, t.kind, t.amount, d.name, c.name FROM transfers t
        LEFT JOIN accounts d ON d.id = t.debit LEFT JOIN accounts c ON c.id = t.credit
        WHERE d.id IS NULL OR c.id IS NULL OR NOT ({_shapes()}) ORDER BY t.id LIMIT 1
        """,  # noqa: S608 (constants)
        "Transfer {1}, a {2} of {3} nano-USD, goes from {4} to {5}; that is no way for a {2} to go.",
    ),
    Invariant(
        "refunds",
        "Of a call, at most its charge is given back.",
        """
        SELECT count(*) OVER (), c.id, r.amount, c.charge_nano_usd, c.state FROM calls c JOIN
          (SELECT call, sum(amount) AS amount FROM transfers WHERE kind = 'refund' AND call IS NOT NULL GROUP BY call) r
          ON r.call = c.id
        WHERE r.amount > CASE WHEN c.state = 1 THEN c.charge_nano_usd ELSE 0 END ORDER BY c.id LIMIT 1
        """,
        "Of call {req:1}, {2} nano-USD were given back, but its charge was {3} (state {4}).",
    ),
    Invariant(
        "losses",
        "The operator bears a call's loss once, and not if somebody pays for the call.",
        """
        SELECT count(*) OVER (), c.id, l.amount, l.times, c.state FROM calls c JOIN
          (SELECT t.call AS call, sum(CASE WHEN d.name = 'loss' THEN t.amount ELSE -t.amount END) AS amount,
             sum(CASE WHEN d.name = 'loss' THEN 1 ELSE -1 END) AS times
           FROM transfers t JOIN accounts d ON d.id = t.debit WHERE t.kind = 'loss' GROUP BY t.call) l ON l.call = c.id
        WHERE l.times NOT IN (0, 1) OR (l.times = 0 AND l.amount <> 0) OR (l.times = 1 AND coalesce(c.state, 1) < 2)
        ORDER BY c.id LIMIT 1
        """,
        "For call {req:1} the operator bears {2} nano-USD in {3} transfers of kind loss, with its hold in state {4}"
        " (1 is settled): there must be one where it expired, and none that lasts where it was settled.",
    ),
    Invariant(
        "lots",
        "Of credits that end, no more remains than came and has not ended, in the account that they came to.",
        """
        SELECT count(*) OVER (), l.id, l.remaining, t.amount, coalesce(e.ended, 0), a.name, c.name
        FROM lots l JOIN transfers t ON t.id = l.id
        JOIN accounts a ON a.id = l.account JOIN accounts c ON c.id = t.credit
        LEFT JOIN (SELECT about, sum(amount) AS ended FROM transfers WHERE kind = 'expiry' GROUP BY about) e
          ON e.about = l.id
        WHERE l.remaining > t.amount - coalesce(e.ended, 0) OR l.account <> t.credit ORDER BY l.id LIMIT 1
        """,
        "Of lot {1}, {2} nano-USD are said to remain; {3} came and {4} have ended (account {5}, credited {6}).",
    ),
    Invariant(
        "lots_in_balance",
        "An account's credits that end are part of its balance.",
        """
        SELECT count(*) OVER (), a.name, l.remaining, a.posted FROM accounts a JOIN
          (SELECT account, sum(remaining) AS remaining FROM lots GROUP BY account) l ON l.account = a.id
        WHERE l.remaining > CASE WHEN a.posted > 0 THEN a.posted ELSE 0 END ORDER BY a.id LIMIT 1
        """,
        "Of the lots of account {1}, {2} nano-USD are said to remain, but its whole balance is {3}.",
    ),
    Invariant(
        "no_dead_holds",
        "Every open hold belongs to a process that was begun.",
        """
        SELECT count(*) OVER (), c.id, c.epoch, c.hold_nano_usd FROM calls c LEFT JOIN epochs e ON e.id = c.epoch
        WHERE c.state = 0 AND e.id IS NULL ORDER BY c.id LIMIT 1
        """,
        "Call {req:1} holds {3} nano-USD for a process (epoch {2}) that nobody knows; nobody will end it.",
    ),
)

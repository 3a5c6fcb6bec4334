"""`waypost explain`: who would serve a call, or who served one, and why everybody else did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from waypost.cli.access import router_for
from waypost.cli.amounts import count, duration, known, local_time, rate, usd
from waypost.cli.columns import Column, lines_of, show_one
from waypost.cli.exits import Exit
from waypost.cli.failures import said_here
from waypost.cli.options import Call
from waypost.cli.screen import Screen, as_called, plain

EXPLAIN_PATH: Final = "/v1/explain"
TOOL: Final = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
SCHEMA: Final = {"type": "object", "properties": {"answer": {"type": "string"}}}
PIXEL: Final = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="


class Wish(NamedTuple):
    """What a call would ask for."""

    prompt: str
    tools: bool
    structured: bool
    image: bool
    max_tokens: int | None
    bill_to: str | None

    def body(self, model: str) -> dict[str, Any]:
        content: Any = self.prompt
        if self.image:
            content = [{"type": "text", "text": self.prompt}, {"type": "image_url", "image_url": {"url": PIXEL}}]
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
        if self.tools:
            body["tools"] = [TOOL]
        if self.structured:
            schema = {"name": "answer", "schema": SCHEMA}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if self.max_tokens is not None:
            body["max_tokens"] = self.max_tokens
        return body


def explain(call: Call, target: str, **wish: Any) -> int:
    """A call that might be made, or one that was."""
    if target.startswith("req_"):
        return show_request(call, target)
    wanted = Wish(**wish)
    headers = {"x-hf-bill-to": wanted.bill_to} if wanted.bill_to else {}
    bill = router_for(call.where).post(EXPLAIN_PATH, wanted.body(target), headers).value
    show_waybill(call.screen, bill)
    if bill["would_succeed"]:
        return Exit.FINE
    if not call.screen.human:
        call.screen.note(f"waypost: it would be refused: {plain(bill['refused_by']['message'])}")
        if bill["fix"]:
            call.screen.note(f"hint: {as_called(said_here(plain(bill['fix'])))}")
    return Exit.NOT_WELL


def show_request(call: Call, request_id: str) -> int:
    """A call that was made; the exit code says whether it went well."""
    bill = router_for(call.where).get(f"/v1/requests/{request_id}")
    show_waybill(call.screen, bill)
    return Exit.FINE


class Row(NamedTuple):
    """One endpoint, and what became of it."""

    rank: int | None
    provider: str
    verdict: str
    why: str
    until: str | None
    fix: str | None


def show_waybill(screen: Screen, bill: dict[str, Any]) -> None:
    """A waybill, of a call or of a thought."""
    if screen.style == "json":
        screen.json(bill)
    elif screen.style == "quiet":
        screen.rows([word] for word in _quiet(bill))
    elif screen.style == "tsv":
        screen.rows([[column.name for column in COLUMNS], *(list(row) for row in rows_of(bill))])
    else:
        _show_human(screen, bill)


def _quiet(bill: dict[str, Any]) -> list[str]:
    """Whose words they would be, or were."""
    if bill["outcome"] == "explained":
        return [str(slug) for slug in (bill["plan"] or {"order": []})["order"][:1]]
    return [bill["served_by"] or bill["outcome"]]


def _show_human(screen: Screen, bill: dict[str, Any]) -> None:
    screen.out(_headline(screen, bill))
    rows = rows_of(bill)
    if rows:
        screen.out()
        for line in lines_of(screen, rows, COLUMNS):
            screen.out(line)
    if bill["outcome"] != "explained":
        screen.out()
        show_one(screen, bill, facts(bill))
    fix = bill.get("fix")
    if fix:
        screen.hint(said_here(plain(fix)))


def _headline(screen: Screen, bill: dict[str, Any]) -> str:
    if bill["outcome"] != "explained":
        return _story(screen, bill)
    name = plain(bill["asked"] or bill["model"])
    if not bill["would_succeed"]:
        refused = bill["refused_by"]
        said = f"{plain(refused['message'])} ({refused['status']} {refused['code']})"
        return f"{name} {screen.red('would be refused')}: {said}"
    first = bill["plan"]["order"][0]
    cost = bill.get("predicted_nano_usd")
    price = f", for about {usd(cost)}" if cost is not None else ", at a price nobody has told"
    return f"{name} {screen.green('would be served')} by {screen.bold(plain(first))}{price}. Policy: {bill['policy']}."


def _story(screen: Screen, bill: dict[str, Any]) -> str:
    name = plain(bill["asked"] or bill["model"])
    if bill["served_by"]:
        attempt = len(bill["attempts"])
        times = f" on attempt {attempt}" if attempt > 1 else ""
        whole = "" if bill["outcome"] == "delivered" else f", and then {screen.red(bill['outcome'])}"
        return f"{name} was {screen.green('served')} by {screen.bold(plain(bill['served_by']))}{times}{whole}."
    said = f": {plain(bill['why'])}" if bill["why"] else "."
    return f"{name} {screen.red(bill['outcome'])} with {bill['status']} {bill['code'] or ''}{said}"


def rows_of(bill: dict[str, Any]) -> list[Row]:
    """Every endpoint: those tried, those in the plan, those left out."""
    plan = bill["plan"] or {"order": [], "why": {}, "excluded": []}
    why = plan["why"]
    rows = [_tried(rank, attempt, why) for rank, attempt in enumerate(bill["attempts"], 1)]
    tried = {row.provider for row in rows}
    rows += _planned(bill, [slug for slug in plan["order"] if slug not in tried], len(rows))
    rows += [
        Row(None, out["provider"], "left out", f"{out['reason']}: {out['why']}", out["until"], out["fix"] or None)
        for out in plan["excluded"]
    ]
    return rows


def _tried(rank: int, attempt: dict[str, Any], why: dict[str, str]) -> Row:
    provider = attempt["provider"]
    if attempt["code"] is None:
        return Row(rank, provider, "served", why.get(provider, ""), None, None)
    said = " ".join(filter(None, [str(attempt["status"] or ""), attempt["code"], f"after {duration(attempt['ms'])}"]))
    return Row(rank, provider, "failed", f"{said}: {attempt['why']}" if attempt["why"] else said, None, None)


def _planned(bill: dict[str, Any], slugs: list[str], before: int) -> Iterator[Row]:
    thought = bill["outcome"] == "explained"
    for number, slug in enumerate(slugs):
        first = "would serve" if number == 0 else "next"
        yield Row(before + number + 1, slug, first if thought else "not needed", bill["plan"]["why"][slug], None, None)


def _painted(screen: Screen, verdict: str) -> str:
    colours = {"served": screen.green, "would serve": screen.green, "failed": screen.red, "left out": screen.yellow}
    return colours.get(verdict, screen.dim)(verdict)


COLUMNS: Final = (
    Column("RANK", lambda row: row.rank, right=True, spare=1),
    Column("PROVIDER", lambda row: row.provider),
    Column("VERDICT", lambda row: row.verdict, paint=_painted),
    Column("WHY", lambda row: row.why, flex=True, wrap=True),
    Column("UNTIL", lambda row: row.until, local_time, optional=True),
    Column("FIX", lambda row: row.fix, flex=True, wrap=True, optional=True),
)


def facts(bill: dict[str, Any]) -> list[tuple[str, Any]]:
    """What there is to say beside the plan."""
    usage, timing, caller = bill["usage"], bill["timing"], bill["caller"]
    payer = bill["payer"]
    return [
        ("id", bill["id"]),
        ("at", local_time(bill["at"])),
        ("caller", f"{known(caller['user'])}, token {known(caller['token'])}"),
        ("payer", f"{payer['type']} {payer['name']}" if payer else None),
        ("model", f"{known(bill['model'])}, policy {known(bill['policy'])}"),
        ("outcome", " ".join(filter(None, [bill["outcome"], str(bill["status"]), bill["code"]]))),
        ("why", bill["why"]),
        ("tokens", _tokens(usage) if usage else None),
        ("hold", usd(bill["hold_nano_usd"]) if bill["hold_nano_usd"] else None),
        ("charge", _charge(bill)),
        ("first word", duration(timing["first_word_ms"])),
        ("whole", duration(timing["ms"])),
        ("router", f"{duration(timing['gateway_ms'])} of it before the first attempt"),
        ("speed", f"{rate(timing['output_tokens_per_s'])} tokens/s" if bill["stream"] else None),
        ("attempts", ", ".join(_attempt(one) for one in bill["attempts"]) or None),
    ]


def _charge(bill: dict[str, Any]) -> str:
    if bill.get("own_key"):
        return "none of ours: the payer's own key was used"
    charge = f"{usd(bill['charge_nano_usd'])} at price {known(bill['price_version'])}"
    overrun = bill.get("overrun_nano_usd")
    return f"{charge}; {usd(overrun)} above the hold is the operator's" if overrun else charge


def _tokens(usage: dict[str, Any]) -> str:
    parts = [
        f"{count(usage[name])} {name.replace('_', ' ')}" for name in ("input", "cached_input", "output", "reasoning")
    ]
    told = [part for part in parts if not part.startswith("0 ")] or parts[:1]
    return ", ".join(told) + (" (estimated)" if usage["estimated"] else "")


def _attempt(attempt: dict[str, Any]) -> str:
    upstream = f", there {attempt['upstream_request_id']}" if attempt["upstream_request_id"] else ""
    return f"{attempt['provider']}: {attempt['status'] or attempt['code']} in {duration(attempt['ms'])}{upstream}"

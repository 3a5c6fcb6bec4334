"""Who pays: the user, or the organisation that the call or the settings name; and never another in its place."""

import timeit
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from payers import NOW, Town

from waypost.domain.callers import INFERENCE, SETTINGS, Grant, Limits, Token, User
from waypost.domain.endpoints import Preferences
from waypost.domain.payers import ROLES, Member, Organisation, Rules
from waypost.domain.problems import Refusal
from waypost.identity.registry import Identity
from waypost.identity.tokens import Minted

ON_ACME = Grant("org", "acme", frozenset({INFERENCE}))


def refused(town: Town, bill_to: str | None, secret: str = "bob") -> Refusal:
    with pytest.raises(Refusal) as caught:
        town.payer(bill_to, secret)
    assert caught.value.status == 403
    assert caught.value.fix
    return caught.value


def subjects(payer) -> list[tuple[str, int]]:
    return [(limit.subject, limit.nano_usd) for limit in payer.limits]


def test_who_names_nobody_pays_itself() -> None:
    payer = Town().payer()
    assert (payer.type, payer.id, payer.name, payer.account) == ("user", 2, "bob", "user:2")
    assert (payer.limits, payer.preferences, payer.rules, payer.terms) == ((), None, None, None)


@pytest.mark.parametrize("name", ["acme", "3"])
def test_an_organisation_is_named_by_its_name_or_its_id(name) -> None:
    payer = Town().payer(name)
    assert (payer.type, payer.id, payer.name, payer.account) == ("organisation", 3, "acme", "org:3")


def test_a_default_payer_pays_where_nobody_is_named_and_the_users_own_name_is_its_own_account() -> None:
    town = Town()
    town.tell(replace(town.bob, preferences=Preferences(payer="acme")))
    assert town.payer().account == "org:3"
    assert town.payer("bob").account == "user:2"
    assert town.caller().payer is town.payer(), "it is ready-made"


def test_limits_stand_from_the_widest_to_the_narrowest() -> None:
    town = Town()
    town.tell(
        replace(town.acme, spending_limit=100, member_spending_limit=40),
        replace(town.bob, spending_limit=70),
        town.token(2, limits=Limits(spending_nano_usd_per_month=10)),
    )
    assert subjects(town.payer()) == [("user:2", 70), ("token:2", 10)]
    assert subjects(town.payer("acme")) == [("org:3", 100), ("member:3:2", 40), ("token:2", 10)]
    assert [limit.shown for limit in town.payer("acme").limits] == [
        "organisation acme",
        "member bob of organisation acme",
        'token "bob\'s"',
    ]
    town.tell(Member(3, 2, "write", 0))
    assert subjects(town.payer("acme"))[1] == ("member:3:2", 0), "its own limit is before the one for all members"
    town.tell(replace(town.bob, spending_limit=None), replace(town.acme), town.token(2))
    assert (subjects(town.payer()), subjects(town.payer("acme"))) == ([], [("member:3:2", 0)])


def test_an_unknown_organisation_is_refused_and_the_nearest_of_the_users_own_named() -> None:
    found = refused(Town(), "acmee")
    assert (found.code, found.param, found.extra["nearest"]) == ("organisation_unknown", "X-HF-Bill-To", "acme")
    assert "Did you mean 'acme'?" in found.message
    assert "leave X-HF-Bill-To out" in found.fix


@pytest.mark.parametrize("name", ["ann", "03", "Acme", "4", "x" * 64])
def test_other_users_and_other_spellings_are_no_organisations(name) -> None:
    assert refused(Town(), name).code == "organisation_unknown"


def test_an_organisation_pays_for_its_members_alone() -> None:
    town = Town()
    town.tell(Member(3, 2, "write", removed_at=NOW))
    found = refused(town, "acme")
    assert (found.code, found.extra) == ("not_a_member", {"organisation": "acme"})
    assert "ann" not in found.message + found.why + found.fix, "who is not in it is not told who is"


def test_a_role_below_the_organisations_rule_is_refused_with_the_role_that_is_needed_and_whom_to_ask() -> None:
    town = Town()
    town.tell(Member(3, 2, "read"))
    found = refused(town, "acme")
    assert found.code == "organisation_forbids"
    assert found.message == ("The organisation acme pays for members with the role write or above only; yours is read.")
    assert found.fix == "Ask an admin of acme (ann) for the role write, or leave X-HF-Bill-To out."
    assert found.extra["role_needed"] == "write"
    town.tell(replace(town.acme, rules=Rules(billers="read")))
    assert town.payer("acme").name == "acme"
    town.tell(replace(town.acme, rules=Rules(billers="admin")))
    assert "the role admin only" in refused(town, "acme").message
    assert town.payer("acme", "ann").name == "acme"


@pytest.mark.parametrize(
    ("token", "own", "acme"),
    [
        ({"kind": "read"}, True, True),
        ({"kind": "write"}, True, True),
        ({"kind": "fineGrained", "permissions": frozenset({INFERENCE})}, True, True),
        ({"kind": "fineGrained", "permissions": frozenset({SETTINGS})}, False, False),
        ({"kind": "fineGrained", "grants": (ON_ACME,)}, False, True),
        ({"kind": "fineGrained", "grants": (Grant("user", "bob", frozenset({INFERENCE})),)}, True, False),
        ({"kind": "fineGrained", "grants": (Grant("org", "acme", frozenset({SETTINGS})),)}, False, False),
    ],
)
def test_a_token_needs_the_permission_on_whoever_pays(token, own, acme) -> None:
    town = Town()
    town.tell(town.token(2, **token))
    for bill_to, allowed, entity in ((None, own, "bob"), ("bob", own, "bob"), ("acme", acme, "acme")):
        if allowed:
            assert town.payer(bill_to).name == entity
        else:
            found = refused(town, bill_to)
            assert (found.code, found.extra["entity"]["name"]) == ("scope_missing", entity)


def test_who_may_call_for_an_organisation_alone_is_told_to_name_it() -> None:
    town = Town()
    town.tell(town.token(2, kind="fineGrained", grants=(ON_ACME,)))
    assert "X-HF-Bill-To: acme" in refused(town, None).fix


@pytest.mark.parametrize(
    ("happened", "code"),
    [
        (lambda town: [Member(3, 2, "write", removed_at=NOW)], "not_a_member"),
        (lambda town: [Member(3, 2, "read")], "organisation_forbids"),
        (lambda town: [replace(town.bob, preferences=Preferences(payer="gone"))], "organisation_unknown"),
        (lambda town: [town.token(2, kind="fineGrained", permissions=frozenset({SETTINGS}))], "scope_missing"),
    ],
)
def test_a_default_payer_that_no_longer_holds_is_refused_and_the_user_never_pays_in_its_place(happened, code) -> None:
    town = Town()
    town.tell(replace(town.bob, preferences=Preferences(payer="acme")))
    assert town.payer().name == "acme"
    town.tell(*happened(town))
    assert town.caller().payer is None
    found = refused(town, None)
    assert found.code == code
    if code != "scope_missing":
        assert (found.param, "your own account is never charged in its place" in found.why) == ("payer", True)
        assert "PUT /api/settings/inference-providers" in found.fix
        assert town.payer("bob").account == "user:2"


def test_a_default_payer_comes_back_when_what_was_missing_does() -> None:
    town = Town()
    town.tell(replace(town.bob, preferences=Preferences(payer="beta")))
    assert refused(town, None).code == "organisation_unknown"
    town.tell(Member(4, 2, "write"), Organisation(4, "beta"))
    assert town.payer().account == "org:4"


def test_a_payer_is_one_object_until_something_about_it_changes() -> None:
    town = Town()
    town.tell(replace(town.bob, preferences=Preferences(payer="acme")))
    for name in (None, "acme", "bob"):
        assert town.payer(name) is town.payer(name)
    before = town.payer(), town.payer("acme"), town.payer("bob")
    town.tell(replace(town.acme, spending_limit=1))
    after = town.payer(), town.payer("acme"), town.payer("bob")
    assert (subjects(after[0]), subjects(after[1])) == ([("org:3", 1)], [("org:3", 1)])
    assert after[2] is before[2]


def test_what_an_organisation_says_about_routes_is_one_object_for_all_it_pays_for() -> None:
    town = Town()
    assert town.payer("acme").terms is None, "it says nothing, so plans are everybody's"
    town.tell(replace(town.acme, preferences=Preferences(disabled=frozenset({"alpha"}))))
    terms = town.payer("acme").terms
    assert terms is town.payer("acme", "ann").terms
    assert (terms.organisation, terms.admins, terms.whom) == ("acme", ("ann",), "an admin of acme (ann)")
    town.tell(replace(town.bob, fullname="Bob"))
    assert town.payer("acme").terms is terms
    town.tell(Member(3, 2, "admin"))
    assert town.payer("acme").terms.admins == ("ann", "bob")


def test_the_admins_of_a_default_payer_are_the_newest() -> None:
    town = Town()
    wants = Preferences(disabled=frozenset({"alpha"}))
    town.tell(replace(town.acme, preferences=wants), replace(town.bob, preferences=Preferences(payer="acme")))
    town.tell(Member(3, 1, "admin", removed_at=NOW))
    assert town.payer().terms.admins == ()
    assert town.payer().terms.whom == "the operator, for acme has no admin"


def test_a_payer_costs_the_hot_path_next_to_nothing() -> None:
    town = Town()
    town.tell(replace(town.ann, preferences=Preferences(payer="acme")))
    for secret, bill_to, most_us in (("bob", None, 0.5), ("ann", None, 0.5), ("bob", "acme", 1.0)):
        caller, payer = town.caller(secret), town.identity.payer
        took = min(timeit.repeat(lambda: payer(caller, bill_to), repeat=10, number=2_000)) / 2_000  # noqa: B023
        assert took * 1e6 < most_us


# What `payer` says is what a plain reading of the rules says, whatever happened before.

USERS = {1: "ann", 2: "bob"}
ORGANISATIONS = {7: "acme", 8: "beta"}
NAMES = (None, *USERS.values(), *ORGANISATIONS.values(), "7", "8", "none")
amounts = st.one_of(st.none(), st.integers(0, 3))
TOKENS = (
    {"kind": "write"},
    {"kind": "fineGrained", "permissions": frozenset({INFERENCE})},
    {"kind": "fineGrained", "grants": (ON_ACME,)},
    {"kind": "fineGrained", "grants": (Grant("user", "bob", frozenset({INFERENCE})),)},
)


class PlainReading(RuleBasedStateMachine):
    """Everything that can happen to those who pay, in one process; the model keeps plain dictionaries."""

    @initialize()
    def open(self) -> None:
        self.identity = Identity(b"p" * 32, lambda: NOW)
        self.users: dict[int, User] = {}
        self.tokens: dict[int, Token] = {}
        self.organisations: dict[int, Organisation] = {}
        self.members: dict[tuple[int, int], Member] = {}
        for number, name in USERS.items():
            self.put_user(number, None, None)
            self.put_token(number, TOKENS[0], None)
            assert self.users[number].name == name
        for organisation in ORGANISATIONS:
            self.put_organisation(organisation, "write", (None, 2), frozenset({"alpha"}))
            self.put_member(organisation, 1, "admin", None)
            self.put_member(organisation, 2, "write", 1)

    def tell(self, value) -> None:
        self.identity.apply([type("News", (), {"value": value})()])

    @rule(number=st.sampled_from([*USERS]), payer=st.sampled_from([None, "ann", "acme", "beta", "none"]), limit=amounts)
    def put_user(self, number, payer, limit) -> None:
        self.users[number] = User(number, USERS[number], preferences=Preferences(payer=payer), spending_limit=limit)
        self.tell(self.users[number])

    @rule(number=st.sampled_from([*USERS]), facts=st.sampled_from(TOKENS), limit=amounts)
    def put_token(self, number, facts, limit) -> None:
        digest = Minted(USERS[number]).digest(b"p" * 32)
        limits = Limits(spending_nano_usd_per_month=limit)
        self.tokens[number] = Token(number, digest, number, "t", last4="abcd", created_at=0, limits=limits, **facts)
        self.tell(self.tokens[number])

    @rule(
        number=st.sampled_from([*ORGANISATIONS]),
        billers=st.sampled_from(ROLES),
        limits=st.tuples(amounts, amounts),
        disabled=st.sampled_from([frozenset(), frozenset({"alpha"})]),
    )
    def put_organisation(self, number, billers, limits, disabled) -> None:
        self.organisations[number] = Organisation(
            number,
            ORGANISATIONS[number],
            spending_limit=limits[0],
            member_spending_limit=limits[1],
            preferences=Preferences(disabled=disabled),
            rules=Rules(billers=billers),
        )
        self.tell(self.organisations[number])

    @rule(
        organisation=st.sampled_from([*ORGANISATIONS]),
        user=st.sampled_from([*USERS]),
        role=st.sampled_from(ROLES),
        limit=amounts,
    )
    def put_member(self, organisation, user, role, limit) -> None:
        self.members[organisation, user] = Member(organisation, user, role, limit)
        self.tell(self.members[organisation, user])

    @rule(organisation=st.sampled_from([*ORGANISATIONS]), user=st.sampled_from([*USERS]))
    def remove_member(self, organisation, user) -> None:
        self.members.pop((organisation, user), None)
        self.tell(Member(organisation, user, "read", removed_at=NOW))

    @invariant()
    def says_what_the_rules_say(self) -> None:
        for user in self.users.values():
            caller = self.identity.who(f"Bearer {user.name}".encode())
            for bill_to in NAMES:
                assert self._said(caller, bill_to) == self._expected(user, self.tokens[user.id], bill_to)
                assert self._said(caller, bill_to) == self._said(caller, bill_to)

    def _said(self, caller, bill_to):
        try:
            payer = self.identity.payer(caller, bill_to)
        except Refusal as refusal:
            return refusal.code
        terms = payer.terms and (payer.terms.organisation, payer.terms.admins, payer.terms.preferences.disabled)
        return payer.account, subjects(payer), terms

    def _expected(self, user, token, bill_to):
        name = user.preferences.payer if bill_to is None else bill_to
        of_token = token.limits.spending_nano_usd_per_month
        if name is None or name == user.name:
            if not self._may(token, "user", user.name):
                return "scope_missing"
            limits = [(f"user:{user.id}", user.spending_limit), (f"token:{token.id}", of_token)]
            return f"user:{user.id}", [one for one in limits if one[1] is not None], None
        org = next((one for one in self.organisations.values() if name in {one.name, str(one.id)}), None)
        if org is None:
            return "organisation_unknown"
        member = self.members.get((org.id, user.id))
        if member is None:
            return "not_a_member"
        if ROLES.index(member.role) < ROLES.index(org.rules.billers):
            return "organisation_forbids"
        if not self._may(token, "org", org.name):
            return "scope_missing"
        own = org.member_spending_limit if member.spending_limit is None else member.spending_limit
        limits = [
            (f"org:{org.id}", org.spending_limit),
            (f"member:{org.id}:{user.id}", own),
            (f"token:{token.id}", of_token),
        ]
        return f"org:{org.id}", [one for one in limits if one[1] is not None], self._terms(org)

    def _terms(self, org):
        admins = [
            USERS[user] for (number, user), one in self.members.items() if number == org.id and one.role == "admin"
        ]
        disabled = org.preferences.disabled
        return (org.name, tuple(sorted(admins)), disabled) if disabled else None

    def _may(self, token, kind, name) -> bool:
        granted = {(grant.entity_type, grant.entity_name) for grant in token.grants}
        return token.kind == "write" or bool(token.permissions) or (kind, name) in granted


TestPlainReading = PlainReading.TestCase
TestPlainReading.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
